package router_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/router"
	"github.com/stretchr/testify/require"
)

// upstream stands in for the engine: what each deployment answers.
type upstream struct {
	mu     sync.Mutex
	answer map[string]func(call *llm.Call) error // by deployment; nil: well
	calls  map[string]int
	order  []string
}

func (u *upstream) middleware(llm.Handler) llm.Handler {
	return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
		id := "none"
		if call.Route != nil {
			id = call.Route.Deployment
		}
		u.mu.Lock()
		if u.calls == nil {
			u.calls = make(map[string]int)
		}
		u.calls[id]++
		u.order = append(u.order, id)
		f := u.answer[id]
		u.mu.Unlock()
		if f != nil {
			if err := f(call); err != nil {
				return nil, err
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if call.Stream {
			n := 0
			return &llm.Result{Stream: llm.NewStream(func() (*llm.CompletionChunk, error) {
				if n++; n > 1 {
					return nil, io.EOF
				}
				return &llm.CompletionChunk{Choices: []llm.ChunkChoice{{Delta: llm.Delta{Content: id}, FinishReason: llm.FinishStop}}}, nil
			}, nil)}, nil
		}
		return &llm.Result{Response: &llm.CompletionResponse{Model: call.ModelName(),
			Choices: []llm.Choice{{Message: llm.Assistant(id), FinishReason: llm.FinishStop}},
			Usage:   &llm.Usage{PromptTokens: 10, CompletionTokens: 5, TotalTokens: 15},
			Meta:    llm.Meta{Model: id}}}, nil
	}
}

// fail makes a deployment fail with a status; 0: no more.
func (u *upstream) fail(id string, status int) {
	u.set(id, func(*llm.Call) error {
		if status == 0 {
			return nil
		}
		return llm.StatusError(status)
	})
}

func (u *upstream) set(id string, f func(*llm.Call) error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.answer == nil {
		u.answer = make(map[string]func(*llm.Call) error)
	}
	u.answer[id] = f
}

func (u *upstream) reset() { u.mu.Lock(); u.calls, u.order = nil, nil; u.mu.Unlock() }

func (u *upstream) count(id string) int { u.mu.Lock(); defer u.mu.Unlock(); return u.calls[id] }

func (u *upstream) total() (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, c := range u.calls {
		n += c
	}
	return n
}

func client(t testing.TB, u *upstream, c router.Config) (*router.Router, *llm.Client) {
	t.Helper()
	rt, err := router.New(c)
	require.NoError(t, err)
	return rt, llm.New(llm.WithMiddleware(rt.Middleware, u.middleware), llm.WithoutEnv())
}

func group(name string, ids ...string) (list []router.Deployment) {
	for _, id := range ids {
		list = append(list, router.Deployment{ID: id, Group: name, Model: "p/" + id})
	}
	return list
}

func ask(model string) *llm.CompletionRequest {
	return &llm.CompletionRequest{Model: model, Messages: []llm.Message{llm.User("Hi")}}
}

func answered(t testing.TB, c *llm.Client, model string, opts ...llm.Option) string {
	t.Helper()
	r, err := c.Completion(t.Context(), ask(model), opts...)
	require.NoError(t, err)
	return r.Text()
}

func TestFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		_, c := client(t, u, router.Config{Deployments: group("g", "a", "b", "c"), Strategy: router.InOrder})
		require.Equal(t, "a", answered(t, c, "g"))
		u.fail("a", 503)
		start := time.Now()
		require.Equal(t, "b", answered(t, c, "g"))
		require.Zero(t, time.Since(start), "another deployment is tried at once")
		u.fail("b", 500)
		require.Equal(t, "c", answered(t, c, "g"))
		u.fail("c", 400)
		_, err := c.Completion(t.Context(), ask("g"))
		require.ErrorIs(t, err, llm.ErrInvalidRequest)
	})
}

func TestRetryOfALoneDeployment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		_, c := client(t, u, router.Config{Deployments: group("g", "a")})
		n := 0
		u.set("a", func(*llm.Call) error {
			if n++; n < 3 {
				return llm.StatusError(500)
			}
			return nil
		})
		start := time.Now()
		require.Equal(t, "a", answered(t, c, "g"))
		require.Equal(t, 3, u.count("a"))
		require.Greater(t, time.Since(start), 500*time.Millisecond)
	})
}

