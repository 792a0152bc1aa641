package router_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/router"
	"github.com/stretchr/testify/require"
)

func TestRPM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		list := group("g", "a", "b")
		list[0].RPM, list[1].RPM = 10, 20
		_, c := client(t, u, router.Config{Deployments: list, Queue: router.Queue{Max: -1}})
		for range 30 {
			answered(t, c, "g")
		}
		require.Equal(t, 10, u.count("a"))
		require.Equal(t, 20, u.count("b"))
		_, err := c.Completion(t.Context(), ask("g"))
		require.ErrorIs(t, err, llm.ErrRateLimit)
		var e *llm.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, llm.ScopeLocal, e.Scope)
		require.Greater(t, e.RetryAfter, 50*time.Second, "the error says when there is room")
		require.Equal(t, 30, u.total(), "no byte is sent")
		time.Sleep(e.RetryAfter)
		answered(t, c, "g")
	})
}

// In any minute there are no more than the limit, and while there is demand not much less.
func TestCallsWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		var mu sync.Mutex
		var sent []time.Time
		u.set("a", func(*llm.Call) error { mu.Lock(); sent = append(sent, time.Now()); mu.Unlock(); return nil })
		list := group("g", "a")
		list[0].RPM = 60
		_, c := client(t, u, router.Config{Deployments: list})
		var wg sync.WaitGroup
		for range 300 {
			wg.Go(func() { answered(t, c, "g", llm.WithTimeout(time.Hour)) })
			time.Sleep(10 * time.Millisecond)
		}
		wg.Wait()
		for i := range sent {
			n := 0
			for _, s := range sent[i:] {
				if s.Sub(sent[i]) < time.Minute {
					n++
				}
			}
			require.LessOrEqual(t, n, 60)
		}
		require.Less(t, sent[len(sent)-1].Sub(sent[0]), 5*time.Minute)
	})
}

func TestQueueOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		list := group("g", "a")
		list[0].MaxParallel = 1
		_, c := client(t, u, router.Config{Deployments: list, Queue: router.Queue{Max: 5}})
		var mu sync.Mutex
		var order []string
		u.set("a", func(call *llm.Call) error {
			mu.Lock()
			order = append(order, call.Metadata()["name"].(string))
			mu.Unlock()
			time.Sleep(time.Second)
			return nil
		})
		var wg sync.WaitGroup
		send := func(name string, priority int) {
			wg.Go(func() {
				answered(t, c, "g", router.WithPriority(priority), llm.WithMetadata(map[string]any{"name": name}))
			})
			synctest.Wait()
		}
		send("running", 0)
		send("late 1", 5)
		send("normal 1", 0)
		send("late 2", 5)
		send("normal 2", 0)
		send("urgent", -1)
		_, err := c.Completion(t.Context(), ask("g"))
		require.ErrorIs(t, err, llm.ErrRateLimit)
		require.ErrorContains(t, err, "full")
		wg.Wait()
		require.Equal(t, []string{"running", "urgent", "normal 1", "normal 2", "late 1", "late 2"}, order)
	})
}

func TestQueueAndDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		list := group("g", "a")
		list[0].RPM = 1
		_, c := client(t, u, router.Config{Deployments: list})
		answered(t, c, "g")
		start := time.Now()
		_, err := c.Completion(t.Context(), ask("g"), llm.WithTimeout(10*time.Second))
		require.ErrorIs(t, err, llm.ErrRateLimit)
		require.Zero(t, time.Since(start))
		answered(t, c, "g", llm.WithTimeout(2*time.Minute))
		require.InDelta(t, 60, time.Since(start).Seconds(), 2)

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, cancel)
		start = time.Now()
		_, err = c.Completion(ctx, ask("g"))
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 5*time.Second, time.Since(start))
		r, err := c.Completion(t.Context(), ask("g"))
		require.NoError(t, err, "who has left holds nobody up")
		require.NotEmpty(t, r.Text())

		list[0].RPM, list[0].MaxParallel = 0, 1
		_, c = client(t, u, router.Config{Deployments: list, Queue: router.Queue{MaxWait: 3 * time.Second}})
		u.set("a", func(*llm.Call) error { time.Sleep(time.Minute); return nil })
		var wg sync.WaitGroup
		wg.Go(func() { answered(t, c, "g") })
		synctest.Wait()
		start = time.Now()
		_, err = c.Completion(t.Context(), ask("g"))
		require.ErrorIs(t, err, llm.ErrRateLimit)
		require.Equal(t, 3*time.Second, time.Since(start))
		wg.Wait()
	})
}

func TestTPMIsReservedAndSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		list := group("g", "a")
		list[0].TPM = 1500
		_, c := client(t, u, router.Config{Deployments: list, Queue: router.Queue{Max: -1}})
		// An answer is reserved with 504 tokens, and uses 15: 67 fit one after the other, two at once.
		for range 67 {
			answered(t, c, "g")
		}
		_, err := c.Completion(t.Context(), ask("g"))
		require.ErrorIs(t, err, llm.ErrRateLimit)
		time.Sleep(2 * time.Minute)
		u.set("a", func(*llm.Call) error { time.Sleep(time.Second); return nil })
		var wg sync.WaitGroup
		var refused atomic.Int32
		for range 5 {
			wg.Go(func() {
				if _, err := c.Completion(t.Context(), ask("g")); err != nil {
					refused.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 3, refused.Load())
		// A call that failed gives back what it had reserved.
		time.Sleep(2 * time.Minute)
		u.fail("a", 400)
		for range 50 {
			_, err := c.Completion(t.Context(), ask("g"))
			require.ErrorIs(t, err, llm.ErrInvalidRequest)
		}
	})
}

func TestLimitsOfTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		_, c := client(t, u, router.Config{Deployments: group("g", "a", "b"), Queue: router.Queue{Max: -1},
			Limits: func(call *llm.Call) []router.Limit {
				return []router.Limit{{Key: fmt.Sprint("user:", call.Metadata()["user"]), RPM: 5, Parallel: 2}}
			}})
		ada, bob := llm.WithMetadata(map[string]any{"user": "ada"}), llm.WithMetadata(map[string]any{"user": "bob"})
		for range 5 {
			answered(t, c, "g", ada)
			answered(t, c, "g", bob)
		}
		_, err := c.Completion(t.Context(), ask("g"), ada)
		require.ErrorIs(t, err, llm.ErrRateLimit)
		require.ErrorContains(t, err, "user:ada is at its limit")
		time.Sleep(2 * time.Minute)
		for _, id := range []string{"a", "b"} {
			u.set(id, func(*llm.Call) error { time.Sleep(time.Second); return nil })
		}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { answered(t, c, "g", ada) })
		}
		synctest.Wait()
		_, err = c.Completion(t.Context(), ask("g"), ada)
		require.ErrorContains(t, err, "2 calls of user:ada are under way")
		answered(t, c, "g", bob)
		wg.Wait()
		answered(t, c, "g", ada)
		for _, id := range []string{"a", "b"} {
			u.fail(id, 500)
		}
		_, err = c.Completion(t.Context(), ask("g"), ada, llm.WithTimeout(time.Millisecond))
		require.Error(t, err)
		u.fail("a", 0)
		u.fail("b", 0)
		s, err := c.CompletionStream(t.Context(), ask("g"), ada)
		require.NoError(t, err)
		require.NoError(t, s.Close())
	})
}

