package llm_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	_ "github.com/llm-go/llm/schema"
	"github.com/stretchr/testify/require"
)

type recipe struct {
	Title string   `json:"title" jsonschema:"the dish's name"`
	Steps []string `json:"steps"`
	Note  string   `json:"note,omitempty"`
}

// script answers the n-th call with the n-th answer and keeps the requests.
func script(answers ...any) (*llm.Client, *[]*llm.CompletionRequest) {
	var asked []*llm.CompletionRequest
	return llm.New(llm.WithMiddleware(func(next llm.Handler) llm.Handler {
		return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
			asked = append(asked, call.Request.(*llm.CompletionRequest))
			answer := answers[0]
			if len(answers) > 1 {
				answers = answers[1:]
			}
			return next(ctx, call.With(llm.WithMock(answer)))
		}
	})), &asked
}

func TestCompletionAs(t *testing.T) {
	for _, tc := range []struct{ name, answer string }{
		{"plain", `{"title":"Soup","steps":["boil"]}`},
		{"fenced", "```json\n{\"title\":\"Soup\",\"steps\":[\"boil\"]}\n```"},
		{"strict form's null for absent", `{"title":"Soup","steps":["boil"],"note":null}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, asked := script(tc.answer)
			v, resp, err := llm.CompletionAs[recipe](t.Context(), ask("Soup?"), llm.WithClient(c))
			require.NoError(t, err)
			require.Equal(t, recipe{Title: "Soup", Steps: []string{"boil"}}, v)
			require.NotNil(t, resp)
			format := (*asked)[0].ResponseFormat
			require.Equal(t, "json_schema", format.Type)
			require.Equal(t, "recipe", format.JSONSchema.Name)
			schema, err := json.Marshal(format.JSONSchema.Schema)
			require.NoError(t, err)
			require.JSONEq(t, `{"type":"object","properties":{"title":{"type":"string","description":"the dish's name"},
				"steps":{"type":["null","array"],"items":{"type":"string"}},"note":{"type":"string"}},
				"required":["title","steps"],"additionalProperties":false}`, string(schema))
		})
	}
}

func TestCompletionAsOfAList(t *testing.T) {
	c, _ := script(`{"value":["a","b"]}`)
	v, _, err := llm.CompletionAs[[]string](t.Context(), ask("Letters?"), llm.WithClient(c))
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, v)
}

func TestCompletionAsRefusesWhatDoesNotMatch(t *testing.T) {
	for name, answer := range map[string]string{
		"wrong type":   `{"title":7,"steps":["secret-answer"]}`,
		"missing":      `{"title":"secret-answer"}`,
		"not JSON":     `secret-answer`,
		"two values":   `{"title":"a","steps":[]} {"secret-answer":1}`,
		"extra member": `{"title":"secret-answer","steps":[],"x":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := script(answer)
			_, resp, err := llm.CompletionAs[recipe](t.Context(), ask("Soup?"), llm.WithClient(c))
			require.ErrorIs(t, err, llm.ErrSchema)
			require.NotContains(t, err.Error(), "secret-answer")
			require.Equal(t, answer, resp.Text())
		})
	}
}

func TestCompletionAsRepairs(t *testing.T) {
	c, asked := script(`{"title":"Soup"}`, `{"title":"Soup","steps":[]}`)
	v, _, err := llm.CompletionAs[recipe](t.Context(), ask("Soup?"), llm.WithClient(c), llm.WithRepair())
	require.NoError(t, err)
	require.Equal(t, "Soup", v.Title)
	require.Len(t, *asked, 2)
	require.Contains(t, (*asked)[1].Messages[2].Content.Text(), "steps")

	c, asked = script(`{"title":"Soup"}`)
	_, _, err = llm.CompletionAs[recipe](t.Context(), ask("Soup?"), llm.WithClient(c), llm.WithRepair())
	require.ErrorIs(t, err, llm.ErrSchema)
	require.Len(t, *asked, 2, "one repair round, no more")
}

func TestCompletionAsOfACutAnswer(t *testing.T) {
	c, _ := script(&llm.CompletionResponse{Choices: []llm.Choice{{Message: llm.Assistant(`{"title":"S`), FinishReason: llm.FinishLength}}})
	_, _, err := llm.CompletionAs[recipe](t.Context(), ask("Soup?"), llm.WithClient(c))
	require.ErrorIs(t, err, llm.ErrSchema)
	require.ErrorContains(t, err, "MaxTokens")
}

func TestCompletionStreamAs(t *testing.T) {
	const whole = `{"title":"So\u00fcp \"é\" 🍲","steps":["boil","serve"],"note":"hot"}`
	var chunks []*llm.CompletionChunk
	for _, b := range []byte(whole) { // the accumulated bytes are what is parsed: cut even inside runes
		chunks = append(chunks, &llm.CompletionChunk{Choices: []llm.ChunkChoice{{Delta: llm.Delta{Content: string([]byte{b})}}}})
	}
	chunks = append(chunks, &llm.CompletionChunk{Choices: []llm.ChunkChoice{{FinishReason: llm.FinishStop}}})
	c, _ := script(chunks)
	s, err := llm.CompletionStreamAs[recipe](t.Context(), ask("Soup?"), llm.WithClient(c))
	require.NoError(t, err)
	var last recipe
	var n int
	for v, err := range s.All() {
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(`Soüp "é" 🍲`, v.Title), v.Title)
		require.GreaterOrEqual(t, len(v.Steps), len(last.Steps))
		last = v
		n++
	}
	require.Equal(t, recipe{Title: `Soüp "é" 🍲`, Steps: []string{"boil", "serve"}, Note: "hot"}, last)
	require.Greater(t, n, 20)
	require.Equal(t, whole, s.Response().Text())
}

