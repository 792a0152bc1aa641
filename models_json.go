package llm

import "github.com/llm-go/llm/internal/jsonx"

// MarshalJSON includes Extra.
func (r ModelsRequest) MarshalJSON() ([]byte, error) {
	return withExtra(func(b []byte) ([]byte, error) {
		e := jsonx.Encoder{B: b}
		e.Object()
		e.OptStr("provider", r.Provider)
		e.EndObject()
		return e.B, e.Err()
	}, r.Extra)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *ModelsRequest) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			if string(d.Key()) == "provider" {
				r.Provider = d.Str()
			} else {
				keep(&r.Extra, d)
			}
		}
	})
}

// MarshalJSON writes OpenAI's form, with display_name, max_input_tokens and max_output_tokens where they are known.
func (r ModelsResponse) MarshalJSON() ([]byte, error) {
	return marshal(func(e *jsonx.Encoder) {
		e.Object()
		e.Name("object")
		e.Str("list")
		e.Name("data")
		e.Array()
		for i := range r.Data {
			r.Data[i].encode(e)
		}
		e.EndArray()
		e.Members(r.Extra)
		e.EndObject()
	})
}

// UnmarshalJSON reads OpenAI's form. A bare list, which some hosts answer with, is read too.
func (r *ModelsResponse) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		if d.Kind() == jsonx.Array {
			r.Data = decodeList(d, nil, (*Model).decode)
			return
		}
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "object":
				d.Skip()
			case "data":
				r.Data = decodeList(d, nil, (*Model).decode)
			default:
				keepUnlessNull(&r.Extra, d)
			}
		}
	})
}

func (m Model) MarshalJSON() ([]byte, error)  { return marshal(m.encode) }
func (m *Model) UnmarshalJSON(b []byte) error { return unmarshal(b, m.decode) }
func (m *Model) encode(e *jsonx.Encoder) {
	e.Object()
	e.Name("id")
	e.Str(m.ID)
	if _, own := m.Extra["object"]; !own {
		e.Name("object")
		e.Str("model")
	}
	e.OptInt64("created", m.Created)
	e.OptStr("owned_by", m.OwnedBy)
	e.OptStr("display_name", m.DisplayName)
	e.OptInt("max_input_tokens", m.MaxInputTokens)
	e.OptInt("max_output_tokens", m.MaxOutputTokens)
	e.Members(m.Extra)
	e.EndObject()
}

// decode reads an entry. A list holds hundreds of models: one odd member must not lose them all, so what is of
// another kind than OpenAI's goes to Extra.
func (m *Model) decode(d *jsonx.Decoder) {
	if d.Kind() == jsonx.String {
		m.ID = d.Str()
		return
	}
	for d.Object(); d.More(); {
		kind := d.Kind()
		switch key := string(d.Key()); {
		case key == "id" && kind == jsonx.String:
			m.ID = d.Str()
		case key == "object" && kind == jsonx.String:
			if s := d.Intern("model"); s != "model" {
				m.Extra = m.Extra.set("object", s)
			}
		case key == "created" && kind == jsonx.Number:
			m.Created = int64(d.Float())
		case key == "owned_by" && kind == jsonx.String:
			m.OwnedBy = d.Intern("openai")
		case key == "display_name" && kind == jsonx.String:
			m.DisplayName = d.Str()
		case key == "max_input_tokens" && kind == jsonx.Number:
			m.MaxInputTokens = int(d.Float())
		case key == "max_output_tokens" && kind == jsonx.Number:
			m.MaxOutputTokens = int(d.Float())
		default:
			keepUnlessNull(&m.Extra, d)
		}
	}
}
