package llm

import "github.com/llm-go/llm/internal/jsonx"

// AppendJSON appends the request's JSON object to b, without Extra.
func (r *SpeechRequest) AppendJSON(b []byte) ([]byte, error) {
	e := jsonx.Encoder{B: b}
	e.Object()
	e.OptStr("model", r.Model)
	e.OptStr("input", r.Input)
	if r.VoiceID != "" {
		e.Name("voice")
		e.Object()
		e.Name("id")
		e.Str(r.VoiceID)
		e.EndObject()
	} else {
		e.OptStr("voice", r.Voice)
	}
	e.OptStr("instructions", r.Instructions)
	e.OptStr("response_format", r.ResponseFormat)
	if r.Speed != 0 {
		e.PtrFloat("speed", &r.Speed)
	}
	e.OptStr("stream_format", r.StreamFormat)
	e.EndObject()
	return e.B, e.Err()
}

// MarshalJSON includes Extra.
func (r SpeechRequest) MarshalJSON() ([]byte, error) { return withExtra(r.AppendJSON, r.Extra) }

// UnmarshalJSON reads OpenAI's form: voice is a name, or an object with an id.
func (r *SpeechRequest) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "model":
				r.Model = d.Str()
			case "input":
				r.Input = d.Str()
			case "voice":
				if d.Kind() != jsonx.Object {
					r.Voice = d.Str()
					continue
				}
				for d.Object(); d.More(); {
					if string(d.Key()) == "id" {
						r.VoiceID = d.Str()
					} else {
						d.Skip()
					}
				}
			case "instructions":
				r.Instructions = d.Str()
			case "response_format":
				r.ResponseFormat = d.Str()
			case "speed":
				r.Speed = d.Float()
			case "stream_format":
				r.StreamFormat = d.Str()
			default:
				keep(&r.Extra, d)
			}
		}
	})
}

// MarshalJSON writes audio in base64, media_type and usage. On OpenAI's wire the answer is the sound itself.
func (r SpeechResponse) MarshalJSON() ([]byte, error) {
	return marshal(func(e *jsonx.Encoder) {
		e.Object()
		e.Name("audio")
		encodeBase64(e, r.Audio)
		e.OptStr("media_type", r.MediaType)
		encodeUsage(e, r.Usage)
		e.EndObject()
	})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *SpeechResponse) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "audio":
				r.Audio = decodeBase64(d)
			case "media_type":
				r.MediaType = d.Str()
			case "usage":
				r.Usage = decodeUsage(d)
			default:
				d.Skip()
			}
		}
	})
}

// MarshalJSON writes OpenAI's events.
func (c SpeechChunk) MarshalJSON() ([]byte, error) {
	return marshal(func(e *jsonx.Encoder) {
		e.Object()
		e.Name("type")
		switch {
		case c.Type != "":
			e.Str(c.Type)
		case c.Audio == nil && c.Usage != nil:
			e.Str("speech.audio.done")
		default:
			e.Str("speech.audio.delta")
		}
		if c.Audio != nil {
			e.Name("audio")
			encodeBase64(e, c.Audio)
		}
		encodeUsage(e, c.Usage)
		e.Members(c.Extra)
		e.EndObject()
	})
}

// UnmarshalJSON reads OpenAI's events.
func (c *SpeechChunk) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "type":
				c.Type = d.Intern("speech.audio.delta")
			case "audio":
				c.Audio = decodeBase64(d)
			case "usage":
				c.Usage = decodeUsage(d)
			default:
				keepUnlessNull(&c.Extra, d)
			}
		}
	})
}