func call(id, name, args string) llm.ToolCall {
	return llm.ToolCall{ID: id, Type: "function", Function: llm.FunctionCall{Name: name, Arguments: args}}
}

func calls(list ...llm.ToolCall) *llm.CompletionResponse {
	return &llm.CompletionResponse{Choices: []llm.Choice{{Message: llm.Message{Role: llm.RoleAssistant, ToolCalls: list},
		FinishReason: llm.FinishToolCalls}}, Usage: &llm.Usage{PromptTokens: 10, CompletionTokens: 5, TotalTokens: 15}}
}

type city struct {
	City string `json:"city"`
}

func weather(_ context.Context, in city) (string, error) {
	if in.City == "Atlantis" {
		return "", errors.New("it sank")
	}
	return "18 °C in " + in.City, nil
}

func TestRunTools(t *testing.T) {
	c, asked := script(
		calls(call("1", "weather", `{"city":"Paris"}`), call("2", "weather", `{"city":"Atlantis"}`),
			call("3", "weather", `{"town":1}`), call("4", "nothing", `{}`), call("5", "weather", `{"city":"Oslo"}`)),
		"It is mild.")
	var approved []string
	run, err := c.RunTools(t.Context(), ask("Weather?"), llm.ToolLoop{
		Tools: []*llm.FuncTool{llm.NewTool("weather", "the weather in a city", weather)},
		Approve: func(_ context.Context, call llm.ToolCall) error {
			approved = append(approved, call.ID)
			if call.ID == "5" {
				return errors.New("not today")
			}
			return nil
		},
	})
	require.NoError(t, err)
	require.Equal(t, "It is mild.", run.Response.Text())
	require.Equal(t, 2, run.Rounds)
	require.Equal(t, 15, run.Usage.TotalTokens)
	require.Equal(t, []string{"1", "2", "3", "5"}, approved)
	require.Len(t, (*asked)[0].Tools, 1)
	results := run.Messages[2:7]
	for i, want := range []string{"18 °C in Paris", "it sank", "schema", "no tool of this name", "not today"} {
		require.Contains(t, results[i].Content.Text(), want)
		require.Equal(t, i != 0, results[i].IsError)
		require.Equal(t, llm.RoleTool, results[i].Role)
		require.Equal(t, string(rune('1'+i)), results[i].ToolCallID)
	}
}

func TestRunToolsIsBounded(t *testing.T) {
	c, asked := script(calls(call("1", "weather", `{"city":"Paris"}`)))
	run, err := c.RunTools(t.Context(), ask("Weather?"), llm.ToolLoop{MaxRounds: 3,
		Tools: []*llm.FuncTool{llm.NewTool("weather", "", weather)}})
	require.ErrorIs(t, err, llm.ErrTool)
	require.Len(t, *asked, 3)
	require.Equal(t, 3, run.Rounds)
}

func TestIncompleteToolCallsAreNeverRun(t *testing.T) {
	ran := false
	tool := llm.NewTool("weather", "", func(context.Context, city) (string, error) { ran = true; return "", nil })
	cut := calls(call("1", "weather", `{"city":"Par`))
	cut.Choices[0].FinishReason = llm.FinishLength
	for _, onChunk := range []func(*llm.CompletionChunk){nil, func(*llm.CompletionChunk) {}} {
		c, _ := script(cut)
		run, err := c.RunTools(t.Context(), ask("Weather?"), llm.ToolLoop{Tools: []*llm.FuncTool{tool}, OnChunk: onChunk})
		require.ErrorIs(t, err, llm.ErrTool)
		require.ErrorContains(t, err, "MaxTokens")
		require.False(t, ran)
		require.Len(t, run.Response.Message().IncompleteToolCalls, 1)
	}
}

func TestRunToolsStreamsAndSurvivesPanics(t *testing.T) {
	c, _ := script(calls(call("1", "weather", `{"city":"Paris"}`)), "Mild.")
	var text strings.Builder
	run, err := c.RunTools(t.Context(), ask("Weather?"), llm.ToolLoop{
		Tools:   []*llm.FuncTool{llm.NewTool("weather", "", weather)},
		OnChunk: func(c *llm.CompletionChunk) { text.WriteString(c.Text()) },
	})
	require.NoError(t, err)
	require.Equal(t, "Mild.", text.String())
	require.Equal(t, "18 °C in Paris", run.Messages[2].Content.Text())

	c, _ = script(calls(call("1", "boom", `{}`)))
	_, err = c.RunTools(t.Context(), ask("?"), llm.ToolLoop{Tools: []*llm.FuncTool{
		llm.NewTool("boom", "", func(context.Context, struct{}) (string, error) { panic("secret") })}})
	require.ErrorIs(t, err, llm.ErrTool)
	require.NotContains(t, err.Error(), "secret")
}

func TestToolsWithoutASchemaSaySo(t *testing.T) {
	tool := llm.NewTool("send", "", func(context.Context, struct{ C chan int }) (string, error) { return "", nil })
	c, _ := script("never")
	_, err := c.RunTools(t.Context(), ask("?"), llm.ToolLoop{Tools: []*llm.FuncTool{tool}})
	require.ErrorIs(t, err, llm.ErrTool)
	require.ErrorContains(t, err, "send")
	_, err = tool.Call(t.Context(), call("1", "send", "{}"))
	require.ErrorIs(t, err, llm.ErrTool)
}