func TestDeadKeys(t *testing.T) {
	for k := range 8 {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			var list []router.Deployment
			u := &upstream{}
			for i := range 8 {
				id := fmt.Sprintf("d%d", i)
				list = append(list, router.Deployment{ID: id, Group: "g", Model: "p/m"})
				if i < k {
					u.fail(id, []int{401, 402, 403}[i%3])
				}
			}
			_, c := client(t, u, router.Config{Deployments: list, Strategy: router.InOrder})
			require.Equal(t, fmt.Sprintf("d%d", k), answered(t, c, "g"))
			u.reset()
			for range 100 {
				answered(t, c, "g")
			}
			require.Equal(t, 100, u.total(), "refused keys are not asked again")
		})
	}
}

func TestAllDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		_, c := client(t, u, router.Config{Deployments: group("g", "a", "b", "c", "d")})
		for _, id := range []string{"a", "b", "c", "d"} {
			u.fail(id, 503)
		}
		for range 6000 {
			_, err := c.Completion(t.Context(), ask("g"))
			require.ErrorIs(t, err, llm.ErrOverloaded)
			time.Sleep(10 * time.Millisecond)
		}
		require.LessOrEqual(t, u.total(), 6600)
		for _, id := range []string{"a", "b", "c", "d"} {
			u.fail(id, 0)
		}
		time.Sleep(time.Minute)
		for range 20 {
			answered(t, c, "g")
		}
	})
}

// Attempts go wrong in the way that the test says, and the call goes where the contract says.
func TestWhatFailsWhere(t *testing.T) {
	refusal := func(kind llm.ErrorKind) func(*llm.Call) error {
		return func(*llm.Call) error {
			e := llm.StatusError(400)
			e.SetKind(kind)
			return e
		}
	}
	for name, c := range map[string]struct {
		fail func(*llm.Call) error
		want []string // deployments in the order of the tries
		err  error
	}{
		"server":         {fail: func(*llm.Call) error { return llm.StatusError(500) }, want: []string{"a", "b", "f"}},
		"certificate":    {fail: func(*llm.Call) error { return &llm.Error{Kind: llm.ErrTLS, Scope: llm.ScopeRoute} }, want: []string{"a", "b", "f"}},
		"key":            {fail: func(*llm.Call) error { return llm.StatusError(401) }, want: []string{"a", "b", "f"}},
		"rate limit":     {fail: func(*llm.Call) error { return llm.StatusError(429) }, want: []string{"a", "b", "f"}},
		"no such model":  {fail: func(*llm.Call) error { return llm.StatusError(404) }, want: []string{"a", "b", "f"}},
		"unsupported":    {fail: func(*llm.Call) error { return &llm.Error{Kind: llm.ErrUnsupportedParam, Scope: llm.ScopeRequest} }, want: []string{"a", "b", "f"}},
		"invalid":        {fail: func(*llm.Call) error { return llm.StatusError(400) }, want: []string{"a"}, err: llm.ErrInvalidRequest},
		"too large":      {fail: func(*llm.Call) error { return llm.StatusError(413) }, want: []string{"a"}, err: llm.ErrTooLarge},
		"context window": {fail: refusal(llm.ErrContextWindow), want: []string{"a", "long"}},
		"content policy": {fail: refusal(llm.ErrContentPolicy), want: []string{"a", "lenient"}},
		"cancelled":      {fail: func(*llm.Call) error { return context.Canceled }, want: []string{"a"}, err: context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := &upstream{}
				_, cl := client(t, u, router.Config{
					Deployments: append(group("g", "a", "b"), append(group("f", "f"), append(group("l", "long"), group("p", "lenient")...)...)...),
					Strategy:    router.InOrder,
					Fallbacks:   map[string][]string{"g": {"f"}}, ContextFallbacks: map[string][]string{"g": {"l"}},
					ContentPolicyFallbacks: map[string][]string{"g": {"p"}},
				})
				u.set("a", c.fail)
				u.set("b", c.fail)
				_, err := cl.Completion(t.Context(), ask("g"))
				if c.err == nil {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, c.err)
				}
				require.Equal(t, c.want, u.order)
			})
		})
	}
}

