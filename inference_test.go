package llm_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	"github.com/stretchr/testify/require"
)

// A bare model name goes to the provider that a catalogue knows for it, after the caller's own default.
func TestInference(t *testing.T) {
	llm.RegisterInference(func(name string) (string, bool) { return "vendor", name == "bare-1" || name == "bare-2" })
	var asked []string
	provider := func(name string) *llm.Provider {
		return &llm.Provider{Name: name, BaseURL: "https://" + name + ".example", KeyOptional: true,
			Embedding: &llm.Op[llm.EmbeddingRequest, llm.EmbeddingResponse, llm.None]{
				Encode: func(call *llm.Call, _ *llm.EmbeddingRequest) (*http.Request, error) {
					asked = append(asked, call.Provider.Name+" "+call.Model)
					return call.NewRequest(http.MethodPost, "/embed", "application/json", nil)
				},
				Decode: func(*llm.Call, http.Header, []byte) (*llm.EmbeddingResponse, error) {
					return &llm.EmbeddingResponse{}, nil
				},
			}}
	}
	client := llm.New(llm.WithoutEnv(), llm.WithProvider(provider("vendor")), llm.WithProvider(provider("host")),
		llm.WithHTTPClient(&http.Client{Transport: replying(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}"))}, nil
		})}))
	ask := func(model string, opts ...llm.Option) error {
		_, err := client.Embedding(context.Background(), &llm.EmbeddingRequest{Model: model, Input: []string{"x"}}, opts...)
		return err
	}
	require.NoError(t, ask("bare-1"))
	require.NoError(t, ask("bare-1", llm.WithDefaultProvider("host")))
	require.NoError(t, ask("host/bare-1"))
	require.Equal(t, []string{"vendor bare-1", "host bare-1", "host bare-1"}, asked)
	require.ErrorIs(t, ask("bare-3"), llm.ErrUnknownProvider)
	require.ErrorContains(t, ask("bare-3"), "llm/models")
	require.ErrorIs(t, ask("nowhere/bare-1"), llm.ErrUnknownProvider)
	other := llm.New(llm.WithoutEnv())
	_, err := other.Embedding(context.Background(), &llm.EmbeddingRequest{Model: "bare-2", Input: []string{"x"}})
	require.ErrorContains(t, err, `unknown provider "vendor"`, "a provider that is not linked in")
}

type replying func(*http.Request) (*http.Response, error)

func (f replying) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
