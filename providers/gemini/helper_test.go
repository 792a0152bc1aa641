package gemini

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
	p := *provider
	p.Completion = &llm.Op[llm.CompletionRequest, llm.CompletionResponse, llm.CompletionChunk]{
		Encode: func(call *llm.Call, _ *llm.CompletionRequest) (*http.Request, error) {
			got = call
			return nil, errors.New("stop")
		},
		Stream: func(*llm.Call, io.Reader) llm.Next[llm.CompletionChunk] { return nil },
	}
	r := *req
	if r.Model == "" {
		r.Model = "gemini/gemini-2.5-flash"
	}
	opts = append([]llm.Option{llm.WithProvider(&p), llm.WithoutEnv(), llm.WithAPIKey("k")}, opts...)
	_, err := llm.CompletionStream(t.Context(), &r, opts...)
	if got == nil {
		t.Fatalf("no call: %v", err)
	}
	return got
}

// canned answers every request with a body.
func canned(contentType, body string) []llm.Option {
	return []llm.Option{llm.WithProvider(provider), llm.WithoutEnv(), llm.WithAPIKey("k"), llm.WithMaxAttempts(1),
		llm.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Request: r, Header: http.Header{"Content-Type": {contentType}},
				Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1}, nil
		})})}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// encoded is the body of a request.
func encoded(t testing.TB, h Host, req *llm.CompletionRequest, opts ...llm.Option) (string, *llm.Call) {
	t.Helper()
	call := callOf(t, req, opts...)
	r, err := h.Completion().Encode(call, req)
	if err != nil {
		t.Fatal(err)
	}
	return string(llm.RequestBody(r)), call
}
