package replicate

import (
	"context"
	"strconv"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// doImage makes pictures. The inputs are those that most of Replicate's image models share: prompt,
// negative_prompt, num_outputs, width and height or aspect_ratio, seed, output_format ("jpg" for jpeg) and
// output_quality.
func doImage(ctx context.Context, call *llm.Call, req *llm.ImageRequest, send llm.Send) (*llm.ImageResponse, error) {
	input, err := imageInput(call, req)
	if err != nil {
		return nil, err
	}
	j := &job{call: call, send: send}
	p, err := j.create(ctx, input, req.Extra)
	if err != nil {
		return nil, err
	}
	if p, err = j.wait(ctx, p); err != nil {
		return nil, err
	}
	data, err := p.images()
	if err != nil {
		return nil, err
	}
	return &llm.ImageResponse{Created: p.created, Data: data, Usage: p.usage(), Extra: p.extra}, nil
}

func imageInput(call *llm.Call, req *llm.ImageRequest) (map[string]any, error) {
	in := &inputs{call: call, values: map[string]any{"prompt": req.Prompt}}
	if req.NegativePrompt != "" {
		in.values["negative_prompt"] = req.NegativePrompt
	}
	if req.N > 1 {
		in.values["num_outputs"] = req.N
	}
	if req.Size != "" {
		w, h, ok := dimensions(req.Size)
		if ok {
			in.values["width"], in.values["height"] = w, h
		} else {
			in.unsupported("size", req.Size != "auto", "it is not WIDTHxHEIGHT")
		}
	}
	if req.AspectRatio != "" {
		in.values["aspect_ratio"] = req.AspectRatio
	}
	if req.Seed != nil {
		in.values["seed"] = *req.Seed
	}
	switch req.OutputFormat {
	case "":
	case "jpeg":
		in.values["output_format"] = "jpg"
	default:
		in.values["output_format"] = req.OutputFormat
	}
	if req.OutputCompression != nil {
		in.values["output_quality"] = *req.OutputCompression
	}
	const other = "no input is common to Replicate's models for it; set one in Extra"
	in.unsupported("quality", req.Quality != "", other)
	in.unsupported("style", req.Style != "", other)
	in.unsupported("background", req.Background != "", other)
	in.unsupported("moderation", req.Moderation != "", other)
	in.unsupported("user", req.User != "", "Replicate's models have no such input")
	in.unsupported("response_format", req.ResponseFormat == "b64_json", "Replicate answers with URLs")
	return in.values, in.err
}

func dimensions(size string) (w, h int, ok bool) {
	a, b, found := strings.Cut(size, "x")
	w, err1 := strconv.Atoi(a)
	h, err2 := strconv.Atoi(b)
	return w, h, found && err1 == nil && err2 == nil && w > 0 && h > 0
}

// images reads an output of one URL or a list of them. Pictures come as https URLs, which expire, or as data:
// URLs.
func (p *prediction) images() ([]llm.ImageData, error) {
	var list []llm.ImageData
	add := func(s string) {
		if mediaType, data, ok := llm.ParseDataURL(s); ok {
			list = append(list, llm.ImageData{B64JSON: data, MediaType: mediaType})
		} else if s != "" {
			list = append(list, llm.ImageData{URL: s})
		}
	}
	d := jsonx.NewDecoder(p.output)
	switch d.Kind() {
	case jsonx.String:
		add(d.Str())
	case jsonx.Array:
		for d.Array(); d.More(); {
			if d.Kind() == jsonx.String {
				add(d.Str())
			} else {
				d.Skip()
			}
		}
	}
	if d.Err() != nil || len(list) == 0 {
		return nil, llm.Malformed("the prediction's output holds no pictures", d.Err())
	}
	return list, nil
}