// Who waits for his own limit does not hold up others.
func TestOneCallersLimitHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		list := group("g", "a")
		list[0].RPM = 1000
		_, c := client(t, u, router.Config{Deployments: list,
			Limits: func(call *llm.Call) []router.Limit {
				return []router.Limit{{Key: fmt.Sprint("user:", call.Metadata()["user"]), RPM: 2}}
			}})
		start := time.Now()
		var wg sync.WaitGroup
		var waited atomic.Int64
		for range 6 {
			wg.Go(func() {
				answered(t, c, "g", llm.WithMetadata(map[string]any{"user": "ada"}), llm.WithTimeout(time.Hour))
				waited.Store(int64(time.Since(start)))
			})
		}
		synctest.Wait()
		answered(t, c, "g", llm.WithMetadata(map[string]any{"user": "bob"}))
		require.Zero(t, time.Since(start))
		wg.Wait()
		require.InDelta(t, 120, time.Duration(waited.Load()).Seconds(), 5)
	})
}

func TestMaxParallelOfStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		list := group("g", "a")
		list[0].MaxParallel = 2
		rt, c := client(t, u, router.Config{Deployments: list, Queue: router.Queue{Max: -1}})
		var open []*llm.Stream[llm.CompletionChunk]
		for range 2 {
			s, err := c.CompletionStream(t.Context(), ask("g"))
			require.NoError(t, err)
			open = append(open, s)
		}
		_, err := c.CompletionStream(t.Context(), ask("g"))
		require.ErrorIs(t, err, llm.ErrRateLimit)
		require.NoError(t, open[0].Close())
		_, err = llm.Collect(open[1])
		require.NoError(t, err)
		require.Zero(t, rt.Snapshot().Groups[0].Deployments[0].InFlight)
		answered(t, c, "g")
	})
}

// What a provider says of its own limits is heeded before it refuses.
func TestProvidersOwnLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, header := range map[string]http.Header{
			"OpenAI":    {"X-Ratelimit-Remaining-Requests": {"0"}, "X-Ratelimit-Reset-Requests": {"30s"}},
			"Anthropic": {"Anthropic-Ratelimit-Requests-Remaining": {"0"}, "Anthropic-Ratelimit-Requests-Reset": {""}},
			"tokens":    {"X-Ratelimit-Remaining-Tokens": {"1"}, "X-Ratelimit-Reset-Tokens": {"30s"}},
		} {
			if name == "Anthropic" { // a date
				header.Set("Anthropic-Ratelimit-Requests-Reset", time.Now().Add(30*time.Second).Format(time.RFC3339))
			}
			used := map[string]int{}
			says := func(next llm.Handler) llm.Handler {
				return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
					id := call.Route.Deployment
					used[id]++
					r := &llm.CompletionResponse{Choices: []llm.Choice{{Message: llm.Assistant(id)}}}
					if id == "a" {
						r.Meta.Header = header
					}
					return &llm.Result{Response: r}, nil
				}
			}
			rt, err := router.New(router.Config{Deployments: group("g", "a", "b"), Strategy: router.InOrder})
			require.NoError(t, err)
			c := llm.New(llm.WithMiddleware(rt.Middleware, says))
			req := ask("g")
			req.Messages = append(req.Messages, llm.User("a question that takes more than one token"))
			for range 10 {
				_, err := c.Completion(t.Context(), req)
				require.NoError(t, err)
			}
			require.Equal(t, map[string]int{"a": 1, "b": 9}, used, name)
			time.Sleep(31 * time.Second)
			_, err = c.Completion(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, 2, used["a"], name)
		}
	})
}

