package gemini

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// Aspect ratios and sizes that imageConfig takes (API reference, ImageConfig).
var (
	aspectRatios = []string{"1:1", "1:4", "4:1", "1:8", "8:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"}
	imageSizes   = []string{"512", "1K", "2K", "4K"}
)

func (h Host) encodeImage(call *llm.Call, req *llm.ImageRequest) (*http.Request, error) {
	if strings.HasPrefix(strings.TrimPrefix(call.Model, "models/"), "imagen-") {
		return h.encodePredict(call, req)
	}
	return h.encodePicture(call, req, nil)
}

func (h Host) encodeImageEdit(call *llm.Call, req *llm.ImageEditRequest) (*http.Request, error) {
	if len(req.Images) == 0 {
		return nil, llm.InvalidRequest("image", "there is no picture to change")
	}
	if req.Mask != nil {
		if err := call.Unsupported("mask", "Gemini finds the place from the prompt"); err != nil {
			return nil, err
		}
	}
	if req.InputFidelity != "" {
		if err := call.Unsupported("input_fidelity", ""); err != nil {
			return nil, err
		}
	}
	return h.encodePicture(call, &req.ImageRequest, req.Images)
}

// encodePicture asks a model that answers with pictures ("Image generation").
func (h Host) encodePicture(call *llm.Call, req *llm.ImageRequest, images []llm.FileInput) (*http.Request, error) {
	aspect, size, err := imageForm(call, req)
	if err != nil {
		return nil, err
	}
	if req.N > 1 {
		if err := call.Unsupported("n", "Gemini makes one picture a request"); err != nil {
			return nil, err
		}
	}
	if req.NegativePrompt != "" {
		if err := call.Unsupported("negative_prompt", "say in the prompt what not to show"); err != nil {
			return nil, err
		}
	}
	var e jsonx.Encoder
	e.Object()
	e.Name("contents")
	e.Array()
	e.Object()
	e.Name("role")
	e.Str("user")
	e.Name("parts")
	e.Array()
	e.Object()
	e.Name("text")
	e.Str(req.Prompt)
	e.EndObject()
	w := contentsWriter{e: &e, call: call}
	for i := range images {
		mime := images[i].MediaType
		if mime == "" {
			mime = byExtension(images[i].Name)
		}
		if mime == "" {
			mime = http.DetectContentType(images[i].Data)
		}
		e.Object()
		w.inlineData(source{mime: mime, data: base64.StdEncoding.EncodeToString(images[i].Data)})
		e.EndObject()
	}
	e.EndArray()
	e.EndObject()
	e.EndArray()
	e.Name("generationConfig")
	e.Object()
	e.Strs("responseModalities", []string{"IMAGE"})
	e.PtrInt64("seed", req.Seed)
	if aspect != "" || size != "" {
		e.Name("imageConfig")
		e.Object()
		e.OptStr("aspectRatio", aspect)
		e.OptStr("imageSize", size)
		e.EndObject()
	}
	e.EndObject()
	e.EndObject()
	return h.request(call, "generateContent", e.B, req.Extra)
}

// imageForm finds the aspect ratio and the size, and refuses what cannot be said.
func imageForm(call *llm.Call, req *llm.ImageRequest) (aspect, size string, err error) {
	for _, p := range []struct{ value, name, why string }{
		{req.Quality, "quality", ""}, {req.Style, "style", "say it in the prompt"}, {req.Background, "background", "say it in the prompt"},
		{req.Moderation, "moderation", "use the Extra member safetySettings"}, {req.User, "user", ""}, {req.OutputFormat, "output_format", ""},
	} {
		if p.value != "" && p.value != "auto" {
			if err := call.Unsupported(p.name, p.why); err != nil {
				return "", "", err
			}
		}
	}
	if req.OutputCompression != nil {
		if err := call.Unsupported("output_compression", ""); err != nil {
			return "", "", err
		}
	}
	if req.ResponseFormat == "url" {
		if err := call.Unsupported("response_format", "Gemini answers with the picture itself: b64_json"); err != nil {
			return "", "", err
		}
	}
	aspect = req.AspectRatio
	switch {
	case req.Size == "" || req.Size == "auto":
	case slices.Contains(imageSizes, strings.ToUpper(req.Size)):
		size = strings.ToUpper(req.Size)
	default:
		ratio := ratioOf(req.Size)
		if ratio == "" {
			return aspect, "", call.Unsupported("size", "Gemini takes "+strings.Join(imageSizes, ", ")+", and AspectRatio")
		}
		if aspect == "" {
			aspect = ratio
		}
		call.Warn(llm.Warning{Code: "changed_param", Param: "size", Message: "Gemini takes no pixels; the aspect ratio " + aspect + " was sent"})
	}
	return aspect, size, nil
}

