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
