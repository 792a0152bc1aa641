package llmtest_test

import (
	"context"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	_ "github.com/llm-go/llm/providers/anthropic"
	_ "github.com/llm-go/llm/providers/bedrock"
	_ "github.com/llm-go/llm/providers/compat"
	_ "github.com/llm-go/llm/providers/gemini"
	_ "github.com/llm-go/llm/providers/openai"
	"github.com/stretchr/testify/require"
)

// chatModels are a model of each dialect that completions reach.
var chatModels = []string{"openai/gpt-x", "anthropic/claude-x", "gemini/gemini-x", "bedrock/vendor.model-x"}

func eachChat(t *testing.T, f func(t *testing.T, srv *llmtest.Server, c *llm.Client, model string)) {
	for _, model := range chatModels {
		t.Run(model, func(t *testing.T) {
			srv := llmtest.NewServer(t)
			f(t, srv, srv.Client(), model)
		})
	}
}

func ask(model, text string) *llm.CompletionRequest {
	return &llm.CompletionRequest{Model: model, Messages: []llm.Message{llm.System("Be brief."), llm.User(text)}}
}

func collect(ctx context.Context, c *llm.Client, req *llm.CompletionRequest) (*llm.CompletionResponse, error) {
	s, err := c.CompletionStream(ctx, req)
	if err != nil {
		return nil, err
	}
	return llm.Collect(s)
}

func TestOneScriptForAllDialects(t *testing.T) {
	eachChat(t, func(t *testing.T, srv *llmtest.Server, c *llm.Client, model string) {
		answer := llmtest.Answer{Text: "It is 18 °C\nin Paris.", Reasoning: "They ask for the weather.", ToolCalls: []llm.ToolCall{
			{Function: llm.FunctionCall{Name: "get_weather", Arguments: `{"city":"Paris","days":[1,2,3]}`}},
			{Function: llm.FunctionCall{Name: "get_time"}}},
			Usage: &llm.Usage{PromptTokens: 100, CompletionTokens: 30, PromptTokensDetails: &llm.PromptTokensDetails{CachedTokens: 40},
				CompletionTokensDetails: &llm.CompletionTokensDetails{ReasoningTokens: 10}}}
		srv.Reply(answer)
		whole, err := c.Completion(t.Context(), ask(model, "And the weather?"))
		require.NoError(t, err)
		folded, err := collect(t.Context(), c, ask(model, "And the weather?"))
		require.NoError(t, err)
		for _, r := range []*llm.CompletionResponse{whole, folded} {
			require.Equal(t, answer.Text, r.Text())
			require.Equal(t, answer.Reasoning, r.Message().ReasoningContent)
			require.Equal(t, llm.FinishToolCalls, r.FinishReason())
			require.Len(t, r.ToolCalls(), 2)
			require.Equal(t, "get_weather", r.ToolCalls()[0].Function.Name)
			require.JSONEq(t, `{"city":"Paris","days":[1,2,3]}`, r.ToolCalls()[0].Function.Arguments)
			require.JSONEq(t, `{}`, r.ToolCalls()[1].Function.Arguments)
			require.NotEmpty(t, r.ToolCalls()[0].ID)
			require.NotEqual(t, r.ToolCalls()[0].ID, r.ToolCalls()[1].ID)
			require.Equal(t, 100, r.Usage.PromptTokens)
			require.Equal(t, 30, r.Usage.CompletionTokens)
			require.Equal(t, 130, r.Usage.TotalTokens)
			require.Equal(t, 40, r.Usage.PromptTokensDetails.CachedTokens)
		}
		reqs := srv.Requests()
		require.Len(t, reqs, 2)
		require.False(t, reqs[0].Stream)
		require.True(t, reqs[1].Stream)
		for _, r := range reqs {
			require.Equal(t, "And the weather?", r.LastUserText())
			require.Equal(t, "Be brief.", r.System())
			require.Equal(t, llm.Operation("completion"), r.Operation)
			require.True(t, r.HasKey)
			require.NotContains(t, r.Header, llmtest.Key)
		}
	})
}
