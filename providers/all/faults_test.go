package all

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
)

// edited is a transport that changes the body of each answer.
type edited func(body []byte) []byte

func (f edited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(f(body))), -1
	return resp, nil
}

// What comes after an answer's end is no part of it, and is told of: once, also if it was read together with the end.
func TestDataAfterTheEnd(t *testing.T) {
	for _, model := range []string{"openai/gpt-x", "openai/responses/gpt-x", "anthropic/claude-x", "gemini/gemini-x", "bedrock/vendor.model-x"} {
		for name, f := range map[string]edited{
			"the answer again": func(b []byte) []byte { return append(slices.Clone(b), b...) },
			"blank":            func(b []byte) []byte { return append(slices.Clone(b), "\r\n\n"...) },
			"done":             func(b []byte) []byte { return append(slices.Clone(b), "data: [DONE]\n\n"...) },
		} {
			srv := llmtest.NewServer(t)
			srv.Reply(llmtest.Text("Hello, Ada."))
			s, err := srv.Client(llm.WithHTTPClient(&http.Client{Transport: f})).CompletionStream(t.Context(),
				&llm.CompletionRequest{Model: model, Messages: []llm.Message{llm.User("Hi")}})
			require.NoError(t, err)
			r, err := llm.Collect(s)
			require.NoError(t, err)
			require.Equal(t, "Hello, Ada.", r.Text())
			if name != "the answer again" {
				require.Empty(t, r.Meta.Warnings, "%s %s", model, name)
				continue
			}
			require.Len(t, r.Meta.Warnings, 1, model)
			require.Equal(t, "stream", r.Meta.Warnings[0].Code)
		}
	}
}

// A member that comes twice counts once, as the last.
func TestDoubledMembers(t *testing.T) {
	member := map[string]string{"openai": `"choices":`, "anthropic": `"content":`, "gemini": `"parts":`, "bedrock": `"content":`}
	for _, model := range []string{"openai/gpt-x", "anthropic/claude-x", "gemini/gemini-x", "bedrock/vendor.model-x"} {
		provider, _, _ := strings.Cut(model, "/")
		for _, streamed := range []bool{false, true} {
			if streamed && provider != "openai" && provider != "gemini" {
				continue // their streams have no list that adds up
			}
			srv := llmtest.NewServer(t)
			srv.Reply(llmtest.Answer{Text: "Hello, Ada.", Reasoning: "Hm."})
			f := edited(func(b []byte) []byte {
				var out []byte
				for line := range bytes.Lines(b) {
					if i := bytes.Index(line, []byte(member[provider])); i >= 0 {
						from := i + len(member[provider])
						depth, end := 0, from
						for ; ; end++ {
							switch line[end] {
							case '[':
								depth++
							case ']':
								depth--
							}
							if depth == 0 {
								break
							}
						}
						twice := append(slices.Clone(line[i:end+1]), ',')
						line = append(append(slices.Clone(line[:i]), twice...), line[i:]...)
					}
					out = append(out, line...)
				}
				require.NotEqual(t, len(b), len(out), "%s: nothing was doubled", model)
				return out
			})
			client := srv.Client(llm.WithHTTPClient(&http.Client{Transport: f}))
			req := &llm.CompletionRequest{Model: model, Messages: []llm.Message{llm.User("Hi")}}
			var r *llm.CompletionResponse
			var err error
			if streamed {
				var s *llm.Stream[llm.CompletionChunk]
				s, err = client.CompletionStream(t.Context(), req)
				require.NoError(t, err)
				r, err = llm.Collect(s)
			} else {
				r, err = client.Completion(t.Context(), req)
			}
			require.NoError(t, err, model)
			require.Len(t, r.Choices, 1, model)
			require.Equal(t, "Hello, Ada.", r.Text(), "%s %v", model, streamed)
			require.Equal(t, "Hm.", r.Message().ReasoningContent, "%s %v", model, streamed)
		}
	}
}