func TestHedging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		slow := map[string]time.Duration{}
		var mu sync.Mutex
		var left []string
		rt, err := router.New(router.Config{Deployments: group("g", "a", "b"), Strategy: router.InOrder, Hedge: &router.Hedge{MaxShare: 0.1}})
		require.NoError(t, err)
		c := llm.New(llm.WithMiddleware(rt.Middleware, func(next llm.Handler) llm.Handler {
			next = u.middleware(next)
			return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
				id := call.Route.Deployment
				mu.Lock()
				d := slow[id]
				mu.Unlock()
				select {
				case <-time.After(100*time.Millisecond + d):
				case <-ctx.Done():
					mu.Lock()
					left = append(left, id)
					mu.Unlock()
					return nil, ctx.Err()
				}
				return next(ctx, call)
			}
		}))
		for range 50 {
			require.Equal(t, "a", answered(t, c, "g"))
		}
		require.Zero(t, u.count("b"))
		slow["a"] = time.Minute
		start := time.Now()
		r, err := c.Completion(t.Context(), ask("g"))
		require.NoError(t, err)
		require.Equal(t, "b", r.Text())
		require.Equal(t, 205*time.Millisecond, time.Since(start))
		require.Equal(t, []string{"a"}, left, "the slower one is cancelled")
		s, err := c.CompletionStream(t.Context(), ask("g"))
		require.NoError(t, err, "there is no history of streams yet")
		require.NoError(t, s.Close())

		// At most a tenth of the calls is sent twice.
		u.reset()
		for range 200 {
			answered(t, c, "g")
		}
		require.LessOrEqual(t, u.count("b"), 35)
		require.Equal(t, "ready", rt.Snapshot().Groups[0].Deployments[0].State, "being cancelled is no failure")
	})
}

func TestHedgesFailToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		_, c := client(t, u, router.Config{Deployments: group("g", "a", "b", "c"), Strategy: router.InOrder, Hedge: &router.Hedge{}})
		for _, id := range []string{"a", "b", "c"} {
			u.set(id, func(*llm.Call) error { time.Sleep(10 * time.Millisecond); return nil })
		}
		for range 30 {
			answered(t, c, "g")
		}
		for _, id := range []string{"a", "b"} {
			u.set(id, func(*llm.Call) error { time.Sleep(time.Second); return llm.StatusError(500) })
		}
		u.reset()
		require.Equal(t, "c", answered(t, c, "g"))
		require.Equal(t, []string{"a", "b", "c"}, u.order)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		_, err := c.Completion(ctx, ask("g"))
		require.Error(t, err)
		time.Sleep(5 * time.Second)
	})
}

// stubborn is a store that fails, or does not answer.
type stubborn struct {
	err   error
	block bool
	calls atomic.Int32
}

func (s *stubborn) Take(ctx context.Context, _ *router.Take) (router.Taken, error) {
	s.calls.Add(1)
	if s.block {
		<-ctx.Done()
		return router.Taken{}, ctx.Err()
	}
	return router.Taken{}, s.err
}

func (s *stubborn) Cool(ctx context.Context, _ string, _ time.Duration) error {
	_, err := s.Take(ctx, nil)
	return err
}

func TestStoreThatDoesNotAnswer(t *testing.T) {
	for _, store := range []*stubborn{{block: true}, {err: errors.New("connection refused")}} {
		synctest.Test(t, func(t *testing.T) {
			u := &upstream{}
			var events []string
			list := group("g", "a", "b")
			list[0].RPM, list[1].RPM = 1000, 1000
			cfg := router.Config{Deployments: list, Store: store, OnEvent: func(e router.Event) { events = append(events, e.Kind) }}
			rt, c := client(t, u, cfg)
			store.calls.Store(0)
			start := time.Now()
			for range 100 {
				before := time.Now()
				answered(t, c, "g")
				require.LessOrEqual(t, time.Since(before), 5*time.Millisecond, "a call waits no longer than the store's time")
			}
			require.LessOrEqual(t, time.Since(start), 20*time.Millisecond, "and soon not at all")
			require.EqualValues(t, 3, store.calls.Load())
			require.Equal(t, []string{"store"}, events)
			require.True(t, rt.Snapshot().StoreDown)
			time.Sleep(2 * time.Second)
			answered(t, c, "g")
			answered(t, c, "g")
			require.EqualValues(t, 4, store.calls.Load(), "one call a second asks again")

			cfg.FailClosed = true
			_, c = client(t, u, cfg)
			_, err := c.Completion(t.Context(), ask("g"))
			require.ErrorIs(t, err, llm.ErrRefused)
			require.ErrorContains(t, err, "FailClosed")
		})
	}
}

