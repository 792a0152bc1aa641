//go:build unix

package redis

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/router"
	"github.com/stretchr/testify/require"
)

// answers stands in for the engine.
func answers(llm.Handler) llm.Handler {
	return func(_ context.Context, call *llm.Call) (*llm.Result, error) {
		return &llm.Result{Response: &llm.CompletionResponse{Choices: []llm.Choice{{Message: llm.Assistant(call.Route.Deployment)}},
			Usage: &llm.Usage{PromptTokens: 3, CompletionTokens: 2, TotalTokens: 5}}}, nil
	}
}

func routed(t testing.TB, c router.Config) *llm.Client {
	t.Helper()
	rt, err := router.New(c)
	require.NoError(t, err)
	return llm.New(llm.WithMiddleware(rt.Middleware, answers))
}

func deployments() []router.Deployment {
	return []router.Deployment{
		{ID: "a", Group: "g", Model: "p/a", RPM: 100_000, TPM: 100_000_000},
		{ID: "b", Group: "g", Model: "p/b", RPM: 100_000, TPM: 100_000_000},
		{ID: "c", Group: "g", Model: "p/c", RPM: 100_000},
	}
}

func hi() *llm.CompletionRequest {
	return &llm.CompletionRequest{Model: "g", Messages: []llm.Message{llm.User("Hi")}}
}

// A routed call makes one round trip, with its limits, its caller's limits, its session, and what earlier calls have
// used beside their estimates.
func TestRoutedCallsMakeOneRoundTrip(t *testing.T) {
	onEach(t, func(t *testing.T, binary string) {
		client := open(t, startServer(t, binary).url())
		s, err := NewRouterStore(client)
		require.NoError(t, err)
		trips := &counter{}
		c := routed(t, router.Config{Deployments: deployments(), Store: s, StoreTimeout: patience,
			Limits: func(*llm.Call) []router.Limit {
				return []router.Limit{{Key: "user:ada", RPM: 100_000, TPM: 100_000_000}}
			}})
		_, err = c.Completion(t.Context(), hi())
		require.NoError(t, err)
		client.AddHook(trips)
		for range 50 {
			_, err := c.Completion(t.Context(), hi(), router.WithSession("s"))
			require.NoError(t, err)
		}
		require.EqualValues(t, 50, trips.trips.Load())
	})
}

// A store that freezes costs the first calls its timeout, and the others nothing; when it is back it is used again.
func TestRoutingOverAFrozenServer(t *testing.T) {
	onEach(t, func(t *testing.T, binary string) {
		server := startServer(t, binary)
		s := openStore(t, server.url())
		events := make(chan router.Event, 100)
		c := routed(t, router.Config{Deployments: deployments(), Store: s, OnEvent: func(e router.Event) { events <- e }})
		call := func() time.Duration {
			start := time.Now()
			_, err := c.Completion(t.Context(), hi())
			require.NoError(t, err, "without its store a router goes on with what it knows")
			return time.Since(start)
		}
		for range 20 {
			call()
		}
		for len(events) > 0 { // a slow machine may have missed the budget before
			<-events
		}
		server.freeze(t)
		var mu sync.Mutex
		var took []time.Duration
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for range 50 {
					d := call()
					mu.Lock()
					took = append(took, d)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		slices.Sort(took)
		t.Logf("800 calls of 16 goroutines while the server is frozen: p50 %v, p99 %v, most %v", took[400], took[791], took[799])
		require.Less(t, took[400], 5*time.Millisecond, "most calls do not ask")
		require.Equal(t, "store", (<-events).Kind)
		server.thaw(t)
		require.Eventually(t, func() bool {
			call()
			for {
				select {
				case e := <-events:
					if e.Kind == "store_recovered" {
						return true
					}
				default:
					return false
				}
			}
		}, patience, 10*time.Millisecond)

		server.kill()
		for range 100 {
			call()
		}
		closed := routed(t, router.Config{Deployments: deployments(), Store: s, FailClosed: true})
		_, err := closed.Completion(t.Context(), hi())
		require.ErrorIs(t, err, llm.ErrRefused)
	})
}

// BenchmarkRouteOverRedis is a routed call whose limits are in a real server on this machine.
func BenchmarkRouteOverRedis(b *testing.B) {
	server := startServer(b, binaries(b)[0])
	s := openStore(b, server.url())
	c := routed(b, router.Config{Deployments: deployments(), Store: s, StoreTimeout: patience})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Completion(context.Background(), hi()); err != nil {
			b.Fatal(err)
		}
	}
}