func TestContextWindows(t *testing.T) {
	u := &upstream{}
	list := []router.Deployment{
		{ID: "small", Group: "g", Model: "p/s", ContextWindow: 1000},
		{ID: "large", Group: "g", Model: "p/l", ContextWindow: 100_000},
		{ID: "unknown", Group: "g", Model: "p/u"},
	}
	_, c := client(t, u, router.Config{Deployments: list, Strategy: router.InOrder})
	long := &llm.CompletionRequest{Model: "g", Messages: []llm.Message{llm.User(string(make([]byte, 40_000)))}}
	r, err := c.Completion(t.Context(), long)
	require.NoError(t, err)
	require.Equal(t, "large", r.Text(), "the small one is skipped by estimate")
	require.Equal(t, "small", answered(t, c, "g"))

	// What an overflow has shown: only larger windows are tried after it.
	u.reset()
	for _, id := range []string{"small", "large"} {
		u.set(id, func(*llm.Call) error {
			return &llm.Error{Kind: llm.ErrContextWindow, Scope: llm.ScopeRequest}
		})
	}
	_, err = c.Completion(t.Context(), ask("g"))
	require.ErrorIs(t, err, llm.ErrContextWindow)
	require.Equal(t, []string{"small", "large"}, u.order)
	_, err = c.Completion(t.Context(), &llm.CompletionRequest{Model: "g", Messages: []llm.Message{llm.User("x")}, MaxTokens: 2000}, router.WithRegion())
	require.ErrorIs(t, err, llm.ErrContextWindow)
}

func TestRequestScopedErrorsDoNotTouchHealth(t *testing.T) {
	u := &upstream{}
	rt, c := client(t, u, router.Config{Deployments: group("g", "a", "b")})
	for _, status := range []int{400, 404, 413, 422} {
		u.fail("a", status)
		u.fail("b", status)
		for range 50 {
			_, err := c.Completion(t.Context(), ask("g"))
			require.Error(t, err)
		}
	}
	for _, d := range rt.Snapshot().Groups[0].Deployments {
		require.Equal(t, "ready", d.State)
		require.Zero(t, d.Totals.Failures)
	}
}

func TestKeysRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		keys := make(map[string]int)
		bad := map[string]int{}
		u.set("a", func(call *llm.Call) error {
			k := call.Key().Reveal()
			keys[k]++
			if status := bad[k]; status != 0 {
				e := llm.StatusError(status)
				e.RetryAfter = 20 * time.Second
				return e
			}
			return nil
		})
		_, c := client(t, u, router.Config{Deployments: []router.Deployment{{ID: "a", Group: "g", Model: "p/m", Keys: []string{"k1", "k2", "k3"}}}})
		for range 30 {
			answered(t, c, "g")
		}
		require.Equal(t, map[string]int{"k1": 10, "k2": 10, "k3": 10}, keys)

		clear(keys)
		bad["k2"] = 429
		for range 30 {
			answered(t, c, "g")
		}
		require.Equal(t, 1, keys["k2"], "the limited key waits")
		require.Equal(t, 30, keys["k1"]+keys["k3"])
		time.Sleep(20 * time.Second)
		bad["k2"] = 0
		for range 30 {
			answered(t, c, "g")
		}
		require.Equal(t, 11, keys["k2"], "for as long as the provider said")

		clear(keys)
		bad["k1"], bad["k3"] = 401, 403
		for range 10 {
			answered(t, c, "g")
		}
		require.Equal(t, 1, keys["k1"])
		require.Equal(t, 1, keys["k3"])
	})
}

func TestRetryAfterThatDoesNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		_, c := client(t, u, router.Config{Deployments: group("g", "a")})
		u.set("a", func(*llm.Call) error {
			e := llm.StatusError(429)
			e.RetryAfter = 30 * time.Second
			return e
		})
		start := time.Now()
		_, err := c.Completion(t.Context(), ask("g"), llm.WithTimeout(10*time.Second))
		require.ErrorIs(t, err, llm.ErrRateLimit)
		require.Zero(t, time.Since(start), "a wait that cannot fit is told at once")
		var e *llm.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, 30*time.Second, e.RetryAfter)

		u.reset()
		_, err = c.Completion(t.Context(), ask("g"), llm.WithTimeout(10*time.Second))
		require.ErrorIs(t, err, llm.ErrRateLimit)
		require.Zero(t, time.Since(start))
		require.Zero(t, u.total(), "it would only be refused")

		_, err = c.Completion(t.Context(), ask("g"), llm.WithTimeout(40*time.Second))
		require.ErrorIs(t, err, llm.ErrRateLimit)
		require.Equal(t, 30*time.Second, time.Since(start))
		require.Equal(t, 1, u.total())

		// Of those that wait for the end of the limit one goes first, and the others when it has come through.
		u.reset()
		u.set("a", func(*llm.Call) error { time.Sleep(time.Second); return nil })
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { answered(t, c, "g") })
		}
		time.Sleep(30*time.Second + 500*time.Millisecond)
		require.Equal(t, 1, u.total())
		wg.Wait()
		require.Equal(t, 62*time.Second, time.Since(start).Round(time.Second))
	})
}

// Of a limit that lasts and a failure that may be over, the one that ends first is gone by.
func TestLimitedBesideFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		_, c := client(t, u, router.Config{Deployments: group("g", "limited", "failing"), Strategy: router.InOrder})
		u.set("limited", func(*llm.Call) error {
			e := llm.StatusError(429)
			e.RetryAfter = time.Hour
			return e
		})
		u.fail("failing", 500)
		for range 10 {
			_, err := c.Completion(t.Context(), ask("g"))
			require.ErrorIs(t, err, llm.ErrServer)
		}
		u.fail("failing", 0)
		require.Equal(t, "failing", answered(t, c, "g"))
		require.Equal(t, 1, u.count("limited"))
	})
}

func TestCooldownAndRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []string
		u := &upstream{}
		rt, c := client(t, u, router.Config{Deployments: group("g", "a", "b", "c"), Strategy: router.InOrder,
			OnEvent: func(e router.Event) { events = append(events, e.Kind+" "+e.Deployment) }})
		u.fail("a", 500)
		for range 10 {
			answered(t, c, "g")
		}
		require.Equal(t, 3, u.count("a"), "three failures in a row put it out")
		require.Equal(t, "cooling", rt.Snapshot().Groups[0].Deployments[0].State)
		time.Sleep(5 * time.Second)
		for range 10 {
			answered(t, c, "g")
		}
		require.Equal(t, 4, u.count("a"), "one probe")
		time.Sleep(5 * time.Second)
		answered(t, c, "g")
		require.Equal(t, 4, u.count("a"), "the second time is longer")
		u.fail("a", 0)
		time.Sleep(5 * time.Second)
		require.Equal(t, "a", answered(t, c, "g"), "a probe that succeeds")
		require.Equal(t, "warming", rt.Snapshot().Groups[0].Deployments[0].State)
		u.reset()
		for range 200 {
			answered(t, c, "g")
		}
		require.InDelta(t, 20, u.count("a"), 18, "it comes back with a tenth of its calls")
		time.Sleep(10 * time.Second)
		u.reset()
		for range 200 {
			answered(t, c, "g")
		}
		require.Equal(t, 200, u.count("a"))
		require.Equal(t, []string{"cooldown a", "probe a", "cooldown a", "probe a", "recovered a"}, events)
	})
}

func TestFailureRatio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		rt, c := client(t, u, router.Config{Deployments: group("g", "a", "b"), Health: router.Health{Failures: -1}, Strategy: router.InOrder})
		n := 0
		u.set("a", func(*llm.Call) error {
			if n++; n%2 == 0 {
				return llm.StatusError(500)
			}
			return nil
		})
		for range 40 {
			answered(t, c, "g")
			time.Sleep(100 * time.Millisecond)
		}
		require.Equal(t, 10, u.count("a"), "half of ten calls")
		require.Equal(t, "cooling", rt.Snapshot().Groups[0].Deployments[0].State)
	})
}

func TestALoneDeploymentIsNeverOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		_, c := client(t, u, router.Config{Deployments: group("g", "a")})
		u.fail("a", 500)
		for range 100 {
			_, err := c.Completion(t.Context(), ask("g"))
			require.ErrorIs(t, err, llm.ErrServer)
		}
		u.fail("a", 0)
		require.Equal(t, "a", answered(t, c, "g"))
		require.LessOrEqual(t, u.count("a"), 110)
	})
}

// At most half of a group is out, and a lone deployment with a fallback gives way to it.
func TestEjectedShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		ids := []string{"a", "b", "c", "d", "e", "f"}
		rt, c := client(t, u, router.Config{Deployments: group("g", ids...)})
		for _, id := range ids {
			u.fail(id, 500)
		}
		for range 1000 {
			_, err := c.Completion(t.Context(), ask("g"))
			require.Error(t, err)
		}
		out := 0
		for _, d := range rt.Snapshot().Groups[0].Deployments {
			if d.State == "cooling" {
				out++
			}
		}
		require.Equal(t, 3, out)
		u.fail("f", 0)
		for range 200 { // the one that is well is found, though it may be out
			_, _ = c.Completion(t.Context(), ask("g"))
			time.Sleep(time.Second)
		}
		u.reset()
		for range 1000 {
			answered(t, c, "g")
		}
		require.Less(t, u.total(), 1400)
	})
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		_, c := client(t, u, router.Config{Deployments: append(group("g", "a"), group("h", "b")...), Fallbacks: map[string][]string{"g": {"h"}}})
		u.fail("a", 500)
		for range 1000 {
			require.Equal(t, "b", answered(t, c, "g"))
		}
		require.Equal(t, 3, u.count("a"))
	})
}

func TestRetryBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		var spent int
		_, c := client(t, u, router.Config{Deployments: group("g", "a", "b"), Health: router.Health{Failures: -1, Ratio: -1},
			RetryBudget: router.RetryBudget{Ratio: 0.1, Reserve: 5},
			OnEvent: func(e router.Event) {
				if e.Kind == "retry_budget" {
					spent++
				}
			}})
		u.fail("a", 500)
		u.fail("b", 500)
		for range 1000 {
			_, err := c.Completion(t.Context(), ask("g"), llm.WithTimeout(100*time.Millisecond))
			require.ErrorIs(t, err, llm.ErrServer)
		}
		require.InDelta(t, 1105, u.total(), 5)
		require.InDelta(t, 895, spent, 5)
	})
}

func TestOneBudgetOfAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		_, c := client(t, u, router.Config{Deployments: append(group("g", "a", "b", "c"), group("h", "d", "e")...), Fallbacks: map[string][]string{"*": {"h"}}})
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			u.fail(id, 500)
		}
		_, err := c.Completion(t.Context(), ask("g"), llm.WithMaxAttempts(2))
		require.ErrorIs(t, err, llm.ErrServer)
		require.Equal(t, 2, u.total(), "what the caller says holds over keys, deployments and fallbacks")
		u.reset()
		_, err = c.Completion(t.Context(), ask("g"), llm.WithMaxAttempts(1))
		require.ErrorIs(t, err, llm.ErrServer)
		require.Equal(t, 1, u.total())
	})
}

func TestMistakesInTheConfiguration(t *testing.T) {
	ab := append(group("a", "a"), append(group("b", "b"), group("c", "c")...)...)
	for want, c := range map[string]router.Config{
		"at least one deployment":                     {},
		"has no Model":                                {Deployments: []router.Deployment{{Group: "g"}}},
		"two deployments have the id":                 {Deployments: append(group("g", "a"), group("h", "a")...)},
		"circle: a -> b -> c -> a":                    {Deployments: ab, Fallbacks: map[string][]string{"a": {"b"}, "b": {"c"}, "c": {"a"}}},
		"circle: a -> a":                              {Deployments: ab, ContextFallbacks: map[string][]string{"a": {"a"}}},
		"circle: a -> b -> a":                         {Deployments: ab, ContentPolicyFallbacks: map[string][]string{"a": {"b"}, "b": {"a"}}},
		"neither a group nor":                         {Deployments: ab, Fallbacks: map[string][]string{"a": {"x"}}},
		"has no deployments":                          {Deployments: ab, Fallbacks: map[string][]string{"x": {"a"}}},
		"default group":                               {Deployments: ab, Default: "x"},
		"is no group":                                 {Deployments: ab, Aliases: map[string]string{"x": "y"}},
		"is also the name of a group":                 {Deployments: ab, Aliases: map[string]string{"a": "b"}},
		"its group \"g\" ends in none":                {Deployments: []router.Deployment{{Group: "g", Model: "p/*"}}},
		"cannot be negative":                          {Deployments: []router.Deployment{{Group: "g", Model: "p/m", RPM: -1}}},
		"Quantile must be between":                    {Deployments: ab, Hedge: &router.Hedge{Quantile: 2}},
		"must not have braces":                        {Deployments: ab, Name: "a{b"},
		"cannot be negative it is a time of counting": {Deployments: ab, Health: router.Health{Window: -1}},
	} {
		_, err := router.New(c)
		require.Error(t, err, want)
		require.ErrorIs(t, err, llm.ErrInvalidRequest)
		if len(want) < 40 {
			require.ErrorContains(t, err, want)
		}
	}
}

