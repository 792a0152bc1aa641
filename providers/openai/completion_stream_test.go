package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm"
)

// events frames JSON texts as a stream, with [DONE] at its end.
func framed(events ...string) string {
	var b strings.Builder
	for _, e := range append(events, "[DONE]") {
		b.WriteString("data: " + e + "\n\n")
	}
	return b.String()
}

// calls frames lists of tool calls, one delta each.
func calls(lists ...string) string {
	var events []string
	for _, l := range lists {
		events = append(events, `{"id":"c","choices":[{"index":0,"delta":{"tool_calls":`+l+`}}]}`)
	}
	return framed(append(events, `{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`)...)
}

// TestToolCallRepair: whatever a host does with indexes and ids, the calls are those that it meant.
func TestToolCallRepair(t *testing.T) {
	type call struct{ id, name, args string }
	two := []call{{"a", "f", `{"x":1}`}, {"b", "g", `{"y":2}`}}
	for _, c := range []struct {
		name string
		body string
		want []call
	}{
		{"as documented", calls(
			`[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]`, `[{"index":0,"function":{"arguments":"{\"x\":"}}]`, `[{"index":0,"function":{"arguments":"1}"}}]`,
			`[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":""}}]`, `[{"index":1,"function":{"arguments":"{\"y\":2}"}}]`), two},
		{"interleaved", calls(
			`[{"index":0,"id":"a","function":{"name":"f","arguments":""}},{"index":1,"id":"b","function":{"name":"g","arguments":""}}]`,
			`[{"index":1,"function":{"arguments":"{\"y\""}}]`, `[{"index":0,"function":{"arguments":"{\"x\":"}}]`, `[{"index":1,"function":{"arguments":":2}"}}]`, `[{"index":0,"function":{"arguments":"1}"}}]`), two},
		{"indexes from one", calls(
			`[{"index":1,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}]`, `[{"index":2,"id":"b","function":{"name":"g","arguments":"{\"y\":2}"}}]`), two},
		{"no indexes, whole calls in one delta", calls(
			`[{"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}},{"id":"b","function":{"name":"g","arguments":"{\"y\":2}"}}]`), two},
		{"no indexes, fragments", calls(
			`[{"id":"a","function":{"name":"f","arguments":""}}]`, `[{"function":{"arguments":"{\"x\":"}}]`, `[{"function":{"arguments":"1}"}}]`,
			`[{"id":"b","function":{"name":"g","arguments":""}}]`, `[{"function":{"arguments":"{\"y\":2}"}}]`), two},
		{"null indexes, id with each fragment", calls(
			`[{"index":null,"id":"a","function":{"name":"f","arguments":"{\"x\""}}]`, `[{"index":null,"id":"a","function":{"arguments":":1}"}}]`,
			`[{"index":null,"id":"b","function":{"name":"g","arguments":"{\"y\""}}]`, `[{"index":null,"id":"b","function":{"arguments":":2}"}}]`), two},
		{"all zero, different ids", calls(
			`[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}]`, `[{"index":0,"id":"b","function":{"name":"g","arguments":"{\"y\":2}"}}]`), two},
		{"all zero, different ids, fragments", calls(
			`[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\""}}]`, `[{"index":0,"function":{"arguments":":1}"}}]`,
			`[{"index":0,"id":"b","function":{"name":"g","arguments":"{\"y\""}}]`, `[{"index":0,"function":{"arguments":":2}"}}]`), two},
		{"index used again for another call", calls(
			`[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}},{"index":0,"id":"b","function":{"name":"g","arguments":"{\"y\":2}"}}]`), two},
		{"id and name with each fragment", calls(
			`[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\""}}]`, `[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":":1}"}}]`,
			`[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{\"y\":2}"}}]`), two},
		{"id late", calls(
			`[{"index":0,"function":{"name":"f","arguments":""}}]`, `[{"index":0,"id":"a","function":{"arguments":"{\"x\":1}"}}]`,
			`[{"index":1,"function":{"name":"g"}}]`, `[{"index":1,"id":"b","function":{"arguments":"{\"y\":2}"}}]`), two},
		{"name in parts", calls(
			`[{"index":0,"id":"a","function":{"name":"get_","arguments":""}}]`, `[{"index":0,"function":{"name":"weather","arguments":""}}]`, `[{"index":0,"function":{"arguments":"{}"}}]`),
			[]call{{"a", "get_weather", "{}"}}},
		{"name after the id", calls(
			`[{"index":0,"id":"a"}]`, `[{"index":0,"function":{"name":"f"}}]`, `[{"index":0,"function":{"arguments":"{\"x\":1}"}}]`),
			two[:1]},
		{"no ids, all zero, whole calls", calls(
			`[{"index":0,"function":{"name":"f","arguments":"{\"x\":1}"}}]`, `[{"index":0,"function":{"name":"g","arguments":"{\"y\":2}"}}]`),
			[]call{{"*", "f", `{"x":1}`}, {"*", "g", `{"y":2}`}}},
		{"no ids, no indexes, the same tool twice", calls(
			`[{"function":{"name":"f","arguments":"{\"x\":1}"}},{"function":{"name":"f","arguments":"{\"x\":2}"}}]`),
			[]call{{"*", "f", `{"x":1}`}, {"*", "f", `{"x":2}`}}},
		{"no ids, the same tool twice, one after the other", calls(
			`[{"index":0,"function":{"name":"f","arguments":"{\"x\":1}"}}]`, `[{"index":0,"function":{"name":"f","arguments":"{\"x\":2}"}}]`),
			[]call{{"*", "f", `{"x":1}`}, {"*", "f", `{"x":2}`}}},
		{"no ids, name with each fragment", calls(
			`[{"index":0,"function":{"name":"f","arguments":"{\"x\":\"}"}}]`, `[{"index":0,"function":{"name":"f","arguments":"\"}"}}]`),
			[]call{{"*", "f", `{"x":"}"}`}}},
		{"arguments as an object", calls(
			`[{"index":0,"id":"a","function":{"name":"f","arguments":{"x":1}}}]`),
			two[:1]},
		{"no arguments, in four ways", calls(
			`[{"index":0,"id":"a","function":{"name":"f","arguments":""}},{"index":1,"id":"b","function":{"name":"f","arguments":null}},{"index":2,"id":"c","function":{"name":"f","arguments":{}}},{"index":3,"id":"d","function":{"name":"f"}}]`),
			[]call{{"a", "f", "{}"}, {"b", "f", "{}"}, {"c", "f", "{}"}, {"d", "f", "{}"}}},
		{"one id for two calls", calls(
			`[{"index":0,"id":"x","function":{"name":"f","arguments":"{\"x\":1}"}}]`, `[{"index":1,"id":"x","function":{"name":"g","arguments":"{\"y\":2}"}}]`),
			[]call{{"x", "f", `{"x":1}`}, {"x", "g", `{"y":2}`}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, err := streamOf(t, Quirks{}, c.body)
			require.NoError(t, err)
			var got []call
			seen := make(map[string]bool)
			for i, tc := range resp.ToolCalls() {
				require.Equal(t, i, tc.Index)
				id := tc.ID
				if strings.HasPrefix(id, "call_") {
					require.False(t, seen[id], "an id is made up twice")
					id = "*"
				}
				seen[tc.ID] = true
				got = append(got, call{id, tc.Function.Name, tc.Function.Arguments})
			}
			require.Equal(t, c.want, got)
			require.Equal(t, llm.FinishToolCalls, resp.FinishReason())
			require.Empty(t, resp.Message().IncompleteToolCalls)
		})
	}
}

