package llm_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	_ "github.com/llm-go/llm/providers/openai"
	"github.com/stretchr/testify/require"
)

type randomAnswer struct{ *rand.Rand }

func (r randomAnswer) maybe() bool { return r.IntN(2) == 0 }

func (r randomAnswer) text() string {
	return []string{"a", "Grüße", "{}", "null", "\n\n", "\"}", "word and word", "\U0001F600"}[r.IntN(8)]
}

func (r randomAnswer) extra() llm.Extra {
	if r.IntN(3) > 0 {
		return nil
	}
	return llm.Extra{"x_" + r.text(): json.RawMessage(`{"deep":[1,2.50]}`)}
}

func (r randomAnswer) calls(arguments func() string) (list []llm.ToolCall) {
	for i := range r.IntN(3) {
		c := llm.ToolCall{Index: i, ID: fmt.Sprintf("id%d", r.IntN(1e6)), Type: "function", Extra: r.extra(),
			Function: llm.FunctionCall{Name: "f" + r.text(), Arguments: arguments()}}
		if r.maybe() {
			c.Signature, c.Origin = "sig"+r.text(), "gemini"
		}
		if r.IntN(4) == 0 {
			c.Type, c.Function, c.Custom = "custom", llm.FunctionCall{}, &llm.CustomCall{Name: "g", Input: r.text()}
		}
		list = append(list, c)
	}
	return list
}

func (r randomAnswer) message() llm.Message {
	m := llm.Message{Role: llm.RoleAssistant, Extra: r.extra()}
	if r.maybe() {
		m.Content = llm.Content{llm.TextPart(r.text())}
	}
	if r.maybe() {
		m.ReasoningContent = r.text()
	}
	if r.maybe() {
		m.Refusal = r.text()
	}
	m.ToolCalls = r.calls(func() string { return []string{`{}`, `{"a":1}`, `{"b":"{"}`}[r.IntN(3)] })
	// Some of these parse: what cut them is why the answer ended.
	m.IncompleteToolCalls = r.calls(func() string { return []string{`{}`, `{"a":`, ``, `{"a":1}`, `null`}[r.IntN(5)] })
	for i := range r.IntN(3) {
		b := llm.ThinkingBlock{Index: i, Type: "thinking", Origin: "anthropic", Extra: r.extra()}
		if r.maybe() {
			b.Thinking = r.text()
		}
		if r.maybe() {
			b.Signature = "s" + r.text()
		}
		if r.IntN(3) == 0 {
			b.Type, b.Data, b.ID = "redacted_thinking", r.text(), "rs_1"
		}
		m.ThinkingBlocks = append(m.ThinkingBlocks, b)
	}
	if r.maybe() {
		m.Images = []llm.Part{llm.ImagePart("data:image/png;base64,AA==")}
		m.Annotations = []llm.Annotation{{Type: "url_citation", URLCitation: &llm.URLCitation{URL: "https://a.example", Title: r.text()}}}
	}
	if r.IntN(4) == 0 {
		m.Audio = &llm.AudioAnswer{ID: "audio_1", Data: "AAAA", Transcript: r.text(), ExpiresAt: 7}
		m.Native = &llm.NativeContent{Origin: "anthropic", Content: []byte(`[{"type":"text"}]`)}
	}
	return m
}

// TestReplayGivesTheSameAnswer: what a cache stores and gives again is the answer, with the calls that were cut
// still cut, however well their arguments parse.
func TestReplayGivesTheSameAnswer(t *testing.T) {
	r := randomAnswer{rand.New(rand.NewPCG(1, 2))}
	for range 2000 {
		want := &llm.CompletionResponse{ID: "c", Object: "chat.completion", Created: 5, Model: "m", ServiceTier: "default", SystemFingerprint: "fp",
			Usage: &llm.Usage{PromptTokens: 1, CompletionTokens: 2, TotalTokens: 3}, Extra: r.extra()}
		for i := range 1 + r.IntN(2) {
			c := llm.Choice{Index: i, Message: r.message(), FinishReason: llm.FinishLength, NativeFinishReason: "max_tokens", Extra: r.extra()}
			if len(c.Message.ToolCalls) > 0 {
				c.FinishReason = llm.FinishToolCalls
			}
			want.Choices = append(want.Choices, c)
		}
		a, err := json.Marshal(want)
		require.NoError(t, err)
		for range 2 { // what is replayed can be replayed again
			got, err := llm.Collect(llm.Replay(want))
			require.NoError(t, err)
			b, err := json.Marshal(got)
			require.NoError(t, err)
			require.JSONEq(t, string(a), string(b))
			want = got
		}
		var acc llm.Accumulator
		for c, err := range llm.Replay(want).All() {
			require.NoError(t, err)
			acc.Add(c)
		}
		for range 2 {
			b, err := json.Marshal(acc.Response())
			require.NoError(t, err)
			require.JSONEq(t, string(a), string(b))
		}
	}
}

// answers200 answers every request with a body, and says how often.
type answers200 struct {
	contentType, body string
	asked             int
}

func (h *answers200) RoundTrip(r *http.Request) (*http.Response, error) {
	h.asked++
	return &http.Response{StatusCode: 200, Request: r, Header: http.Header{"Content-Type": {h.contentType}},
		Body: io.NopCloser(strings.NewReader(h.body)), ContentLength: -1}, nil
}

