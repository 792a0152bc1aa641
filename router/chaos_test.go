package router_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	_ "github.com/llm-go/llm/providers/openai"
	"github.com/llm-go/llm/router"
	"github.com/stretchr/testify/require"
)

var chaosFor = flag.Duration("chaos", 8*time.Second, "how long TestChaos runs")

// chaosFaults are what hosts do on a bad day that another host can make good.
var chaosFaults = []llmtest.Fault{
	llmtest.Status(500), llmtest.Status(502), llmtest.Status(503), llmtest.Status(529), llmtest.Status(401), llmtest.Status(403),
	llmtest.RateLimitSeconds, llmtest.RateLimitMillis, llmtest.QuotaExhausted, llmtest.Reset, llmtest.Hangup, llmtest.HeadersNever,
	llmtest.Stall, llmtest.Stall.BeforeContent(), llmtest.Pings, llmtest.CutEvent, llmtest.CutEvent.BeforeContent(), llmtest.NoTerminal,
	llmtest.NoLastChunk, llmtest.Empty, llmtest.ErrorBody, llmtest.ErrorEvent, llmtest.ErrorEvent.BeforeContent(), llmtest.HTML, llmtest.CutJSON,
	llmtest.MalformedEvent, llmtest.BadGzip, llmtest.RedirectOtherHost, llmtest.Flapping, "",
}

// TestChaos: ten deployments over real sockets, of which four misbehave, each by a fault drawn anew every half second,
// and six are well. Every call ends with the right answer or a typed error, at least 99.99 % with the answer, and the
// hosts get at most 1.1 times the calls that were made, and a hundred. Run it longer by -chaos 10m.
func TestChaos(t *testing.T) {
	const hosts, bad, callers = 10, 4, 32
	var list []router.Deployment
	var servers []*llmtest.Server
	for i := range hosts {
		srv := llmtest.NewServer(t)
		srv.Handle(func(llmtest.Request) llmtest.Answer { return llmtest.Answer{Text: "Right, and whole."} })
		servers = append(servers, srv)
		list = append(list, router.Deployment{ID: fmt.Sprint("host", i), Group: "g", Model: "openai/m",
			Options: []llm.Option{llm.WithBaseURL(srv.BaseURL("openai")), llm.WithAPIKey("k")}, Timeout: time.Second})
	}
	transport := &http.Transport{MaxIdleConnsPerHost: callers}
	defer transport.CloseIdleConnections()
	for _, strategy := range []router.Strategy{router.Shuffle, router.PowerOfTwo} {
		t.Run(strategy.Name(), func(t *testing.T) {
			for _, srv := range servers {
				srv.Reset()
				srv.Handle(func(llmtest.Request) llmtest.Answer { return llmtest.Answer{Text: "Right, and whole."} })
			}
			var refused atomic.Int64
			rt, err := router.New(router.Config{Deployments: list, Strategy: strategy, // short times out, so that the bad ones come back often
				Health: router.Health{Cooldown: 100 * time.Millisecond, MaxCooldown: time.Second, KeyCooldown: 500 * time.Millisecond, SlowStart: time.Second},
				OnEvent: func(e router.Event) {
					if e.Kind == "retry_budget" {
						refused.Add(1)
					}
				}})
			require.NoError(t, err)
			c := llm.New(llm.WithMiddleware(rt.Middleware), llm.WithoutEnv(), llm.WithHTTPClient(&http.Client{Transport: transport}),
				llm.WithHeaderTimeout(250*time.Millisecond), llm.WithFirstContentTimeout(250*time.Millisecond), llm.WithStallTimeout(250*time.Millisecond),
				llm.WithTimeout(20*time.Second), llm.WithMaxBodyBytes(1<<20))
			goroutines := runtime.NumGoroutine()
			stop := make(chan struct{})
			time.AfterFunc(*chaosFor/2, func() { close(stop) })
			var calls, good, typed, wrong atomic.Int64
			var tries atomic.Int64
			var mu sync.Mutex
			kinds := make(map[string]int)
			var wg sync.WaitGroup
			wg.Go(func() { // the weather
				for {
					for _, srv := range servers[:bad] {
						srv.FaultAlways(chaosFaults[rand.IntN(len(chaosFaults))])
					}
					select {
					case <-stop:
						return
					case <-time.After(500 * time.Millisecond):
					}
				}
			})
			for range callers {
				wg.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						calls.Add(1)
						r, err := chaosCall(c)
						var e *llm.Error
						switch {
						case err == nil && r.Text() == "Right, and whole.":
							good.Add(1)
							tries.Add(int64(len(r.Meta.Attempts)))
						case err == nil:
							wrong.Add(1)
							t.Errorf("an answer that is not right: %q", r.Text())
						case errors.As(err, &e) && e.Kind != llm.ErrUnknown:
							typed.Add(1)
							tries.Add(int64(len(e.Attempts)))
							mu.Lock()
							kinds[string(e.Kind)+" "+string(e.Scope)]++
							mu.Unlock()
						default:
							wrong.Add(1)
							t.Errorf("not a typed error: %v", err)
						}
						time.Sleep(2 * time.Millisecond) // the hosts are on this machine too
					}
				})
			}
			wg.Wait()
			n := float64(calls.Load())
			t.Logf("%d calls: %.4f %% with the right answer, %.4f %% with that or a typed error; %.4f tries a call, %d more refused by the retry budget; errors %v",
				calls.Load(), 100*float64(good.Load())/n, 100*float64(good.Load()+typed.Load())/n, float64(tries.Load())/n, refused.Load(), kinds)
			require.Zero(t, wrong.Load())
			require.GreaterOrEqual(t, float64(good.Load())/n, 0.9999)
			require.LessOrEqual(t, float64(tries.Load()), 1.1*n+100, "the hundred is RetryBudget.Reserve")
			transport.CloseIdleConnections()
			require.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+bad*hosts }, 5*time.Second, 20*time.Millisecond)
			for _, d := range rt.Snapshot().Groups[0].Deployments {
				require.Zero(t, d.InFlight, d.ID)
			}
		})
	}
}