func TestNames(t *testing.T) {
	u := &upstream{}
	cfg := router.Config{
		Deployments: append(group("g", "a"), []router.Deployment{
			{ID: "w", Group: "openai/*", Model: "openai/*"},
			{ID: "w4", Group: "openai/gpt-4*", Model: "azure/gpt-4*"},
			{Model: "groq/llama"},
		}...),
		Aliases: map[string]string{"nick": "g"},
	}
	_, c := client(t, u, cfg)
	require.Equal(t, "a", answered(t, c, "g"))
	require.Equal(t, "a", answered(t, c, "nick"))
	require.Equal(t, "groq/llama", answered(t, c, "groq/llama"), "the model is the group, and the id")
	r, err := c.Completion(t.Context(), ask("openai/o3"))
	require.NoError(t, err)
	require.Equal(t, "w", r.Text())
	require.Equal(t, "openai/o3", r.Model)
	r, err = c.Completion(t.Context(), ask("openai/gpt-4.1"))
	require.NoError(t, err)
	require.Equal(t, "w4", r.Text(), "the most specific")
	require.Equal(t, "azure/gpt-4.1", r.Model)
	require.Equal(t, "none", answered(t, c, "mistral/x"), "what is no group passes through")

	cfg.Default = "g"
	_, c = client(t, u, cfg)
	require.Equal(t, "a", answered(t, c, "mistral/x"))
	cfg.Default, cfg.Strict = "", true
	_, c = client(t, u, cfg)
	_, err = c.Completion(t.Context(), ask("mistral/x"))
	require.ErrorIs(t, err, llm.ErrNoDeployment)
	require.ErrorContains(t, err, "groq/llama")
}

func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		list := group("g", "second", "first1", "first2")
		list[0].Order = 2
		list[1].Order, list[2].Order = 1, 1
		_, c := client(t, u, router.Config{Deployments: list})
		for range 50 {
			require.NotEqual(t, "second", answered(t, c, "g"))
		}
		u.fail("first1", 500)
		u.fail("first2", 500)
		require.Equal(t, "second", answered(t, c, "g"))
	})
}

