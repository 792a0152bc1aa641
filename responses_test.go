package llm

import (
	"encoding/json"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// roundTrip reads JSON into a T and writes it back.
func roundTrip[T any](t *testing.T, in string) string {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal([]byte(in), &v))
	out, err := json.Marshal(v)
	require.NoError(t, err)
	return string(out)
}

func TestResponsesRequestJSON(t *testing.T) {
	for _, in := range []string{
		`{"model":"openai/gpt-5","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]}]}`,
		`{"model":"m","input":[
			{"type":"message","role":"developer","content":[{"type":"input_text","text":"Be brief.","prompt_cache_breakpoint":{"mode":"explicit"}}]},
			{"type":"message","role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,aGk=","detail":"low"},
				{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,aGk="},{"type":"input_file","file_url":"https://x.test/b.pdf"},
				{"type":"input_audio","input_audio":{"data":"aGk=","format":"wav"}}]},
			{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Think"}],"encrypted_content":"gAAA"},
			{"type":"message","id":"msg_1","status":"completed","role":"assistant","phase":"commentary","content":[{"type":"output_text","text":"Let me see.","annotations":[]}]},
			{"type":"function_call","id":"fc_1","status":"completed","call_id":"call_1","name":"f","arguments":"{}","namespace":"n"},
			{"type":"function_call_output","call_id":"call_1","output":"ok"},
			{"type":"custom_tool_call","call_id":"call_2","name":"g","input":"x = 1"},
			{"type":"custom_tool_call_output","call_id":"call_2","output":[{"type":"input_image","image_url":"https://x.test/i.png"}]},
			{"type":"mcp_call","id":"mcp_1","server_label":"s","name":"roll","arguments":"{\"a\":  1}","output":"4","error":null},
			{"type":"item_reference","id":"rs_9"}],
		 "instructions":"I","max_output_tokens":10,"max_tool_calls":2,"temperature":0,"top_p":0.5,"top_logprobs":0,
		 "tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":false},{"type":"custom","name":"g","format":{"type":"text"}},
			{"type":"web_search","search_context_size":"low"},{"type":"mcp","server_label":"s","server_url":"https://x.test"}],
		 "tool_choice":{"type":"function","name":"f"},"parallel_tool_calls":false,
		 "reasoning":{"effort":"low","summary":"auto","mode":"pro"},
		 "text":{"format":{"type":"json_schema","name":"r","schema":{"type":"object"},"strict":true},"verbosity":"low"},
		 "include":["reasoning.encrypted_content"],"store":false,"previous_response_id":"resp_0","background":false,"truncation":"auto",
		 "service_tier":"flex","metadata":{"k":"v"},"user":"u","safety_identifier":"s","prompt_cache_key":"p","prompt_cache_retention":"24h",
		 "stream_options":{"include_obfuscation":false},"conversation":{"id":"conv_1"}}`,
		`{"model":"m","input":[],"tool_choice":"required"}`,
		`{"model":"m","tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"}]}}`,
		`{"model":"m","tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"mcp","server_label":"s"},{"type":"function","name":"f"}]}}`,
		`{"model":"m","tool_choice":{"type":"mcp","server_label":"s","name":"roll"}}`,
		`{"model":"m","tool_choice":{"type":"web_search"}}`,
	} {
		require.JSONEq(t, in, roundTrip[ResponsesRequest](t, in))
	}

	// The short forms.
	require.JSONEq(t, `{"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]}]}`,
		roundTrip[ResponsesRequest](t, `{"model":"m","input":"Hi"}`))
	require.JSONEq(t, `{"model":"m","input":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[]}]},
			{"type":"message","role":"user","content":[{"type":"input_text","text":"Ho"}]}]}`,
		roundTrip[ResponsesRequest](t, `{"model":"m","input":[{"content":"Hi","role":"assistant"},{"role":"user","content":"Ho"}]}`))
}

