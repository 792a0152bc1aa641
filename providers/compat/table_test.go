package compat

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm"
)

// TestTable checks the form of each row: what would fail only when a caller reaches for the host.
func TestTable(t *testing.T) {
	name := regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)
	variable := regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
	seen := make(map[string]string)
	for _, h := range hosts {
		t.Run(h.Name, func(t *testing.T) {
			for _, n := range append([]string{h.Name}, h.Aliases...) {
				require.Regexp(t, name, n)
				require.Empty(t, seen[n], "name %s is taken by another row", n)
				seen[n] = h.Name
				p, ok := llm.LookupProvider(n)
				require.True(t, ok)
				require.Same(t, Provider(h.Name), p)
			}
			for _, v := range append(append([]string{}, h.BaseURLEnv...), h.KeyEnv...) {
				require.Regexp(t, variable, v)
			}
			require.NotEmpty(t, h.KeyEnv)
			require.NotEmpty(t, h.Ops)
			if h.BaseURL == "" {
				require.NotEmpty(t, h.BaseURLEnv, "a row without an address names the variable that gives it")
				return
			}
			filled := regexp.MustCompile(`\{[^|}]*\|([^}]*)\}`).ReplaceAllString(h.BaseURL, "$1")
			u, err := url.Parse(filled)
			require.NoError(t, err)
			require.NotEmpty(t, u.Host)
			require.False(t, strings.HasSuffix(filled, "/"), "base URLs end without a slash")
			require.Empty(t, u.RawQuery)
			if h.KeyOptional {
				require.Contains(t, []string{"localhost", "127.0.0.1"}, u.Hostname())
			} else {
				require.Equal(t, "https", u.Scheme)
			}
			if h.Doc != "" {
				d, err := url.Parse(h.Doc)
				require.NoError(t, err)
				require.Equal(t, "https", d.Scheme)
			}
		})
	}
}

// TestEveryHostAnswers calls each row: the request goes to its address with its key, and the answer comes back,
// whole and streamed.
func TestEveryHostAnswers(t *testing.T) {
	for p := range Providers() {
		t.Run(p.Name, func(t *testing.T) {
			host := &fakeHost{t: t, p: p}
			opts := []llm.Option{llm.WithoutEnv(), llm.WithAPIKey("k-" + p.Name), llm.WithMaxAttempts(1), llm.WithHTTPClient(&http.Client{Transport: host})}
			if p.BaseURL == "" {
				opts = append(opts, llm.WithBaseURL("https://own.test/v1"))
			}
			if p.Completion != nil {
				req := &llm.CompletionRequest{Model: p.Name + "/m", Messages: []llm.Message{llm.User("Hi")}, MaxTokens: 9, Temperature: new(0.0)}
				resp, err := llm.Completion(t.Context(), req, opts...)
				require.NoError(t, err)
				require.Equal(t, "Hello", resp.Text())
				require.Equal(t, 2, resp.Usage.CompletionTokens)

				s, err := llm.CompletionStream(t.Context(), req, opts...)
				require.NoError(t, err)
				folded, err := llm.Collect(s)
				require.NoError(t, err)
				require.Equal(t, resp.Choices, folded.Choices)
				require.Equal(t, resp.Usage, folded.Usage)
			}
			if p.TextCompletion != nil {
				resp, err := llm.TextCompletion(t.Context(), &llm.TextCompletionRequest{Model: p.Name + "/m", Prompt: []string{"Hi"}}, opts...)
				require.NoError(t, err)
				require.Equal(t, "Hello", resp.Text())
			}
			if p.Embedding != nil {
				resp, err := llm.Embedding(t.Context(), &llm.EmbeddingRequest{Model: p.Name + "/m", Input: []string{"Hi"}}, opts...)
				require.NoError(t, err)
				require.Equal(t, []float32{0.5, -1}, resp.Data[0].Embedding)
			}
			if p.Models != nil {
				resp, err := llm.Models(t.Context(), &llm.ModelsRequest{Provider: p.Name}, opts...)
				require.NoError(t, err)
				require.Equal(t, "m", resp.Data[0].ID)
			}
			if p.Completion != nil || p.Embedding != nil {
				require.NotZero(t, host.calls)
			}
		})
	}
}

// fakeHost is an OpenAI-compatible server without a socket, which looks at what it is sent.
type fakeHost struct {
	t     *testing.T
	p     *llm.Provider
	calls int
}

