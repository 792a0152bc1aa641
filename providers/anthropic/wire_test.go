package anthropic_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/providers/anthropic"
	"github.com/llm-go/llm/stream"
)

// host answers every request with one body and remembers the last request.
type host struct {
	answer, contentType string
	sent                []byte
	header              http.Header
	url                 string
}

func (h *host) RoundTrip(r *http.Request) (*http.Response, error) {
	h.sent, _ = io.ReadAll(r.Body)
	h.header, h.url = r.Header, r.URL.String()
	return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, Header: http.Header{"Content-Type": {h.contentType}},
		Body: io.NopCloser(strings.NewReader(h.answer)), Request: r}, nil
}

func client(h http.RoundTripper, opts ...llm.Option) *llm.Client {
	return llm.New(append([]llm.Option{llm.WithoutEnv(), llm.WithHTTPClient(&http.Client{Transport: h}), llm.WithAPIKey("key"), llm.WithMaxAttempts(1)}, opts...)...)
}

const searchAnswer = `{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","stop_reason":"tool_use","stop_sequence":null,"content":[` + searchBlocks +
	`],"usage":{"input_tokens":10,"output_tokens":5}}`

const searchBlocks = `{"type":"thinking","thinking":"","signature":"sig+/=\u0001"}, {"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"\u00e9"}},` +
	`{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result","url":"https://a.example","title":"A","encrypted_content":"Eq/+=","page_age":null}]},` +
	`{"type":"text","text":"Found."},{"type":"redacted_thinking","data":"red=="},{"type":"tool_use","id":"toolu_1","name":"f","input":{"x":1.50}}`

// Signed and native content survives answer, storage as JSON and the next request byte for byte.
func TestNativeRoundTrip(t *testing.T) {
	h := &host{answer: searchAnswer, contentType: "application/json"}
	c := client(h)
	req := &llm.CompletionRequest{Model: "anthropic/claude-sonnet-4-5", MaxTokens: 9, Messages: []llm.Message{llm.User("?")}}
	resp, err := c.Completion(context.Background(), req)
	require.NoError(t, err)
	stored, err := json.Marshal(resp.Message())
	require.NoError(t, err)
	var m llm.Message
	require.NoError(t, json.Unmarshal(stored, &m))
	require.Len(t, m.ToolCalls, 1)
	req.Messages = append(req.Messages, m, llm.ToolResult("toolu_1", "ok"))
	_, err = c.Completion(context.Background(), req)
	require.NoError(t, err)
	for _, block := range strings.Split(strings.ReplaceAll(searchBlocks, "}, {", "},{"), "},{\"type\"") {
		require.Contains(t, string(h.sent), strings.Trim(block, "{}"))
	}

	// The same through a stream: the blocks mean the same, and what is opaque is the same text.
	var events strings.Builder
	fmt.Fprintf(&events, "data: {\"type\":\"message_start\",\"message\":%s}\n\ndata: {\"type\":\"message_stop\"}\n\n", searchAnswer)
	h.answer, h.contentType = events.String(), "text/event-stream"
	s, err := c.CompletionStream(context.Background(), req)
	require.NoError(t, err)
	streamed, err := llm.Collect(s)
	require.NoError(t, err)
	require.JSONEq(t, "["+searchBlocks+"]", string(streamed.Message().Native.Content))
	require.Equal(t, resp.Message().ThinkingBlocks, streamed.Message().ThinkingBlocks)
	require.Equal(t, resp.Message().ToolCalls, streamed.Message().ToolCalls)
}

// A conversation that was cut within a call does not send the call: it will have no result.
func TestNativeWithoutIncompleteCalls(t *testing.T) {
	h := &host{answer: `{"content":[{"type":"text","text":"ok"}]}`, contentType: "application/json"}
	m := llm.Message{Role: llm.RoleAssistant, Native: &llm.NativeContent{Origin: "anthropic",
		Content: []byte(`[{"type":"text","text":"a"},{"type":"tool_use","id":"t1","name":"f","input":{}}]`)}}
	resp, err := client(h).Completion(context.Background(), &llm.CompletionRequest{Model: "anthropic/claude-sonnet-4-5", Messages: []llm.Message{llm.User("?"), m, llm.User("!")}})
	require.NoError(t, err)
	require.Contains(t, string(h.sent), `{"role":"assistant","content":[{"type":"text","text":"a"}]}`)
	require.Equal(t, []llm.Warning{{Code: "dropped_blob", Param: "messages[1].native", Message: "a tool call that is not complete was left out"}}, resp.Meta.Warnings)

	for _, broken := range []string{`{}`, `[{"type":"text"`, ``} {
		m.Native.Content = []byte(broken)
		_, err = client(h).Completion(context.Background(), &llm.CompletionRequest{Model: "anthropic/claude-sonnet-4-5", Messages: []llm.Message{llm.User("?"), m, llm.User("!")}})
		require.ErrorIs(t, err, llm.ErrInvalidRequest, broken)
	}
}