// chaosCall is a call, streamed or not, that consents to begin its answer anew.
func chaosCall(c *llm.Client) (*llm.CompletionResponse, error) {
	req := &llm.CompletionRequest{Model: "g", Messages: []llm.Message{llm.User("Is it whole?")}}
	if rand.IntN(2) == 0 {
		return c.Completion(context.Background(), req)
	}
	s, err := c.CompletionStream(context.Background(), req, router.WithResume(llm.MarkerRestart))
	if err != nil {
		return nil, err
	}
	return llm.Collect(s)
}

// TestNoKeyInErrors: what a router adds to errors, events and snapshots holds no key.
func TestNoKeyInErrors(t *testing.T) {
	const canary = "sk-canary-5f1e"
	srv := llmtest.NewServer(t)
	srv.FaultAlways(llmtest.BadKey)
	var said []string
	list := []router.Deployment{{Group: "g", Model: "openai/m", Keys: []string{canary + "1", canary + "2"}, Options: []llm.Option{llm.WithBaseURL(srv.BaseURL("openai"))}}}
	rt, err := router.New(router.Config{Deployments: list, OnEvent: func(e router.Event) { said = append(said, fmt.Sprintf("%+v", e)) }})
	require.NoError(t, err)
	c := llm.New(llm.WithMiddleware(rt.Middleware), llm.WithoutEnv())
	_, err = c.Completion(t.Context(), ask("g"))
	require.ErrorIs(t, err, llm.ErrAuthentication)
	require.Len(t, srv.Requests(), 2, "both keys")
	var e *llm.Error
	require.ErrorAs(t, err, &e)
	require.Len(t, e.Attempts, 2)
	said = append(said, fmt.Sprintf("%v %+v %#v", err, err, err), fmt.Sprintf("%+v %#v %v %s", list, list, router.Config{Deployments: list}, list[0].Keys), rt.Snapshot().String(), string(e.Body))
	for _, a := range e.Attempts {
		said = append(said, fmt.Sprintf("%+v %+v", a, a.Route))
	}
	require.False(t, slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, canary) }))
}