func TestResponsesResponseJSON(t *testing.T) {
	in := `{"id":"resp_1","object":"response","created_at":1741290958,"status":"incomplete","model":"gpt-5","incomplete_details":{"reason":"max_output_tokens"},
		"output":[{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q","n": 1.50}},
			{"type":"message","id":"msg_1","status":"incomplete","role":"assistant","content":[{"type":"output_text","text":"Hi","logprobs":[{"token":"Hi","logprob":-0.5}],
				"annotations":[{"type":"url_citation","start_index":0,"end_index":2,"url":"https://x.test","title":"X"},
					{"type":"file_citation","index":0,"file_id":"file_1","filename":"a"},
					{"type":"container_file_citation","container_id":"c","start_index":0,"end_index":0,"file_id":"f","filename":"n"},
					{"type":"file_path","index":2,"file_id":"f"},{"type":"news","x":[1]}]},
				{"type":"refusal","refusal":"No."}]}],
		"usage":{"input_tokens":3,"input_tokens_details":{"cached_tokens":1},"output_tokens":2,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":5},
		"service_tier":"default","previous_response_id":"resp_0","metadata":{},"text":{"format":{"type":"text"}}}`
	require.JSONEq(t, in, roundTrip[ResponsesResponse](t, in))

	var r ResponsesResponse
	require.NoError(t, json.Unmarshal([]byte(in), &r))
	require.Equal(t, json.RawMessage(`{"type":"search","query":"q","n": 1.50}`), r.Output[0].Extra["action"], "unknown members keep their bytes")
	require.Equal(t, "Hi", r.OutputText())
	require.JSONEq(t, `{"id":"r","object":"response","status":"failed","output":[],"error":{"code":"server_error","message":"m"}}`,
		roundTrip[ResponsesResponse](t, `{"id":"r","object":"response","status":"failed","output":[],"error":{"code":"server_error","message":"m"},"usage":null}`))
}

func TestResponsesChunkJSON(t *testing.T) {
	for _, in := range []string{
		`{"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"type":"message","id":"msg_1","status":"in_progress","role":"assistant","content":[]}}`,
		`{"type":"response.content_part.added","sequence_number":3,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}`,
		`{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"","logprobs":[],"obfuscation":"abc"}`,
		`{"type":"response.output_text.done","sequence_number":5,"item_id":"msg_1","output_index":0,"content_index":1,"text":"Hi","logprobs":[{"token":"Hi","logprob":0}]}`,
		`{"type":"response.output_text.annotation.added","sequence_number":6,"item_id":"m","output_index":0,"content_index":0,"annotation_index":0,"annotation":{"type":"file_path","index":0,"file_id":"f"}}`,
		`{"type":"response.refusal.delta","sequence_number":7,"item_id":"m","output_index":0,"content_index":0,"delta":"No"}`,
		`{"type":"response.refusal.done","sequence_number":7,"item_id":"m","output_index":0,"content_index":0,"refusal":"No"}`,
		`{"type":"response.function_call_arguments.delta","sequence_number":8,"item_id":"fc_1","output_index":1,"delta":"{}"}`,
		`{"type":"response.function_call_arguments.done","sequence_number":8,"item_id":"fc_1","output_index":1,"arguments":"","name":"f"}`,
		`{"type":"response.custom_tool_call_input.done","sequence_number":8,"item_id":"c","output_index":1,"input":""}`,
		`{"type":"response.reasoning_summary_part.added","sequence_number":9,"item_id":"rs","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}}`,
		`{"type":"response.reasoning_summary_text.done","sequence_number":9,"item_id":"rs","output_index":0,"summary_index":0,"text":""}`,
		`{"type":"response.image_generation_call.partial_image","sequence_number":9,"item_id":"ig","output_index":0,"partial_image_index":0,"partial_image_b64":"aGk="}`,
		`{"type":"response.mcp_call.in_progress","sequence_number":9,"item_id":"mcp","output_index":0}`,
		`{"type":"response.audio.delta","sequence_number":9,"delta":"aGk="}`,
		`{"type":"response.completed","sequence_number":10,"response":{"id":"r","object":"response","output":[]}}`,
	} {
		require.JSONEq(t, in, roundTrip[ResponsesChunk](t, in))
	}
	// What is preset and not in the event does not stay.
	c := ResponsesChunk{Type: eventTextDelta, ItemID: "msg_1"}
	require.NoError(t, json.Unmarshal([]byte(`{"type":"response.audio.delta","delta":"aGk="}`), &c))
	require.Equal(t, ResponsesChunk{Type: "response.audio.delta", Delta: "aGk="}, c)
}