func (h *answers200) options(more ...llm.Option) []llm.Option {
	return append([]llm.Option{llm.WithoutEnv(), llm.WithAPIKey("k"), llm.WithMaxAttempts(2), llm.WithBackoff(llm.Backoff{Initial: 1, Max: 1}),
		llm.WithHTTPClient(&http.Client{Transport: h})}, more...)
}

// TestEmptyAnswers: nothing at all in a 200 is the host's fault, and asked for again.
func TestEmptyAnswers(t *testing.T) {
	hi := &llm.CompletionRequest{Model: "openai/m", Messages: []llm.Message{llm.User("Hi")}}
	for name, call := range map[string]func(h *answers200) error{
		"completion": func(h *answers200) error { _, err := llm.Completion(t.Context(), hi, h.options()...); return err },
		"embedding": func(h *answers200) error {
			_, err := llm.Embedding(t.Context(), &llm.EmbeddingRequest{Model: "openai/m", Input: []string{"a"}}, h.options()...)
			return err
		},
		"models": func(h *answers200) error {
			_, err := llm.Models(t.Context(), &llm.ModelsRequest{Provider: "openai"}, h.options()...)
			return err
		},
		"stream": func(h *answers200) error { _, err := llm.CompletionStream(t.Context(), hi, h.options()...); return err },
		"responses stream": func(h *answers200) error {
			_, err := llm.ResponsesStream(t.Context(), &llm.ResponsesRequest{Model: "openai/m", Input: []llm.ResponsesItem{llm.InputText("Hi")}}, h.options()...)
			return err
		},
	} {
		for _, body := range []string{"", "\r\n \n"} {
			for _, contentType := range []string{"application/json", "text/event-stream"} {
				h := &answers200{contentType: contentType, body: body}
				err := call(h)
				require.ErrorIs(t, err, llm.ErrProtocol, name)
				require.True(t, asError(t, err).Temporary, name)
				require.Equal(t, 2, h.asked, name)
			}
		}
	}
	h := &answers200{contentType: "text/event-stream", body: ": ping\n\n"}
	_, err := llm.CompletionStream(t.Context(), hi, h.options()...)
	require.ErrorIs(t, err, llm.ErrTruncated, "something came, and not the end")
}

// TestReplacedTextIsWarnedOf: in whole answers as in streams, in all that is text.
func TestReplacedTextIsWarnedOf(t *testing.T) {
	hi := &llm.CompletionRequest{Model: "openai/m", Messages: []llm.Message{llm.User("Hi")}}
	for body, warned := range map[string]bool{
		`{"content":"Gr` + "\xfc" + `n"}`:              true,
		`{"content":"a\ud800b"}`:                       true,
		`{"content":"a","reasoning_content":"\udc00"}`: true,
		`{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":\"\ud800\"}"}}]}`: true,
		`{"content":"\ud83d\ude00 Grün"}`: false,
	} {
		whole := &answers200{contentType: "application/json", body: `{"id":"x","choices":[{"index":0,"finish_reason":"stop","message":` + body + `}]}`}
		r, err := llm.Completion(t.Context(), hi, whole.options()...)
		require.NoError(t, err)
		streamed := &answers200{contentType: "text/event-stream", body: `data: {"id":"x","choices":[{"index":0,"delta":` + body + "}]}\n\n" +
			`data: {"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"}
		s, err := llm.CompletionStream(t.Context(), hi, streamed.options()...)
		require.NoError(t, err)
		folded, err := llm.Collect(s)
		require.NoError(t, err)
		for _, m := range []llm.Meta{r.Meta, folded.Meta} {
			if !warned {
				require.Empty(t, m.Warnings, body)
				continue
			}
			require.Len(t, m.Warnings, 1, body)
			require.Equal(t, "utf8", m.Warnings[0].Code)
		}
	}
}

// TestMockText: a text answers each operation that answers with text.
func TestMockText(t *testing.T) {
	mock := llm.WithMock("Hello.")
	c, err := llm.Completion(t.Context(), &llm.CompletionRequest{Model: "a/b"}, mock)
	require.NoError(t, err)
	require.Equal(t, "Hello.", c.Text())
	r, err := llm.Responses(t.Context(), &llm.ResponsesRequest{Model: "a/b"}, mock)
	require.NoError(t, err)
	require.Equal(t, "Hello.", r.OutputText())
	require.Equal(t, "completed", r.Status)
	require.Len(t, r.Output, 1)
	require.Equal(t, "message", r.Output[0].Type)
	require.Equal(t, "output_text", r.Output[0].Content[0].Type)
	rs, err := llm.ResponsesStream(t.Context(), &llm.ResponsesRequest{Model: "a/b"}, mock)
	require.NoError(t, err)
	r, err = llm.CollectResponses(rs)
	require.NoError(t, err)
	require.Equal(t, "Hello.", r.OutputText())
	x, err := llm.TextCompletion(t.Context(), &llm.TextCompletionRequest{Model: "a/b"}, mock)
	require.NoError(t, err)
	require.Equal(t, "Hello.", x.Text())
	xs, err := llm.TextCompletionStream(t.Context(), &llm.TextCompletionRequest{Model: "a/b"}, mock)
	require.NoError(t, err)
	text := ""
	for chunk, err := range xs.All() {
		require.NoError(t, err)
		text += chunk.Text()
	}
	require.Equal(t, "Hello.", text)
	_, err = llm.Embedding(t.Context(), &llm.EmbeddingRequest{Model: "a/b"}, mock)
	require.ErrorIs(t, err, llm.ErrInvalidRequest)
}