// A host that borrows the operations has the model in its path, the version and the betas in the body, and its
// own framing.
func TestHost(t *testing.T) {
	borrowed := anthropic.Host{
		Version: "bedrock-2023-05-31",
		Path: func(call *llm.Call) string {
			if call.Stream {
				return "/model/" + call.Model + "/invoke-with-response-stream"
			}
			return "/model/" + call.Model + "/invoke"
		},
		Events: func(call *llm.Call, body io.Reader) anthropic.Events {
			lines := stream.NewLines(body, call.MaxEventBytes())
			return lines.Next
		},
	}
	p := &llm.Provider{Name: "borrower", Dialect: "anthropic", BaseURL: "https://host.example", KeyOptional: true, Completion: borrowed.Completion(), Error: anthropic.Error}
	h := &host{answer: searchAnswer, contentType: "application/json"}
	c := client(h, llm.WithProvider(p))
	req := &llm.CompletionRequest{Model: "borrower/us.anthropic.claude-opus-5-v1:0", Messages: []llm.Message{{Role: llm.RoleUser, Content: llm.Content{llm.FileIDPart("file_1")}}}}
	_, err := c.Completion(context.Background(), req)
	require.NoError(t, err)
	require.Equal(t, "https://host.example/model/us.anthropic.claude-opus-5-v1:0/invoke", h.url)
	require.JSONEq(t, `{"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["files-api-2025-04-14"],"max_tokens":128000,
		"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"file_1"}}]}]}`, string(h.sent))
	require.Empty(t, h.header.Get("Anthropic-Version"))
	require.Empty(t, h.header.Get("Anthropic-Beta"))

	h.answer = `{"type":"message_start","message":{"id":"m","content":[]}}
{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Hi"}}
{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}
{"type":"message_stop"}
`
	h.contentType = "application/x-ndjson"
	s, err := c.CompletionStream(context.Background(), req)
	require.NoError(t, err)
	resp, err := llm.Collect(s)
	require.NoError(t, err)
	require.Equal(t, "Hi", resp.Text())
	require.Equal(t, "https://host.example/model/us.anthropic.claude-opus-5-v1:0/invoke-with-response-stream", h.url)
}

