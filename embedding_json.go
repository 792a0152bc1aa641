package llm

import (
	"encoding/json"
	"errors"

	"github.com/llm-go/llm/internal/jsonx"
)

// AppendJSON appends the request's JSON object to b, without Extra.
func (r *EmbeddingRequest) AppendJSON(b []byte) ([]byte, error) {
	e := jsonx.Encoder{B: b}
	e.Object()
	e.OptStr("model", r.Model)
	encodeInputs(&e, "input", r.Input, r.Tokens)
	e.OptInt("dimensions", r.Dimensions)
	e.OptStr("encoding_format", r.EncodingFormat)
	e.OptStr("input_type", r.InputType)
	e.OptStr("user", r.User)
	e.EndObject()
	return e.B, e.Err()
}

// MarshalJSON includes Extra.
func (r EmbeddingRequest) MarshalJSON() ([]byte, error) { return withExtra(r.AppendJSON, r.Extra) }

// UnmarshalJSON reads OpenAI's form: input is a text, a list of texts, token ids or a list of lists of them.
// An input of any other kind is kept in Extra.
func (r *EmbeddingRequest) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "model":
				r.Model = d.Str()
			case "input":
				r.Input, r.Tokens = decodeInputs(d, &r.Extra)
			case "dimensions":
				r.Dimensions = d.Int()
			case "encoding_format":
				r.EncodingFormat = d.Str()
			case "input_type":
				r.InputType = d.Str()
			case "user":
				r.User = d.Str()
			default:
				keep(&r.Extra, d)
			}
		}
	})
}

// withExtra is the MarshalJSON of a request: what appendJSON writes, with extra laid over it.
func withExtra(appendJSON func([]byte) ([]byte, error), extra Extra) ([]byte, error) {
	b, err := appendJSON(make([]byte, 0, 256))
	if err != nil || len(extra) == 0 {
		return b, err
	}
	return jsonx.Overlay(b, extra)
}

// encodeInputs writes a list of texts, or else a list of lists of token ids, or nothing.
func encodeInputs(e *jsonx.Encoder, name string, texts []string, tokens [][]int) {
	if len(texts) > 0 || len(tokens) == 0 {
		e.Strs(name, texts)
		return
	}
	e.Name(name)
	e.Array()
	for _, ids := range tokens {
		encodeInts(e, ids)
	}
	e.EndArray()
}

func encodeInts(e *jsonx.Encoder, ns []int) {
	e.Array()
	for _, n := range ns {
		e.Int(n)
	}
	e.EndArray()
}

// decodeInputs reads what encodeInputs writes, and the short forms for a single input: a text, a list of ids. What
// is none of these is kept under the member's key.
func decodeInputs(d *jsonx.Decoder, extra *Extra) (texts []string, tokens [][]int) {
	if d.Kind() == jsonx.String {
		return []string{d.Str()}, nil
	}
	key := string(d.Key())
	raw := d.Raw()
	list := jsonx.NewDecoder(raw)
	var ids []int
	for list.Array(); list.More(); {
		switch list.Kind() {
		case jsonx.String:
			texts = append(texts, list.Str())
		case jsonx.Number:
			ids = append(ids, list.Int())
		case jsonx.Array:
			one := []int{}
			for list.Array(); list.More(); {
				one = append(one, list.Int())
			}
			tokens = append(tokens, one)
		default:
			list.Fail(errInput)
		}
	}
	if ids != nil {
		tokens = append(tokens, ids)
	}
	kinds := 0
	for _, n := range []int{len(texts), len(tokens) - min(len(ids), 1), min(len(ids), 1)} {
		if n > 0 {
			kinds++
		}
	}
	if list.End() == nil && kinds <= 1 {
		return texts, tokens
	}
	if d.Err() == nil {
		if *extra == nil {
			*extra = make(Extra, 1)
		}
		(*extra)[key] = json.RawMessage(append([]byte(nil), raw...))
	}
	return nil, nil
}

var errInput = errors.New("an input of another kind")

