package router_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	_ "github.com/llm-go/llm/providers/anthropic"
	"github.com/llm-go/llm/router"
	"github.com/stretchr/testify/require"
)

// over is a router over hosts that llmtest stands in for, through the real engine.
func over(t *testing.T, c router.Config) (*router.Router, *llm.Client) {
	t.Helper()
	rt, err := router.New(c)
	require.NoError(t, err)
	return rt, llm.New(llm.WithMiddleware(rt.Middleware), llm.WithoutEnv())
}

func at(srv *llmtest.Server, provider string) []llm.Option {
	return []llm.Option{llm.WithProviderBaseURL(provider, srv.BaseURL(provider)), llm.WithAPIKey(llmtest.Key)}
}

// What a fallback's model cannot take follows the call's own rule, and the answer tells of what was lost on its own way
// and not of what was lost on another's.
func TestParametersOfFallbacks(t *testing.T) {
	first, second := llmtest.NewServer(t), llmtest.NewServer(t)
	first.FaultAlways(llmtest.Status(503))
	_, c := over(t, router.Config{Deployments: []router.Deployment{
		{Group: "g", Model: "anthropic/claude-sonnet-4-5", Options: at(first, "anthropic")},
		{Group: "f", Model: "openai/gpt-4.1", Options: at(second, "openai")},
		{Group: "h", Model: "anthropic/claude-haiku-4-5", Options: at(second, "anthropic")},
	}, Fallbacks: map[string][]string{"g": {"f"}, "f": {"h"}}})
	req := &llm.CompletionRequest{Model: "g", Messages: []llm.Message{llm.User("Hi")}, Seed: new(int64(7)), LogitBias: map[string]int{"50256": -100}}

	_, err := c.Completion(t.Context(), req)
	require.NoError(t, err, "an unsupported parameter is no reason not to ask who supports it")
	require.Empty(t, first.Requests(), "nothing is sent that would lose something unasked")

	r, err := c.Completion(t.Context(), req, llm.WithDropParams())
	require.NoError(t, err)
	require.Len(t, first.Requests(), 1)
	require.Empty(t, r.Meta.Warnings, "the model that answered took everything")
	require.Equal(t, "openai", r.Meta.Provider)

	second.Fault(llmtest.Status(503))
	r, err = c.Completion(t.Context(), req, llm.WithDropParams())
	require.NoError(t, err)
	require.Equal(t, "anthropic", r.Meta.Provider)
	var dropped []string
	for _, w := range r.Meta.Warnings {
		dropped = append(dropped, w.Param)
	}
	require.ElementsMatch(t, []string{"seed", "logit_bias"}, dropped)
}

// Each attempt tells where it went, why, and why not elsewhere.
func TestAttemptsTellTheirRoute(t *testing.T) {
	bad, good := llmtest.NewServer(t), llmtest.NewServer(t)
	bad.FaultAlways(llmtest.Status(500))
	list := []router.Deployment{
		{ID: "bad", Group: "g", Model: "openai/m", Options: at(bad, "openai"), Order: 1},
		{ID: "small", Group: "g", Model: "openai/m", Options: at(good, "openai"), Order: 1, ContextWindow: 10},
		{ID: "good", Group: "g", Model: "openai/m", Options: at(good, "openai"), Order: 2},
	}
	_, c := over(t, router.Config{Deployments: list, Strategy: router.InOrder})
	long := &llm.CompletionRequest{Model: "g", Messages: []llm.Message{llm.User("What is the longest word that you know, and why do you know it?")}}
	r, err := c.Completion(t.Context(), long)
	require.NoError(t, err)
	require.Len(t, r.Meta.Attempts, 2)
	a, b := r.Meta.Attempts[0], r.Meta.Attempts[1]
	require.Equal(t, &llm.Route{Group: "g", Deployment: "bad", Reason: "in-order", Skipped: []llm.Skipped{{Deployment: "small", Reason: "context window"}}}, a.Route)
	require.Equal(t, 500, a.Status)
	require.ErrorIs(t, a.Err, llm.ErrServer)
	require.Equal(t, "good", b.Route.Deployment)
	require.Equal(t, 200, b.Status)
	require.Positive(t, b.Duration)

	for range 3 {
		_, err = c.Completion(t.Context(), long)
		require.NoError(t, err)
	}
	r, err = c.Completion(t.Context(), long)
	require.NoError(t, err)
	require.Len(t, r.Meta.Attempts, 1)
	require.Contains(t, r.Meta.Attempts[0].Route.Skipped, llm.Skipped{Deployment: "bad", Reason: "cooling"})

	// Streams too, and errors.
	s, err := c.CompletionStream(t.Context(), long)
	require.NoError(t, err)
	full, err := llm.Collect(s)
	require.NoError(t, err)
	require.Equal(t, "good", full.Meta.Attempts[0].Route.Deployment)
	good.FaultAlways(llmtest.Status(400))
	_, err = c.Completion(t.Context(), long)
	var e *llm.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "good", e.Attempts[0].Route.Deployment)
}

