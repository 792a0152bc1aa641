package llm_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	"github.com/stretchr/testify/require"
)

// Documents with every member that the vocabulary names, so that an unknown one can be put at every level.
const (
	everyMessage = `{
		"role":"assistant","name":"ada","content":[
			{"type":"text","text":"Look:","cache_control":{"type":"ephemeral","ttl":"1h"}},
			{"type":"image_url","image_url":{"url":"https://example.com/a.png","detail":"high","format":"image/png"}},
			{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}},
			{"type":"file","file":{"file_id":"f1","filename":"a.pdf","format":"application/pdf"}},
			{"type":"video_url","video_url":{"url":"https://example.com/a.mp4","format":"video/mp4"}},
			{"type":"refusal","refusal":"no"},
			{"type":"from_the_future","future":{"a":[1,{"b":null}]}}],
		"tool_calls":[
			{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"},"signature":"c2ln","origin":"gemini"},
			{"id":"c2","type":"custom","custom":{"name":"g","input":"free text"}}],
		"incomplete_tool_calls":[{"id":"c3","type":"function","function":{"name":"f","arguments":"{\"a\":"}}],
		"refusal":"I cannot","reasoning_content":"hm",
		"thinking_blocks":[
			{"type":"thinking","thinking":"","signature":"EuYBCkQYAiJA==","origin":"anthropic"},
			{"type":"redacted_thinking","data":"EroBCk==","origin":"anthropic","id":"r1","index":1}],
		"annotations":[
			{"type":"url_citation","url_citation":{"start_index":1,"end_index":2,"url":"https://example.com","title":"T","cited_text":"c"}},
			{"type":"file_citation","file_citation":{"file_id":"f1","filename":"a.pdf","document_index":1,"start_index":3,"end_index":4,"cited_text":"d"}}],
		"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}],
		"audio":{"id":"a1","data":"AAAA","expires_at":1700000000,"transcript":"hi"}}`
	everyUsage = `{
		"prompt_tokens":10,"completion_tokens":20,"total_tokens":30,
		"prompt_tokens_details":{"cached_tokens":1,"cache_creation_tokens":2,"cache_creation_token_details":{"ephemeral_5m_input_tokens":1,"ephemeral_1h_input_tokens":1},
			"text_tokens":3,"audio_tokens":4,"image_tokens":5,"video_tokens":6,"tool_use_tokens":7},
		"completion_tokens_details":{"reasoning_tokens":1,"text_tokens":2,"audio_tokens":3,"image_tokens":4,"accepted_prediction_tokens":5,"rejected_prediction_tokens":6},
		"server_tool_use":{"web_search_requests":1,"web_fetch_requests":2,"code_execution_requests":3},"cost":0.25,"source":"estimated"}`
	everyResponse = `{
		"id":"x","object":"chat.completion","created":1700000000,"model":"m","system_fingerprint":"fp","service_tier":"default",
		"choices":[{"index":0,"finish_reason":"tool_calls","native_finish_reason":"tool_use","stop_sequence":"END","message":` + everyMessage + `}],
		"usage":` + everyUsage + `}`
	everyChunk = `{
		"id":"x","object":"chat.completion.chunk","created":1700000000,"model":"m","system_fingerprint":"fp","service_tier":"default","obfuscation":"zzz",
		"choices":[{"index":0,"finish_reason":"stop","native_finish_reason":"end_turn","stop_sequence":"END","delta":{
			"role":"assistant","content":"Hel","reasoning_content":"hm","refusal":"no",
			"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{"}}],
			"thinking_blocks":[{"index":2,"type":"thinking","thinking":"t","signature":"s","origin":"anthropic"}],
			"annotations":[{"type":"url_citation","url_citation":{"start_index":1,"end_index":2,"url":"https://example.com","title":"T"}}],
			"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}],
			"audio":{"id":"a1","data":"AAAA","transcript":"hi"}}}],
		"usage":` + everyUsage + `}`
	everyRequest = `{
		"model":"m","messages":[{"role":"system","content":"Be brief."},` + everyMessage + `,{"role":"tool","tool_call_id":"c1","content":"42","is_error":true}],
		"max_completion_tokens":5,"temperature":0,"top_p":0.5,"top_k":3,"n":2,"stop":["a"],"seed":0,"frequency_penalty":0,"presence_penalty":0,
		"logit_bias":{"50256":-100},"logprobs":true,"top_logprobs":0,
		"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":false},"cache_control":{"type":"ephemeral"}},
			{"type":"custom","custom":{"name":"g","description":"d","format":{"type":"text"}}},
			{"type":"web_search_20250305","name":"web_search","max_uses":3}],
		"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,
		"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"type":"object"},"strict":true}},
		"reasoning_effort":"low","thinking":{"type":"enabled","budget_tokens":0},"verbosity":"low","prediction":{"type":"content","content":"abc"},
		"modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"},"service_tier":"flex","store":false,"metadata":{"k":"v"},"user":"u",
		"safety_identifier":"s","prompt_cache_key":"p","prompt_cache_retention":"24h","cache_control":{"type":"ephemeral"},
		"web_search_options":{"search_context_size":"low","user_location":{"type":"approximate","approximate":{"city":"Bern","country":"CH"}}},
		"stream_options":{"include_usage":false}}`
)

