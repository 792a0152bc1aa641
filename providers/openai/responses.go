package openai

// OpenAI's API reference, "Responses": "Create a model response". "stream": true is the only thing that is sent
// without the caller's asking.

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/llm-go/llm"
)

// responses is the Responses operation of one host.
type responses struct {
	*Quirks
	drop []responsesParam
}

func newResponses(q *Quirks) *llm.Op[llm.ResponsesRequest, llm.ResponsesResponse, llm.ResponsesChunk] {
	r := &responses{Quirks: q}
	for _, p := range responsesParams {
		if q.drops(p.name) {
			r.drop = append(r.drop, p)
		}
	}
	return &llm.Op[llm.ResponsesRequest, llm.ResponsesResponse, llm.ResponsesChunk]{
		Encode: r.encode,
		Decode: r.decode,
		Stream: r.stream,
	}
}

// responsesParam is a member of the request that some host cannot carry. take clears it and says whether it was
// set.
type responsesParam struct {
	name string
	take func(*llm.ResponsesRequest) bool
}

func responsesField[T comparable](name string, at func(*llm.ResponsesRequest) *T) responsesParam {
	return responsesParam{name, func(r *llm.ResponsesRequest) bool {
		var zero T
		p := at(r)
		set := *p != zero
		*p = zero
		return set
	}}
}

// responsesParams are the members that Quirks.Drop may name.
var responsesParams = []responsesParam{
	responsesField("max_output_tokens", func(r *llm.ResponsesRequest) *int { return &r.MaxOutputTokens }),
	responsesField("max_tool_calls", func(r *llm.ResponsesRequest) *int { return &r.MaxToolCalls }),
	responsesField("temperature", func(r *llm.ResponsesRequest) **float64 { return &r.Temperature }),
	responsesField("top_p", func(r *llm.ResponsesRequest) **float64 { return &r.TopP }),
	responsesField("top_logprobs", func(r *llm.ResponsesRequest) **int { return &r.TopLogprobs }),
	responsesField("tool_choice", func(r *llm.ResponsesRequest) **llm.ToolChoice { return &r.ToolChoice }),
	responsesField("parallel_tool_calls", func(r *llm.ResponsesRequest) **bool { return &r.ParallelToolCalls }),
	responsesField("store", func(r *llm.ResponsesRequest) **bool { return &r.Store }),
	responsesField("previous_response_id", func(r *llm.ResponsesRequest) *string { return &r.PreviousResponseID }),
	responsesField("background", func(r *llm.ResponsesRequest) **bool { return &r.Background }),
	responsesField("truncation", func(r *llm.ResponsesRequest) *string { return &r.Truncation }),
	responsesField("service_tier", func(r *llm.ResponsesRequest) *string { return &r.ServiceTier }),
	responsesField("user", func(r *llm.ResponsesRequest) *string { return &r.User }),
	responsesField("safety_identifier", func(r *llm.ResponsesRequest) *string { return &r.SafetyIdentifier }),
	responsesField("prompt_cache_key", func(r *llm.ResponsesRequest) *string { return &r.PromptCacheKey }),
	responsesField("prompt_cache_retention", func(r *llm.ResponsesRequest) *string { return &r.PromptCacheRetention }),
	{"metadata", func(r *llm.ResponsesRequest) bool {
		set := len(r.Metadata) > 0
		r.Metadata = nil
		return set
	}},
	{"include", func(r *llm.ResponsesRequest) bool {
		set := len(r.Include) > 0
		r.Include = nil
		return set
	}},
}