// Retries at one deployment, and the one replay over a connection that had died unnoticed.
func TestMaxRetriesOfADeployment(t *testing.T) {
	srv := llmtest.NewServer(t)
	_, c := over(t, router.Config{Deployments: []router.Deployment{{Group: "g", Model: "openai/m", MaxRetries: 1,
		Options: append(at(srv, "openai"), llm.WithBackoff(llm.Backoff{Initial: time.Millisecond, Max: time.Millisecond}))}}, Backoff: llm.Backoff{Initial: time.Millisecond, Max: time.Millisecond}})
	srv.Fault(llmtest.Status(503))
	r, err := c.Completion(t.Context(), ask("g"))
	require.NoError(t, err)
	require.Len(t, r.Meta.Attempts, 2)
	srv.Fault(llmtest.Stale)
	_, err = c.Completion(t.Context(), ask("g"))
	require.NoError(t, err)
	r, err = c.Completion(t.Context(), ask("g"))
	require.NoError(t, err)
	require.LessOrEqual(t, len(r.Meta.Attempts), 2)
}

func TestTimeoutOfADeployment(t *testing.T) {
	slow, good := llmtest.NewServer(t), llmtest.NewServer(t)
	slow.FaultAlways(llmtest.Stall)
	rt, c := over(t, router.Config{Deployments: []router.Deployment{
		{ID: "slow", Group: "g", Model: "openai/m", Options: at(slow, "openai"), Timeout: 100 * time.Millisecond, StreamTimeout: 100 * time.Millisecond},
		{ID: "good", Group: "g", Model: "openai/m", Options: at(good, "openai")},
	}, Strategy: router.InOrder})
	r, err := c.Completion(t.Context(), ask("g"))
	require.NoError(t, err)
	require.Equal(t, "good", r.Meta.Attempts[1].Route.Deployment)
	require.EqualValues(t, 1, rt.Snapshot().Groups[0].Deployments[0].Totals.Failures, "it is the deployment that was slow")
	slow.FaultAlways(llmtest.HeadersNever)
	s, err := c.CompletionStream(t.Context(), ask("g"))
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.Equal(t, "good", s.Meta().Attempts[1].Route.Deployment)
	require.ErrorIs(t, s.Meta().Attempts[0].Err, llm.ErrTimeout)
}

func TestCheck(t *testing.T) {
	a, b := llmtest.NewServer(t), llmtest.NewServer(t)
	a.FaultAlways(llmtest.Status(500))
	rt, c := over(t, router.Config{Deployments: []router.Deployment{
		{ID: "a", Group: "g", Model: "openai/m", Options: at(a, "openai")},
		{ID: "b", Group: "g", Model: "openai/m", Options: at(b, "openai")},
	}, Strategy: router.InOrder, Health: router.Health{Cooldown: 10 * time.Millisecond}})
	for range 5 {
		_, err := c.Completion(t.Context(), ask("g"))
		require.NoError(t, err)
	}
	state := func() string { return rt.Snapshot().Groups[0].Deployments[0].State }
	require.Eventually(t, func() bool { return state() == "recovering" }, 5*time.Second, time.Millisecond)
	before := len(a.Requests())
	err := rt.Check(t.Context(), llm.WithoutEnv())
	require.ErrorIs(t, err, llm.ErrServer)
	require.ErrorContains(t, err, "a: ")
	require.Len(t, a.Requests(), before+1)
	require.Contains(t, string(a.Requests()[before].Body), "\"max_completion_tokens\":1")
	require.NoError(t, rt.Check(t.Context(), llm.WithoutEnv()), "it is cooling again: nothing is sent")
	a.FaultAlways("")
	require.Eventually(t, func() bool { return state() == "recovering" }, 5*time.Second, time.Millisecond)
	require.NoError(t, rt.Check(t.Context(), llm.WithoutEnv()))
	require.Equal(t, "warming", state())
}

func TestCostOfHedges(t *testing.T) {
	for most, hedged := range map[float64]bool{0: true, 1e-9: false, 10: true} {
		synctest.Test(t, func(t *testing.T) {
			u := &upstream{}
			list := group("g", "a", "b")
			list[1].Price = &router.Price{Input: 1, Output: 5}
			_, c := client(t, u, router.Config{Deployments: list, Strategy: router.InOrder, Hedge: &router.Hedge{MaxCost: most}})
			u.set("a", func(*llm.Call) error { time.Sleep(10 * time.Millisecond); return nil })
			for range 30 {
				answered(t, c, "g")
			}
			u.set("a", func(*llm.Call) error { time.Sleep(time.Minute); return nil })
			r, err := c.Completion(t.Context(), ask("g"))
			require.NoError(t, err)
			if hedged {
				require.Equal(t, "b", r.Text())
			} else {
				require.Equal(t, "a", r.Text())
			}
			time.Sleep(2 * time.Minute)
		})
	}
}
