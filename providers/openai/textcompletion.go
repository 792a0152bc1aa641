package openai

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// Legacy completions (API reference, "Completions (legacy)"): a text goes on. Hosts of open models kept it; Mistral's
// fill-in-the-middle (its API reference, "Fill in the middle") takes the same request and answers in chat's form,
// which is read too.

// text is the text completion operation of one host.
type text struct {
	*Quirks
	path   string
	cutOff bool
}

func newTextCompletion(q *Quirks) *llm.Op[llm.TextCompletionRequest, llm.TextCompletionResponse, llm.TextCompletionChunk] {
	t := &text{Quirks: q, path: q.TextPath, cutOff: q.accepts("cut_off")}
	if t.path == "" {
		t.path = "/completions"
	}
	return &llm.Op[llm.TextCompletionRequest, llm.TextCompletionResponse, llm.TextCompletionChunk]{
		Encode: t.encode,
		Decode: t.decode,
		Stream: t.stream,
	}
}

func (t *text) encode(call *llm.Call, req *llm.TextCompletionRequest) (*http.Request, error) {
	n := 512 + len(req.Suffix)
	for _, p := range req.Prompt {
		n += len(p) + len(p)/16 + 8
	}
	e := jsonx.Encoder{B: make([]byte, 0, n)}
	e.Object()
	e.Name("model")
	e.Str(t.model(call))
	e.Name("prompt")
	switch {
	case len(req.Tokens) == 1:
		e.Any(req.Tokens[0])
	case len(req.Tokens) > 1:
		e.Any(req.Tokens)
	case len(req.Prompt) == 1:
		e.Str(req.Prompt[0])
	case len(req.Prompt) == 0:
		return nil, llm.InvalidRequest("prompt", "the request has no prompt; set Prompt or Tokens")
	default:
		e.Any(req.Prompt)
	}
	// unless writes a member, or refuses it where the host does not take it.
	var failed error
	unless := func(name string, isSet bool, write func()) {
		if !isSet || failed != nil {
			return
		}
		if t.drops(name) || t.drops("text_completion."+name) {
			failed = call.Unsupported(name, "")
			return
		}
		write()
	}
	unless("suffix", req.Suffix != "", func() { e.OptStr("suffix", req.Suffix) })
	e.OptInt("max_tokens", req.MaxTokens)
	e.PtrFloat("temperature", req.Temperature)
	unless("top_p", req.TopP != nil, func() { e.PtrFloat("top_p", req.TopP) })
	unless("n", req.N != 0, func() { e.OptInt("n", req.N) })
	unless("best_of", req.BestOf != 0, func() { e.OptInt("best_of", req.BestOf) })
	unless("echo", req.Echo, func() { e.OptBool("echo", req.Echo) })
	unless("logprobs", req.Logprobs != nil, func() { e.PtrInt("logprobs", req.Logprobs) })
	unless("stop", len(req.Stop) > 0, func() { e.Strs("stop", req.Stop) })
	unless("seed", req.Seed != nil, func() {
		name := t.Seed
		if name == "" {
			name = "seed"
		}
		e.PtrInt64(name, req.Seed)
	})
	unless("frequency_penalty", req.FrequencyPenalty != nil, func() { e.PtrFloat("frequency_penalty", req.FrequencyPenalty) })
	unless("presence_penalty", req.PresencePenalty != nil, func() { e.PtrFloat("presence_penalty", req.PresencePenalty) })
	unless("logit_bias", len(req.LogitBias) > 0, func() { e.Name("logit_bias"); e.Any(req.LogitBias) })
	unless("user", req.User != "", func() { e.OptStr("user", req.User) })
	if failed != nil {
		return nil, failed
	}
	if call.Stream {
		e.OptBool("stream", true)
		usage := !t.NoStreamUsage
		if o := req.StreamOptions; o != nil {
			options := *o
			if options.IncludeUsage == nil && usage {
				options.IncludeUsage = &usage
			}
			e.Name("stream_options")
			e.Any(options)
		} else if usage {
			e.Name("stream_options")
			e.Raw([]byte(`{"include_usage":true}`))
		}
	}
	e.EndObject()
	if err := e.Err(); err != nil {
		return nil, llm.InvalidRequest("", "the request cannot be written as JSON: "+err.Error())
	}
	return call.NewJSONRequest(t.path, e.B, req.Extra)
}

