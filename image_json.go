package llm

import (
	"encoding/base64"

	"github.com/llm-go/llm/internal/jsonx"
)

// AppendJSON appends the request's JSON object to b, without Extra.
func (r *ImageRequest) AppendJSON(b []byte) ([]byte, error) {
	e := jsonx.Encoder{B: b}
	e.Object()
	r.encode(&e)
	e.EndObject()
	return e.B, e.Err()
}

// MarshalJSON includes Extra.
func (r ImageRequest) MarshalJSON() ([]byte, error) { return withExtra(r.AppendJSON, r.Extra) }

// UnmarshalJSON reads OpenAI's form, and aspect_ratio, negative_prompt and seed.
func (r *ImageRequest) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			r.member(d)
		}
	})
}

// encode writes the members; the object is the caller's.
func (r *ImageRequest) encode(e *jsonx.Encoder) {
	e.OptStr("model", r.Model)
	e.OptStr("prompt", r.Prompt)
	e.OptInt("n", r.N)
	e.OptStr("size", r.Size)
	e.OptStr("aspect_ratio", r.AspectRatio)
	e.OptStr("quality", r.Quality)
	e.OptStr("style", r.Style)
	e.OptStr("background", r.Background)
	e.OptStr("output_format", r.OutputFormat)
	e.PtrInt("output_compression", r.OutputCompression)
	e.OptStr("response_format", r.ResponseFormat)
	e.OptStr("moderation", r.Moderation)
	e.OptStr("negative_prompt", r.NegativePrompt)
	e.PtrInt64("seed", r.Seed)
	e.OptStr("user", r.User)
}

// member reads the member at which d stands.
func (r *ImageRequest) member(d *jsonx.Decoder) {
	switch string(d.Key()) {
	case "model":
		r.Model = d.Str()
	case "prompt":
		r.Prompt = d.Str()
	case "n":
		r.N = d.Int()
	case "size":
		r.Size = d.Str()
	case "aspect_ratio":
		r.AspectRatio = d.Str()
	case "quality":
		r.Quality = d.Str()
	case "style":
		r.Style = d.Str()
	case "background":
		r.Background = d.Str()
	case "output_format":
		r.OutputFormat = d.Str()
	case "output_compression":
		r.OutputCompression = decodePtr(d, d.Int)
	case "response_format":
		r.ResponseFormat = d.Str()
	case "moderation":
		r.Moderation = d.Str()
	case "negative_prompt":
		r.NegativePrompt = d.Str()
	case "seed":
		r.Seed = decodePtr(d, d.Int64)
	case "user":
		r.User = d.Str()
	default:
		keep(&r.Extra, d)
	}
}

// AppendJSON appends the request's JSON object to b, without Extra. OpenAI's wire is a form instead; this is for
// storing and passing on.
func (r *ImageEditRequest) AppendJSON(b []byte) ([]byte, error) {
	e := jsonx.Encoder{B: b}
	e.Object()
	r.ImageRequest.encode(&e)
	encodeList(&e, "image", r.Images, (*FileInput).encode)
	if r.Mask != nil {
		e.Name("mask")
		r.Mask.encode(&e)
	}
	e.OptStr("input_fidelity", r.InputFidelity)
	e.EndObject()
	return e.B, e.Err()
}

// MarshalJSON includes Extra.
func (r ImageEditRequest) MarshalJSON() ([]byte, error) { return withExtra(r.AppendJSON, r.Extra) }

// UnmarshalJSON reads what MarshalJSON writes; image may also be one file.
func (r *ImageEditRequest) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "image":
				if d.Kind() == jsonx.Object {
					r.Images = []FileInput{{}}
					r.Images[0].decode(d)
					continue
				}
				r.Images = decodeList(d, nil, (*FileInput).decode)
			case "mask":
				r.Mask = decodeNew[FileInput](d, (*FileInput).decode)
			case "input_fidelity":
				r.InputFidelity = d.Str()
			default:
				r.member(d)
			}
		}
	})
}

// AppendJSON appends the request's JSON object to b, without Extra. OpenAI's wire is a form instead; this is for
// storing and passing on.
func (r *ImageVariationRequest) AppendJSON(b []byte) ([]byte, error) {
	e := jsonx.Encoder{B: b}
	e.Object()
	e.OptStr("model", r.Model)
	e.Name("image")
	r.Image.encode(&e)
	e.OptInt("n", r.N)
	e.OptStr("size", r.Size)
	e.OptStr("response_format", r.ResponseFormat)
	e.OptStr("user", r.User)
	e.EndObject()
	return e.B, e.Err()
}

