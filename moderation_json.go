package llm

import (
	"encoding/json"

	"github.com/llm-go/llm/internal/jsonx"
)

// AppendJSON appends the request's JSON object to b, without Extra.
func (r *ModerationRequest) AppendJSON(b []byte) ([]byte, error) {
	e := jsonx.Encoder{B: b}
	e.Object()
	e.OptStr("model", r.Model)
	if len(r.Input) > 0 {
		e.Strs("input", r.Input)
	} else {
		encodeList(&e, "input", r.Parts, (*Part).encode)
	}
	e.EndObject()
	return e.B, e.Err()
}

// MarshalJSON includes Extra.
func (r ModerationRequest) MarshalJSON() ([]byte, error) { return withExtra(r.AppendJSON, r.Extra) }

// UnmarshalJSON reads OpenAI's form: input is a text, a list of texts, or a list of parts.
func (r *ModerationRequest) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "model":
				r.Model = d.Str()
			case "input":
				r.Input, r.Parts = decodeModerated(d)
			default:
				keep(&r.Extra, d)
			}
		}
	})
}

func decodeModerated(d *jsonx.Decoder) ([]string, Content) {
	if d.Kind() == jsonx.String {
		return []string{d.Str()}, nil
	}
	raw := d.Raw()
	var texts []string
	if json.Unmarshal(raw, &texts) == nil {
		return texts, nil
	}
	var parts Content
	list := jsonx.NewDecoder(raw)
	parts = decodeList(list, nil, (*Part).decode)
	d.Fail(list.End())
	return nil, parts
}

// MarshalJSON writes OpenAI's form.
func (r ModerationResponse) MarshalJSON() ([]byte, error) {
	return marshal(func(e *jsonx.Encoder) {
		e.Object()
		e.OptStr("id", r.ID)
		e.OptStr("model", r.Model)
		e.Name("results")
		e.Array()
		for i := range r.Results {
			r.Results[i].encode(e)
		}
		e.EndArray()
		e.Members(r.Extra)
		e.EndObject()
	})
}

// UnmarshalJSON reads OpenAI's form.
func (r *ModerationResponse) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "id":
				r.ID = d.Str()
			case "model":
				r.Model = d.Str()
			case "results":
				r.Results = decodeList(d, nil, (*ModerationResult).decode)
			default:
				keepUnlessNull(&r.Extra, d)
			}
		}
	})
}

func (r ModerationResult) MarshalJSON() ([]byte, error)  { return marshal(r.encode) }
func (r *ModerationResult) UnmarshalJSON(b []byte) error { return unmarshal(b, r.decode) }

func (r *ModerationResult) encode(e *jsonx.Encoder) {
	e.Object()
	e.Name("flagged")
	e.Bool(r.Flagged)
	optAny(e, "categories", r.Categories, r.Categories != nil)
	optAny(e, "category_scores", r.CategoryScores, r.CategoryScores != nil)
	optAny(e, "category_applied_input_types", r.CategoryAppliedInputTypes, r.CategoryAppliedInputTypes != nil)
	e.Members(r.Extra)
	e.EndObject()
}

func (r *ModerationResult) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "flagged":
			r.Flagged = d.Bool()
		case "categories":
			r.Categories = decodeMap(d, d.Bool)
		case "category_scores":
			r.CategoryScores = decodeMap(d, d.Float)
		case "category_applied_input_types":
			r.CategoryAppliedInputTypes = decodeMap(d, func() []string { return decodeStrings(d) })
		default:
			keepUnlessNull(&r.Extra, d)
		}
	}
}

// decodeMap reads an object whose members are of one kind; nil for null.
func decodeMap[T any](d *jsonx.Decoder, read func() T) map[string]T {
	if d.Kind() == jsonx.Null {
		d.Skip()
		return nil
	}
	m := make(map[string]T, 16)
	for d.Object(); d.More(); {
		key := string(d.Key())
		m[key] = read()
	}
	return m
}
