package llmtest_test

import (
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	"github.com/stretchr/testify/require"
)

func TestResponsesByClient(t *testing.T) {
	srv := llmtest.NewServer(t)
	c := srv.Client()
	srv.Reply(llmtest.Answer{Text: "It is warm.", Reasoning: "Let me see.", ToolCalls: []llm.ToolCall{{Function: llm.FunctionCall{Name: "f", Arguments: `{"a":1}`}}}})
	req := &llm.ResponsesRequest{Model: "openai/gpt-x", Instructions: "Be brief.", Input: []llm.ResponsesItem{llm.InputText("Warm?")}, Include: []string{"reasoning.encrypted_content"}}
	r, err := c.Responses(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, "It is warm.", r.OutputText())
	require.Equal(t, "completed", r.Status)
	require.Equal(t, []string{"reasoning", "message", "function_call"}, itemTypes(r.Output))
	require.Equal(t, `{"a":1}`, r.Output[2].Arguments)
	require.NotEmpty(t, r.Output[0].EncryptedContent)
	require.Equal(t, "Let me see.", r.Output[0].Summary[0].Text)

	s, err := c.ResponsesStream(t.Context(), req)
	require.NoError(t, err)
	var text, arguments string
	var last *llm.ResponsesChunk
	for e, err := range s.All() {
		require.NoError(t, err)
		switch e.Type {
		case "response.output_text.delta":
			text += e.Delta
		case "response.function_call_arguments.delta":
			arguments += e.Delta
		}
		last = e
	}
	require.Equal(t, "It is warm.", text)
	require.Equal(t, `{"a":1}`, arguments)
	require.Equal(t, "response.completed", last.Type)
	require.Equal(t, itemTypes(r.Output), itemTypes(last.Response.Output))

	got := srv.Requests()[0]
	require.Equal(t, llmtest.Responses, got.Dialect)
	require.Equal(t, llm.Operation("responses"), got.Operation)
	require.Equal(t, "Warm?", got.LastUserText())
	require.Equal(t, "Be brief.", got.System())
}

func itemTypes(items []llm.ResponsesItem) []string {
	var list []string
	for _, i := range items {
		list = append(list, i.Type)
	}
	return list
}
