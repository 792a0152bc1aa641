package openai

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm"
)

// sentBy is the body that a host with these quirks is sent, and the warnings.
func sentBy(t *testing.T, q Quirks, req *llm.CompletionRequest, opts ...llm.Option) (map[string]any, []llm.Warning, error) {
	t.Helper()
	var body []byte
	p := New(Host{Name: "host", BaseURL: "https://host.test/v1", Ops: "completion", Quirks: q})
	r := *req
	r.Model = "host/m"
	if r.Messages == nil {
		r.Messages = []llm.Message{llm.User("Hi")}
	}
	opts = append([]llm.Option{llm.WithProvider(p), llm.WithoutEnv(), llm.WithAPIKey("k"), llm.WithMaxAttempts(1),
		llm.WithHTTPClient(&http.Client{Transport: roundTrip(func(hr *http.Request) (*http.Response, error) {
			var err error
			if body, err = io.ReadAll(hr.Body); err != nil {
				return nil, err
			}
			return &http.Response{StatusCode: 200, Request: hr, Header: http.Header{"Content-Type": {"application/json"}},
				Body: io.NopCloser(strings.NewReader(`{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}]}`))}, nil
		})})}, opts...)
	before, err := json.Marshal(r)
	require.NoError(t, err)
	resp, err := llm.Completion(t.Context(), &r, opts...)
	after, merr := json.Marshal(r)
	require.NoError(t, merr)
	require.Equal(t, string(before), string(after), "the request was written to")
	if err != nil {
		require.Nil(t, body, "something was sent")
		return nil, nil, err
	}
	var sent map[string]any
	require.NoError(t, json.Unmarshal(body, &sent))
	return sent, resp.Meta.Warnings, nil
}

// TestDrop: each member that a row may name in Drop is refused by name, and left out with a warning on leave.
func TestDrop(t *testing.T) {
	full := &llm.CompletionRequest{
		MaxTokens: 1, Temperature: new(0.0), TopP: new(0.1), TopK: 2, N: 2, Stop: []string{"x"}, Seed: new(int64(3)),
		FrequencyPenalty: new(0.2), PresencePenalty: new(0.3), LogitBias: map[string]int{"1": 1}, Logprobs: true, TopLogprobs: new(4),
		Tools: []llm.Tool{{Function: &llm.FunctionTool{Name: "f"}}}, ToolChoice: llm.ToolChoiceAuto(), ParallelToolCalls: new(false),
		ResponseFormat: &llm.ResponseFormat{Type: "json_object"}, ReasoningEffort: "low", Verbosity: "low",
		Prediction: &llm.Prediction{Content: llm.Content{llm.TextPart("x")}}, Modalities: []string{"text"},
		Audio: &llm.AudioOutput{Voice: "v", Format: "wav"}, ServiceTier: "auto", Store: new(true), Metadata: map[string]string{"a": "b"},
		User: "u", SafetyIdentifier: "s", PromptCacheKey: "k", PromptCacheRetention: "24h", CacheControl: llm.Ephemeral(),
		WebSearchOptions: &llm.WebSearchOptions{},
	}
	for _, p := range params {
		t.Run(p.name, func(t *testing.T) {
			require.True(t, p.isSet(full), "the test does not set it")
			one := &llm.CompletionRequest{}
			// Only this member: everything else is cleared.
			*one = *full
			for _, other := range params {
				if other.name != p.name {
					other.clear(one)
				}
			}
			q := Quirks{Drop: p.name, Accept: "top_k cache_control"}
			if p.extension {
				q = Quirks{}
			}
			_, _, err := sentBy(t, q, one)
			require.ErrorIs(t, err, llm.ErrUnsupportedParam)
			var e *llm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, p.name, e.Param)

			sent, warnings, err := sentBy(t, q, one, llm.WithDropParams(p.name))
			require.NoError(t, err)
			require.NotContains(t, sent, p.name)
			require.Len(t, sent, 2, "model and messages: %v", sent)
			require.Len(t, warnings, 1)
			require.Equal(t, "dropped_param", warnings[0].Code)
			require.Equal(t, p.name, warnings[0].Param)

			sent, warnings, err = sentBy(t, Quirks{Accept: "top_k cache_control"}, one)
			require.NoError(t, err)
			require.Contains(t, sent, p.name)
			require.Empty(t, warnings)
		})
	}
}

