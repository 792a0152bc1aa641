package openai

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/llm-go/llm"
)

// callOf is the call that the engine hands to a provider's functions.
func callOf(t testing.TB, req *llm.CompletionRequest, opts ...llm.Option) *llm.Call {
	t.Helper()
	var got *llm.Call
	stop := errors.New("stop")
	p := *provider
	p.Completion = &llm.Op[llm.CompletionRequest, llm.CompletionResponse, llm.CompletionChunk]{
		Encode: func(call *llm.Call, _ *llm.CompletionRequest) (*http.Request, error) {
			got = call
			return nil, stop
		},
		Stream: func(*llm.Call, io.Reader) llm.Next[llm.CompletionChunk] { return nil },
	}
	r := *req
	r.Model = "openai/gpt-5"
	opts = append([]llm.Option{llm.WithProvider(&p), llm.WithoutEnv(), llm.WithAPIKey("k")}, opts...)
	_, err := llm.CompletionStream(t.Context(), &r, opts...)
	if got == nil {
		t.Fatalf("no call: %v", err)
	}
	return got
}

// streamOf reads a canned stream through the engine.
func streamOf(t testing.TB, q Quirks, body string) (*llm.CompletionResponse, error) {
	t.Helper()
	return streamWith(t, q, body, &llm.CompletionRequest{})
}

func streamWith(t testing.TB, q Quirks, body string, req *llm.CompletionRequest) (*llm.CompletionResponse, error) {
	t.Helper()
	r := *req
	r.Model = "openai/gpt-5"
	if r.Messages == nil {
		r.Messages = []llm.Message{llm.User("Hi")}
	}
	s, err := llm.CompletionStream(t.Context(), &r, canned(q, "text/event-stream", body)...)
	if err != nil {
		return nil, err
	}
	return llm.Collect(s)
}

// unaryOf decodes a canned answer through the engine.
func unaryOf(t testing.TB, q Quirks, body string) (*llm.CompletionResponse, error) {
	t.Helper()
	req := &llm.CompletionRequest{Model: "openai/gpt-5", Messages: []llm.Message{llm.User("Hi")}}
	return llm.Completion(t.Context(), req, canned(q, "application/json", body)...)
}

func canned(q Quirks, contentType, body string) []llm.Option {
	return []llm.Option{
		llm.WithProvider(New(Host{Name: "openai", BaseURL: "https://host.test/v1", Ops: "completion text_completion", Quirks: q})),
		llm.WithoutEnv(), llm.WithAPIKey("k"), llm.WithMaxAttempts(1),
		llm.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Request: r, Header: http.Header{"Content-Type": {contentType}},
				Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1}, nil
		})}),
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