func TestStreamEnds(t *testing.T) {
	const text = `{"id":"c","choices":[{"index":0,"delta":{"content":"Hi"}}]}`
	const stop = `{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	event := func(s string) string { return "data: " + s + "\n\n" }
	for _, c := range []struct {
		name string
		q    Quirks
		n    int
		body string
		want llm.ErrorKind
	}{
		{"done", Quirks{}, 0, event(text) + event(stop) + event("[DONE]"), ""},
		{"done without its blank line", Quirks{}, 0, event(text) + event(stop) + "data: [DONE]", ""},
		{"done alone ends it too", Quirks{}, 0, event(text) + event("[DONE]"), ""},
		{"no done", Quirks{}, 0, event(text) + event(stop), llm.ErrTruncated},
		{"no done, host that sends none", Quirks{Accept: "cut_off"}, 0, event(text) + event(stop), ""},
		{"no done, host that sends none, no reason", Quirks{Accept: "cut_off"}, 0, event(text), llm.ErrTruncated},
		{"no done, host that sends none, one of two choices", Quirks{Accept: "cut_off"}, 2, event(text) + event(stop), llm.ErrTruncated},
		{"empty", Quirks{}, 0, "", llm.ErrProtocol},
		{"blank", Quirks{}, 0, "\r\n\n", llm.ErrProtocol},
		{"done alone", Quirks{}, 0, event("[DONE]"), llm.ErrProtocol},
		{"chunks without choices", Quirks{}, 0, event(`{"id":"c","object":"chat.completion.chunk","model":"m"}`) + event(`{"id":"c","choices":[]}`) + event("[DONE]"), llm.ErrProtocol},
		{"nothing but usage", Quirks{}, 0, event(`{"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":0,"total_tokens":1}}`) + event("[DONE]"), llm.ErrProtocol},
		{"usage after the choices", Quirks{}, 0, event(text) + event(stop) + event(`{"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`) + event("[DONE]"), ""},
		{"empty, host that sends no done", Quirks{Accept: "cut_off"}, 0, "", llm.ErrProtocol},
		{"comments only", Quirks{}, 0, ": ping\n\n: ping\n\n", llm.ErrTruncated},
		{"within an event", Quirks{}, 0, event(text) + `data: {"id":"c","cho`, llm.ErrTruncated},
		{"malformed event", Quirks{}, 0, event(text) + event(`{"id":"c","choices":[{"index":0,`) + event("[DONE]"), llm.ErrProtocol},
		{"event of another kind", Quirks{}, 0, event(text) + event(`["x"]`) + event("[DONE]"), llm.ErrProtocol},
		{"error as text", Quirks{}, 0, event(text) + event(`{"error":"boom"}`), llm.ErrUnknown},
		{"error as detail", Quirks{}, 0, event(text) + event(`{"detail":"Not authenticated","status":401}`), llm.ErrAuthentication},
		{"flat error", Quirks{}, 0, event(text) + event(`{"object":"error","message":"x","code":503}`), llm.ErrOverloaded},
		{"named error event", Quirks{}, 0, event(text) + "event: error\ndata: {\"message\":\"x\",\"code\":500}\n\n", llm.ErrServer},
		{"failed", Quirks{}, 0, event(text) + event(`{"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}`) + event("[DONE]"), llm.ErrServer},
		{"aborted", Quirks{}, 0, event(text) + event(`{"choices":[{"index":0,"delta":{},"finish_reason":"abort"}]}`) + event("[DONE]"), llm.ErrServer},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, err := streamWith(t, c.q, c.body, &llm.CompletionRequest{N: c.n})
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, "Hi", resp.Text())
				return
			}
			var e *llm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.want, e.Kind, "%v", e)
			if strings.Contains(c.body, "Hi") {
				require.NotNil(t, e.Partial)
				require.Equal(t, "Hi", e.Partial.Text())
			}
		})
	}
}