// TestParamsCoverRequest: a new field of the request must be given a name here, or an exception.
func TestParamsCoverRequest(t *testing.T) {
	exempt := map[string]string{
		"Model": "always sent", "Messages": "always sent", "Thinking": "Quirks.Thinking", "StreamOptions": "streams only", "Extra": "the caller's own",
	}
	var zero, r llm.CompletionRequest
	v := reflect.ValueOf(&r).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if _, ok := exempt[name]; ok {
			continue
		}
		r = zero
		f := v.Field(i)
		switch f.Kind() {
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
		case reflect.Map:
			f.Set(reflect.MakeMap(f.Type()))
			f.SetMapIndex(reflect.ValueOf("x"), reflect.Zero(f.Type().Elem()))
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		case reflect.String:
			f.SetString("x")
		case reflect.Int:
			f.SetInt(2)
		case reflect.Bool:
			f.SetBool(true)
		default:
			t.Fatalf("field %s is a %s", name, f.Kind())
		}
		set := 0
		for _, p := range params {
			if p.isSet(&r) {
				set++
			}
		}
		require.Equal(t, 1, set, "field %s", name)
	}
}

func TestThinkingForms(t *testing.T) {
	budget := &llm.Thinking{Type: "enabled", BudgetTokens: new(500)}
	off := &llm.Thinking{Type: "disabled"}
	for _, c := range []struct {
		form   string
		in     *llm.Thinking
		effort llm.ReasoningEffort
		member string
		want   any
	}{
		{"object", budget, "", "thinking", map[string]any{"type": "enabled", "budget_tokens": 500.0}},
		{"type", off, "", "thinking", map[string]any{"type": "disabled"}},
		{"enable_thinking", budget, "", "thinking_budget", 500.0},
		{"enable_thinking", off, "", "enable_thinking", false},
		{"reasoning", budget, "high", "reasoning", map[string]any{"max_tokens": 500.0}},
		{"reasoning", off, "", "reasoning", map[string]any{"enabled": false}},
		{"reasoning", &llm.Thinking{Type: "adaptive", Display: "omitted"}, "low", "reasoning", map[string]any{"effort": "low", "exclude": true}},
		{"reasoning", nil, "low", "reasoning_effort", "low"},
	} {
		sent, warnings, err := sentBy(t, Quirks{Thinking: c.form}, &llm.CompletionRequest{Thinking: c.in, ReasoningEffort: c.effort})
		require.NoError(t, err)
		require.Equal(t, c.want, sent[c.member], "%s %v", c.form, sent)
		require.Empty(t, warnings)
	}
	_, _, err := sentBy(t, Quirks{Thinking: "type"}, &llm.CompletionRequest{Thinking: budget})
	require.ErrorIs(t, err, llm.ErrUnsupportedParam)

	for effort, want := range map[llm.ReasoningEffort]string{"none": "disabled", "high": "enabled"} {
		sent, warnings, err := sentBy(t, Quirks{Thinking: "type", EffortAsThinking: true}, &llm.CompletionRequest{ReasoningEffort: effort})
		require.NoError(t, err)
		require.Equal(t, map[string]any{"type": want}, sent["thinking"])
		require.NotContains(t, sent, "reasoning_effort")
		require.Len(t, warnings, map[string]int{"disabled": 0, "enabled": 1}[want])
	}
}

func TestToolChoiceForms(t *testing.T) {
	tools := []llm.Tool{{Function: &llm.FunctionTool{Name: "f"}}, {Custom: &llm.CustomTool{Name: "g"}}}
	for _, c := range []struct {
		rule   string
		choice *llm.ToolChoice
		want   any // nil: refused
	}{
		{"", llm.ToolChoiceRequired(), "required"},
		{"auto none required:any named", llm.ToolChoiceRequired(), "any"},
		{"auto none required:any named", llm.ToolChoiceFunc("f"), map[string]any{"type": "function", "function": map[string]any{"name": "f"}}},
		{"auto none required:any named:any", llm.ToolChoiceFunc("f"), "any"},
		{"auto none", llm.ToolChoiceNone(), "none"},
		{"auto none", llm.ToolChoiceRequired(), nil},
		{"auto none", llm.ToolChoiceFunc("f"), nil},
	} {
		sent, _, err := sentBy(t, Quirks{ToolChoice: c.rule}, &llm.CompletionRequest{Tools: tools, ToolChoice: c.choice})
		if c.want == nil {
			require.ErrorIs(t, err, llm.ErrUnsupportedParam)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.want, sent["tool_choice"])
	}
	sent, _, err := sentBy(t, Quirks{}, &llm.CompletionRequest{Tools: tools, ToolChoice: &llm.ToolChoice{Allowed: []string{"g"}}})
	require.NoError(t, err)
	require.Equal(t, "auto", sent["tool_choice"])
	require.Len(t, sent["tools"], 1)
}