// closed says which objects this package knows in full: unknown members of theirs are not kept. Whoever opens one of
// them takes it off this list.
func closed(key string, child any) bool {
	has := func(member string) bool {
		m, _ := child.(map[string]any)
		_, ok := m[member]
		return ok
	}
	switch key {
	case "thinking", "cache_control", "stream_options", "prediction", "user_location", "cache_creation_token_details":
		return true
	case "logit_bias", "metadata", "tool_choice": // maps of the caller's, and a union
		return true
	case "audio":
		return has("voice") // of a request; an answer's is open
	case "function":
		return has("arguments") // of a call; a tool's is open
	case "custom":
		return has("input")
	}
	return false
}

// plant puts an unknown member into every object below v, and returns how many it put.
func plant(v any, key string, value any) int {
	n := 0
	switch v := v.(type) {
	case map[string]any:
		for k, child := range v {
			if !closed(k, child) {
				n += plant(child, key, value)
			}
		}
		v[key] = value
		n++
	case []any:
		for _, child := range v {
			n += plant(child, key, value)
		}
	}
	return n
}

// roundTrip decodes into the type of v and encodes again.
func roundTrip(t testing.TB, v any, doc []byte) string {
	t.Helper()
	p := reflect.New(reflect.TypeOf(v))
	require.NoError(t, json.Unmarshal(doc, p.Interface()), "%s", doc)
	out, err := json.Marshal(p.Interface())
	require.NoError(t, err)
	return string(out)
}

// sameJSON compares two documents and names the first places where they differ.
func sameJSON(t testing.TB, want, got string) {
	t.Helper()
	var w, g any
	require.NoError(t, json.Unmarshal([]byte(want), &w))
	require.NoError(t, json.Unmarshal([]byte(got), &g))
	if diff := jsonDiff("", w, g); diff != "" {
		t.Fatalf("the documents differ: %.500s", diff)
	}
}

func jsonDiff(path string, want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		for k := range g {
			if _, ok := w[k]; !ok {
				return fmt.Sprintf("%s.%s is new: %v", path, k, g[k])
			}
		}
		for k := range w {
			if _, ok := g[k]; !ok {
				return fmt.Sprintf("%s.%s is lost", path, k)
			}
			if d := jsonDiff(path+"."+k, w[k], g[k]); d != "" {
				return d
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			break
		}
		for i := range w {
			if d := jsonDiff(fmt.Sprintf("%s[%d]", path, i), w[i], g[i]); d != "" {
				return d
			}
		}
		return ""
	}
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return fmt.Sprintf("%s is %v, want %v", path, got, want)
}

var everyDocument = map[string]struct {
	zero any
	doc  string
}{
	"message":  {llm.Message{}, everyMessage},
	"usage":    {llm.Usage{}, everyUsage},
	"response": {llm.CompletionResponse{}, everyResponse},
	"chunk":    {llm.CompletionChunk{}, everyChunk},
	"request":  {llm.CompletionRequest{}, everyRequest},
}

func TestUnknownMembersSurvive(t *testing.T) {
	for name, tt := range everyDocument {
		t.Run(name, func(t *testing.T) {
			sameJSON(t, tt.doc, roundTrip(t, tt.zero, []byte(tt.doc)))
			var v any
			require.NoError(t, json.Unmarshal([]byte(tt.doc), &v))
			n := plant(v, "x_unknown", map[string]any{"deep": []any{1.0, nil, "é\u2028", map[string]any{"id": "not ours"}}})
			require.Greater(t, n, 3)
			doc, err := json.Marshal(v)
			require.NoError(t, err)
			sameJSON(t, string(doc), roundTrip(t, tt.zero, doc))
		})
	}
}