// Texts go into an answer's errors nowhere.
func TestErrorsHoldNoAnswer(t *testing.T) {
	for _, body := range []string{`{"content":[{"type":"text","text":"secret"}],"usage":"secret"`, `{"content":[{"type":"text","text":"secret","citations":{"x":"secret"}}]}`, `{"type":"message","secret":"secret"}`, `["secret"]`} {
		_, err := anthropic.Decode([]byte(body))
		var e *llm.Error
		require.ErrorAs(t, err, &e, body)
		require.Equal(t, llm.ErrProtocol, e.Kind)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestStreamOrder(t *testing.T) {
	const begin = `{"type":"message_start","message":{"id":"m","content":[]}}`
	for name, events := range map[string][]string{
		"a delta without a block":       {begin, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}`},
		"a delta for another block":     {begin, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, `{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"x"}}`},
		"a delta of another kind":       {begin, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"x"}}`},
		"an end without a beginning":    {`{"type":"message_stop"}`},
		"a block that is no object":     {begin, `{"type":"content_block_start","index":0,"content_block":"x"}`},
		"an event that is not complete": {begin, `{"type":"content_block_start"`},
	} {
		_, err := drain(anthropic.Stream(list(events)))
		require.ErrorIs(t, err, llm.ErrProtocol, name)
	}
	// Lost and doubled events that do no harm.
	chunks, err := drain(anthropic.Stream(list([]string{begin, begin, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}`,
		`{"type":"content_block_start","index":1,"content_block":{"type":"text","text":"b"}}`, `{"type":"content_block_stop","index":1}`, `{"type":"content_block_stop","index":1}`,
		`{"type":"message_stop"}`, `{"type":"content_block_start","index":2,"content_block":{"type":"text","text":"c"}}`})))
	require.ErrorIs(t, err, io.EOF)
	var acc llm.Accumulator
	for _, c := range chunks {
		acc.Add(c)
	}
	require.Equal(t, "ab", acc.Response().Text())
	_, err = drain(anthropic.Stream(list([]string{begin})))
	require.ErrorIs(t, err, llm.ErrTruncated)
	broken := errors.New("the network broke")
	_, err = drain(anthropic.Stream(func() ([]byte, bool, error) { return nil, false, broken }))
	require.Same(t, broken, err)
}

// A stream that is longer than any answer keeps no more of it than that.
func TestStreamMemory(t *testing.T) {
	piece := []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"` + strings.Repeat("x", 1<<10) + `"}}`)
	n := 0
	next := anthropic.Stream(func() ([]byte, bool, error) {
		switch n++; n {
		case 1:
			return []byte(`{"type":"message_start","message":{"content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{}}]}}`), false, nil
		case 2:
			return []byte(`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`), false, nil
		case 5000:
			return []byte(`{"type":"message_stop"}`), false, nil
		}
		return piece, false, nil
	})
	size := 0
	var last *llm.CompletionChunk
	for {
		c, err := next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		size, last = size+len(c.Text()), c
	}
	require.Equal(t, 4997<<10, size)
	require.Nil(t, last.Choices[0].Delta.Native)
	require.Equal(t, llm.FinishReason(""), last.Choices[0].FinishReason)
}

func list(events []string) anthropic.Events {
	return func() ([]byte, bool, error) {
		if len(events) == 0 {
			return nil, false, io.EOF
		}
		e := events[0]
		events = events[1:]
		return []byte(e), false, nil
	}
}

func drain(next llm.Next[llm.CompletionChunk]) (chunks []*llm.CompletionChunk, err error) {
	for range 100_000 {
		c, err := next()
		if err != nil {
			return chunks, err
		}
		chunks = append(chunks, c)
	}
	return chunks, errors.New("no end")
}

// section gives the bodies of a section of all golden cases.
func section(tb testing.TB, name string) (bodies []string) {
	paths, err := filepath.Glob("testdata/*.txtar")
	require.NoError(tb, err)
	for _, p := range paths {
		data, err := os.ReadFile(p)
		require.NoError(tb, err)
		_, s, ok := strings.Cut(string(data), "\n-- "+name+" --\n")
		if !ok {
			continue
		}
		s, _, _ = strings.Cut(s, "\n-- ")
		if _, body, ok := strings.Cut(s, "\n\n"); ok {
			bodies = append(bodies, body)
		}
	}
	require.NotEmpty(tb, bodies)
	return bodies
}

// Whatever a host answers, it is an answer with one choice that can be written and sent back, or an error.
func FuzzDecode(f *testing.F) {
	for _, body := range section(f, "response.http") {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		resp, err := anthropic.Decode(body)
		require.Equal(t, before, body)
		if err != nil {
			var e *llm.Error
			require.ErrorAs(t, err, &e)
			return
		}
		require.Len(t, resp.Choices, 1)
		_, err = json.Marshal(resp)
		require.NoError(t, err)
		if n := resp.Message().Native; n != nil {
			require.True(t, json.Valid(n.Content))
		}
	})
}

// Whatever a host streams, the stream ends, and only message_stop ends it well.
func FuzzStream(f *testing.F) {
	for _, body := range section(f, "stream.http") {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := stream.NewSSE(strings.NewReader(body), 1<<20)
		chunks, err := drain(anthropic.Stream(func() ([]byte, bool, error) {
			e, err := r.Next()
			return e.Data, e.Unterminated, err
		}))
		var acc llm.Accumulator
		for _, c := range chunks {
			require.NotNil(t, c)
			acc.Add(c)
		}
		if err != io.EOF {
			require.Error(t, err)
			return
		}
		require.Contains(t, body, "message_stop")
		if resp := acc.Response(); resp != nil {
			_, err := json.Marshal(resp)
			require.NoError(t, err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, size := range []int{1 << 10, 100 << 10} {
		body := []byte(`{"model":"claude-sonnet-4-5-20250929","id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","role":"assistant","content":[{"type":"text","text":"` +
			strings.Repeat("All happy families are alike. ", size/30) + `"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":6,"service_tier":"standard"}}`)
		b.Run(fmt.Sprint(size>>10, "KB"), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := anthropic.Decode(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// One operation is one chunk.
func BenchmarkStream(b *testing.B) {
	for name, piece := range map[string]struct{ open, delta string }{
		"text":     {`{"type":"text","text":""}`, `{"type":"text_delta","text":" families are"}`},
		"tool":     {`{"type":"tool_use","id":"t","name":"f","input":{}}`, `{"type":"input_json_delta","partial_json":" Francisc"}`},
		"thinking": {`{"type":"thinking","thinking":"","signature":""}`, `{"type":"thinking_delta","thinking":" let me see"}`},
	} {
		b.Run(name, func(b *testing.B) {
			delta := []byte(`{"type":"content_block_delta","index":0,"delta":` + piece.delta + `}`)
			n := 0
			next := anthropic.Stream(func() ([]byte, bool, error) {
				switch n++; n {
				case 1:
					return []byte(`{"type":"message_start","message":{"id":"msg_1","model":"claude-sonnet-4-5","content":[],"usage":{"input_tokens":1}}}`), false, nil
				case 2:
					return []byte(`{"type":"content_block_start","index":0,"content_block":` + piece.open + `}`), false, nil
				}
				return delta, false, nil
			})
			if _, err := next(); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	req := &llm.CompletionRequest{Model: "anthropic/claude-sonnet-4-5", MaxTokens: 1000}
	for range 20 {
		req.Messages = append(req.Messages, llm.User(strings.Repeat("All happy families are alike. ", 85)),
			llm.Assistant(strings.Repeat("Each unhappy family is unhappy.\n", 80)))
	}
	req.Messages = append(req.Messages, llm.User("And?"))
	p := anthropic.Provider()
	encode := p.Completion.Encode
	p.Name = "bench"
	p.Completion.Encode = func(call *llm.Call, req *llm.CompletionRequest) (*http.Request, error) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := encode(call, req); err != nil {
				b.Fatal(err)
			}
		}
		return nil, llm.InvalidRequest("", "done")
	}
	req.Model = "bench/claude-sonnet-4-5"
	client(&host{}, llm.WithProvider(p)).Completion(context.Background(), req)
}