func TestStreamContentAfterFinish(t *testing.T) {
	body := framed(`{"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"length"}]}`, `{"choices":[{"index":0,"delta":{"content":"!"},"finish_reason":"stop"}]}`)
	s, err := llm.CompletionStream(t.Context(), &llm.CompletionRequest{Model: "openai/m", Messages: []llm.Message{llm.User("Hi")}}, canned(Quirks{}, "text/event-stream", body)...)
	require.NoError(t, err)
	resp, err := llm.Collect(s)
	require.NoError(t, err)
	require.Equal(t, "Hi!", resp.Text())
	require.Equal(t, llm.FinishLength, resp.FinishReason())
	require.Len(t, s.Meta().Warnings, 1)
	require.Equal(t, "stream", s.Meta().Warnings[0].Code)
}

func TestStreamUsageElsewhere(t *testing.T) {
	for name, event := range map[string]string{
		"x_groq":    `{"choices":[],"x_groq":{"id":"r","usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}}`,
		"choice":    `{"choices":[{"index":0,"delta":{},"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}]}`,
		"top level": `{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`,
	} {
		t.Run(name, func(t *testing.T) {
			resp, err := streamOf(t, Quirks{}, framed(`{"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}],"usage":null}`, event))
			require.NoError(t, err)
			require.NotNil(t, resp.Usage)
			require.Equal(t, 7, resp.Usage.TotalTokens)
			require.Empty(t, resp.Choices[0].Extra)
		})
	}
}

func TestTicks(t *testing.T) {
	for raw, want := range map[string]string{
		"0": "0", "1": "0.0000000001", "1234500": "0.00012345", "10000000000": "1", "37756000": "0.0037756",
		"123456789012345678901": "12345678901.2345678901", "-1": "", "1.5": "", `"x"`: "",
	} {
		require.Equal(t, want, ticks(llm.Extra{"k": json.RawMessage(raw)}, "k"), raw)
	}
}