// FuzzUnknownMembers plants members of any name and value, and wants them back. A name that the vocabulary knows is
// not unknown, so it is made longer.
func FuzzUnknownMembers(f *testing.F) {
	f.Add("x", `{"a":[1.50,"\ud83d\ude00",null]}`)
	f.Add("reasoning_details", `[{"type":"reasoning.text","text":"hm"}]`)
	f.Add("é\"\\", `0`)
	f.Fuzz(func(t *testing.T, key, value string) {
		var v any
		if json.Unmarshal([]byte(value), &v) != nil || len(value) > 1000 || v == nil {
			return // not a JSON value; null says the same as absence
		}
		for _, tt := range everyDocument {
			var doc any
			require.NoError(t, json.Unmarshal([]byte(tt.doc), &doc))
			plant(doc, strings.ToValidUTF8(key, "")+"_x_unknown", v)
			planted, err := json.Marshal(doc)
			require.NoError(t, err)
			sameJSON(t, string(planted), roundTrip(t, tt.zero, planted))
		}
	})
}

func TestUnsetIsAbsentAndZeroIsPresent(t *testing.T) {
	b, err := json.Marshal(llm.CompletionRequest{Model: "m", Messages: []llm.Message{llm.User("Hi")}})
	require.NoError(t, err)
	require.JSONEq(t, `{"model":"m","messages":[{"role":"user","content":"Hi"}]}`, string(b))
	b, err = json.Marshal(llm.CompletionRequest{Model: "m", Messages: []llm.Message{llm.User("Hi")},
		Temperature: new(0.0), TopP: new(0.0), Seed: new(int64(0)), FrequencyPenalty: new(0.0), PresencePenalty: new(0.0), TopLogprobs: new(0),
		ParallelToolCalls: new(false), Store: new(false), Thinking: &llm.Thinking{Type: "enabled", BudgetTokens: new(0)},
		StreamOptions: &llm.StreamOptions{IncludeUsage: new(false)}})
	require.NoError(t, err)
	require.JSONEq(t, `{"model":"m","messages":[{"role":"user","content":"Hi"}],"temperature":0,"top_p":0,"seed":0,"frequency_penalty":0,
		"presence_penalty":0,"top_logprobs":0,"parallel_tool_calls":false,"store":false,"thinking":{"type":"enabled","budget_tokens":0},
		"stream_options":{"include_usage":false}}`, string(b))
	var u llm.CompletionResponse
	require.NoError(t, json.Unmarshal([]byte(`{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}`), &u))
	require.NotNil(t, u.Usage, "a record of zeros is a record")
	var none llm.CompletionResponse
	require.NoError(t, json.Unmarshal([]byte(`{"choices":[]}`), &none))
	require.Nil(t, none.Usage)
}

