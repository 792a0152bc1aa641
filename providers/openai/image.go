package openai

import (
	"fmt"
	"net/http"

	"github.com/llm-go/llm"
)

// newImage is "Create image" of OpenAI's API reference. The stream of partial pictures is not offered.
// "image.aspect_ratio", "image.negative_prompt" and "image.seed" in Quirks.Accept say that the host takes AspectRatio,
// NegativePrompt and Seed.
func newImage(q *Quirks) *llm.Op[llm.ImageRequest, llm.ImageResponse, llm.None] {
	return &llm.Op[llm.ImageRequest, llm.ImageResponse, llm.None]{
		Encode: func(call *llm.Call, req *llm.ImageRequest) (*http.Request, error) {
			r := *req
			r.Model = q.model(call)
			if err := notStreamed(r.Extra); err != nil {
				return nil, err
			}
			if err := q.leaveOut(call, imageMembers(&r)...); err != nil {
				return nil, err
			}
			body, err := r.AppendJSON(make([]byte, 0, len(r.Prompt)+256))
			if err != nil {
				return nil, llm.InvalidRequest("prompt", err.Error())
			}
			return call.NewJSONRequest("/images/generations", body, r.Extra)
		},
		Decode: decodeImages,
	}
}

// imageMembers are the members that some host does not take.
func imageMembers(r *llm.ImageRequest) []member {
	return []member{
		plain("n", &r.N), plain("size", &r.Size), special("aspect_ratio", &r.AspectRatio),
		plain("quality", &r.Quality), plain("style", &r.Style), plain("background", &r.Background),
		plain("output_format", &r.OutputFormat), plain("output_compression", &r.OutputCompression),
		plain("response_format", &r.ResponseFormat), plain("moderation", &r.Moderation),
		special("negative_prompt", &r.NegativePrompt), special("seed", &r.Seed),
		plain("user", &r.User),
	}
}

// newImageEdit is "Create image edit" of OpenAI's API reference, in its form with uploaded files.
func newImageEdit(q *Quirks) *llm.Op[llm.ImageEditRequest, llm.ImageResponse, llm.None] {
	return &llm.Op[llm.ImageEditRequest, llm.ImageResponse, llm.None]{
		Encode: func(call *llm.Call, req *llm.ImageEditRequest) (*http.Request, error) {
			r := *req
			r.Model = q.model(call)
			if err := notStreamed(r.Extra); err != nil {
				return nil, err
			}
			if err := q.leaveOut(call, append(imageMembers(&r.ImageRequest), plain("input_fidelity", &r.InputFidelity))...); err != nil {
				return nil, err
			}
			if r.Style != "" {
				if err := call.Unsupported("style", "edits have no style"); err != nil {
					return nil, err
				}
				r.Style = ""
			}
			if len(r.Images) == 0 {
				return nil, llm.InvalidRequest("image", "there is nothing to edit; set Images")
			}
			r.Images, r.Mask = nil, nil
			f := newForm(r.AppendJSON, r.Extra, "image", "mask")
			if len(req.Images) == 1 {
				f.file("image", "image", req.Images[0])
			} else {
				for i, in := range req.Images {
					f.file("image[]", fmt.Sprintf("image[%d]", i), in)
				}
			}
			if req.Mask != nil {
				f.file("mask", "mask", *req.Mask)
			}
			return f.request(call, "/images/edits")
		},
		Decode: decodeImages,
	}
}

// newImageVariation is "Create image variation" of OpenAI's API reference.
func newImageVariation(q *Quirks) *llm.Op[llm.ImageVariationRequest, llm.ImageResponse, llm.None] {
	return &llm.Op[llm.ImageVariationRequest, llm.ImageResponse, llm.None]{
		Encode: func(call *llm.Call, req *llm.ImageVariationRequest) (*http.Request, error) {
			r := *req
			r.Model = q.model(call)
			if err := q.leaveOut(call, plain("n", &r.N), plain("size", &r.Size), plain("response_format", &r.ResponseFormat),
				plain("user", &r.User)); err != nil {
				return nil, err
			}
			r.Image = llm.FileInput{}
			f := newForm(r.AppendJSON, r.Extra, "image")
			f.file("image", "image", req.Image)
			return f.request(call, "/images/variations")
		},
		Decode: decodeImages,
	}
}

func decodeImages(call *llm.Call, h http.Header, body []byte) (*llm.ImageResponse, error) {
	resp := &llm.ImageResponse{}
	if err := decodeBody(h, body, resp, &resp.Extra); err != nil {
		return nil, err
	}
	if len(resp.Data) == 0 {
		return nil, nothing(h, body, "pictures")
	}
	format := resp.OutputFormat
	if format == "" {
		format = formatAsked(call)
	}
	for i := range resp.Data {
		if d := &resp.Data[i]; d.MediaType == "" && d.B64JSON != "" && format != "" {
			d.MediaType = "image/" + format
		}
	}
	if resp.Usage != nil {
		usageExtra(resp.Usage)
	}
	return resp, nil
}

// formatAsked is the output format that the request names, for answers that do not repeat it.
func formatAsked(call *llm.Call) string {
	switch r := call.Request.(type) {
	case *llm.ImageRequest:
		return r.OutputFormat
	case *llm.ImageEditRequest:
		return r.OutputFormat
	}
	return ""
}