// ratioOf is the aspect ratio of "1536x1024", "" if Gemini does not have it.
func ratioOf(size string) string {
	w, h, ok := strings.Cut(size, "x")
	width, err1 := strconv.Atoi(w)
	height, err2 := strconv.Atoi(h)
	if !ok || err1 != nil || err2 != nil || width <= 0 || height <= 0 {
		return ""
	}
	for _, r := range aspectRatios {
		a, b, _ := strings.Cut(r, ":")
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		if width*y == height*x {
			return r
		}
	}
	return ""
}

// encodePredict asks an Imagen model ("Imagen", predict).
func (h Host) encodePredict(call *llm.Call, req *llm.ImageRequest) (*http.Request, error) {
	aspect, size, err := imageForm(call, req)
	if err != nil {
		return nil, err
	}
	var e jsonx.Encoder
	e.Object()
	e.Name("instances")
	e.Array()
	e.Object()
	e.Name("prompt")
	e.Str(req.Prompt)
	e.EndObject()
	e.EndArray()
	e.Name("parameters")
	e.Object()
	e.Name("sampleCount")
	e.Int(max(req.N, 1))
	e.OptStr("aspectRatio", aspect)
	e.OptStr("sampleImageSize", size)
	e.OptStr("negativePrompt", req.NegativePrompt)
	e.PtrInt64("seed", req.Seed)
	e.EndObject()
	e.EndObject()
	return h.request(call, "predict", e.B, req.Extra)
}

func decodeImage(call *llm.Call, h http.Header, body []byte) (*llm.ImageResponse, error) {
	if r, isPredict, err := decodePredictions(h, body); isPredict {
		return r, err
	}
	a, err := readAnswer(call, h, body)
	if err != nil {
		return nil, err
	}
	r := &llm.ImageResponse{Created: a.created, Extra: a.extra}
	finish := ""
	for i := range a.turns {
		t := &a.turns[i]
		finish = t.finish
		for _, img := range t.images {
			data := llm.ImageData{RevisedPrompt: t.text}
			if img.ImageURL == nil {
				continue
			}
			if mime, b64, ok := llm.ParseDataURL(img.ImageURL.URL); ok {
				data.MediaType, data.B64JSON = mime, b64
			} else {
				data.URL = img.ImageURL.URL
			}
			data.Extra = img.Extra
			r.Data = append(r.Data, data)
		}
	}
	if len(r.Data) == 0 {
		e := &llm.Error{Code: finish, Message: "the model made no picture"}
		e.SetKind(llm.ErrProtocol)
		if finishReason(finish) == llm.FinishContentFilter {
			e.SetKind(llm.ErrContentPolicy)
		}
		return nil, e
	}
	r.Usage, _ = a.usage()
	return r, nil
}

// decodePredictions reads predict's answer; isPredict is false for any other.
func decodePredictions(h http.Header, body []byte) (r *llm.ImageResponse, isPredict bool, err error) {
	var d jsonx.Decoder
	d.Reset(body)
	if d.Kind() != jsonx.Object {
		return nil, false, nil
	}
	r = &llm.ImageResponse{}
	filtered := ""
	for d.Object(); d.More(); {
		if string(d.Key()) != "predictions" {
			d.Skip()
			continue
		}
		isPredict = true
		for d.Array(); d.More(); {
			var img llm.ImageData
			for d.Object(); d.More(); {
				switch string(d.Key()) {
				case "bytesBase64Encoded":
					img.B64JSON = d.Str()
				case "mimeType":
					img.MediaType = d.Str()
				case "gcsUri":
					img.URL = d.Str()
				case "prompt":
					img.RevisedPrompt = d.Str()
				case "raiFilteredReason":
					filtered = d.Str()
				default:
					keep(&img.Extra, &d)
				}
			}
			if img.B64JSON != "" || img.URL != "" {
				r.Data = append(r.Data, img)
			}
		}
	}
	switch err := d.End(); {
	case err != nil:
		return nil, isPredict, malformed(err)
	case isPredict && len(r.Data) == 0:
		e := &llm.Error{Message: "the model made no picture; " + filtered}
		e.SetKind(llm.ErrContentPolicy)
		return nil, true, e
	}
	return r, isPredict, nil
}
