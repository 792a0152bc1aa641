package llm

import "github.com/llm-go/llm/internal/jsonx"

// MarshalJSON writes the members under the names that [CompletionRequest] has for them, Extra included.
func (r CountTokensRequest) MarshalJSON() ([]byte, error) {
	return withExtra(func(b []byte) ([]byte, error) {
		e := jsonx.Encoder{B: b}
		e.Object()
		e.OptStr("model", r.Model)
		e.Name("messages")
		e.Array()
		for i := range r.Messages {
			r.Messages[i].encode(&e)
		}
		e.EndArray()
		encodeList(&e, "tools", r.Tools, (*Tool).encode)
		if r.ToolChoice != nil {
			e.Name("tool_choice")
			r.ToolChoice.encode(&e)
		}
		optAny(&e, "thinking", r.Thinking, r.Thinking != nil)
		e.EndObject()
		return e.B, e.Err()
	}, r.Extra)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *CountTokensRequest) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "model":
				r.Model = d.Str()
			case "messages":
				r.Messages = decodeList(d, nil, (*Message).decode)
			case "tools":
				r.Tools = decodeList(d, nil, (*Tool).decode)
			case "tool_choice":
				r.ToolChoice = decodeNew[ToolChoice](d, (*ToolChoice).decode)
			case "thinking":
				decodeInto(d, &r.Thinking)
			default:
				keep(&r.Extra, d)
			}
		}
	})
}

// MarshalJSON writes input_tokens and, unless it is 0, cached_tokens.
func (r CountTokensResponse) MarshalJSON() ([]byte, error) {
	return marshal(func(e *jsonx.Encoder) {
		e.Object()
		e.Name("input_tokens")
		e.Int(r.InputTokens)
		e.OptInt("cached_tokens", r.CachedTokens)
		e.Members(r.Extra)
		e.EndObject()
	})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *CountTokensResponse) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "input_tokens":
				r.InputTokens = d.Int()
			case "cached_tokens":
				r.CachedTokens = d.Int()
			default:
				keepUnlessNull(&r.Extra, d)
			}
		}
	})
}