func (f *fakeHost) RoundTrip(r *http.Request) (*http.Response, error) {
	f.calls++
	key := "k-" + f.p.Name
	require.True(f.t, r.Header.Get("Authorization") == "Bearer "+key || r.Header.Get("Authorization") == key ||
		r.Header.Get("api-key") == key || r.Header.Get("api-subscription-key") == key, "no key in %v", r.Header)
	require.NotContains(f.t, r.URL.String(), key)
	require.NotContains(f.t, r.URL.Path, "//")
	require.NotContains(f.t, r.URL.String(), "{")
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		require.NoError(f.t, err)
	}
	contentType, answer := "application/json", ""
	path := strings.TrimSuffix(r.URL.Path, "/")
	switch {
	case strings.HasSuffix(path, "/chat/completions"):
		require.Contains(f.t, string(body), `"temperature":0`)
		require.Regexp(f.t, `"max_(completion_)?tokens":9`, string(body))
		if strings.Contains(string(body), `"stream":true`) {
			contentType = "text/event-stream"
			answer = sse(`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"}}]}`,
				`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"lo"}}]}`,
				`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`,
				`[DONE]`)
		} else {
			answer = `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`
		}
	case strings.HasSuffix(path, "/completions"):
		require.Contains(f.t, string(body), `"prompt":"Hi"`)
		answer = `{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"Hello","finish_reason":"stop"}]}`
	case strings.HasSuffix(path, "/embeddings"):
		answer = `{"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[0.5,-1]}],"usage":{"prompt_tokens":1,"total_tokens":1}}`
	case strings.HasSuffix(path, "/models"):
		answer = `{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"x"}]}`
	default:
		f.t.Errorf("unexpected path %s", r.URL.Path)
	}
	return &http.Response{StatusCode: 200, Request: r, Header: http.Header{"Content-Type": {contentType}},
		Body: io.NopCloser(strings.NewReader(answer)), ContentLength: -1}, nil
}

func sse(events ...string) string {
	var b strings.Builder
	w := bufio.NewWriter(&b)
	for _, e := range events {
		fmt.Fprintf(w, "data: %s\n\n", e)
	}
	_ = w.Flush()
	return b.String()
}

func TestOllamaAddress(t *testing.T) {
	for setting, want := range map[string]string{
		"":                "http://localhost:11434/v1/chat/completions",
		"OLLAMA_API_BASE": "http://10.0.0.5:11434/v1/chat/completions",
		"OLLAMA_HOST":     "http://10.0.0.5:11434/v1/chat/completions",
		"WithBaseURL":     "http://10.0.0.5:11434/v1/chat/completions",
	} {
		t.Run(setting, func(t *testing.T) {
			var got string
			opts := []llm.Option{llm.WithoutEnv(), llm.WithMaxAttempts(1), llm.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				got = r.URL.String()
				require.Empty(t, r.Header.Get("Authorization"))
				return nil, io.ErrUnexpectedEOF
			})})}
			switch setting {
			case "":
			case "WithBaseURL":
				opts = append(opts, llm.WithBaseURL("http://10.0.0.5:11434/v1"))
			default:
				opts = append(opts, llm.WithSetting(setting, "http://10.0.0.5:11434"))
			}
			_, err := llm.Completion(t.Context(), &llm.CompletionRequest{Model: "ollama/llama3.2", Messages: []llm.Message{llm.User("Hi")}}, opts...)
			require.Error(t, err)
			require.Equal(t, want, got)
		})
	}
}

// OLLAMA_HOST is the server's own setting, which is often written without a scheme.
func TestOllamaHost(t *testing.T) {
	for setting, want := range map[string]string{
		"10.0.0.5":                 "http://10.0.0.5:11434/v1/",
		"gpu.lan":                  "http://gpu.lan:11434/v1/",
		"gpu.lan:8080":             "http://gpu.lan:8080/v1/",
		":8080":                    "http://localhost:8080/v1/",
		"0.0.0.0":                  "http://localhost:11434/v1/",
		"0.0.0.0:11434":            "http://localhost:11434/v1/",
		"[::]:8080":                "http://localhost:8080/v1/",
		"::1":                      "http://[::1]:11434/v1/",
		"http://0.0.0.0:11434":     "http://localhost:11434/v1/",
		"http://gpu.lan:11434/":    "http://gpu.lan:11434/v1/",
		"https://ollama.example":   "https://ollama.example/v1/",
		"https://ollama.example/x": "https://ollama.example/x/v1/",
	} {
		var got string
		_, err := llm.Completion(t.Context(), &llm.CompletionRequest{Model: "ollama/llama3.2", Messages: []llm.Message{llm.User("Hi")}},
			llm.WithoutEnv(), llm.WithMaxAttempts(1), llm.WithSetting("OLLAMA_HOST", setting), llm.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				got = r.URL.String()
				return nil, io.ErrUnexpectedEOF
			})}))
		require.Error(t, err)
		require.Equal(t, want+"chat/completions", got, setting)
	}
	for _, setting := range []string{"gpu.lan/x", "user@gpu.lan", "a b", "ftp://gpu.lan"} {
		_, err := llm.Completion(t.Context(), &llm.CompletionRequest{Model: "ollama/llama3.2", Messages: []llm.Message{llm.User("Hi")}},
			llm.WithoutEnv(), llm.WithMaxAttempts(1), llm.WithSetting("OLLAMA_HOST", setting))
		require.ErrorIs(t, err, llm.ErrInvalidRequest, setting)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