func TestTagsRegionsAndCapabilities(t *testing.T) {
	u := &upstream{}
	list := group("g", "paid", "free", "any", "plain")
	list[0].Tags, list[0].Region = []string{"paid", "fast"}, "eu"
	list[1].Tags, list[1].Region = []string{"free"}, "us"
	list[2].Tags = []string{"default"}
	list[3].Capabilities = []router.Capability{router.Tools}
	_, c := client(t, u, router.Config{Deployments: list, Strategy: router.InOrder, Tags: router.TagsAny})
	require.Equal(t, "paid", answered(t, c, "g", llm.WithTags("paid", "x")))
	require.Equal(t, "free", answered(t, c, "g", llm.WithTags("free")))
	require.Equal(t, "any", answered(t, c, "g", llm.WithTags("unknown")))
	require.Equal(t, "any", answered(t, c, "g"))
	require.Equal(t, "free", answered(t, c, "g", llm.WithTags("free"), router.WithRegion("us")))
	_, err := c.Completion(t.Context(), ask("g"), llm.WithTags("free"), router.WithRegion("eu"))
	require.ErrorIs(t, err, llm.ErrNoDeployment)
	require.ErrorContains(t, err, "free: region")

	_, c = client(t, u, router.Config{Deployments: list, Strategy: router.InOrder, Tags: router.TagsAll})
	require.Equal(t, "paid", answered(t, c, "g", llm.WithTags("paid", "fast")))
	require.Equal(t, "any", answered(t, c, "g", llm.WithTags("paid", "x")))

	_, c = client(t, u, router.Config{Deployments: list[3:]})
	picture := &llm.CompletionRequest{Model: "g", Messages: []llm.Message{llm.User("What is it?", llm.ImagePart("https://a.example/x.png"))}}
	_, err = c.Completion(t.Context(), picture)
	require.ErrorContains(t, err, "plain: no vision")
	tools := ask("g") // of every kind: some have no function
	tools.Tools = []llm.Tool{{Type: "custom"}, {Type: "web_search"}}
	r, err := c.Completion(t.Context(), tools)
	require.NoError(t, err)
	require.Equal(t, "plain", r.Text())
	list[0].Capabilities = []router.Capability{router.Vision}
	_, c = client(t, u, router.Config{Deployments: list})
	for range 20 {
		r, err := c.Completion(t.Context(), picture)
		require.NoError(t, err)
		require.NotEqual(t, "plain", r.Text())
	}
}

func TestSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		_, c := client(t, u, router.Config{Deployments: group("g", "a", "b", "c", "d", "e", "f")})
		first := answered(t, c, "g", router.WithSession("s"))
		for range 50 {
			require.Equal(t, first, answered(t, c, "g", router.WithSession("s")))
		}
		r, err := c.Completion(t.Context(), ask("g"), router.WithSession("s"))
		require.NoError(t, err)
		require.Equal(t, first, r.Text())
		// Another tenant's session of the same name is another one.
		spread := make(map[string]bool)
		for i := range 100 {
			spread[answered(t, c, "g", router.WithSession("s"), llm.WithMetadata(map[string]any{"tenant": fmt.Sprint(i)}))] = true
		}
		require.Len(t, spread, 6)
		u.fail(first, 500)
		for range 3 {
			answered(t, c, "g", router.WithSession("s"))
		}
		next := answered(t, c, "g", router.WithSession("s"))
		require.NotEqual(t, first, next)
		u.fail(first, 0)
		time.Sleep(time.Minute)
		for range 20 {
			answered(t, c, "g")
		}
		for range 20 {
			require.Equal(t, next, answered(t, c, "g", router.WithSession("s")), "it stays where it went")
		}
	})
}

func TestDisabled(t *testing.T) {
	u := &upstream{}
	list := group("g", "a", "b")
	list[0].Disabled = true
	rt, c := client(t, u, router.Config{Deployments: list})
	for range 50 {
		answered(t, c, "g")
	}
	_, err := c.Completion(t.Context(), ask("g"), router.WithDeployment("a"))
	require.ErrorIs(t, err, llm.ErrNoDeployment)
	u.fail("b", 500)
	_, err = c.Completion(t.Context(), ask("g"), llm.WithBackoff(llm.Backoff{Initial: 1, Max: 1}), llm.WithTimeout(time.Millisecond))
	require.Error(t, err)
	require.Zero(t, u.count("a"), "a disabled deployment gets no request")
	u.fail("b", 0)
	require.NoError(t, rt.SetDisabled("a", false))
	require.NoError(t, rt.SetDisabled("b", true))
	require.Equal(t, "a", answered(t, c, "g"))
	require.Error(t, rt.SetDisabled("x", true))
}

func TestSetDeployments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		rt, c := client(t, u, router.Config{Deployments: group("g", "a", "b"), Strategy: router.InOrder})
		u.fail("a", 500)
		for range 5 {
			answered(t, c, "g")
		}
		require.NoError(t, rt.SetDeployments(group("g", "a", "c")...))
		u.reset()
		require.Equal(t, "c", answered(t, c, "g"), "a is still out")
		require.Zero(t, u.count("a"))
		require.Error(t, rt.SetDeployments())
		require.Equal(t, "c", answered(t, c, "g"))
	})
}