func (o *responses) encode(call *llm.Call, req *llm.ResponsesRequest) (*http.Request, error) {
	r := *req // members are cleared and replaced in the copy, never through its pointers
	r.Model = o.model(call)
	for _, p := range o.drop {
		if p.take(&r) {
			if err := call.Unsupported(p.name, ""); err != nil {
				return nil, err
			}
		}
	}
	options := r.StreamOptions
	if r.StreamOptions = nil; call.Stream && options != nil && options.IncludeObfuscation != nil {
		// Usage always comes; include_usage is not known here.
		r.StreamOptions = &llm.StreamOptions{IncludeObfuscation: options.IncludeObfuscation}
	}
	o.strict(call, &r)
	body, err := r.AppendJSON(call.Buffer(responsesSize(&r)))
	if err != nil {
		return nil, llm.InvalidRequest("", "the request cannot be written as JSON: "+err.Error())
	}
	if call.Stream {
		body = append(body[:len(body)-1], `,"stream":true}`...)
	}
	return call.NewJSONRequest("/responses", body, req.Extra)
}

// strict brings the schemas for which the caller asked strictness into OpenAI's strict form.
func (o *responses) strict(call *llm.Call, r *llm.ResponsesRequest) {
	if !o.StrictSchema {
		return
	}
	if f := r.Text; f != nil && f.Format != nil && f.Format.JSONSchema != nil && isTrue(f.Format.JSONSchema.Strict) && f.Format.JSONSchema.Schema != nil {
		text, format, js := *f, *f.Format, *f.Format.JSONSchema
		schema, ok := strictSchema(call, js.Schema, "text.format")
		if js.Schema = schema; !ok {
			js.Strict = nil
		}
		format.JSONSchema, text.Format = &js, &format
		r.Text = &text
	}
	copied := false
	for i := range r.Tools {
		t := r.Tools[i]
		if !isTrue(t.Strict) || t.Parameters == nil {
			continue
		}
		if !copied {
			r.Tools, copied = slices.Clone(r.Tools), true
		}
		schema, ok := strictSchema(call, t.Parameters, "tools["+strconv.Itoa(i)+"].parameters")
		if t.Parameters = schema; !ok {
			t.Strict = new(false) // here functions are strict unless told otherwise
		}
		r.Tools[i] = t
	}
}

// responsesSize is an estimate of the encoded size, a little too high, so that the body is allocated once.
func responsesSize(r *llm.ResponsesRequest) int {
	n := 1024 + len(r.Instructions) + len(r.Instructions)/16 + 512*len(r.Tools)
	for i := range r.Input {
		it := &r.Input[i]
		n += 160 + len(it.EncryptedContent) + len(it.Arguments)*5/4 + len(it.Input)
		for _, parts := range [][]llm.ResponsesContent{it.Content, it.Summary, it.Output} {
			for j := range parts {
				p := &parts[j]
				n += 64 + len(p.Text) + len(p.Text)/16 + len(p.ImageURL) + len(p.FileData)
				if p.InputAudio != nil {
					n += len(p.InputAudio.Data)
				}
			}
		}
	}
	return n
}

func (o *responses) decode(_ *llm.Call, h http.Header, body []byte) (*llm.ResponsesResponse, error) {
	r := &llm.ResponsesResponse{}
	if err := r.UnmarshalJSON(body); err != nil {
		if e := bodyError(h, body); e != nil {
			return nil, e
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			e := llm.Truncated("the answer's JSON ends too early")
			e.Err = err
			return nil, e
		}
		return nil, llm.Malformed("the answer is not the JSON of a response", err)
	}
	if r.ID == "" && r.Status == "" && len(r.Output) == 0 {
		if e := bodyError(h, body); e != nil {
			return nil, e
		}
		return nil, llm.Malformed("the answer has neither an id nor a status nor any output", nil)
	}
	if err := o.check(r); err != nil {
		return nil, err
	}
	if len(r.Output) == 0 && r.Status == "completed" && !bytes.Contains(body, []byte(`"output"`)) {
		return nil, llm.Malformed("the answer has no output", nil) // an empty one is a turn without words
	}
	return r, nil
}

// check finds the failure that a response tells of, and brings its usage into this library's form.
func (o *responses) check(r *llm.ResponsesResponse) error {
	if r.Status == "failed" || r.Error != nil && r.Status != "completed" && r.Status != "incomplete" {
		return responseError(r.Error)
	}
	(&chat{Quirks: o.Quirks}).usage(r.Usage)
	return nil
}