func TestSchemaStrip(t *testing.T) {
	schema := map[string]any{
		"$schema": "x", "type": "object", "additionalProperties": false,
		"properties": map[string]any{
			"additionalProperties": map[string]any{"type": "object", "additionalProperties": false},
			"e":                    map[string]any{"enum": []any{map[string]any{"additionalProperties": 1}}},
		},
		"anyOf": []any{map[string]any{"additionalProperties": true, "type": "object"}},
	}
	sent, _, err := sentBy(t, Quirks{SchemaStrip: "additionalProperties $schema strict"}, &llm.CompletionRequest{
		Tools: []llm.Tool{{Function: &llm.FunctionTool{Name: "f", Parameters: schema, Strict: new(true)}}}})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"name": "f", "parameters": map[string]any{
		"type": "object",
		"properties": map[string]any{
			"additionalProperties": map[string]any{"type": "object"},
			"e":                    map[string]any{"enum": []any{map[string]any{"additionalProperties": 1.0}}},
		},
		"anyOf": []any{map[string]any{"type": "object"}},
	}}, sent["tools"].([]any)[0].(map[string]any)["function"])
	require.Contains(t, schema, "$schema")
}

func TestToolIDs(t *testing.T) {
	nine := &chat{Quirks: &Quirks{ToolID: "9"}}
	require.Equal(t, "D681PevKs", nine.toolID("D681PevKs"))
	require.Empty(t, nine.toolID(""))
	for _, id := range []string{"call_1", "call-1234", "12345678é", strings.Repeat("x", 100)} {
		got := nine.toolID(id)
		require.Regexp(t, "^[a-zA-Z0-9]{9}$", got)
		require.Equal(t, got, nine.toolID(id))
		require.Equal(t, got, nine.toolID(got), "a mapped id stays")
	}
	require.NotEqual(t, nine.toolID("call_1"), nine.toolID("call_2"))
	forty := &chat{Quirks: &Quirks{ToolID: "40"}}
	require.Equal(t, "call_1", forty.toolID("call_1"))
	require.Len(t, forty.toolID(strings.Repeat("x", 41)), 40)
}

func TestResponsesOnly(t *testing.T) {
	for model, want := range map[string]bool{
		"o3-pro": true, "o3-pro-2025-06-10": true, "o1-pro-2025-03-19": true, "gpt-5-codex": true, "codex-mini-latest": true,
		"o3": false, "gpt-5": false, "gpt-5-mini-2025-08-07": false, "o3-pro-x": false, "my-o3-pro": false, "": false, "-2025-06-10": false, "o3-pro-2025-6-10": false,
	} {
		require.Equal(t, want, responsesOnly(model), model)
	}
}

func TestUnaryErrors(t *testing.T) {
	for body, want := range map[string]llm.ErrorKind{
		`{"id":"x","choices":[]}`:   llm.ErrProtocol,
		`{"id":"x","choices":null}`: llm.ErrProtocol,
		`{}`:                        llm.ErrProtocol,
		``:                          llm.ErrProtocol,
		" \n":                       llm.ErrProtocol,
		`{"id":"x","choices":[{"message":{"content":"a`: llm.ErrTruncated,
		`["x"]`: llm.ErrProtocol,
		`{"choices":[{"index":-1,"message":{}}]}`: llm.ErrProtocol,
		`{"error":"boom"}`:                        llm.ErrUnknown,
		`"boom"`:                                  llm.ErrProtocol,
		`{"choices":[{"message":{}}],"error":{"code":503}}`: llm.ErrOverloaded,
		`[{"error":{"code":429,"message":"slow"}}]`:         llm.ErrRateLimit,
	} {
		_, err := unaryOf(t, Quirks{}, body)
		var e *llm.Error
		require.ErrorAs(t, err, &e, "%s", body)
		require.Equal(t, want, e.Kind, "%s: %v", body, e)
	}
}

// TestFastPath: a conversation that needs no change is not copied.
func TestFastPath(t *testing.T) {
	req := bigRequest()
	c := newChat(&Quirks{MaxTokens: "max_tokens"})
	out, err := c.messages(callOf(t, req), req.Messages)
	require.NoError(t, err)
	require.Same(t, &req.Messages[0], &out[0])
}
