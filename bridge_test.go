package llm

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func bridgeCall(opts ...Option) *Call {
	return &Call{account: &account{}, settings: noSettings.with(opts), Provider: &Provider{Name: "test"}, Model: "m"}
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

// stored is a message that was written to disk and read again.
func stored(t *testing.T, m *Message) Message {
	t.Helper()
	var back Message
	require.NoError(t, json.Unmarshal([]byte(toJSON(t, m)), &back))
	return back
}

var outputs = map[string]string{
	"text":      `[{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello","annotations":[]}]}]`,
	"refusal":   `[{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"refusal","refusal":"No."}]}]`,
	"reasoning": `[{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gAAA/+=="},{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[]}]}]`,
	"summaries": `[{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"**A**"},{"type":"summary_text","text":"**B**"}],"encrypted_content":"g"},
		{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[]}]}]`,
	"raw reasoning":   `[{"type":"reasoning","id":"rs_1","status":"completed","summary":[],"content":[{"type":"reasoning_text","text":"hm"}]},{"type":"message","id":"m","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[]}]}]`,
	"summary and raw": `[{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"s"}],"content":[{"type":"reasoning_text","text":"hm"}],"encrypted_content":"g","x":1}]`,
	"calls": `[{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"s"}],"encrypted_content":"g"},
		{"type":"function_call","id":"fc_1","status":"completed","call_id":"call_1","name":"f","arguments":"{\"a\":1}"},
		{"type":"function_call","id":"fc_2","status":"completed","call_id":"call_2","name":"f","arguments":"{}"},
		{"type":"custom_tool_call","id":"ctc_1","call_id":"call_3","name":"g","input":"x = \"1\""}]`,
	"citations": `[{"type":"message","id":"m","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hi there","annotations":[
		{"type":"url_citation","start_index":0,"end_index":2,"url":"https://x.test","title":"X"},{"type":"file_citation","index":1,"file_id":"f","filename":"n"},
		{"type":"container_file_citation","container_id":"c","start_index":1,"end_index":2,"file_id":"f","filename":"n"},{"type":"file_path","index":0,"file_id":"f"}],
		"logprobs":[{"token":"Hi","logprob":-1}]}]}]`,
}

// What must come back unchanged, but the flat message cannot say.
var nativeOutputs = map[string]string{
	"interleaved": `[{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"a"},{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{}"},
		{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"b"},{"type":"function_call","id":"fc_2","call_id":"c2","name":"f","arguments":"{}"}]`,
	"phase":        `[{"type":"message","id":"m1","role":"assistant","phase":"final_answer","content":[{"type":"output_text","text":"A","annotations":[]}]}]`,
	"two messages": `[{"type":"message","id":"m1","role":"assistant","content":[{"type":"output_text","text":"A","annotations":[]}]},{"type":"message","id":"m2","role":"assistant","content":[{"type":"output_text","text":"B","annotations":[]}]}]`,
	"two parts":    `[{"type":"message","id":"m1","role":"assistant","content":[{"type":"output_text","text":"A","annotations":[]},{"type":"output_text","text":"B","annotations":[]}]}]`,
	"search":       `[{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q","n":1.0}},{"type":"message","id":"m1","role":"assistant","content":[{"type":"output_text","text":"A","annotations":[]}]}]`,
	"picture":      `[{"type":"image_generation_call","id":"ig_1","status":"completed","result":"aGk=","output_format":"webp"}]`,
	"namespace":    `[{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{}","namespace":"n"}]`,
}

func response(t *testing.T, output string) *ResponsesResponse {
	return decodeResponse(t, `{"id":"resp_1","object":"response","created_at":5,"model":"m","status":"completed","usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3},"output":`+output+`}`)
}

// sendBack makes the items that a message becomes in the next request.
func sendBack(t *testing.T, m *Message) []ResponsesItem {
	t.Helper()
	call := bridgeCall()
	req, err := toResponsesRequest(call, &CompletionRequest{Messages: []Message{stored(t, m)}})
	require.NoError(t, err)
	require.Empty(t, call.account.warnings)
	return req.Input
}

func TestItemsSurviveACompletion(t *testing.T) {
	for name, output := range outputs {
		t.Run(name, func(t *testing.T) {
			r := response(t, output)
			c, err := fromResponses(r)
			require.NoError(t, err)
			require.Nil(t, c.Message().Native, "the flat form is enough")
			require.JSONEq(t, string(encodeItems(anonymous(r.Output))), string(encodeItems(sendBack(t, c.Message()))))
		})
	}
	for name, output := range nativeOutputs {
		t.Run(name, func(t *testing.T) {
			r := response(t, output)
			c, err := fromResponses(r)
			require.NoError(t, err)
			require.NotNil(t, c.Message().Native)
			require.Equal(t, string(encodeItems(r.Output)), string(encodeItems(sendBack(t, c.Message()))))
		})
	}
}

// A call that was cut must not go back, in whatever form.
func TestCutCallsDoNotGoBack(t *testing.T) {
	r := response(t, `[{"type":"reasoning","id":"rs_1","summary":[]},{"type":"function_call","id":"fc_1","status":"incomplete","call_id":"c1","name":"f","arguments":"{\"a\":"}]`)
	r.Status, r.IncompleteReason = "incomplete", "max_output_tokens"
	c, err := fromResponses(r)
	require.NoError(t, err)
	require.Equal(t, FinishLength, c.FinishReason())
	require.Equal(t, "max_output_tokens", c.Choices[0].NativeFinishReason)
	require.Len(t, c.Message().IncompleteToolCalls, 1)
	require.Empty(t, c.ToolCalls())
	require.Nil(t, c.Message().Native)
	items := sendBack(t, c.Message())
	require.Len(t, items, 1)
	require.Equal(t, "reasoning", items[0].Type)
}

func TestFailedAndUnfinishedResponses(t *testing.T) {
	_, err := fromResponses(&ResponsesResponse{Status: "failed", Error: &ResponsesError{Code: "rate_limit_exceeded", Message: "slow down"}})
	require.ErrorIs(t, err, ErrRateLimit)
	_, err = fromResponses(&ResponsesResponse{Status: "queued"})
	require.ErrorIs(t, err, ErrProtocol)
	next := fromResponsesStream(pieces([]*ResponsesChunk{{Type: eventFailed, Response: &ResponsesResponse{Error: &ResponsesError{Code: "server_error"}}}}))
	_, err = next()
	require.ErrorIs(t, err, ErrServer)
}

func fold(t *testing.T, next Next[CompletionChunk]) *CompletionResponse {
	t.Helper()
	var acc Accumulator
	for _, c := range all(t, next) {
		acc.Add(c)
	}
	return acc.Response()
}

// shred cuts the deltas of a stream, as a host may, and leaves some events out.
func shred(events []*ResponsesChunk, without ...string) []*ResponsesChunk {
	var out []*ResponsesChunk
	for _, c := range events {
		if slices.Contains(without, c.Type) {
			continue
		}
		_, n := utf8.DecodeRuneInString(c.Delta)
		if len(c.Delta) == n {
			out = append(out, c)
			continue
		}
		for i, s := range []string{c.Delta[:n], c.Delta[n:]} {
			d := *c
			d.Delta = s
			if i > 0 {
				d.Logprobs = nil
			}
			out = append(out, &d)
		}
	}
	return out
}

// However a response is streamed, the chunks fold to the completion that it is at once.
func TestBridgedStreamFoldsToTheAnswer(t *testing.T) {
	all2 := map[string]string{"rich": toJSON(t, decodeResponse(t, richResponse).Output)}
	for name, s := range outputs {
		all2[name] = s
	}
	for name, s := range nativeOutputs {
		all2[name] = s
	}
	deltas := []string{eventTextDelta, eventArgumentsDelta, eventInputDelta, eventRefusalDelta, eventSummaryDelta, eventReasoningDelta}
	for name, output := range all2 {
		r := response(t, output)
		r.Extra = Extra{"metadata": json.RawMessage(`{"k":"v"}`)}
		r.PreviousResponseID = "resp_0"
		whole, err := fromResponses(r)
		require.NoError(t, err)
		want := toJSON(t, whole)
		for variant, without := range map[string][]string{
			"complete": nil, "no deltas": deltas, "only items": append([]string{eventTextDone, eventArgumentsDone, eventInputDone, eventRefusalDone, eventAnnotation}, deltas...),
			"no items": {eventItemAdded, eventItemDone}, "the end alone": append([]string{eventItemAdded, eventItemDone, eventTextDone, eventArgumentsDone, eventInputDone, eventRefusalDone, eventAnnotation}, deltas...),
			"no closing": {eventTextDone, eventArgumentsDone, eventInputDone, eventRefusalDone, eventItemDone},
		} {
			t.Run(name+"/"+variant, func(t *testing.T) {
				events := shred(all(t, replayResponses(r)), without...)
				require.JSONEq(t, want, toJSON(t, fold(t, fromResponsesStream(pieces(events)))))
			})
		}
	}
}

// A host may leave the output out of the last event.
func TestBridgedStreamWithoutFinalOutput(t *testing.T) {
	r := response(t, nativeOutputs["interleaved"])
	events := all(t, replayResponses(r))
	bare := *r
	bare.Output = nil
	events[len(events)-1] = &ResponsesChunk{Type: eventCompleted, Response: &bare}
	whole, err := fromResponses(r)
	require.NoError(t, err)
	require.JSONEq(t, toJSON(t, whole), toJSON(t, fold(t, fromResponsesStream(pieces(events)))))
}

// randomOutput is an output of any items, in any order, with members that this package does not name.
func randomOutput(rnd *rand.Rand) string {
	word := func() string {
		return []string{"", "a", "é", "two words", "\"q\"", "日本語", "**b**"}[rnd.IntN(7)]
	}
	text := func() string { return toString(word()) }
	maybe := func(s string) string {
		if rnd.IntN(4) == 0 {
			return s
		}
		return ""
	}
	list := func(most int, one func() string) string {
		var parts []string
		for range rnd.IntN(most + 1) {
			parts = append(parts, one())
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	n := 0
	return list(6, func() string {
		n++
		id := fmt.Sprintf(`"id":"x_%d","status":"completed"`, n)
		switch rnd.IntN(6) {
		case 0:
			return `{"type":"reasoning",` + id + maybe(`,"x":{"y":1.50}`) + maybe(`,"encrypted_content":"g"`) +
				`,"summary":` + list(2, func() string { return `{"type":"summary_text","text":` + text() + `}` }) +
				maybe(`,"content":[{"type":"reasoning_text","text":"raw"}]`) + `}`
		case 1:
			return fmt.Sprintf(`{"type":"function_call",%s,"call_id":"c%d","name":"f","arguments":"{\"a\":%d}"%s}`, id, n, n, maybe(`,"namespace":"n"`))
		case 2:
			return fmt.Sprintf(`{"type":"custom_tool_call",%s,"call_id":"c%d","name":"g","input":%s}`, id, n, text())
		case 3:
			return `{"type":"web_search_call",` + id + `,"action":{"q":1.0}}`
		default:
			return `{"type":"message",` + id + `,"role":"assistant"` + maybe(`,"phase":"commentary"`) + `,"content":` + list(2, func() string {
				if rnd.IntN(5) == 0 {
					return `{"type":"refusal","refusal":` + text() + `}`
				}
				return `{"type":"output_text","text":` + text() + maybe(`,"logprobs":[{"token":"t","logprob":-1}]`) + `,"annotations":` + list(2, func() string {
					return fmt.Sprintf(`{"type":"url_citation","start_index":%d,"end_index":%d,"url":"https://x.test","title":%s}`, rnd.IntN(3), 3+rnd.IntN(3), text())
				}) + `}`
			}) + `}`
		}
	})
}

func toString(s string) string { return string(rawText(s)) }

// Whatever the output is, it comes back whole with the next request, and its stream folds to the same message.
func TestAnyOutputSurvives(t *testing.T) {
	for seed := range uint64(2000) {
		output := randomOutput(rand.New(rand.NewPCG(seed, 2)))
		r := response(t, output)
		c, err := fromResponses(r)
		require.NoError(t, err)
		items := sendBack(t, c.Message())
		if len(c.Message().ToolCalls) == 0 && len(items) == 0 {
			for _, it := range r.Output {
				require.Equal(t, "message", it.Type, "%s", output)
			}
		} else {
			require.JSONEq(t, string(encodeItems(anonymous(r.Output))), string(encodeItems(anonymous(items))), "seed %d: %s", seed, output)
		}
		events := shred(all(t, replayResponses(r)))
		require.JSONEq(t, toJSON(t, c), toJSON(t, fold(t, fromResponsesStream(pieces(events)))), "seed %d: %s", seed, output)
		got, err := CollectResponses(NewStream(pieces(events), nil))
		require.NoError(t, err)
		require.Equal(t, toJSON(t, r), toJSON(t, got))
	}
}

func TestBridgedStreamIsTruncatedWhereTheEventsAre(t *testing.T) {
	events := all(t, replayResponses(decodeResponse(t, richResponse)))
	for n := range events {
		list := events[:n]
		next := fromResponsesStream(func() (*ResponsesChunk, error) {
			if len(list) == 0 {
				return nil, Truncated("cut")
			}
			c := list[0]
			list = list[1:]
			return c, nil
		})
		for {
			c, err := next()
			if err != nil {
				require.ErrorIs(t, err, ErrTruncated)
				break
			}
			require.Empty(t, c.Choices[0].FinishReason)
		}
	}
}

func TestCompletionRequestAsResponses(t *testing.T) {
	var req CompletionRequest
	require.NoError(t, json.Unmarshal([]byte(`{"model":"x","max_completion_tokens":10,"temperature":0,"top_p":0.5,"logprobs":true,"top_logprobs":2,
		"messages":[{"role":"system","content":"Be brief."},
			{"role":"user","content":[{"type":"text","text":"What?"},{"type":"image_url","image_url":{"url":"https://x.test/i.png","detail":"low"}},
				{"type":"file","file":{"file_data":"aGk=","filename":"a.pdf"}},{"type":"input_audio","input_audio":{"data":"aGk=","format":"wav"}}]},
			{"role":"assistant","content":"Let me see.","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"c2","type":"custom","custom":{"name":"g","input":"x"}}]},
			{"role":"tool","tool_call_id":"c1","content":"one"},
			{"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"two"},{"type":"image_url","image_url":{"url":"https://x.test/j.png"}}]},
			{"role":"assistant","content":null,"refusal":"No."}],
		"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}},{"type":"function","function":{"name":"h","strict":true}},
			{"type":"custom","custom":{"name":"g","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"start: x"}}}},{"type":"mcp","server_label":"s"}],
		"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"g"}}]}},
		"parallel_tool_calls":false,"response_format":{"type":"json_schema","json_schema":{"name":"r","schema":{"type":"object"},"strict":true}},
		"reasoning_effort":"high","thinking":{"type":"adaptive","display":"summarized"},"verbosity":"low","service_tier":"flex","store":false,"metadata":{"k":"v"},
		"user":"u","safety_identifier":"s","prompt_cache_key":"p","prompt_cache_retention":"24h",
		"web_search_options":{"search_context_size":"low","user_location":{"type":"approximate","approximate":{"city":"Paris"}},"filters":{"allowed_domains":["x.test"]}},
		"x_more":1}`), &req))
	before := toJSON(t, req)
	call := bridgeCall()
	r, err := toResponsesRequest(call, &req)
	require.NoError(t, err)
	require.Empty(t, call.account.warnings)
	require.Equal(t, before, toJSON(t, req), "the request is not written to")
	r.Model = "m"
	require.JSONEq(t, `{"model":"m","max_output_tokens":10,"temperature":0,"top_p":0.5,"top_logprobs":2,
		"include":["message.output_text.logprobs","reasoning.encrypted_content"],
		"input":[{"type":"message","role":"system","content":[{"type":"input_text","text":"Be brief."}]},
			{"type":"message","role":"user","content":[{"type":"input_text","text":"What?"},{"type":"input_image","image_url":"https://x.test/i.png","detail":"low"},
				{"type":"input_file","file_data":"data:application/pdf;base64,aGk=","filename":"a.pdf"},{"type":"input_audio","input_audio":{"data":"aGk=","format":"wav"}}]},
			{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Let me see.","annotations":[]}]},
			{"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},{"type":"custom_tool_call","call_id":"c2","name":"g","input":"x"},
			{"type":"function_call_output","call_id":"c1","output":"one"},
			{"type":"custom_tool_call_output","call_id":"c2","output":[{"type":"input_text","text":"two"},{"type":"input_image","image_url":"https://x.test/j.png"}]},
			{"type":"message","role":"assistant","content":[{"type":"refusal","refusal":"No."}]}],
		"tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":false},{"type":"function","name":"h","parameters":null,"strict":true},
			{"type":"custom","name":"g","format":{"type":"grammar","syntax":"lark","definition":"start: x"}},{"type":"mcp","server_label":"s"},
			{"type":"web_search","search_context_size":"low","user_location":{"type":"approximate","city":"Paris"},"filters":{"allowed_domains":["x.test"]}}],
		"tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"},{"type":"custom","name":"g"}]},
		"parallel_tool_calls":false,"text":{"format":{"type":"json_schema","name":"r","schema":{"type":"object"},"strict":true},"verbosity":"low"},
		"reasoning":{"effort":"high","summary":"auto"},"service_tier":"flex","store":false,"metadata":{"k":"v"},"user":"u","safety_identifier":"s",
		"prompt_cache_key":"p","prompt_cache_retention":"24h","x_more":1}`, toJSON(t, r))
}

func TestCompletionRequestWhatResponsesLacks(t *testing.T) {
	one := 1
	for name, req := range map[string]CompletionRequest{
		"top_k": {TopK: 1}, "n": {N: 2}, "stop": {Stop: []string{"x"}}, "seed": {Seed: new(int64(1))}, "frequency_penalty": {FrequencyPenalty: new(0.5)},
		"presence_penalty": {PresencePenalty: new(0.5)}, "logit_bias": {LogitBias: map[string]int{"1": 1}}, "prediction": {Prediction: &Prediction{}},
		"modalities": {Modalities: []string{"text", "audio"}}, "cache_control": {CacheControl: Ephemeral()},
		"thinking.budget_tokens": {Thinking: &Thinking{Type: "enabled", BudgetTokens: &one}},
	} {
		_, err := toResponsesRequest(bridgeCall(), &req)
		require.ErrorIs(t, err, ErrUnsupportedParam, name)
		require.Equal(t, name, err.(*Error).Param)
		call := bridgeCall(WithDropParams(name))
		_, err = toResponsesRequest(call, &req)
		require.NoError(t, err)
		require.Equal(t, name, call.account.warnings[0].Param)
	}
	_, err := toResponsesRequest(bridgeCall(), &CompletionRequest{Messages: []Message{User("Look", VideoPart("https://x.test/v.mp4"))}})
	require.ErrorIs(t, err, ErrInvalidRequest)
	require.Equal(t, "messages[0].content[1]", err.(*Error).Param)

	call := bridgeCall()
	r, err := toResponsesRequest(call, &CompletionRequest{Messages: []Message{{Role: RoleAssistant, Content: Content{TextPart("Hi")},
		ThinkingBlocks: []ThinkingBlock{{Type: "thinking", Thinking: "t", Signature: "sig", Origin: "anthropic"}},
		ToolCalls:      []ToolCall{{ID: "c", Signature: "s", Origin: "gemini", Function: FunctionCall{Name: "f", Arguments: "{}"}}},
		Native:         &NativeContent{Origin: "anthropic", Content: []byte(`[]`)}}}})
	require.NoError(t, err)
	require.Len(t, r.Input, 2)
	require.NotContains(t, toJSON(t, r), "sig")
	require.Len(t, call.account.warnings, 3)
	for _, w := range call.account.warnings {
		require.Equal(t, "dropped_blob", w.Code)
	}
}

// The other direction.

func TestResponsesRequestAsCompletion(t *testing.T) {
	var req ResponsesRequest
	require.NoError(t, json.Unmarshal([]byte(`{"model":"x","instructions":"Be brief.","max_output_tokens":10,"temperature":0,"top_p":0.5,"top_logprobs":2,
		"include":["message.output_text.logprobs","reasoning.encrypted_content"],
		"input":[{"role":"developer","content":"Now."},
			{"role":"user","content":[{"type":"input_text","text":"What?","cache_control":{"type":"ephemeral"}},{"type":"input_image","image_url":"https://x.test/i.png","detail":"low"},
				{"type":"input_file","file_data":"data:application/pdf;base64,aGk=","filename":"a.pdf"},{"type":"input_audio","input_audio":{"data":"aGk=","format":"wav"}}]},
			{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Think."}],"encrypted_content":"gAAA"},
			{"type":"message","id":"m1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Let mé","annotations":[{"type":"url_citation","start_index":0,"end_index":3,"url":"https://x.test","title":"X"}]}]},
			{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{}"},
			{"type":"message","id":"m2","status":"completed","role":"assistant","content":[{"type":"output_text","text":" see.","annotations":[{"type":"url_citation","start_index":1,"end_index":2,"url":"https://y.test","title":"Y"}]}]},
			{"type":"custom_tool_call","call_id":"c2","name":"g","input":"x"},
			{"type":"function_call_output","call_id":"c1","output":"one"},
			{"type":"custom_tool_call_output","call_id":"c2","output":[{"type":"input_text","text":"two"},{"type":"input_image","image_url":"https://x.test/j.png"}]},
			{"type":"message","role":"assistant","content":[{"type":"refusal","refusal":"No."}]}],
		"tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":true},
			{"type":"custom","name":"g","format":{"type":"grammar","syntax":"lark","definition":"start: x"}},{"type":"web_search_20250305","name":"web_search","max_uses":3},
			{"type":"web_search_preview","search_context_size":"low","user_location":{"type":"approximate","city":"Paris"}}],
		"tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"},{"type":"custom","name":"g"}]},
		"parallel_tool_calls":false,"text":{"format":{"type":"json_schema","name":"r","schema":{"type":"object"},"strict":true},"verbosity":"low"},
		"reasoning":{"effort":"high"},"truncation":"disabled","background":false,"service_tier":"flex","store":false,"metadata":{"k":"v"},"user":"u","safety_identifier":"s",
		"prompt_cache_key":"p","prompt_cache_retention":"24h","x_more":1}`), &req))
	before := toJSON(t, req)
	call := bridgeCall()
	c, err := toCompletionRequest(call, &req)
	require.NoError(t, err)
	require.Empty(t, call.account.warnings)
	require.Equal(t, before, toJSON(t, req), "the request is not written to")
	c.Model = "m"
	require.JSONEq(t, `{"model":"m","max_completion_tokens":10,"temperature":0,"top_p":0.5,"logprobs":true,"top_logprobs":2,
		"messages":[{"role":"system","content":"Be brief."},{"role":"developer","content":"Now."},
			{"role":"user","content":[{"type":"text","text":"What?","cache_control":{"type":"ephemeral"}},{"type":"image_url","image_url":{"url":"https://x.test/i.png","detail":"low"}},
				{"type":"file","file":{"file_data":"data:application/pdf;base64,aGk=","filename":"a.pdf"}},{"type":"input_audio","input_audio":{"data":"aGk=","format":"wav"}}]},
			{"role":"assistant","content":[{"type":"text","text":"Let mé"},{"type":"text","text":" see."}],"reasoning_content":"Think.",
				"thinking_blocks":[{"type":"reasoning","id":"rs_1","thinking":"Think.","data":"gAAA","origin":"openai-responses"}],
				"annotations":[{"type":"url_citation","url_citation":{"start_index":0,"end_index":3,"url":"https://x.test","title":"X"}},
					{"type":"url_citation","url_citation":{"start_index":7,"end_index":8,"url":"https://y.test","title":"Y"}}],
				"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"c2","type":"custom","custom":{"name":"g","input":"x"}}]},
			{"role":"tool","tool_call_id":"c1","content":"one"},
			{"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"two"},{"type":"image_url","image_url":{"url":"https://x.test/j.png"}}]},
			{"role":"assistant","content":null,"refusal":"No."}],
		"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},
			{"type":"custom","custom":{"name":"g","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"start: x"}}}},
			{"type":"web_search_20250305","name":"web_search","max_uses":3}],
		"web_search_options":{"search_context_size":"low","user_location":{"type":"approximate","approximate":{"city":"Paris"}}},
		"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]}},
		"parallel_tool_calls":false,"response_format":{"type":"json_schema","json_schema":{"name":"r","schema":{"type":"object"},"strict":true}},
		"reasoning_effort":"high","verbosity":"low","service_tier":"flex","store":false,"metadata":{"k":"v"},
		"user":"u","safety_identifier":"s","prompt_cache_key":"p","prompt_cache_retention":"24h","x_more":1}`, toJSON(t, c))
}

func TestResponsesRequestWhatCompletionsLack(t *testing.T) {
	yes := true
	item := func(typ string) []ResponsesItem { return []ResponsesItem{InputText("Hi"), {Type: typ, ID: "x"}} }
	for name, req := range map[string]ResponsesRequest{
		"previous_response_id": {PreviousResponseID: "resp_0"}, "background": {Background: &yes}, "truncation": {Truncation: "auto"},
		"max_tool_calls": {MaxToolCalls: 1}, "include": {Include: []string{"file_search_call.results"}}, "conversation": {Extra: Extra{"conversation": "conv_1"}},
		"prompt": {Extra: Extra{"prompt": Extra{"id": "p"}}}, "reasoning.mode": {Reasoning: &ResponsesReasoning{Extra: Extra{"mode": "pro"}}},
		"tools[0]": {Tools: []ResponsesTool{{Type: "file_search"}}}, "tool_choice": {ToolChoice: &ToolChoice{Type: "mcp", Extra: Extra{"server_label": "s"}}},
		"input[1]": {Input: item("computer_call_output")}, "input[0].content[0]": {Input: []ResponsesItem{{Type: "message", Role: RoleUser, Content: []ResponsesContent{{Type: "input_image", FileID: "f"}}}}},
	} {
		_, err := toCompletionRequest(bridgeCall(), &req)
		require.ErrorIs(t, err, ErrUnsupportedParam, name)
		require.Equal(t, name, err.(*Error).Param)
		call := bridgeCall(WithDropParams())
		r, err := toCompletionRequest(call, &req)
		require.NoError(t, err)
		require.Equal(t, name, call.account.warnings[0].Param)
		require.Empty(t, r.Extra)
	}
	for param, req := range map[string]ResponsesRequest{
		"reasoning.summary": {Reasoning: &ResponsesReasoning{Summary: "auto"}},
		"input[1]":          {Input: item("web_search_call")},
		"input[0].phase":    {Input: []ResponsesItem{{Type: "message", Role: RoleAssistant, Content: []ResponsesContent{{Type: "output_text", Text: "x"}}, Extra: Extra{"phase": "commentary"}}}},
	} {
		call := bridgeCall()
		r, err := toCompletionRequest(call, &req)
		require.NoError(t, err)
		require.Len(t, call.account.warnings, 1)
		require.Equal(t, param, call.account.warnings[0].Param)
		require.NotContains(t, toJSON(t, r), "phase")
	}
}

// chatAnswer is an answer that a provider's Decode might give.
func chatAnswer(m Message, reason FinishReason) *CompletionResponse {
	m.Role = RoleAssistant
	return &CompletionResponse{ID: "chatcmpl-1", Object: "chat.completion", Created: 5, Model: "m", ServiceTier: "default",
		Choices: []Choice{{Message: m, FinishReason: reason}}, Usage: &Usage{PromptTokens: 1, CompletionTokens: 2, TotalTokens: 3}}
}

var chatAnswers = map[string]*CompletionResponse{
	"text":  chatAnswer(Message{Content: Content{TextPart("Hello")}}, FinishStop),
	"empty": chatAnswer(Message{}, FinishStop),
	"cut":   chatAnswer(Message{Content: Content{TextPart("Hel")}}, FinishLength),
	"anthropic": chatAnswer(Message{ReasoningContent: "hmso", ThinkingBlocks: []ThinkingBlock{
		{Type: "thinking", Thinking: "hm", Signature: "sig\n\"1\"==", Origin: "anthropic"}, {Type: "redacted_thinking", Index: 1, Data: "blob+/=", Origin: "anthropic"},
		{Type: "thinking", Index: 2, Signature: "empty but signed", Origin: "anthropic"}, {Type: "thinking", Index: 3, Thinking: "so", Signature: "s2", Origin: "anthropic", Extra: Extra{"x": json.RawMessage(`{"y": 1.0}`)}}},
		Content:   Content{TextPart("Let me see.")},
		ToolCalls: []ToolCall{{ID: "toolu_1", Type: "function", Function: FunctionCall{Name: "f", Arguments: `{"a":1}`}}, {Index: 1, ID: "toolu_2", Type: "function", Function: FunctionCall{Name: "g", Arguments: `{}`}}}}, FinishToolCalls),
	"gemini": chatAnswer(Message{ReasoningContent: "hm", Content: Content{TextPart("x")},
		ToolCalls: []ToolCall{{ID: "c1", Type: "function", Function: FunctionCall{Name: "f", Arguments: `{"a":1}`}, Signature: "AbC+/==", Origin: "gemini"},
			{Index: 1, ID: "c2", Type: "custom", Custom: &CustomCall{Name: "g", Input: "x"}}}}, FinishToolCalls),
	"native": chatAnswer(Message{Content: Content{TextPart("x")}, Native: &NativeContent{Origin: "anthropic", Content: []byte(`[{"type":"text","text":"x", "n":1.50}]`)}}, FinishStop),
	"pictures": chatAnswer(Message{Content: Content{TextPart("x")}, Images: []Part{ImagePart("data:image/png;base64,aGk="),
		{Type: "image_url", ImageURL: &ImageURL{URL: "data:image/webp;base64,aGk="}, Extra: Extra{"thought_signature": json.RawMessage(`"c2ln"`)}}}}, FinishStop),
	"members of calls": chatAnswer(Message{ToolCalls: []ToolCall{{ID: "c1", Type: "function", Function: FunctionCall{Name: "f", Arguments: `{}`},
		Extra: Extra{"caller": json.RawMessage(`{"type":"direct"}`)}}}}, FinishToolCalls),
	"cut though it parses": chatAnswer(Message{Content: Content{TextPart("x")}, IncompleteToolCalls: []ToolCall{{ID: "c1", Type: "function", Function: FunctionCall{Name: "f", Arguments: `{}`}}}}, FinishLength),
	"reasoning":            chatAnswer(Message{ReasoningContent: "thinking aloud", Content: Content{TextPart("x")}}, FinishStop),
	"refusal":              chatAnswer(Message{Refusal: "No."}, FinishStop),
	"citations": chatAnswer(Message{Content: Content{TextPart("Hé there")}, Annotations: []Annotation{
		{Type: "url_citation", URLCitation: &URLCitation{StartIndex: 0, EndIndex: 2, URL: "https://x.test", Title: "X", CitedText: "q"}},
		{Type: "file_citation", FileCitation: &FileCitation{FileID: "f", DocumentIndex: 1}}, {Type: "news", Extra: Extra{"n": json.RawMessage(`{"a":1}`)}}}}, FinishStop),
}

// Everything that a chat answer holds is given back by its items, through JSON, byte for byte.
func TestMessagesSurviveResponses(t *testing.T) {
	for name, c := range chatAnswers {
		t.Run(name, func(t *testing.T) {
			want := *c
			want.Choices = slices.Clone(c.Choices)
			want.finish()
			r, err := fromCompletion(c)
			require.NoError(t, err)
			var back ResponsesResponse
			require.NoError(t, json.Unmarshal([]byte(toJSON(t, r)), &back))
			call := bridgeCall()
			req, err := toCompletionRequest(call, &ResponsesRequest{Input: back.Output})
			require.NoError(t, err)
			require.Empty(t, call.account.warnings)
			if name == "empty" {
				require.Empty(t, req.Messages)
				return
			}
			require.Len(t, req.Messages, 1)
			require.Equal(t, len(want.ToolCalls()), len(req.Messages[0].ToolCalls))
			require.JSONEq(t, toJSON(t, want.Message()), toJSON(t, req.Messages[0]))
			for i, b := range want.Message().ThinkingBlocks {
				require.Equal(t, b, req.Messages[0].ThinkingBlocks[i])
			}
			require.Equal(t, want.Message().Native, req.Messages[0].Native)
		})
	}
}

// Blobs that were made for another dialect do not reach a provider that has the operation.
func TestCarriersStayHere(t *testing.T) {
	r, err := fromCompletion(chatAnswers["anthropic"])
	require.NoError(t, err)
	req := &ResponsesRequest{Input: append([]ResponsesItem{InputText("Hi")}, r.Output...)}
	require.True(t, hasCarrier(req.Input))
	var sent *ResponsesRequest
	p := &Provider{Responses: &Op[ResponsesRequest, ResponsesResponse, ResponsesChunk]{Encode: func(_ *Call, r *ResponsesRequest) (*http.Request, error) {
		sent = r
		return nil, nil
	}}}
	call := bridgeCall()
	call.Request = req
	_, err = responsesOp(p, call).Encode(call, req)
	require.NoError(t, err)
	require.False(t, hasCarrier(sent.Input))
	require.Len(t, sent.Input, 4, "the text and the calls are sent")
	require.Len(t, call.account.warnings, 4)
	require.Equal(t, "dropped_blob", call.account.warnings[0].Code)
	call.Request = &ResponsesRequest{Input: []ResponsesItem{InputText("Hi")}}
	require.Same(t, p.Responses, responsesOp(p, call))
}

// shredChunks cuts an answer into the smallest chunks, in the order of thinking, text, calls.
func shredChunks(c *CompletionResponse) []*CompletionChunk {
	d := c.Choices[0].Message.delta()
	var out []*CompletionChunk
	add := func(f func(*Delta)) {
		ch := ChunkChoice{}
		f(&ch.Delta)
		out = append(out, &CompletionChunk{ID: c.ID, Created: c.Created, Model: c.Model, ServiceTier: c.ServiceTier, Choices: []ChunkChoice{ch}})
	}
	add(func(x *Delta) { x.Role = RoleAssistant })
	inBlocks := false
	for _, b := range d.ThinkingBlocks {
		inBlocks = inBlocks || b.Thinking != ""
	}
	if !inBlocks {
		for _, r := range d.ReasoningContent {
			add(func(x *Delta) { x.ReasoningContent = string(r) })
		}
	}
	for _, b := range d.ThinkingBlocks {
		add(func(x *Delta) {
			x.ThinkingBlocks = []ThinkingBlock{{Index: b.Index, Type: b.Type, Origin: b.Origin, ID: b.ID, Data: b.Data}}
		})
		for _, r := range b.Thinking {
			add(func(x *Delta) {
				x.ReasoningContent = string(r)
				x.ThinkingBlocks = []ThinkingBlock{{Index: b.Index, Thinking: string(r)}}
			})
		}
		if b.Signature != "" {
			add(func(x *Delta) { x.ThinkingBlocks = []ThinkingBlock{{Index: b.Index, Signature: b.Signature[:1]}} })
			add(func(x *Delta) {
				x.ThinkingBlocks = []ThinkingBlock{{Index: b.Index, Signature: b.Signature[1:], Extra: b.Extra}}
			})
		}
	}
	for _, r := range d.Content {
		add(func(x *Delta) { x.Content = string(r) })
	}
	if d.Refusal != "" {
		add(func(x *Delta) { x.Refusal = d.Refusal })
	}
	for i := range d.Images {
		add(func(x *Delta) { x.Images = d.Images[i : i+1] })
	}
	for i := range d.Annotations {
		add(func(x *Delta) { x.Annotations = d.Annotations[i : i+1] })
	}
	for _, t := range d.IncompleteToolCalls { // on a wire they look like any other
		t.Index = len(d.ToolCalls)
		d.ToolCalls = append(d.ToolCalls, t)
	}
	for _, t := range d.ToolCalls {
		add(func(x *Delta) {
			head := ToolCall{Index: t.Index, ID: t.ID, Type: t.Type, Signature: t.Signature, Origin: t.Origin, Extra: t.Extra}
			if t.Custom != nil {
				head.Custom = &CustomCall{Name: t.Custom.Name}
			}
			head.Function.Name = t.Function.Name
			x.ToolCalls = []ToolCall{head}
		})
		rest := t.Function.Arguments
		if t.Custom != nil {
			rest = t.Custom.Input
		}
		for _, r := range rest {
			add(func(x *Delta) {
				f := ToolCall{Index: t.Index}
				if t.Custom != nil {
					f.Custom = &CustomCall{Input: string(r)}
				} else {
					f.Function.Arguments = string(r)
				}
				x.ToolCalls = []ToolCall{f}
			})
		}
	}
	if d.Native != nil {
		add(func(x *Delta) { x.Native = d.Native })
	}
	add(func(*Delta) {})
	out[len(out)-1].Choices[0].FinishReason = c.Choices[0].FinishReason
	return append(out, &CompletionChunk{ID: c.ID, Usage: c.Usage})
}

// checkEvents holds a stream of events to the order that OpenAI's have, and folds it by its deltas alone.
func checkEvents(t *testing.T, events []*ResponsesChunk) {
	t.Helper()
	open := map[int]*ResponsesItem{}
	texts := map[string]string{}
	parts := map[string]bool{}
	var done []ResponsesItem
	for i, c := range events {
		require.Equal(t, i, c.SequenceNumber)
		key := fmt.Sprintf("%d/%d/%d", c.OutputIndex, c.ContentIndex, c.SummaryIndex)
		switch c.Type {
		case eventCreated:
			require.Zero(t, i)
		case eventInProgress:
			require.Equal(t, 1, i)
		case eventItemAdded:
			require.NotContains(t, open, c.OutputIndex)
			require.Equal(t, len(open)+len(done), c.OutputIndex, "items are numbered as they begin")
			require.Equal(t, "in_progress", c.Item.Status)
			require.NotEmpty(t, c.Item.ID)
			open[c.OutputIndex] = c.Item
			continue
		case eventCompleted, eventIncomplete:
			require.Equal(t, len(events)-1, i)
			require.Empty(t, open)
			require.NotNil(t, c.Response)
			require.Len(t, c.Response.Output, len(done))
			continue
		}
		if i < 2 {
			continue
		}
		it := open[c.OutputIndex]
		require.NotNil(t, it, "%s of an item that is not open", c.Type)
		if c.Type == eventItemDone {
			require.Equal(t, it.ID, c.Item.ID)
			delete(open, c.OutputIndex)
			done = append(done, *c.Item)
			continue
		}
		require.Equal(t, it.ID, c.ItemID)
		switch c.Type {
		case eventPartAdded, eventSummaryPartAdded:
			require.False(t, parts[key])
			parts[key] = true
		case eventPartDone:
			require.True(t, parts[key])
			require.Equal(t, texts[key], c.Part.Text+c.Part.Refusal)
		case eventTextDelta, eventRefusalDelta, eventSummaryDelta:
			require.True(t, parts[key])
			texts[key] += c.Delta
		case eventArgumentsDelta, eventInputDelta:
			texts[key] += c.Delta
		case eventTextDone, eventSummaryDone:
			require.Equal(t, texts[key], c.Text)
		case eventRefusalDone:
			require.Equal(t, texts[key], c.Refusal)
		case eventArgumentsDone:
			require.Equal(t, texts[key], c.Arguments)
			require.NotEmpty(t, c.Name)
		case eventInputDone:
			require.Equal(t, texts[key], c.Input)
		case eventSummaryPartDone, eventAnnotation:
		default:
			t.Fatalf("an event of type %s", c.Type)
		}
	}
	last := events[len(events)-1].Response
	slices.SortFunc(done, func(a, b ResponsesItem) int {
		return slices.IndexFunc(last.Output, func(x ResponsesItem) bool { return x.ID == a.ID }) - slices.IndexFunc(last.Output, func(x ResponsesItem) bool { return x.ID == b.ID })
	})
	require.JSONEq(t, string(encodeItems(last.Output)), string(encodeItems(done)))
}

func TestBridgedEventsFoldToTheAnswer(t *testing.T) {
	for name, c := range chatAnswers {
		t.Run(name, func(t *testing.T) {
			want, err := fromCompletion(c)
			require.NoError(t, err)
			forms := [][]*CompletionChunk{all(t, replayCompletion(c))}
			if len(c.Message().IncompleteToolCalls) == 0 { // a host's fragments cannot say that a call which parses is cut
				forms = append(forms, shredChunks(c))
			}
			for _, chunks := range forms {
				events := all(t, fromCompletionStream(pieces(chunks)))
				checkEvents(t, events)
				got, err := CollectResponses(NewStream(pieces(events), nil))
				require.NoError(t, err)
				require.JSONEq(t, toJSON(t, want), toJSON(t, got))
				again := all(t, fromCompletionStream(pieces(chunks)))
				require.JSONEq(t, toJSON(t, events), toJSON(t, again), "nothing is made up anew")
			}
		})
	}
}

// Whatever order the pieces of an answer come in, the events are in order and nothing is lost.
func TestBridgedEventsInAnyOrder(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var chunks []*CompletionChunk
		var text, thinking string
		args := make([]string, 3)
		for range 1 + rnd.IntN(12) {
			d := Delta{}
			switch s := string(rune('a' + rnd.IntN(26))); rnd.IntN(6) {
			case 0, 1:
				d.Content, text = s, text+s
			case 2:
				d.ReasoningContent, thinking = s, thinking+s
			case 3:
				n := rnd.IntN(2)
				d.ThinkingBlocks = []ThinkingBlock{{Index: n, Type: "thinking", Thinking: s, Signature: s, Origin: "anthropic"}}
				thinking += s
			default:
				n := rnd.IntN(3)
				f := ToolCall{Index: n, Function: FunctionCall{Arguments: "1"}}
				if args[n] == "" {
					f.ID, f.Function.Name, f.Function.Arguments = fmt.Sprint("c", n), "f", `{"a":1`
				}
				args[n] += f.Function.Arguments
				d.ToolCalls = []ToolCall{f}
			}
			chunks = append(chunks, &CompletionChunk{ID: "x", Choices: []ChunkChoice{{Delta: d}}})
		}
		// An answer of thinking alone is nothing that could go back.
		text += "!"
		chunks = append(chunks, &CompletionChunk{Choices: []ChunkChoice{{Delta: Delta{Content: "!"}}}})
		for n := range args {
			if args[n] != "" {
				args[n] += "}"
				chunks = append(chunks, &CompletionChunk{Choices: []ChunkChoice{{Delta: Delta{ToolCalls: []ToolCall{{Index: n, Function: FunctionCall{Arguments: "}"}}}}}}})
			}
		}
		var acc Accumulator
		for _, c := range chunks {
			acc.Add(c)
		}
		events := all(t, fromCompletionStream(pieces(chunks)))
		checkEvents(t, events)
		r := events[len(events)-1].Response
		req, err := toCompletionRequest(bridgeCall(), &ResponsesRequest{Input: r.Output})
		require.NoError(t, err)
		require.Len(t, req.Messages, 1)
		m, want := req.Messages[0], acc.Response().Message()
		require.Equal(t, text, m.Content.Text())
		require.Equal(t, thinking, m.ReasoningContent)
		require.Equal(t, len(want.ToolCalls), len(m.ToolCalls))
		for _, call := range want.ToolCalls {
			i := slices.IndexFunc(m.ToolCalls, func(c ToolCall) bool { return c.ID == call.ID })
			require.Equal(t, call.Function, m.ToolCalls[i].Function)
		}
		require.ElementsMatch(t, ignoreIndex(want.ThinkingBlocks), ignoreIndex(m.ThinkingBlocks))
	}
}

func ignoreIndex(blocks []ThinkingBlock) []ThinkingBlock {
	out := slices.Clone(blocks)
	for i := range out {
		out[i].Index = 0
	}
	return out
}

func TestBridgedEventsOfACutStream(t *testing.T) {
	chunks := shredChunks(chatAnswers["anthropic"])
	for n := range chunks {
		list := chunks[:n]
		next := fromCompletionStream(func() (*CompletionChunk, error) {
			if len(list) == 0 {
				return nil, Truncated("cut")
			}
			c := list[0]
			list = list[1:]
			return c, nil
		})
		for {
			c, err := next()
			if err != nil {
				require.ErrorIs(t, err, ErrTruncated)
				break
			}
			require.NotEqual(t, eventCompleted, c.Type)
			require.NotEqual(t, eventIncomplete, c.Type)
		}
	}
}

func TestBridgedCallHabits(t *testing.T) {
	call := func(i int, id, name, args string) *CompletionChunk {
		return &CompletionChunk{ID: "x", Choices: []ChunkChoice{{Delta: Delta{ToolCalls: []ToolCall{{Index: i, ID: id, Function: FunctionCall{Name: name, Arguments: args}}}}}}}
	}
	end := &CompletionChunk{Choices: []ChunkChoice{{FinishReason: FinishStop}}}
	for name, tt := range map[string]struct {
		chunks []*CompletionChunk
		want   string
	}{
		"no arguments": {[]*CompletionChunk{call(0, "c1", "f", ""), end},
			`[{"type":"function_call","id":"fc_c1","status":"completed","call_id":"c1","name":"f","arguments":"{}"}]`},
		"no id": {[]*CompletionChunk{call(0, "", "f", "{}"), end},
			`[{"type":"function_call","id":"fc_call_x_0","status":"completed","call_id":"call_x_0","name":"f","arguments":"{}"}]`},
		"the name in parts": {[]*CompletionChunk{call(0, "c1", "get_", ""), call(0, "", "time", ""), call(0, "", "", "{}"), end},
			`[{"type":"function_call","id":"fc_c1","status":"completed","call_id":"c1","name":"get_time","arguments":"{}"}]`},
		"the name again": {[]*CompletionChunk{call(0, "c1", "f", "{"), call(0, "c1", "f", "}"), end},
			`[{"type":"function_call","id":"fc_c1","status":"completed","call_id":"c1","name":"f","arguments":"{}"}]`},
		"interleaved": {[]*CompletionChunk{call(0, "c1", "f", `{"a"`), call(1, "c2", "g", `{`), call(0, "", "", `:1}`), call(1, "", "", `}`), end},
			`[{"type":"function_call","id":"fc_c1","status":"completed","call_id":"c1","name":"f","arguments":"{\"a\":1}"},{"type":"function_call","id":"fc_c2","status":"completed","call_id":"c2","name":"g","arguments":"{}"}]`},
		"broken": {[]*CompletionChunk{call(0, "c1", "f", `{"a"`), end},
			`[{"type":"function_call","id":"fc_c1","status":"incomplete","call_id":"c1","name":"f","arguments":"{\"a\""}]`},
	} {
		t.Run(name, func(t *testing.T) {
			events := all(t, fromCompletionStream(pieces(tt.chunks)))
			checkEvents(t, events)
			require.JSONEq(t, tt.want, string(encodeItems(events[len(events)-1].Response.Output)))
		})
	}
}

// Ops that make their exchanges by themselves are bridged too.
func TestBridgedDo(t *testing.T) {
	p := &Provider{Name: "do", KeyOptional: true, BaseURL: "https://x.test", Completion: &Op[CompletionRequest, CompletionResponse, CompletionChunk]{
		Do: func(_ context.Context, _ *Call, req *CompletionRequest, _ Send) (*CompletionResponse, error) {
			return chatAnswer(Message{Content: Content{TextPart("You said " + req.Messages[0].Content.Text())}}, FinishStop), nil
		},
		DoStream: func(_ context.Context, _ *Call, req *CompletionRequest, _ Send) (Next[CompletionChunk], error) {
			return replayCompletion(chatAnswer(Message{Content: Content{TextPart("You said " + req.Messages[0].Content.Text())}}, FinishStop)), nil
		},
	}}
	client := New(WithProvider(p))
	req := &ResponsesRequest{Model: "do/m", Input: []ResponsesItem{InputText("Hi")}}
	r, err := client.Responses(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, "You said Hi", r.OutputText())
	require.Equal(t, "do", r.Meta.Provider)
	s, err := client.ResponsesStream(t.Context(), req)
	require.NoError(t, err)
	folded, err := CollectResponses(s)
	require.NoError(t, err)
	require.JSONEq(t, toJSON(t, r), toJSON(t, folded))

	// And back: a provider of responses alone answers completions.
	q := &Provider{Name: "re", KeyOptional: true, BaseURL: "https://x.test", Responses: &Op[ResponsesRequest, ResponsesResponse, ResponsesChunk]{
		Do: func(_ context.Context, _ *Call, req *ResponsesRequest, _ Send) (*ResponsesResponse, error) {
			return &ResponsesResponse{ID: "resp_1", Status: "completed", Output: []ResponsesItem{{Type: "message", Role: RoleAssistant,
				Content: []ResponsesContent{{Type: "output_text", Text: "You said " + req.Input[0].Content[0].Text}}}}}, nil
		}}}
	c, err := New(WithProvider(q)).Completion(t.Context(), &CompletionRequest{Model: "re/m", Messages: []Message{User("Hi")}})
	require.NoError(t, err)
	require.Equal(t, "You said Hi", c.Text())
	cs, err := New(WithProvider(q)).CompletionStream(t.Context(), &CompletionRequest{Model: "re/m", Messages: []Message{User("Hi")}})
	require.NoError(t, err)
	fc, err := Collect(cs)
	require.NoError(t, err)
	require.Equal(t, c.Text(), fc.Text())
	require.Len(t, fc.Meta.Warnings, 1, "it does not stream, and that is told")
}

func TestWhichBridge(t *testing.T) {
	chat := &Op[CompletionRequest, CompletionResponse, CompletionChunk]{}
	resp := &Op[ResponsesRequest, ResponsesResponse, ResponsesChunk]{Decode: func(*Call, http.Header, []byte) (*ResponsesResponse, error) { return nil, io.EOF }}
	p := &Provider{Completion: chat, Responses: resp, ResponsesOnly: func(m string) bool { return m == "pro" }}
	require.Same(t, chat, completionOp(p, &Call{Model: "m"}))
	require.NotSame(t, chat, completionOp(p, &Call{Model: "pro"}))
	require.NotSame(t, chat, completionOp(p, &Call{Model: "m", viaResponses: true}))
	require.NotNil(t, completionOp(&Provider{Responses: resp}, &Call{}))
	require.Nil(t, completionOp(&Provider{}, &Call{}))
	require.Nil(t, responsesOp(&Provider{}, &Call{}))
	_, err := completionOp(p, &Call{Model: "pro"}).Decode(nil, nil, nil)
	require.ErrorIs(t, err, io.EOF)
}