func (t *text) decode(_ *llm.Call, h http.Header, body []byte) (*llm.TextCompletionResponse, error) {
	var r llm.TextCompletionResponse
	d := jsonx.NewDecoder(body)
	decodeText(d, &r)
	if err := d.End(); err != nil {
		if e := bodyError(h, body); e != nil {
			return nil, e
		}
		return nil, undecodable(err)
	}
	if raw, ok := r.Extra["error"].(json.RawMessage); ok && carriesError(raw) {
		return nil, bodyErrorOr(h, body)
	}
	if len(r.Choices) == 0 {
		if e := bodyError(h, body); e != nil {
			return nil, e
		}
		return nil, llm.Malformed("the answer has no choices", nil)
	}
	for i := range r.Choices {
		if r.Choices[i].Index < 0 {
			return nil, llm.Malformed("a choice has a negative index", nil)
		}
		if e := choiceError(h, r.Choices[i].NativeFinishReason, r.Choices[i].Extra); e != nil {
			return nil, e
		}
	}
	if r.Usage != nil {
		usageExtra(r.Usage)
	}
	return &r, nil
}

// decodeText reads a response or a chunk: they have the same form. Members that are absent leave their fields.
func decodeText(d *jsonx.Decoder, r *llm.TextCompletionResponse) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "id":
			r.ID = d.Intern(r.ID)
		case "object":
			r.Object = d.Intern("text_completion")
		case "created":
			r.Created = int64(d.Float())
		case "model":
			r.Model = d.Intern(r.Model)
		case "system_fingerprint":
			r.SystemFingerprint = d.Intern(r.SystemFingerprint)
		case "choices":
			r.Choices = r.Choices[:0]
			for d.Array(); d.More(); {
				r.Choices = append(r.Choices, llm.TextChoice{Index: len(r.Choices)})
				decodeTextChoice(d, &r.Choices[len(r.Choices)-1])
			}
		case "usage":
			if d.Kind() != jsonx.Object {
				d.Skip()
				continue
			}
			r.Usage = &llm.Usage{}
			readInto(d, r.Usage)
		default:
			keep(&r.Extra, d)
		}
	}
}

func decodeTextChoice(d *jsonx.Decoder, c *llm.TextChoice) {
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "index":
			c.Index = d.Int()
		case "text":
			c.Text = d.Str()
		case "message", "delta": // chat's form
			var m llm.Message
			readInto(d, &m)
			c.Text = m.Content.Text()
		case "finish_reason":
			if s := d.Str(); s != "" {
				c.FinishReason, c.NativeFinishReason = llm.CanonicalFinishReason(s), s
			}
		case "logprobs":
			if d.Kind() != jsonx.Object {
				d.Skip()
				continue
			}
			// Some hosts send chat's form, which this field cannot hold; it is kept as it is.
			raw := d.Raw()
			var l llm.TextLogprobs
			if json.Unmarshal(raw, &l) == nil && l.Tokens != nil {
				c.Logprobs = &l
			} else {
				put(&c.Extra, "logprobs", append([]byte(nil), raw...))
			}
		default:
			keep(&c.Extra, d)
		}
	}
}

// readInto reads a value by its type's UnmarshalJSON.
func readInto(d *jsonx.Decoder, v json.Unmarshaler) {
	at := d.Pos()
	raw := d.Raw()
	if d.Err() == nil {
		if err := v.UnmarshalJSON(raw); err != nil {
			d.Fail(&placeError{at, err})
		}
	}
}

// placeError says where in the text a part of it failed.
type placeError struct {
	at  int
	err error
}

func (e *placeError) Error() string { return "value at " + strconv.Itoa(e.at) + ": " + e.err.Error() }

func (e *placeError) Unwrap() error { return e.err }
