package tokens_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/tokens"
	"github.com/stretchr/testify/require"
)

// conversation has n turns, each with a round of two tool calls.
func conversation(n int) *llm.CompletionRequest {
	req := &llm.CompletionRequest{Model: "openai/gpt-4o", Messages: []llm.Message{llm.System("Be brief.")}}
	for i := range n {
		a, b := fmt.Sprintf("call_%d_a", i), fmt.Sprintf("call_%d_b", i)
		req.Messages = append(req.Messages, llm.User(fmt.Sprintf("Question %d: what is the weather in Oslo and in Rome?", i)),
			llm.Message{Role: llm.RoleAssistant, ToolCalls: []llm.ToolCall{
				{ID: a, Function: llm.FunctionCall{Name: "weather", Arguments: `{"city":"Oslo"}`}},
				{ID: b, Function: llm.FunctionCall{Name: "weather", Arguments: `{"city":"Rome"}`}}}},
			llm.ToolResult(b, "sunny, 24 degrees"), llm.ToolResult(a, "snow, minus 3 degrees"),
			llm.Assistant("Snow in Oslo, sun in Rome."))
	}
	return req
}

func TestTrimKeepsTheNewestTurns(t *testing.T) {
	req := conversation(10)
	all := tokens.Request(req)
	out, report, err := tokens.Trim(req, all.Tokens, tokens.TrimOptions{})
	require.NoError(t, err)
	require.Equal(t, req.Messages, out.Messages)
	require.Equal(t, all, report.After)

	out, report, err = tokens.Trim(req, all.Tokens/3, tokens.TrimOptions{})
	require.NoError(t, err)
	require.Equal(t, llm.RoleSystem, out.Messages[0].Role)
	require.Equal(t, llm.RoleUser, out.Messages[1].Role)
	require.Equal(t, req.Messages[len(req.Messages)-len(out.Messages)+1:], out.Messages[1:], "the newest, whole")
	require.Equal(t, tokens.Request(out), report.After)
	require.Equal(t, all, report.Before)
	require.Len(t, report.Dropped, len(req.Messages)-len(out.Messages))
	require.Greater(t, len(out.Messages), 10)
	require.Len(t, req.Messages, 51, "the request is as it was")

	safe, _, err := tokens.Trim(req, all.Tokens/3, tokens.TrimOptions{ByHigh: true})
	require.NoError(t, err)
	require.Less(t, len(safe.Messages), len(out.Messages))
	require.LessOrEqual(t, tokens.Request(safe).High, all.Tokens/3)
}

// One long turn of an agent loses its oldest rounds, not its question.
func TestTrimWithinATurn(t *testing.T) {
	req := conversation(8)
	long := &llm.CompletionRequest{Messages: req.Messages[:2:2]}
	for i := 1; i < len(req.Messages); i++ {
		if req.Messages[i].Role != llm.RoleUser {
			long.Messages = append(long.Messages, req.Messages[i])
		}
	}
	out, _, err := tokens.Trim(long, tokens.Request(long).Tokens/2, tokens.TrimOptions{})
	require.NoError(t, err)
	require.Equal(t, req.Messages[:2], out.Messages[:2])
	require.Less(t, len(out.Messages), len(long.Messages))
	require.Equal(t, long.Messages[len(long.Messages)-1], out.Messages[len(out.Messages)-1])
	requireNoOrphans(t, out.Messages)
}

func requireNoOrphans(t testing.TB, messages []llm.Message) {
	t.Helper()
	open := map[string]int{}
	for _, m := range messages {
		if m.Role == llm.RoleTool {
			require.Positive(t, open[m.ToolCallID], "a result without its call")
			open[m.ToolCallID]--
			continue
		}
		for id, n := range open {
			require.Zero(t, n, "call %s without its result", id)
		}
		for _, call := range m.ToolCalls {
			open[call.ID]++
		}
	}
	for id, n := range open {
		require.Zero(t, n, "call %s without its result", id)
	}
}

