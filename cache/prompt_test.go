package cache_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/cache"
	"github.com/stretchr/testify/require"
)

// marked is the request that goes on after the marks are set, and whether it is a copy.
func marked(t *testing.T, p cache.PromptCaching, req *llm.CompletionRequest) (sent *llm.CompletionRequest, copied bool) {
	t.Helper()
	before, err := json.Marshal(req)
	require.NoError(t, err)
	c := llm.New(llm.WithMiddleware(p.Middleware, func(llm.Handler) llm.Handler {
		return func(_ context.Context, call *llm.Call) (*llm.Result, error) {
			sent = call.Request.(*llm.CompletionRequest)
			return call.Answer(text("a"), llm.Meta{})
		}
	}))
	complete(t, c, req)
	after, err := json.Marshal(req)
	require.NoError(t, err)
	require.JSONEq(t, string(before), string(after), "the caller's request was written to")
	return sent, sent != req
}

// places are where the marks of a request are.
func places(r *llm.CompletionRequest) string {
	var b strings.Builder
	for i := range r.Tools {
		if r.Tools[i].CacheControl != nil {
			b.WriteString("t" + string(rune('0'+i)) + " ")
		}
	}
	for i := range r.Messages {
		if r.Messages[i].CacheControl != nil {
			b.WriteString("m" + string(rune('0'+i)) + " ")
		}
	}
	return strings.TrimSpace(b.String())
}

func TestPromptCaching(t *testing.T) {
	long := strings.Repeat("word ", 1000) // 1,250 tokens by estimate
	tool := func(name, description string) llm.Tool {
		return llm.Tool{Function: &llm.FunctionTool{Name: name, Description: description, Parameters: map[string]any{"type": "object"}}}
	}
	system, user := llm.System, llm.User
	thinking := llm.Message{Role: llm.RoleAssistant, ThinkingBlocks: []llm.ThinkingBlock{{Type: "thinking", Thinking: long, Signature: "s"}}}
	call := llm.Message{Role: llm.RoleAssistant, ToolCalls: []llm.ToolCall{{ID: "c", Function: llm.FunctionCall{Name: "f", Arguments: "{}"}}}}
	result := llm.Message{Role: llm.RoleTool, ToolCallID: "c", Content: llm.Content{llm.TextPart("42")}}
	for name, tt := range map[string]struct {
		tools    []llm.Tool
		messages []llm.Message
		want     string
	}{
		"one question":            {nil, []llm.Message{user(long)}, ""},
		"a long system prompt":    {nil, []llm.Message{system(long), user("?")}, "m0"},
		"several system messages": {nil, []llm.Message{system(long), system("b"), user("?")}, "m1"},
		"a short one":             {nil, []llm.Message{system("Be brief."), user(long)}, ""},
		"long tools":              {[]llm.Tool{tool("a", long), tool("b", "")}, []llm.Message{user("?")}, "t1"},
		"tools and system":        {[]llm.Tool{tool("a", long)}, []llm.Message{system("b"), user("?")}, "t0 m0"},
		"long only together":      {[]llm.Tool{tool("a", long[:2500])}, []llm.Message{system(long[:2500]), user("?")}, "m0"},
		"a conversation":          {nil, []llm.Message{system(long), user("a"), llm.Assistant("b"), user("c")}, "m0 m2"},
		"a long one":              {nil, []llm.Message{system("s"), user(long), llm.Assistant("b"), user("c")}, "m2"},
		"a tool's result":         {[]llm.Tool{tool("a", long)}, []llm.Message{system("s"), user("q"), call, result}, "t0 m0 m2"},
		"thinking at its end":     {nil, []llm.Message{user(long), llm.Assistant("b"), user("c"), thinking, user("d")}, "m2"},
		"nothing that carries":    {nil, []llm.Message{thinking, user("d")}, ""},
		"no message":              {nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			req := &llm.CompletionRequest{Model: "anthropic/claude-sonnet-4-5", Tools: tt.tools, Messages: tt.messages}
			sent, copied := marked(t, cache.PromptCaching{}, req)
			require.Equal(t, tt.want, places(sent))
			require.Equal(t, tt.want != "", copied)
		})
	}

	req := func(model string) *llm.CompletionRequest {
		return &llm.CompletionRequest{Model: model, Messages: []llm.Message{system(long), user("?")}}
	}
	t.Run("life", func(t *testing.T) {
		sent, _ := marked(t, cache.PromptCaching{TTL: "1h"}, req("anthropic/m"))
		require.Equal(t, &llm.CacheControl{Type: "ephemeral", TTL: "1h"}, sent.Messages[0].CacheControl)
	})
	t.Run("least length", func(t *testing.T) {
		for least, copies := range map[int]bool{1250: true, 1251: false} {
			_, copied := marked(t, cache.PromptCaching{MinTokens: least}, req("anthropic/m"))
			require.Equal(t, copies, copied)
		}
	})
	t.Run("models", func(t *testing.T) {
		for model, takes := range map[string]bool{
			"anthropic/claude-haiku-4-5": true, "openai/gpt-4.1": false, "chat": false, "openrouter/anthropic/claude-sonnet-4-5": false,
			"bedrock/anthropic.claude-sonnet-4-20250514-v1:0": true, "bedrock/us.anthropic.claude-3-7-sonnet-20250219-v1:0": true,
			"bedrock/arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-4-1-20250805-v1:0": true,
			"bedrock/anthropic.claude-3-haiku-20240307-v1:0":                                                   false, "bedrock/amazon.nova-pro-v1:0": false, "bedrock/us.amazon.nova-pro-v1:0": false,
		} {
			_, copied := marked(t, cache.PromptCaching{}, req(model))
			require.Equal(t, takes, copied, model)
		}
		_, copied := marked(t, cache.PromptCaching{Models: func(m string) bool { return m == "openrouter/x" }}, req("openrouter/x"))
		require.True(t, copied)
	})
	t.Run("the caller's own marks", func(t *testing.T) {
		for name, set := range map[string]func(*llm.CompletionRequest){
			"request": func(r *llm.CompletionRequest) { r.CacheControl = llm.Ephemeral() },
			"message": func(r *llm.CompletionRequest) { r.Messages[1].CacheControl = llm.Ephemeral() },
			"part":    func(r *llm.CompletionRequest) { r.Messages[1].Content[0].CacheControl = llm.Ephemeral() },
			"tool":    func(r *llm.CompletionRequest) { r.Tools = []llm.Tool{{CacheControl: llm.Ephemeral()}} },
			"extra": func(r *llm.CompletionRequest) {
				r.Messages[1].Extra = llm.Extra{"cache_control": map[string]any{"type": "ephemeral"}}
			},
		} {
			r := req("anthropic/m")
			set(r)
			_, copied := marked(t, cache.PromptCaching{}, r)
			require.False(t, copied, name)
		}
	})
}