// MarshalJSON includes Extra.
func (r ImageVariationRequest) MarshalJSON() ([]byte, error) {
	return withExtra(r.AppendJSON, r.Extra)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *ImageVariationRequest) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "model":
				r.Model = d.Str()
			case "image":
				r.Image.decode(d)
			case "n":
				r.N = d.Int()
			case "size":
				r.Size = d.Str()
			case "response_format":
				r.ResponseFormat = d.Str()
			case "user":
				r.User = d.Str()
			default:
				keep(&r.Extra, d)
			}
		}
	})
}

// MarshalJSON writes name, media_type and the data in base64.
func (f FileInput) MarshalJSON() ([]byte, error) { return marshal(f.encode) }

// UnmarshalJSON reads what MarshalJSON writes.
func (f *FileInput) UnmarshalJSON(b []byte) error { return unmarshal(b, f.decode) }

func (f *FileInput) encode(e *jsonx.Encoder) {
	e.Object()
	e.OptStr("name", f.Name)
	e.OptStr("media_type", f.MediaType)
	e.Name("data")
	encodeBase64(e, f.Data)
	e.EndObject()
}

func encodeBase64(e *jsonx.Encoder, data []byte) {
	e.Str("") // places the comma
	e.B = base64.StdEncoding.AppendEncode(e.B[:len(e.B)-1], data)
	e.B = append(e.B, '"')
}

func (f *FileInput) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "name":
			f.Name = d.Str()
		case "media_type":
			f.MediaType = d.Str()
		case "data":
			f.Data = decodeBase64(d)
		default:
			d.Skip()
		}
	}
}

func decodeBase64(d *jsonx.Decoder) []byte {
	text := d.StrBytes()
	if len(text) == 0 {
		return nil
	}
	data := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(data, text)
	if err != nil {
		d.Fail(err)
		return nil
	}
	return data[:n:n]
}

// MarshalJSON writes OpenAI's form.
func (r ImageResponse) MarshalJSON() ([]byte, error) {
	return marshal(func(e *jsonx.Encoder) {
		e.Object()
		e.OptInt64("created", r.Created)
		e.Name("data")
		e.Array()
		for i := range r.Data {
			r.Data[i].encode(e)
		}
		e.EndArray()
		e.OptStr("size", r.Size)
		e.OptStr("quality", r.Quality)
		e.OptStr("background", r.Background)
		e.OptStr("output_format", r.OutputFormat)
		encodeUsage(e, r.Usage)
		e.Members(r.Extra)
		e.EndObject()
	})
}

// UnmarshalJSON reads OpenAI's form.
func (r *ImageResponse) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "created":
				r.Created = int64(d.Float())
			case "data":
				r.Data = decodeList(d, nil, (*ImageData).decode)
			case "size":
				r.Size = d.Str()
			case "quality":
				r.Quality = d.Str()
			case "background":
				r.Background = d.Str()
			case "output_format":
				r.OutputFormat = d.Str()
			case "usage":
				r.Usage = decodeUsage(d)
			default:
				keepUnlessNull(&r.Extra, d)
			}
		}
	})
}

func (p ImageData) MarshalJSON() ([]byte, error)  { return marshal(p.encode) }
func (p *ImageData) UnmarshalJSON(b []byte) error { return unmarshal(b, p.decode) }

func (p *ImageData) encode(e *jsonx.Encoder) {
	e.Object()
	e.OptStr("url", p.URL)
	e.OptStr("b64_json", p.B64JSON)
	e.OptStr("media_type", p.MediaType)
	e.OptStr("revised_prompt", p.RevisedPrompt)
	e.Members(p.Extra)
	e.EndObject()
}

func (p *ImageData) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "url":
			p.URL = d.Str()
		case "b64_json":
			p.B64JSON = d.Str()
		case "media_type":
			p.MediaType = d.Str()
		case "revised_prompt":
			p.RevisedPrompt = d.Str()
		default:
			keepUnlessNull(&p.Extra, d)
		}
	}
}
