package llm

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"reflect"
)

// CompletionAs asks for an answer of the Go type T. The JSON Schema is made from the type: names from json
// tags, descriptions from jsonschema tags, fields with omitempty or omitzero optional, unless the request's
// ResponseFormat brings a schema of its own. Each provider gets the schema in the strict form that it takes;
// what a form cannot say is a [Warning] of code "schema_constraint". The answer is then validated here against
// the full schema.
//
// An answer that does not match is an [ErrSchema]; the response is returned beside it. With [WithRepair] the
// model is first told what is wrong and asked once more. Use [WithClient] to call by a client of your own.
//
// The schemas are made by package github.com/llm-go/llm/schema, which must be linked in: providers/all imports it.
func CompletionAs[T any](ctx context.Context, req *CompletionRequest, opts ...Option) (T, *CompletionResponse, error) {
	var zero T
	s, asked, err := askFor[T](req)
	if err != nil {
		return zero, nil, err
	}
	set := noSettings.with(opts)
	client := set.client
	if client == nil {
		client = Default()
	}
	for repairs := set.repairs; ; repairs-- {
		resp, err := client.Completion(ctx, asked, opts...)
		if err != nil {
			return zero, nil, err
		}
		v, err := readAs[T](s, resp)
		var m *SchemaMismatch
		if err == nil {
			return v, resp, nil
		}
		if !errors.As(err, &m) || repairs <= 0 {
			return zero, resp, err
		}
		again := *asked
		again.Messages = append(append([]Message(nil), asked.Messages...), *resp.Message(),
			User("This answer does not match the required JSON schema: "+m.Detail+". Answer again with the corrected JSON only."))
		asked = &again
	}
}

// WithRepair lets [CompletionAs] ask once more, telling the model what was wrong, when an answer does not
// match its schema.
func WithRepair() Option { return func(s *settings) { s.repairs = 1 } }

// WithClient makes the generic functions, which cannot be methods, call by c.
func WithClient(c *Client) Option { return func(s *settings) { s.client = c } }

// askFor is the request for an answer of type T.
func askFor[T any](req *CompletionRequest) (Schema, *CompletionRequest, error) {
	if req == nil {
		return nil, nil, InvalidRequest("request", "the request is nil")
	}
	r := *req
	if f := req.ResponseFormat; f != nil && f.JSONSchema != nil && f.JSONSchema.Schema != nil {
		s, err := givenSchema(f.JSONSchema.Schema)
		if err != nil {
			return nil, nil, InvalidRequest("response_format", "the schema is not a JSON Schema: "+err.Error())
		}
		return s, &r, nil
	}
	s, err := schemaFor[T]()
	if err != nil {
		return nil, nil, InvalidRequest("response_format", err.Error())
	}
	name := reflect.TypeFor[T]().Name()
	if !isIdentifier(name) {
		name = "answer"
	}
	r.ResponseFormat = &ResponseFormat{Type: "json_schema", JSONSchema: &JSONSchema{Name: name, Schema: s, Strict: new(true)}}
	return s, &r, nil
}

// isIdentifier: OpenAI takes names of letters, digits, '_' and '-', up to 64; generic types have others.
func isIdentifier(name string) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return name != "" && len(name) <= 64
}

// readAs validates and decodes an answer.
func readAs[T any](s Schema, resp *CompletionResponse) (T, error) {
	var v T
	fail := func(msg string, err error) (T, error) {
		var zero T
		return zero, &Error{Kind: ErrSchema, Scope: ScopeRequest, Provider: resp.Meta.Provider, Model: resp.Meta.Model,
			Message: msg, Err: err, RequestID: resp.Meta.RequestID}
	}
	m := resp.Message()
	switch {
	case m.Refusal != "":
		return fail("the model refused to answer; its words are in the message's Refusal", nil)
	case resp.FinishReason() == FinishLength:
		return fail("the answer was cut by the token limit; raise MaxTokens", nil)
	case resp.FinishReason() == FinishContentFilter:
		return fail("the answer was stopped by a content filter", ErrContentPolicy)
	}
	text, err := s.Check(jsonText(m.Content.Text()))
	if err != nil {
		return fail("the answer does not match the schema: "+err.Error(), err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return fail("the answer matches the schema but does not decode into the Go type", nil)
	}
	return v, nil
}

// CompletionStreamAs is [CompletionAs] in pieces: the value grows while it arrives.
func CompletionStreamAs[T any](ctx context.Context, req *CompletionRequest, opts ...Option) (*ObjectStream[T], error) {
	s, asked, err := askFor[T](req)
	if err != nil {
		return nil, err
	}
	client := noSettings.with(opts).client
	if client == nil {
		client = Default()
	}
	chunks, err := client.CompletionStream(ctx, asked, opts...)
	if err != nil {
		return nil, err
	}
	return &ObjectStream[T]{schema: s, chunks: chunks}, nil
}

// ObjectStream is a value of type T that arrives in pieces.
type ObjectStream[T any] struct {
	schema Schema
	chunks *Stream[CompletionChunk]
	acc    Accumulator
	text   []byte
	parsed int // the length of text when it was parsed last
}

// All yields the value as far as it is known, each time that more of it is, and at the end the whole value,
// validated. Partial values are not validated: texts in them may be cut, and members missing. A long value is
// not parsed anew for every chunk, so some growth steps are joined. An error is the last pair.
func (o *ObjectStream[T]) All() iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		defer o.chunks.Close()
		var zero T
		for {
			c, err := o.chunks.Next()
			if err == io.EOF {
				yield(readAs[T](o.schema, o.Response()))
				return
			}
			if err != nil {
				yield(zero, err)
				return
			}
			o.acc.Add(c)
			o.text = append(o.text, c.Text()...)
			if v, ok := o.partial(); ok && !yield(v, nil) {
				return
			}
		}
	}
}