// Signatures and encrypted blobs prove themselves only when every byte is as it was.
func TestSignedThinkingSurvivesStorage(t *testing.T) {
	signature := "EuYBCkQYAiJA/+=\u00e9\u2028<&>\"\\ \t" + strings.Repeat("Zm9v", 500)
	m := llm.Message{Role: llm.RoleAssistant, ReasoningContent: "hm", Content: llm.Content{llm.TextPart("Hello.")},
		ThinkingBlocks: []llm.ThinkingBlock{
			{Type: "thinking", Thinking: "", Signature: signature, Origin: "anthropic"},
			{Type: "thinking", Index: 1, Thinking: " spaced \n", Signature: signature, Origin: "anthropic"},
			{Type: "redacted_thinking", Index: 2, Data: signature, Origin: "anthropic"},
			{Type: "reasoning", Index: 3, ID: "rs_1", Data: signature, Origin: "openai-responses"},
		},
		ToolCalls: []llm.ToolCall{{ID: "c1", Type: "function", Function: llm.FunctionCall{Name: "f", Arguments: `{"b":1,  "a":2.50}`}, Signature: signature, Origin: "gemini"}},
		Native:    &llm.NativeContent{Origin: "anthropic", Content: []byte(`[{"type":"thinking","thinking":"","signature":"a\u00e9é"}, {"n":1.50}]`)},
	}
	stored, err := json.Marshal(m)
	require.NoError(t, err)
	var back llm.Message
	require.NoError(t, json.Unmarshal(stored, &back))
	require.Equal(t, m.ThinkingBlocks, back.ThinkingBlocks)
	require.Equal(t, m.ToolCalls, back.ToolCalls, "arguments are text, kept as it is")
	require.Equal(t, m.Native.Origin, back.Native.Origin)
	require.JSONEq(t, string(m.Native.Content), string(back.Native.Content), "encoding/json may change white space and escapes")
	again, err := json.Marshal(back)
	require.NoError(t, err)
	require.Equal(t, string(stored), string(again))

	// In pieces of any size it is the same.
	for _, size := range []int{1, 7, 1000} {
		var chunks []*llm.CompletionChunk
		add := func(b llm.ThinkingBlock) {
			chunks = append(chunks, &llm.CompletionChunk{Choices: []llm.ChunkChoice{{Delta: llm.Delta{ThinkingBlocks: []llm.ThinkingBlock{b}}}}})
		}
		for _, b := range m.ThinkingBlocks {
			add(llm.ThinkingBlock{Type: b.Type, Index: b.Index, ID: b.ID, Origin: b.Origin, Thinking: b.Thinking})
			for text := range slices.Chunk([]byte(b.Signature), size) {
				add(llm.ThinkingBlock{Index: b.Index, Signature: string(text)})
			}
			for text := range slices.Chunk([]byte(b.Data), size) {
				add(llm.ThinkingBlock{Index: b.Index, Data: string(text)})
			}
		}
		resp, err := llm.Completion(t.Context(), ask("Hi"), llm.WithMock(chunks))
		require.NoError(t, err)
		require.Equal(t, m.ThinkingBlocks, resp.Message().ThinkingBlocks)
	}
}

// A conversation with parts, calls and results is the same after a stay on disk.
func TestConversationSurvivesStorage(t *testing.T) {
	conversation := []llm.Message{
		llm.System("Be brief."),
		llm.User("What is this?", llm.ImageDataPart("image/png", []byte{1, 2, 3}), llm.FilePart("a.pdf", "application/pdf", []byte{4}), llm.AudioPart("wav", []byte{5})),
		{Role: llm.RoleAssistant, ToolCalls: []llm.ToolCall{{ID: "c1", Type: "function", Function: llm.FunctionCall{Name: "look", Arguments: `{}`}}}},
		llm.ToolResult("c1", "a cat", llm.ImagePart("https://example.com/cat.png")),
		llm.Assistant("A cat."),
	}
	stored, err := json.Marshal(conversation)
	require.NoError(t, err)
	var back []llm.Message
	require.NoError(t, json.Unmarshal(stored, &back))
	require.Equal(t, conversation, back)
}

// Every cut of every document is an error or a document, never a panic; hostile shapes end in errors.
func TestHostileJSONIsAnError(t *testing.T) {
	for name, tt := range everyDocument {
		var compact bytes.Buffer
		require.NoError(t, json.Compact(&compact, []byte(tt.doc)))
		doc := compact.Bytes()
		for i := range doc {
			p := reflect.New(reflect.TypeOf(tt.zero)).Interface().(json.Unmarshaler)
			require.Error(t, p.UnmarshalJSON(doc[:i]), "%s cut at %d", name, i)
		}
	}
	for _, bad := range []string{
		strings.Repeat(`{"choices":`, 100_000), strings.Repeat("[", 1_000_000), `{"usage":{"prompt_tokens":1e999}}`, `{"usage":{"prompt_tokens":"many"}}`,
		`{"choices":7}`, `{"choices":[{"message":[]}]}`, `[]`, `"x"`, `{"id":"\ud800"`, "\x00", "",
	} {
		var r llm.CompletionResponse
		require.Error(t, r.UnmarshalJSON([]byte(bad)), "%.40s", bad)
		var c llm.CompletionChunk
		require.Error(t, c.UnmarshalJSON([]byte(strings.ReplaceAll(bad, "message", "delta"))), "%.40s", bad)
	}
	var r llm.CompletionResponse
	require.NoError(t, r.UnmarshalJSON([]byte(`{"id":"a","id":"b","choices":[{"message":{"content":"\ud800x"}}]}`)))
	require.Equal(t, "\uFFFDx", r.Text(), "a lone surrogate becomes U+FFFD")
}