// MarshalJSON writes OpenAI's form, the vectors as numbers.
func (r EmbeddingResponse) MarshalJSON() ([]byte, error) {
	n := 0
	for i := range r.Data {
		n += 48 + 13*len(r.Data[i].Embedding)
	}
	e := jsonx.Encoder{B: make([]byte, 0, 128+n)}
	e.Object()
	e.Name("object")
	e.Str(or(r.Object, "list"))
	e.Name("data")
	e.Array()
	for i := range r.Data {
		v := &r.Data[i]
		e.Object()
		if _, own := v.Extra["object"]; !own {
			e.Name("object")
			e.Str("embedding")
		}
		e.Name("index")
		e.Int(v.Index)
		if _, other := v.Extra["embedding"]; !other {
			e.Name("embedding")
			e.Array()
			for _, f := range v.Embedding {
				e.Float32(f)
			}
			e.EndArray()
		}
		e.Members(v.Extra)
		e.EndObject()
	}
	e.EndArray()
	e.OptStr("model", r.Model)
	encodeUsage(&e, r.Usage)
	e.Members(r.Extra)
	e.EndObject()
	return e.B, e.Err()
}

func encodeUsage(e *jsonx.Encoder, u *Usage) {
	if u != nil {
		e.Name("usage")
		u.encode(e)
	}
}

// or is s, or byDefault if s is empty.
func or(s, byDefault string) string {
	if s == "" {
		return byDefault
	}
	return s
}

// UnmarshalJSON reads OpenAI's form. A vector is a list of numbers or, in base64, little-endian float32. All
// vectors of the answer lie in one block of memory.
func (r *EmbeddingResponse) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "object":
				r.Object = d.Intern("list")
			case "data":
				r.Data = decodeVectors(d, b)
			case "model":
				r.Model = d.Str()
			case "usage":
				r.Usage = decodeUsage(d)
			default:
				keepUnlessNull(&r.Extra, d)
			}
		}
	})
}

// decodeVectors reads the list of vectors in text, where d stands. From the first one's size it sees how many
// there will be, so that the block rarely has to grow; if it does, the vectors found so far are cut anew.
func decodeVectors(d *jsonx.Decoder, text []byte) []EmbeddingData {
	var (
		data  []EmbeddingData
		block []float32
	)
	for d.Array(); d.More(); {
		d.Kind() // to the first byte of the item
		from, start := d.Pos(), len(block)
		v := EmbeddingData{Index: len(data)}
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "index":
				v.Index = d.Int()
			case "object":
				if d.Kind() != jsonx.String {
					keepUnlessNull(&v.Extra, d)
				} else if s := d.StrBytes(); string(s) != "embedding" {
					v.Extra = v.Extra.set("object", string(s))
				}
			case "embedding":
				block = block[:start] // in case the member comes twice
				switch kind := d.Kind(); {
				case kind == jsonx.String:
					if block == nil {
						block = make([]float32, 0, (len(text)-d.Pos())/16*3+3)
					}
					block = d.Base64Float32s(block)
				case kind == jsonx.Null:
					d.Skip()
				case kind == jsonx.Array && numbers(text[d.Pos():]):
					if block == nil {
						block = d.Float32s(make([]float32, 0, 1536))
						if n := len(block); n > 0 && d.Err() == nil {
							items := (len(text)-from)/(d.Pos()-from) + 1
							if items > 1 && cap(block)-n < n*(items-1) {
								block = append(make([]float32, 0, n*items), block...)
							}
						}
						continue
					}
					block = d.Float32s(block)
				default:
					keep(&v.Extra, d)
				}
			default:
				keepUnlessNull(&v.Extra, d)
			}
		}
		if v.Embedding = block[start:]; len(v.Embedding) == 0 {
			v.Embedding = nil
		}
		if data == nil && d.Err() == nil {
			items := (len(text)-from)/max(d.Pos()-from, 1) + 1
			data = make([]EmbeddingData, 0, min(items, 4096))
		}
		data = append(data, v)
	}
	if d.Err() != nil {
		return nil
	}
	at := 0
	for i := range data {
		if n := len(data[i].Embedding); n > 0 {
			data[i].Embedding = block[at : at+n : at+n]
			at += n
		}
	}
	return data
}

// numbers says whether the array at the start of text may be one of numbers: its first element is no container.
func numbers(text []byte) bool {
	for _, c := range text[1:] {
		switch c {
		case ' ', '\t', '\r', '\n':
		case '[', '{':
			return false
		default:
			return true
		}
	}
	return true
}

// set sets a member to a value that was decoded, in the form in which Extra holds what it decodes.
func (e Extra) set(key string, v any) Extra {
	raw, isRaw := v.(json.RawMessage)
	if !isRaw {
		var err error
		if raw, err = json.Marshal(v); err != nil {
			return e // not of what comes from JSON
		}
	}
	if e == nil {
		e = make(Extra, 2)
	}
	e[key] = raw
	return e
}