// partial decodes what is there, if enough is new: parsing at steps of 1/32 keeps the work linear.
func (o *ObjectStream[T]) partial() (v T, ok bool) {
	if len(o.text)-o.parsed < 1+len(o.text)/32 {
		return v, false
	}
	o.parsed = len(o.text)
	whole := closeJSON(o.text)
	if whole == nil {
		return v, false
	}
	if o.schema.Wrapped() {
		var w struct {
			Value *T `json:"value"`
		}
		if json.Unmarshal(whole, &w) != nil || w.Value == nil {
			return v, false
		}
		return *w.Value, true
	}
	return v, json.Unmarshal(whole, &v) == nil
}

// Response is the answer so far, or the whole one after All has ended.
func (o *ObjectStream[T]) Response() *CompletionResponse {
	r := o.acc.Response()
	if r == nil {
		r = &CompletionResponse{}
	}
	r.Meta = *o.chunks.Meta()
	return r
}

// Close frees the connection.
func (o *ObjectStream[T]) Close() error { return o.chunks.Close() }

// closeJSON makes a prefix of a JSON text whole: it closes what is open and drops what cannot be known yet, such
// as a half key or number. nil: nothing can be said yet.
func closeJSON(text []byte) []byte {
	var (
		stack []byte // the closers of what is open
		good  int    // text[:good] plus closers is whole
		depth int    // len(stack) at good
		tail  string // what must follow text[:good] first
	)
	mark := func(i int, t string) { good, depth, tail = i, len(stack), t }
	inKey := false
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case '{', '[':
			stack = append(stack, c+2) // '{'+2 is '}', '['+2 is ']'
			inKey = c == '{'
			i++
			mark(i, "")
		case '}', ']':
			if len(stack) == 0 || stack[len(stack)-1] != c {
				return nil
			}
			stack = stack[:len(stack)-1]
			i++
			mark(i, "")
		case ',':
			inKey = len(stack) > 0 && stack[len(stack)-1] == '}'
			i++
		case ':':
			inKey = false
			i++
		case '"':
			end, closed := stringEnd(text, i)
			switch {
			case inKey:
			case closed:
				mark(end, "")
			default:
				mark(end, `"`)
			}
			i = end
			if !closed {
				i = len(text)
			}
		case ' ', '\t', '\r', '\n':
			i++
		default: // a number or literal is known when something follows it
			for i < len(text) && !isDelimiter(text[i]) {
				i++
			}
			if i < len(text) {
				mark(i, "")
			}
		}
	}
	if good == 0 {
		return nil
	}
	out := append([]byte(nil), text[:good]...)
	out = append(out, tail...)
	for i := depth - 1; i >= 0; i-- {
		out = append(out, stack[i])
	}
	return out
}

// stringEnd is where the string that begins at i ends; for an open one, the last place where it may be cut: not
// inside an escape or a rune.
func stringEnd(text []byte, i int) (end int, closed bool) {
	for i++; i < len(text); {
		switch c := text[i]; {
		case c == '"':
			return i + 1, true
		case c == '\\':
			n := 2
			if i+1 < len(text) && text[i+1] == 'u' {
				n = 6
			}
			if i+n > len(text) {
				return i, false
			}
			i += n
		case c >= 0xC0:
			n := 2
			if c >= 0xE0 {
				n = 3
			}
			if c >= 0xF0 {
				n = 4
			}
			if i+n > len(text) {
				return i, false
			}
			i += n
		default:
			i++
		}
	}
	return i, false
}

func isDelimiter(c byte) bool {
	switch c {
	case ',', ':', '}', ']', '{', '[', '"', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}
