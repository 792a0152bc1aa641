package all

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/providers/anthropic"
	"github.com/llm-go/llm/providers/bedrock"
	"github.com/llm-go/llm/providers/gemini"
)

// sections are those of a golden case.
func sections(t *testing.T, path string) map[string]string {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	m := make(map[string]string)
	heads := regexp.MustCompile(`(?m)^-- (.+) --\n`).FindAllSubmatchIndex(data, -1)
	for i, h := range heads {
		end := len(data)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		m[string(data[h[2]:h[3]])] = string(data[h[1]:end])
	}
	return m
}

// canned answers each request with the same answer, and keeps the last body sent.
type canned struct {
	answer string
	sent   []byte
}

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	c.sent, _ = io.ReadAll(r.Body)
	head, body, _ := strings.Cut(c.answer, "\n\n")
	lines := strings.Split(head, "\n")
	status, _ := strconv.Atoi(strings.Fields(lines[0])[1])
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1, Request: r}
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ":")
		resp.Header.Set(name, strings.TrimSpace(value))
	}
	return resp, nil
}

func throughJSON[T any](t *testing.T, v T) T {
	var back T
	b, err := json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &back))
	return back
}

// A conversation in the form of responses sends a chat provider, turn for turn, what a conversation in the form of
// completions does: signed thinking, signatures of calls and native content included, streamed or not. What the
// providers' own cases have for answers is tried.
func TestResponsesSendWhatCompletionsSend(t *testing.T) {
	for _, p := range []*llm.Provider{anthropic.Provider(), gemini.Provider(), bedrock.Provider()} {
		paths, err := filepath.Glob("../" + p.Name + "/testdata/completion_*.txtar")
		require.NoError(t, err)
		tried := 0
		for _, path := range paths {
			s := sections(t, path)
			if s["response.http"] == "" || s["answer.json"] == "" || strings.Contains(s["response.http"], "X-Golden-Encoding") {
				continue
			}
			var call struct{ Model string }
			require.NoError(t, json.Unmarshal([]byte(s["call.json"]), &call))
			var answer struct{ Choices []any }
			require.NoError(t, json.Unmarshal([]byte(s["answer.json"]), &answer))
			if len(answer.Choices) > 1 { // responses have one answer
				continue
			}
			t.Run(p.Name+"/"+strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
				host := &canned{answer: s["response.http"]}
				client := llm.New(llm.WithProvider(p), llm.WithoutEnv(), llm.WithAPIKey("key"), llm.WithHTTPClient(&http.Client{Transport: host}),
					llm.WithSetting("AWS_REGION", "us-east-1"), llm.WithSetting("AWS_ACCESS_KEY_ID", "id"), llm.WithSetting("AWS_SECRET_ACCESS_KEY", "secret"),
					llm.WithMaxAttempts(1), llm.WithDropParams())
				tools := []llm.Tool{{Function: &llm.FunctionTool{Name: "f"}}}
				flat := []llm.ResponsesTool{{Type: "function", Name: "f"}}

				c, err := client.Completion(t.Context(), &llm.CompletionRequest{Model: call.Model, Messages: []llm.Message{llm.User("Go.")}, Tools: tools})
				require.NoError(t, err)
				m := throughJSON(t, *c.Message())
				messages := []llm.Message{llm.User("Go."), m}
				for _, tc := range m.ToolCalls {
					messages = append(messages, llm.ToolResult(tc.ID, "done"))
				}
				host.sent = nil // an old body must not pass for a new one
				_, _ = client.Completion(t.Context(), &llm.CompletionRequest{Model: call.Model, Messages: append(messages, llm.User("On.")), Tools: tools})
				want := host.sent
				require.NotEmpty(t, want)

				again := func(r *llm.ResponsesResponse) []byte {
					items := append([]llm.ResponsesItem{llm.InputText("Go.")}, throughJSON(t, r.Output)...)
					for _, it := range r.Output {
						if it.Type == "function_call" && it.Status == "completed" {
							items = append(items, llm.ResponsesItem{Type: "function_call_output", CallID: it.CallID, Output: llm.InputText("done").Content})
						}
					}
					host.answer, host.sent = s["response.http"], nil
					_, _ = client.Responses(t.Context(), &llm.ResponsesRequest{Model: call.Model, Input: append(items, llm.InputText("On.")), Tools: flat})
					return host.sent
				}
				made := regexp.MustCompile(`call_[A-Za-z0-9_-]+`) // ids that were made up
				same := func(got []byte) {
					require.JSONEq(t, string(made.ReplaceAll(want, []byte("call_x"))), string(made.ReplaceAll(got, []byte("call_x"))))
				}
				r, err := client.Responses(t.Context(), &llm.ResponsesRequest{Model: call.Model, Input: []llm.ResponsesItem{llm.InputText("Go.")}, Tools: flat})
				require.NoError(t, err)
				same(again(r))
				tried++

				if s["stream.http"] == "" || s["stream_answer.json"] != "" {
					return
				}
				host.answer = s["stream.http"]
				st, err := client.ResponsesStream(t.Context(), &llm.ResponsesRequest{Model: call.Model, Input: []llm.ResponsesItem{llm.InputText("Go.")}, Tools: flat})
				require.NoError(t, err)
				streamed, err := llm.CollectResponses(st)
				require.NoError(t, err)
				same(again(streamed))
			})
		}
		require.Greater(t, tried, 5, "%s has hardly any case", p.Name)
	}
}
