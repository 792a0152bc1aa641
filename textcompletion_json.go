package llm

import "github.com/llm-go/llm/internal/jsonx"

// AppendJSON appends the request's JSON object to b, without Extra. A single prompt is written as a text, since
// some hosts take no list; MaxTokens is max_tokens.
func (r *TextCompletionRequest) AppendJSON(b []byte) ([]byte, error) {
	e := jsonx.Encoder{B: b}
	e.Object()
	e.OptStr("model", r.Model)
	if len(r.Prompt) == 1 {
		e.Name("prompt")
		e.Str(r.Prompt[0])
	} else {
		encodeInputs(&e, "prompt", r.Prompt, r.Tokens)
	}
	e.OptStr("suffix", r.Suffix)
	e.OptInt("max_tokens", r.MaxTokens)
	e.PtrFloat("temperature", r.Temperature)
	e.PtrFloat("top_p", r.TopP)
	e.OptInt("n", r.N)
	e.OptInt("best_of", r.BestOf)
	e.OptBool("echo", r.Echo)
	e.PtrInt("logprobs", r.Logprobs)
	e.Strs("stop", r.Stop)
	e.PtrInt64("seed", r.Seed)
	e.PtrFloat("frequency_penalty", r.FrequencyPenalty)
	e.PtrFloat("presence_penalty", r.PresencePenalty)
	optAny(&e, "logit_bias", r.LogitBias, len(r.LogitBias) > 0)
	e.OptStr("user", r.User)
	optAny(&e, "stream_options", r.StreamOptions, r.StreamOptions != nil)
	e.EndObject()
	return e.B, e.Err()
}

// MarshalJSON includes Extra.
func (r TextCompletionRequest) MarshalJSON() ([]byte, error) {
	return withExtra(r.AppendJSON, r.Extra)
}

// UnmarshalJSON reads OpenAI's form: the prompt is a text, a list of texts, token ids or a list of lists of them.
func (r *TextCompletionRequest) UnmarshalJSON(b []byte) error {
	return unmarshal(b, func(d *jsonx.Decoder) {
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "model":
				r.Model = d.Str()
			case "prompt":
				r.Prompt, r.Tokens = decodeInputs(d, &r.Extra)
			case "suffix":
				r.Suffix = d.Str()
			case "max_tokens":
				r.MaxTokens = d.Int()
			case "temperature":
				r.Temperature = decodePtr(d, d.Float)
			case "top_p":
				r.TopP = decodePtr(d, d.Float)
			case "n":
				r.N = d.Int()
			case "best_of":
				r.BestOf = d.Int()
			case "echo":
				r.Echo = d.Bool()
			case "logprobs":
				r.Logprobs = decodePtr(d, d.Int)
			case "stop":
				r.Stop = decodeStrings(d)
			case "seed":
				r.Seed = decodePtr(d, d.Int64)
			case "frequency_penalty":
				r.FrequencyPenalty = decodePtr(d, d.Float)
			case "presence_penalty":
				r.PresencePenalty = decodePtr(d, d.Float)
			case "logit_bias":
				decodeInto(d, &r.LogitBias)
			case "user":
				r.User = d.Str()
			case "stream_options":
				decodeInto(d, &r.StreamOptions)
			default:
				keep(&r.Extra, d)
			}
		}
	})
}

// textAnswer is what response and chunk have in common: all but Meta.
type textAnswer struct {
	id, object, model, fingerprint *string
	created                        *int64
	choices                        *[]TextChoice
	usage                          **Usage
	extra                          *Extra
}

func (r *TextCompletionResponse) fields() textAnswer {
	return textAnswer{&r.ID, &r.Object, &r.Model, &r.SystemFingerprint, &r.Created, &r.Choices, &r.Usage, &r.Extra}
}

func (c *TextCompletionChunk) fields() textAnswer {
	return textAnswer{&c.ID, &c.Object, &c.Model, &c.SystemFingerprint, &c.Created, &c.Choices, &c.Usage, &c.Extra}
}

// MarshalJSON writes OpenAI's form.
func (r TextCompletionResponse) MarshalJSON() ([]byte, error) { return marshal(r.fields().encode) }

// UnmarshalJSON reads OpenAI's form, leniently.
func (r *TextCompletionResponse) UnmarshalJSON(b []byte) error {
	return unmarshal(b, r.fields().decode)
}

// MarshalJSON writes OpenAI's form.
func (c TextCompletionChunk) MarshalJSON() ([]byte, error) { return marshal(c.fields().encode) }

// UnmarshalJSON reads OpenAI's form, leniently. Members that are absent leave their fields as they were, and
// Choices reuses its backing array, as with [CompletionChunk].
func (c *TextCompletionChunk) UnmarshalJSON(b []byte) error {
	return unmarshal(b, c.fields().decode)
}

func (r textAnswer) encode(e *jsonx.Encoder) {
	e.Object()
	e.OptStr("id", *r.id)
	e.Name("object")
	e.Str(or(*r.object, "text_completion"))
	e.OptInt64("created", *r.created)
	e.OptStr("model", *r.model)
	e.OptStr("system_fingerprint", *r.fingerprint)
	e.Name("choices")
	e.Array()
	for i := range *r.choices {
		c := &(*r.choices)[i]
		e.Object()
		e.Name("index")
		e.Int(c.Index)
		e.Name("text")
		e.Str(c.Text)
		encodeFinish(e, c.FinishReason, c.NativeFinishReason, "")
		optAny(e, "logprobs", c.Logprobs, c.Logprobs != nil)
		e.Members(c.Extra)
		e.EndObject()
	}
	e.EndArray()
	encodeUsage(e, *r.usage)
	e.Members(*r.extra)
	e.EndObject()
}

func (r textAnswer) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "id":
			*r.id = d.Intern(*r.id)
		case "object":
			*r.object = d.Intern("text_completion")
		case "created":
			*r.created = int64(d.Float())
		case "model":
			*r.model = d.Intern(*r.model)
		case "system_fingerprint":
			*r.fingerprint = d.Intern(*r.fingerprint)
		case "choices":
			list := (*r.choices)[:0]
			for d.Array(); d.More(); {
				list = append(list, TextChoice{})
				list[len(list)-1].decode(d)
			}
			*r.choices = list
		case "usage":
			*r.usage = decodeUsage(d)
		default:
			keepUnlessNull(r.extra, d)
		}
	}
}

func (c *TextChoice) decode(d *jsonx.Decoder) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "index":
			c.Index = d.Int()
		case "text":
			c.Text = d.Str()
		case "finish_reason":
			c.FinishReason, c.NativeFinishReason = decodeFinish(d, c.NativeFinishReason)
		case "native_finish_reason":
			if s := d.Str(); s != "" {
				c.NativeFinishReason = s
			}
		case "logprobs":
			if d.Kind() != jsonx.Object {
				d.Skip()
				continue
			}
			decodeInto(d, &c.Logprobs)
		default:
			keepUnlessNull(&c.Extra, d)
		}
	}
}