func FuzzStream(f *testing.F) {
	f.Add([]byte(framed(`{"id":"c","choices":[{"index":0,"delta":{"content":"Hi","reasoning":"x"}}],"usage":null}`)))
	f.Add([]byte(calls(`[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]`, `[{"id":"b","function":{"name":"f","arguments":"}"}}]`)))
	f.Add([]byte(framed(`{"choices":[{"delta":{"reasoning_details":[{"type":"reasoning.text","text":"x","index":0}],"function_call":{"name":"f"}}}]}`)))
	f.Add([]byte(framed(`{"error":{"message":"x","code":429}}`)))
	f.Add([]byte(`{"choices":[{"message":{"content":"x"}}]}`))
	f.Add(chunkBody(3))
	op := newCompletion(&Quirks{Accept: "cut_off", ReasoningApart: true, CumulativeReasoning: true})
	f.Fuzz(func(t *testing.T, body []byte) {
		call := callOf(t, &llm.CompletionRequest{Messages: []llm.Message{llm.User("Hi")}})
		next := op.Stream(call, strings.NewReader(string(body)))
		var acc llm.Accumulator
		for n := 0; ; n++ {
			c, err := next()
			if err != nil {
				if c != nil {
					t.Fatal("a chunk together with an error")
				}
				if _, again := next(); again == nil {
					t.Fatal("the stream goes on after its end")
				}
				var e *llm.Error
				if err != io.EOF && !errors.As(err, &e) {
					t.Fatalf("error of type %T", err)
				}
				break
			}
			for _, ch := range c.Choices {
				for _, tc := range ch.Delta.ToolCalls {
					if tc.Index < 0 {
						t.Fatal("a tool call without an index")
					}
				}
			}
			acc.Add(c)
			if n > len(body) {
				t.Fatal("more chunks than bytes")
			}
		}
		if r := acc.Response(); r != nil {
			if _, err := r.MarshalJSON(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"id":"c","choices":[{"message":{"content":[{"type":"thinking","thinking":"x"}],"function_call":{"name":"f"},"reasoning_details":[{"type":"x"}]},"finish_reason":"stop","error":{}}],"usage":{"cost":{"total_cost":1}}}`))
	f.Add([]byte(`{"error":"x"}`))
	f.Add([]byte(`{"detail":[{"loc":["body",1],"msg":{}}]}`))
	op := newCompletion(&Quirks{})
	f.Fuzz(func(t *testing.T, body []byte) {
		call := callOf(t, &llm.CompletionRequest{Messages: []llm.Message{llm.User("Hi")}})
		resp, err := op.Decode(call, nil, body)
		if err != nil {
			var e *llm.Error
			if !errors.As(err, &e) {
				t.Fatalf("error of type %T", err)
			}
			_ = fmt.Sprint(e)
			return
		}
		if len(resp.Choices) == 0 {
			t.Fatal("an answer without choices")
		}
		if _, err := resp.MarshalJSON(); err != nil {
			t.Fatal(err)
		}
		_ = Error(400, nil, body)
	})
}

// TestHead: reading only what follows a repeated head gives the same chunks as reading all of each.
func TestHead(t *testing.T) {
	const head = `{"id":"c","object":"chat.completion.chunk","created":1,"model":"m",`
	delta := func(s string) string { return `"choices":[{"index":0,"delta":{"content":` + s + `}}]}` }
	for name, events := range map[string][]string{
		"the same":               {head + delta(`"a"`), head + delta(`"b"`), head + delta(`"c"`)},
		"another":                {head + delta(`"a"`), `{"id":"d","object":"x","created":2,"model":"m",` + delta(`"b"`), head + delta(`"c"`)},
		"longer":                 {head + delta(`"a"`), head + `"service_tier":"flex",` + delta(`"b"`), head + delta(`"c"`)},
		"choices first":          {`{"choices":[],"id":"c"}`, `{"choices":[],"id":"c"}`, head + delta(`"c"`)},
		"unknown members":        {`{"provider":"P",` + head[1:] + delta(`"a"`), `{"provider":"P",` + head[1:] + delta(`"b"`)},
		"unknown nested choices": {`{"x":{"y":1,"choices":[]},` + delta(`"a"`), `{"x":{"y":1,"choices":[]},` + delta(`"b"`)},
		"a text that looks like": {`{"id":",\"choices\":",` + delta(`"a"`), `{"id":",\"choices\":",` + delta(`"b"`)},
		"usage before":           {`{"id":"c","usage":{"prompt_tokens":1},` + delta(`"a"`), `{"id":"c","usage":{"prompt_tokens":1},` + delta(`"b"`)},
		"null usage before":      {`{"id":"c","usage":null,` + delta(`"a"`), `{"id":"c","usage":null,` + delta(`"b"`)},
		"choices in a delta":     {head + delta(`"a"`), head + delta(`"x,\"choices\":[]"`)},
	} {
		t.Run(name, func(t *testing.T) {
			next := newCompletion(&Quirks{}).Stream(callOf(t, &llm.CompletionRequest{}), strings.NewReader(framed(events...)))
			var last llm.CompletionChunk
			for _, e := range events {
				got, err := next()
				require.NoError(t, err)
				want := llm.CompletionChunk{ID: last.ID, Created: last.Created, Model: last.Model, ServiceTier: last.ServiceTier, Choices: []llm.ChunkChoice{}}
				require.NoError(t, want.UnmarshalJSON([]byte(e)))
				require.Equal(t, &want, got)
				last = want
			}
			_, err := next()
			require.Equal(t, io.EOF, err)
		})
	}
}
