package cache_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/cache"
	"github.com/llm-go/llm/llmtest"
	"github.com/stretchr/testify/require"
)

// real is a client of a provider's real dialect behind a cache, and the server that it talks to.
func real(t *testing.T, c cache.Config, opts ...llm.Option) (*llm.Client, *llmtest.Server, *cache.Cache) {
	t.Helper()
	srv := llmtest.NewServer(t)
	made := newCache(t, c)
	return srv.Client(append(opts, llm.WithMiddleware(made.Middleware))...), srv, made
}

// With real dialects and sockets: what a stream said is what the next call gets, and there is no second request.
func TestHitsOfRealDialects(t *testing.T) {
	answer := llmtest.Text("Let me look.")
	answer.ToolCalls = []llm.ToolCall{{ID: "call_1", Function: llm.FunctionCall{Name: "look", Arguments: `{"at":"it"}`}}}
	for _, model := range []string{"openai/m", "anthropic/m", "gemini/m", "bedrock/m"} {
		t.Run(model, func(t *testing.T) {
			c, srv, _ := real(t, cache.Config{})
			srv.Reply(answer)
			req := ask("?")
			req.Model = model
			req.Tools = []llm.Tool{{Function: &llm.FunctionTool{Name: "look"}}}
			first := collect(t, c, req)
			provider := first.Meta.Provider
			require.Len(t, first.ToolCalls(), 1)
			require.Nil(t, first.Meta.Cache)
			for _, again := range []*llm.CompletionResponse{complete(t, c, req), collect(t, c, req)} {
				require.NotNil(t, again.Meta.Cache)
				require.Empty(t, again.Meta.Attempts)
				require.Equal(t, provider, again.Meta.Provider)
				first.Meta, again.Meta = llm.Meta{}, llm.Meta{}
				require.Equal(t, first, again)
			}
			require.Len(t, srv.Requests(), 1)
		})
	}
}

// Every way in which a stream can break off leaves nothing in the cache.
func TestFaultsAreNeverStored(t *testing.T) {
	for _, f := range llmtest.Faults() {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			srv, made := llmtest.NewTLSServer(t), newCache(t, cache.Config{})
			c := srv.Client(llm.WithMiddleware(made.Middleware), llm.WithTimeout(150*time.Millisecond), llm.WithMaxAttempts(1))
			srv.Reply(llmtest.Text("The whole answer, which has several words."))
			srv.FaultAlways(f)
			var failed uint64
			s, err := c.CompletionStream(t.Context(), ask("?"))
			for err == nil {
				_, err = s.Next()
			}
			if !errors.Is(err, io.EOF) {
				failed++
			}
			if _, err := c.Completion(t.Context(), ask("other?")); err != nil {
				failed++
			}
			require.EqualValues(t, 2, failed+made.Stats().Stored, "what failed was stored, or what did not was not")
		})
	}
}

// The canary sweep over what the cache writes, with keys wherever one can be.
func TestCanariesOfRealDialects(t *testing.T) {
	for _, model := range []string{"openai/m", "anthropic/m", "gemini/m", "bedrock/m"} {
		dir := t.TempDir()
		c, srv, made := real(t, cache.Config{Store: openDisk(t, cache.DiskConfig{Dir: dir})})
		srv.Reply(llmtest.Text("hello"))
		req := ask("?")
		req.Model = model
		complete(t, c, req)
		require.EqualValues(t, 1, made.Stats().Stored)
		paths, _ := files(t, dir)
		for _, path := range paths {
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NotContains(t, string(b)+path, llmtest.Key)
		}
	}
}

// Each mark is one on the wire, and none is a warning.
func TestMarksReachTheWire(t *testing.T) {
	long := strings.Repeat("word ", 1000)
	call := llm.Message{Role: llm.RoleAssistant, ToolCalls: []llm.ToolCall{{ID: "c", Type: "function", Function: llm.FunctionCall{Name: "f", Arguments: "{}"}}}}
	result := llm.Message{Role: llm.RoleTool, ToolCallID: "c", Content: llm.Content{llm.TextPart("42")}}
	for model, mark := range map[string]string{"anthropic/claude-sonnet-4-5": `"cache_control"`, "bedrock/anthropic.claude-sonnet-4-20250514-v1:0": `"cachePoint"`} {
		for name, history := range map[string][]llm.Message{
			"a conversation": {llm.User("a"), llm.Assistant("b"), llm.User("c")},
			"a tool's turn":  {llm.User("a"), call, result},
			"after a tool":   {llm.User("a"), call, result, llm.Assistant("b"), llm.User("c")},
		} {
			srv := llmtest.NewServer(t)
			c := srv.Client(llm.WithMiddleware(cache.PromptCaching{}.Middleware))
			r := complete(t, c, &llm.CompletionRequest{Model: model, MaxTokens: 100, Messages: append([]llm.Message{llm.System(long)}, history...),
				Tools: []llm.Tool{{Function: &llm.FunctionTool{Name: "f", Description: long}}}})
			require.Empty(t, r.Meta.Warnings, "%s, %s", model, name)
			require.Equal(t, 3, strings.Count(string(srv.Requests()[0].Body), mark), "%s, %s", model, name)
		}
	}
}