// Routers that share a store keep a limit together, and hear of each other's cooldowns and sessions.
func TestSharedStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := router.NewMemory(router.MemoryConfig{})
		u := &upstream{}
		list := group("g", "a", "b")
		list[0].RPM, list[1].RPM = 100, 100
		var clients []*llm.Client
		for range 4 {
			_, c := client(t, u, router.Config{Deployments: list, Store: store, Queue: router.Queue{Max: -1}})
			clients = append(clients, c)
		}
		sent := 0
		for i := range 400 {
			if _, err := clients[i%4].Completion(t.Context(), ask("g")); err == nil {
				sent++
			}
		}
		require.Equal(t, 200, sent)
		time.Sleep(2 * time.Minute)
		u.fail("a", 500)
		for range 10 {
			answered(t, clients[0], "g")
		}
		u.reset()
		for _, c := range clients[1:] {
			for range 5 {
				answered(t, c, "g")
			}
		}
		require.Zero(t, u.count("a"), "what one has found, the others know")
		u.fail("a", 0)
		time.Sleep(2 * time.Minute)
		first := answered(t, clients[0], "g", router.WithSession("s"))
		for range 10 {
			for _, c := range clients {
				require.Equal(t, first, answered(t, c, "g", router.WithSession("s")))
			}
		}
	})
}

// parts is a stream of the given texts, which then ends with err.
func parts(err error, texts ...string) *llm.Result {
	i := 0
	return &llm.Result{Stream: llm.NewStream(func() (*llm.CompletionChunk, error) {
		if i == len(texts) {
			return nil, err
		}
		c := &llm.CompletionChunk{Choices: []llm.ChunkChoice{{Delta: llm.Delta{Content: texts[i]}}}}
		if i++; i == len(texts) && err == io.EOF {
			c.Choices[0].FinishReason = llm.FinishStop
		}
		return c, nil
	}, nil)}
}

func TestResume(t *testing.T) {
	for _, c := range []struct {
		name   string
		opts   []llm.Option
		second []router.Capability
		chunks []string
		text   string
		broken bool
	}{
		{name: "without consent", chunks: []string{"Once ", "upon "}, broken: true},
		{name: "restart", opts: []llm.Option{router.WithResume(llm.MarkerRestart)},
			chunks: []string{"Once ", "upon ", "<restart>", "a time", "."}, text: "a time."},
		{name: "continue", opts: []llm.Option{router.WithResume(llm.MarkerContinue)}, second: []router.Capability{router.Prefill},
			chunks: []string{"Once ", "upon ", "<continue>", "a time", "."}, text: "Once upon a time."},
		{name: "continue at one that cannot", opts: []llm.Option{router.WithResume(llm.MarkerContinue)},
			chunks: []string{"Once ", "upon ", "<restart>", "a time", "."}, text: "a time."},
	} {
		t.Run(c.name, func(t *testing.T) {
			list := group("g", "a", "b")
			list[1].Capabilities = c.second
			var requests []*llm.CompletionRequest
			rt, err := router.New(router.Config{Deployments: list, Strategy: router.InOrder})
			require.NoError(t, err)
			var ended []*llm.Outcome
			cl := llm.New(llm.WithMiddleware(rt.Middleware, func(llm.Handler) llm.Handler {
				return func(_ context.Context, call *llm.Call) (*llm.Result, error) {
					requests = append(requests, call.Request.(*llm.CompletionRequest))
					if call.Route.Deployment == "a" {
						return parts(llm.Truncated("the connection broke"), "Once ", "upon "), nil
					}
					return parts(io.EOF, "a time", "."), nil
				}
			}), llm.WithCallback(llm.Callback{
				OnSuccess: func(_ context.Context, _ *llm.Call, o *llm.Outcome) { ended = append(ended, o) },
				OnFailure: func(_ context.Context, _ *llm.Call, o *llm.Outcome) { ended = append(ended, o) },
			}))
			s, err := cl.CompletionStream(t.Context(), ask("g"), c.opts...)
			require.NoError(t, err)
			var chunks []string
			var acc llm.Accumulator
			var failed error
			for chunk, err := range s.All() {
				if failed = err; err != nil {
					break
				}
				acc.Add(chunk)
				if chunk.Marker != "" {
					chunks = append(chunks, "<"+string(chunk.Marker)+">")
				} else if text := chunk.Text(); text != "" {
					chunks = append(chunks, text)
				}
			}
			require.Equal(t, c.chunks, chunks)
			require.Len(t, ended, 1, "one call has one end")
			if c.broken {
				require.ErrorIs(t, failed, llm.ErrTruncated)
				return
			}
			require.NoError(t, failed)
			require.Equal(t, c.text, acc.Response().Text())
			require.Len(t, s.Meta().Warnings, 1)
			last := requests[1].Messages
			require.Equal(t, slices.Contains(c.chunks, "<continue>"), last[len(last)-1].Role == llm.RoleAssistant)
			require.Len(t, requests[0].Messages, 1, "the caller's request is not written to")
		})
	}
}