func TestFinishReasons(t *testing.T) {
	call := `"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]`
	open := `"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\""}}]`
	for _, tt := range []struct {
		native, members string
		want            llm.FinishReason
		kept            string
	}{
		{"stop", `"content":"x"`, llm.FinishStop, ""},
		{"length", `"content":"x"`, llm.FinishLength, ""},
		{"content_filter", `"content":"x"`, llm.FinishContentFilter, ""},
		{"stop", call, llm.FinishToolCalls, ""},
		{"tool_calls", `"content":"x"`, llm.FinishStop, ""},
		{"stop", open, llm.FinishStop, ""},
		{"content_filter", call, llm.FinishContentFilter, ""},
		{"end_turn", `"content":"x"`, llm.FinishStop, "end_turn"},
		{"a_new_reason", `"content":"x"`, llm.FinishStop, "a_new_reason"},
		{"model_length", `"content":"x"`, llm.FinishLength, "model_length"},
	} {
		t.Run(tt.native+" "+string(tt.want), func(t *testing.T) {
			var r llm.CompletionResponse
			require.NoError(t, r.UnmarshalJSON(fmt.Appendf(nil, `{"choices":[{"index":0,"finish_reason":%q,"message":{%s}}]}`, tt.native, tt.members)))
			unary, err := llm.Completion(t.Context(), ask("Hi"), llm.WithMock(&r))
			require.NoError(t, err)
			require.Equal(t, tt.want, unary.FinishReason())
			if tt.kept != "" {
				require.Equal(t, tt.kept, unary.Choices[0].NativeFinishReason)
			}
			var c llm.CompletionChunk
			require.NoError(t, c.UnmarshalJSON(fmt.Appendf(nil, `{"choices":[{"index":0,"finish_reason":%q,"delta":{%s}}]}`, tt.native, tt.members)))
			s, err := llm.CompletionStream(t.Context(), ask("Hi"), llm.WithMock([]*llm.CompletionChunk{&c}))
			require.NoError(t, err)
			var reasons []llm.FinishReason
			for c, err := range s.All() {
				require.NoError(t, err)
				for _, ch := range c.Choices {
					if ch.FinishReason != "" {
						reasons = append(reasons, ch.FinishReason)
					}
				}
			}
			require.Equal(t, []llm.FinishReason{tt.want}, reasons)
		})
	}
}