const textDelta = `{"type":"response.output_text.delta","sequence_number":41,"item_id":"msg_67c9fdcf37fc8190ba82116e33fb28c507b8b0ad4e5eb654","output_index":0,` +
	`"content_index":0,"delta":" everyone","logprobs":[],"obfuscation":"k3Jd9ma"}`

func TestResponsesDeltaIsLean(t *testing.T) {
	data := []byte(textDelta)
	before := ResponsesChunk{Type: eventTextDelta, ItemID: "msg_67c9fdcf37fc8190ba82116e33fb28c507b8b0ad4e5eb654"}
	w := newResponsesWatcher(&Call{})
	w.see(&before)
	n := testing.AllocsPerRun(2000, func() {
		c := &ResponsesChunk{Type: before.Type, ItemID: before.ItemID}
		if err := c.UnmarshalJSON(data); err != nil {
			t.Fatal(err)
		}
		if content, keep := w.see(c); !content || !keep {
			t.Fatal("a delta is content")
		}
	})
	require.LessOrEqual(t, n, 3.1)
}

func BenchmarkResponsesDelta(b *testing.B) {
	data := []byte(textDelta)
	w := newResponsesWatcher(&Call{})
	b.ReportAllocs()
	for b.Loop() {
		c := &ResponsesChunk{Type: eventTextDelta, ItemID: "msg_67c9fdcf37fc8190ba82116e33fb28c507b8b0ad4e5eb654"}
		if err := c.UnmarshalJSON(data); err != nil {
			b.Fatal(err)
		}
		w.see(c)
	}
}

// all reads a stream to its end.
func all[T any](t *testing.T, next Next[T]) []*T {
	t.Helper()
	var list []*T
	for {
		c, err := next()
		if err == io.EOF {
			return list
		}
		require.NoError(t, err)
		list = append(list, c)
	}
}

const richResponse = `{"id":"resp_1","object":"response","created_at":1741290958,"status":"completed","model":"gpt-5","output":[
	{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"One"},{"type":"summary_text","text":"Two"}],"encrypted_content":"gAAA"},
	{"type":"reasoning","id":"rs_2","summary":[],"content":[{"type":"reasoning_text","text":"raw"}]},
	{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}},
	{"type":"message","id":"msg_1","status":"completed","role":"assistant","phase":"final_answer","content":[
		{"type":"output_text","text":"Hé","annotations":[{"type":"url_citation","start_index":0,"end_index":1,"url":"https://x.test","title":"X"}],"logprobs":[{"token":"Hé","logprob":-1}]},
		{"type":"output_text","text":" there","annotations":[{"type":"url_citation","start_index":1,"end_index":3,"url":"https://y.test","title":"Y"}]},
		{"type":"refusal","refusal":"No more."}]},
	{"type":"function_call","id":"fc_1","status":"completed","call_id":"call_1","name":"f","arguments":"{\"a\":1}"},
	{"type":"custom_tool_call","id":"ctc_1","call_id":"call_2","name":"g","input":"x"}],
	"usage":{"input_tokens":3,"output_tokens":2,"total_tokens":5},"service_tier":"default","metadata":{"k":"v"}}`

func decodeResponse(t *testing.T, in string) *ResponsesResponse {
	t.Helper()
	r := &ResponsesResponse{}
	require.NoError(t, json.Unmarshal([]byte(in), r))
	return r
}