// The health of a deployment follows how streams end, not only how they begin.
func TestStreamsThatBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt, err := router.New(router.Config{Deployments: group("g", "a", "b"), Strategy: router.InOrder})
		require.NoError(t, err)
		asked := map[string]int{}
		c := llm.New(llm.WithMiddleware(rt.Middleware, func(llm.Handler) llm.Handler {
			return func(_ context.Context, call *llm.Call) (*llm.Result, error) {
				asked[call.Route.Deployment]++
				if call.Route.Deployment == "a" {
					return parts(llm.Truncated("the connection broke"), "Once "), nil
				}
				return parts(io.EOF, "upon"), nil
			}
		}))
		for range 10 {
			s, err := c.CompletionStream(t.Context(), ask("g"))
			require.NoError(t, err)
			_, _ = llm.Collect(s)
		}
		require.Equal(t, map[string]int{"a": 3, "b": 7}, asked)
		for range 10 { // leaving early says nothing
			s, err := c.CompletionStream(t.Context(), ask("g"))
			require.NoError(t, err)
			require.NoError(t, s.Close())
		}
		require.Equal(t, "ready", rt.Snapshot().Groups[0].Deployments[1].State)
	})
}

func TestEveryOperationRoutes(t *testing.T) {
	var seen []string
	rt, err := router.New(router.Config{Deployments: []router.Deployment{{ID: "a", Group: "g", Model: "p/m"}}})
	require.NoError(t, err)
	c := llm.New(llm.WithMiddleware(rt.Middleware, func(llm.Handler) llm.Handler {
		return func(_ context.Context, call *llm.Call) (*llm.Result, error) {
			seen = append(seen, string(call.Operation)+" "+call.ModelName())
			return nil, llm.InvalidRequest("x", "seen")
		}
	}))
	ctx := t.Context()
	_, _ = c.Embedding(ctx, &llm.EmbeddingRequest{Model: "g", Input: []string{"a"}})
	_, _ = c.Image(ctx, &llm.ImageRequest{Model: "g", Prompt: "a"})
	_, _ = c.Speech(ctx, &llm.SpeechRequest{Model: "g", Input: "a"})
	_, _ = c.Transcription(ctx, &llm.TranscriptionRequest{Model: "g"})
	_, _ = c.Moderation(ctx, &llm.ModerationRequest{Model: "g"})
	_, _ = c.Responses(ctx, &llm.ResponsesRequest{Model: "g"})
	_, _ = c.TextCompletion(ctx, &llm.TextCompletionRequest{Model: "g"})
	_, _ = c.CountTokens(ctx, &llm.CountTokensRequest{Model: "g"})
	require.Equal(t, []string{"embedding p/m", "image p/m", "speech p/m", "transcription p/m", "moderation p/m", "responses p/m",
		"text_completion p/m", "count_tokens p/m"}, seen)
}