// However a host cuts its calls into fragments, the calls are those of the unary answer: in OpenAI's dialect, which
// most hosts speak, each in its own way.
func TestToolCallFragments(t *testing.T) {
	want := []llm.FunctionCall{{Name: "get_weather", Arguments: `{"city":"Bern"}`}, {Name: "get_time", Arguments: `{"zone":"CET"}`}}
	for name, deltas := range map[string][]string{
		"whole": {
			`{"index":0,"id":"a","type":"function","function":{"name":"get_weather","arguments":"{\"city\":\"Bern\"}"}}`,
			`{"index":1,"id":"b","type":"function","function":{"name":"get_time","arguments":"{\"zone\":\"CET\"}"}}`},
		"fragments": {
			`{"index":0,"id":"a","function":{"name":"get_weather","arguments":""}}`, `{"index":0,"function":{"arguments":"{\"city\":"}}`, `{"index":0,"function":{"arguments":"\"Bern\"}"}}`,
			`{"index":1,"id":"b","function":{"name":"get_time"}}`, `{"index":1,"function":{"arguments":"{\"zone\":\"CET\"}"}}`},
		"interleaved": {
			`{"index":0,"id":"a","function":{"name":"get_weather"}}`, `{"index":1,"id":"b","function":{"name":"get_time"}}`,
			`{"index":0,"function":{"arguments":"{\"city\":"}}`, `{"index":1,"function":{"arguments":"{\"zone\":"}}`,
			`{"index":0,"function":{"arguments":"\"Bern\"}"}}`, `{"index":1,"function":{"arguments":"\"CET\"}"}}`},
		"no index": {
			`{"id":"a","function":{"name":"get_weather","arguments":"{\"city\":"}}`, `{"function":{"arguments":"\"Bern\"}"}}`,
			`{"id":"b","function":{"name":"get_time","arguments":"{\"zone\":\"CET\"}"}}`},
		"all zero": {
			`{"index":0,"id":"a","function":{"name":"get_weather","arguments":"{\"city\":"}}`, `{"index":0,"function":{"arguments":"\"Bern\"}"}}`,
			`{"index":0,"id":"b","function":{"name":"get_time","arguments":"{\"zone\":\"CET\"}"}}`},
		"reused with another id": {
			`{"index":0,"id":"a","function":{"name":"get_weather","arguments":"{\"city\":\"Bern\"}"}}`,
			`{"index":0,"id":"b","function":{"name":"get_time","arguments":""}}`, `{"index":0,"id":"b","function":{"arguments":"{\"zone\":\"CET\"}"}}`},
		"the id late": {
			`{"index":0,"function":{"name":"get_weather","arguments":"{\"city\":"}}`, `{"index":0,"id":"a","function":{"arguments":"\"Bern\"}"}}`,
			`{"index":1,"function":{"name":"get_time"}}`, `{"index":1,"id":"b","function":{"arguments":"{\"zone\":\"CET\"}"}}`},
		"the id repeated": {
			`{"index":0,"id":"a","function":{"name":"get_weather","arguments":"{\"city\":"}}`, `{"index":0,"id":"a","function":{"name":"get_weather","arguments":"\"Bern\"}"}}`,
			`{"index":1,"id":"b","function":{"name":"get_time","arguments":"{\"zone\":\"CET\"}"}}`},
		"the name split": {
			`{"index":0,"id":"a","function":{"name":"get_"}}`, `{"index":0,"function":{"name":"weather"}}`, `{"index":0,"function":{"arguments":"{\"city\":\"Bern\"}"}}`,
			`{"index":1,"id":"b","function":{"name":"get_t"}}`, `{"index":1,"function":{"name":"ime","arguments":"{\"zone\":\"CET\"}"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			var body strings.Builder
			for _, d := range deltas {
				fmt.Fprintf(&body, "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[%s]}}]}\n\n", d)
			}
			body.WriteString("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
			c := over(transport(func(*http.Request) (*http.Response, error) { return events(strings.NewReader(body.String())), nil }))
			s, err := c.CompletionStream(t.Context(), &llm.CompletionRequest{Model: "openai/m", Messages: []llm.Message{llm.User("Hi")}})
			require.NoError(t, err)
			resp, err := llm.Collect(s)
			require.NoError(t, err)
			var got []llm.FunctionCall
			ids := map[string]bool{}
			for _, call := range resp.ToolCalls() {
				got = append(got, call.Function)
				ids[call.ID] = true
			}
			require.Equal(t, want, got)
			require.Equal(t, []string{"a", "b"}, slices.Sorted(maps.Keys(ids)))
			require.Empty(t, resp.Message().IncompleteToolCalls)
			require.Equal(t, llm.FinishToolCalls, resp.FinishReason())
		})
	}
}

func TestIncompleteCallsAreKeptApart(t *testing.T) {
	for _, tt := range []struct {
		arguments, reason string
		complete          bool
	}{
		{`{"a":1}`, "tool_calls", true},
		{``, "tool_calls", true},
		{`null`, "tool_calls", true},
		{`{"a":`, "tool_calls", false},
		{`{"a":1}}`, "tool_calls", false},
		{`{"a":1,}`, "tool_calls", false},
		{`{'a':1}`, "tool_calls", false},
		{`[1]`, "tool_calls", false},
		{`"text"`, "tool_calls", false},
		{``, "length", false},
	} {
		var r llm.CompletionResponse
		require.NoError(t, r.UnmarshalJSON(fmt.Appendf(nil, `{"choices":[{"finish_reason":%q,"message":{"tool_calls":[{"type":"function","function":{"name":"f","arguments":%q}}]}}]}`, tt.reason, tt.arguments)))
		resp, err := llm.Completion(t.Context(), ask("Hi"), llm.WithMock(&r))
		require.NoError(t, err)
		m := resp.Message()
		if tt.complete {
			require.Len(t, m.ToolCalls, 1, tt.arguments)
			require.True(t, json.Valid([]byte(m.ToolCalls[0].Function.Arguments)))
			require.NotEmpty(t, m.ToolCalls[0].ID, "a missing id is made up")
			require.Empty(t, m.IncompleteToolCalls)
		} else {
			require.Empty(t, m.ToolCalls, tt.arguments)
			require.Len(t, m.IncompleteToolCalls, 1, tt.arguments)
			require.NotEqual(t, llm.FinishToolCalls, resp.FinishReason())
		}
	}
}