func TestResponsesReplay(t *testing.T) {
	r := decodeResponse(t, richResponse)
	events := all(t, replayResponses(r))
	for i, c := range events {
		require.Equal(t, i, c.SequenceNumber)
	}
	require.Equal(t, []string{eventCreated, eventInProgress, eventItemAdded, eventSummaryPartAdded, eventSummaryDelta, eventSummaryDone, eventSummaryPartDone},
		types(events[:7]))
	require.Equal(t, eventCompleted, events[len(events)-1].Type)

	got, err := CollectResponses(ReplayResponses(r))
	require.NoError(t, err)
	require.Equal(t, r, got)

	// A host whose last event has no output.
	bare := *r
	bare.Output = nil
	events[len(events)-1] = &ResponsesChunk{Type: eventCompleted, Response: &bare}
	got, err = CollectResponses(NewStream(pieces(events), nil))
	require.NoError(t, err)
	require.Equal(t, r, got)

	_, err = CollectResponses(NewStream(pieces(events[2:4]), nil))
	require.ErrorIs(t, err, ErrTruncated)
}

func types(events []*ResponsesChunk) []string {
	var list []string
	for _, c := range events {
		list = append(list, c.Type)
	}
	return list
}

// Content is what a failure after it cannot be hidden: states and shells are not.
func TestResponsesContent(t *testing.T) {
	for in, want := range map[string]bool{
		`{"type":"response.created","response":{}}`:                                                                    false,
		`{"type":"response.queued","response":{}}`:                                                                     false,
		`{"type":"response.in_progress","response":{}}`:                                                                false,
		`{"type":"keepalive"}`:                                                                                         false,
		`{"type":"response.output_item.added","item":{"type":"message","role":"assistant"}}`:                           false,
		`{"type":"response.output_item.added","item":{"type":"reasoning"}}`:                                            false,
		`{"type":"response.output_item.added","item":{"type":"function_call","name":"f","call_id":"c"}}`:               true,
		`{"type":"response.output_item.added","item":{"type":"web_search_call"}}`:                                      true,
		`{"type":"response.content_part.added","part":{"type":"output_text"}}`:                                         false,
		`{"type":"response.output_text.delta","delta":""}`:                                                             false,
		`{"type":"response.output_text.delta","delta":"a"}`:                                                            true,
		`{"type":"response.reasoning_summary_text.delta","delta":"a"}`:                                                 true,
		`{"type":"response.reasoning_text.delta","delta":"a"}`:                                                         true,
		`{"type":"response.function_call_arguments.delta","delta":"{"}`:                                                true,
		`{"type":"response.refusal.delta","delta":"a"}`:                                                                true,
		`{"type":"response.web_search_call.searching"}`:                                                                true,
		`{"type":"response.completed","response":{}}`:                                                                  true,
		`{"type":"response.output_item.done","item":{"type":"message","content":[{"type":"output_text","text":"a"}]}}`: true,
	} {
		var c ResponsesChunk
		require.NoError(t, json.Unmarshal([]byte(in), &c))
		content, keep := newResponsesWatcher(&Call{}).see(&c)
		require.Equal(t, want, content, in)
		require.True(t, keep)
	}
}

func TestResponsesPartial(t *testing.T) {
	w := newResponsesWatcher(&Call{})
	r := decodeResponse(t, richResponse)
	for _, c := range all(t, replayResponses(r)) {
		w.see(c)
	}
	usage, partial := w.outcome()
	require.Equal(t, r.Usage, usage)
	m := partial.Message()
	require.Equal(t, "Hé there", m.Content.Text())
	require.Equal(t, "One\n\nTwo\n\nraw", m.ReasoningContent)
	require.Empty(t, m.ToolCalls, "what was cut is not to be executed")
	require.Len(t, m.IncompleteToolCalls, 2)
	require.Equal(t, `{"a":1}`, m.IncompleteToolCalls[0].Function.Arguments)
}