// scramble is any conversation: script says its messages, some of them orphans.
func scramble(script []byte) *llm.CompletionRequest {
	req := &llm.CompletionRequest{Model: "openai/gpt-4o"}
	for i, b := range script {
		text := strings.Repeat("word ", int(b>>4)*3)
		id := fmt.Sprint("c", b>>3&3)
		switch b & 7 {
		case 0:
			req.Messages = append(req.Messages, llm.System(text))
		case 1, 2:
			req.Messages = append(req.Messages, llm.User(text+fmt.Sprint(i)))
		case 3:
			req.Messages = append(req.Messages, llm.Assistant(text))
		case 4, 5:
			m := llm.Assistant(text)
			m.ToolCalls = []llm.ToolCall{{ID: id}}
			if b&7 == 5 {
				m.ToolCalls = append(m.ToolCalls, llm.ToolCall{ID: "d"})
			}
			req.Messages = append(req.Messages, m)
		case 6:
			req.Messages = append(req.Messages, llm.ToolResult(id, text))
		case 7:
			req.Messages = append(req.Messages, llm.ToolResult("d", text))
		}
	}
	return req
}

func checkTrim(t testing.TB, req *llm.CompletionRequest, max int) {
	given := append([]llm.Message(nil), req.Messages...)
	out, report, err := tokens.Trim(req, max, tokens.TrimOptions{})
	require.True(t, reflect.DeepEqual(given, req.Messages), "the request is written to")
	if err != nil {
		require.ErrorIs(t, err, llm.ErrContextWindow)
		require.Nil(t, out)
		return
	}
	require.Equal(t, tokens.Request(req), report.Before)
	require.Equal(t, tokens.Request(out), report.After)
	require.LessOrEqual(t, report.After.Tokens, max)
	requireNoOrphans(t, out.Messages)
	require.GreaterOrEqual(t, len(report.Dropped), report.Orphans)
	systems := func(messages []llm.Message) (n int) {
		for _, m := range messages {
			if m.Role == llm.RoleSystem {
				n++
			}
		}
		return n
	}
	require.Equal(t, systems(req.Messages), systems(out.Messages))
	dropped := map[int]bool{}
	for _, i := range report.Dropped {
		dropped[i] = true
	}
	k := 0
	for i := range req.Messages {
		if !dropped[i] {
			require.Equal(t, req.Messages[i], out.Messages[k], "in order")
			k++
		}
	}
	require.Len(t, out.Messages, k)
	if len(report.Dropped) > report.Orphans { // something had to go: the rest begins with a user, if there is one
		first := llm.Role("")
		users := 0
		for _, m := range out.Messages {
			if m.Role != llm.RoleSystem && first == "" {
				first = m.Role
			}
			if m.Role == llm.RoleUser {
				users++
			}
		}
		require.True(t, users == 0 || first == llm.RoleUser, "begins with %s", first)
	}
	again, second, err := tokens.Trim(out, max, tokens.TrimOptions{})
	require.NoError(t, err)
	require.Empty(t, second.Dropped, "trimming again changes nothing")
	require.Equal(t, out.Messages, again.Messages)
}

func TestTrimHoldsForAnyConversation(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 4000 {
		script := make([]byte, random.IntN(14))
		for i := range script {
			script[i] = byte(random.Uint32())
		}
		req := scramble(script)
		checkTrim(t, req, random.IntN(tokens.Request(req).Tokens+20))
	}
}

func FuzzTrim(f *testing.F) {
	f.Add([]byte{0x30, 0x21, 0x44, 0x46, 0x33, 0x21}, 60)
	f.Fuzz(func(t *testing.T, script []byte, max int) {
		checkTrim(t, scramble(script[:min(len(script), 40)]), max)
	})
}

func FuzzEstimate(f *testing.F) {
	f.Add("Hello, wörld! 你好 123 \xff")
	f.Fuzz(func(t *testing.T, text string) {
		for _, v := range []tokens.Vocabulary{tokens.O200k, tokens.Cl100k} {
			low, high := v.Bounds(text)
			require.LessOrEqual(t, low, high)
			require.LessOrEqual(t, high, len(text))
			require.LessOrEqual(t, v.Estimate(text), len(text))
		}
	})
}
