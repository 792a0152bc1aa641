package cache_test

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/cache"
	"github.com/stretchr/testify/require"
)

// slowly answers after d, unless its caller goes first.
func slowly(d time.Duration, serve llm.Handler) llm.Handler {
	return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
		select {
		case <-time.After(d):
			return serve(ctx, call)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// outcome is how one of several calls ended, and when.
type outcome struct {
	text  string
	cache *llm.CacheInfo
	err   error
	after time.Duration
}

func whole(c *llm.Client, opts ...llm.Option) func(context.Context) outcome {
	return func(ctx context.Context) outcome {
		start := time.Now()
		r, err := c.Completion(ctx, ask("?"), opts...)
		if err != nil {
			return outcome{err: err, after: time.Since(start)}
		}
		return outcome{r.Text(), r.Meta.Cache, nil, time.Since(start)}
	}
}

// together makes calls at the same time, each in a goroutine; they begin in order.
func together(ctx context.Context, calls ...func(context.Context) outcome) []outcome {
	out := make([]outcome, len(calls))
	var wg sync.WaitGroup
	for i, call := range calls {
		wg.Go(func() { out[i] = call(ctx) })
		synctest.Wait()
	}
	wg.Wait()
	return out
}

func TestIdenticalCallsAreMadeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, st := range []cache.Store{nil, &frozen{}} { // what waits gets the answer though it could not be stored
			c, u, made := setup(t, cache.Config{Store: st}, slowly(time.Second, answering(text("a"))))
			calls := make([]func(context.Context) outcome, 20)
			for i := range calls {
				calls[i] = whole(c)
			}
			for i, o := range together(t.Context(), calls...) {
				require.NoError(t, o.err)
				require.Equal(t, "a", o.text)
				require.Equal(t, i > 0, o.cache != nil)
			}
			require.EqualValues(t, 1, u.calls.Load())
			require.EqualValues(t, 19, made.Stats().Shared)
		}
	})
}

// The answer that others get is their own: changing it changes nobody else's.
func TestSharedAnswersAreCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _ := setup(t, cache.Config{}, slowly(time.Second, answering(text("a"))))
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				r, err := c.Completion(t.Context(), ask("?"))
				require.NoError(t, err)
				require.Equal(t, "a", r.Text())
				r.Choices[0].Message.Content[0].Text = "spoilt"
				r.Usage.TotalTokens = 0
			})
		}
		wg.Wait()
		r := complete(t, c, ask("?"))
		require.Equal(t, "a", r.Text())
		require.Equal(t, 10, r.Usage.TotalTokens)
	})
}

// A caller who goes takes nobody with him: one of the others makes the call anew.
func TestLeaderIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, u, _ := setup(t, cache.Config{}, slowly(time.Second, answering(text("a"))))
		leader := func(ctx context.Context) outcome {
			ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			defer cancel()
			return whole(c)(ctx)
		}
		out := together(t.Context(), leader, whole(c), whole(c), whole(c))
		require.ErrorIs(t, out[0].err, context.DeadlineExceeded)
		for _, o := range out[1:] {
			require.NoError(t, o.err)
			require.Equal(t, 1300*time.Millisecond, o.after)
		}
		require.EqualValues(t, 2, u.calls.Load())
	})
}

// A failure is nobody's but the one's who had it: each of the others makes the call himself, at the same time.
func TestLeaderFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		c, u, _ := setup(t, cache.Config{}, slowly(time.Second, func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
			if first {
				first = false
				return nil, &llm.Error{Kind: llm.ErrServer, Scope: llm.ScopeRoute}
			}
			return answering(text("a"))(ctx, call)
		}))
		out := together(t.Context(), whole(c), whole(c), whole(c))
		require.ErrorIs(t, out[0].err, llm.ErrServer)
		for _, o := range out[1:] {
			require.NoError(t, o.err)
			require.Equal(t, 2*time.Second, o.after)
		}
		require.EqualValues(t, 3, u.calls.Load())
	})
}

// An answer that is not stored is not shared.
func TestLeadersAnswerIsNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := text("a")
		r.Choices[0].FinishReason = llm.FinishContentFilter
		c, u, _ := setup(t, cache.Config{}, slowly(time.Second, answering(r)))
		together(t.Context(), whole(c), whole(c), whole(c))
		require.EqualValues(t, 3, u.calls.Load())
	})
}

func TestLeaderPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		c, u, _ := setup(t, cache.Config{}, slowly(time.Second, func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
			if first {
				first = false
				panic("boom")
			}
			return answering(text("a"))(ctx, call)
		}))
		leader := func(ctx context.Context) (o outcome) {
			defer func() { o.text = recover().(string) }()
			return whole(c)(ctx)
		}
		out := together(t.Context(), leader, whole(c))
		require.Equal(t, "boom", out[0].text)
		require.Equal(t, "a", out[1].text)
		require.EqualValues(t, 2, u.calls.Load())
	})
}

// Who waits does so within his own deadline, whichever way it was given.
func TestFollowersDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, u, _ := setup(t, cache.Config{}, slowly(time.Second, answering(text("a"))))
		cancelled := func(ctx context.Context) outcome {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(100*time.Millisecond, cancel)
			return whole(c)(ctx)
		}
		late := func(ctx context.Context) outcome {
			ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			defer cancel()
			return whole(c)(ctx)
		}
		out := together(t.Context(), whole(c), cancelled, late, whole(c, llm.WithTimeout(300*time.Millisecond)))
		require.NoError(t, out[0].err)
		require.ErrorIs(t, out[1].err, llm.ErrCanceled)
		require.ErrorIs(t, out[1].err, context.Canceled)
		require.Equal(t, 100*time.Millisecond, out[1].after)
		require.ErrorIs(t, out[2].err, context.DeadlineExceeded)
		require.Equal(t, 200*time.Millisecond, out[2].after)
		require.ErrorIs(t, out[3].err, llm.ErrTotalTimeout)
		require.ErrorIs(t, out[3].err, context.DeadlineExceeded)
		require.Equal(t, 300*time.Millisecond, out[3].after)
		require.EqualValues(t, 1, u.calls.Load())
	})
}

// drip streams a word every second, and then ends, or fails.
func drip(words int, kind llm.ErrorKind) llm.Handler {
	return func(ctx context.Context, _ *llm.Call) (*llm.Result, error) {
		n := 0
		return &llm.Result{Stream: llm.NewStream(func() (*llm.CompletionChunk, error) {
			time.Sleep(time.Second)
			n++
			switch {
			case n <= words:
				return &llm.CompletionChunk{ID: "x", Choices: []llm.ChunkChoice{{Delta: llm.Delta{Content: "a"}}}}, nil
			case kind != "":
				return nil, &llm.Error{Kind: kind, Scope: llm.ScopeRoute}
			case n == words+1:
				return &llm.CompletionChunk{ID: "x", Choices: []llm.ChunkChoice{{FinishReason: llm.FinishStop}}}, nil
			}
			return nil, io.EOF
		}, nil)}, nil
	}
}

// streamed reads a stream, with a pause before.
func streamed(c *llm.Client, pause time.Duration) func(context.Context) outcome {
	return func(ctx context.Context) outcome {
		start := time.Now()
		s, err := c.CompletionStream(ctx, ask("?"))
		if err != nil {
			return outcome{err: err, after: time.Since(start)}
		}
		time.Sleep(pause)
		r, err := llm.Collect(s)
		if err != nil {
			return outcome{err: err, after: time.Since(start)}
		}
		return outcome{r.Text(), r.Meta.Cache, nil, time.Since(start)}
	}
}

func TestFollowersOfAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, u, _ := setup(t, cache.Config{}, drip(3, ""))
		out := together(t.Context(), streamed(c, 0), streamed(c, 0), streamed(c, 0))
		for i, o := range out {
			require.NoError(t, o.err)
			require.Equal(t, "aaa", o.text)
			require.Equal(t, i > 0, o.cache != nil)
		}
		require.EqualValues(t, 1, u.calls.Load())
	})
	t.Run("that breaks off", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, u, _ := setup(t, cache.Config{}, drip(2, llm.ErrTruncated))
			together(t.Context(), streamed(c, 0), streamed(c, 0), streamed(c, 0))
			require.EqualValues(t, 3, u.calls.Load())
		})
	})
	t.Run("that is left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, u, _ := setup(t, cache.Config{}, drip(3, ""))
			leaves := func(ctx context.Context) outcome {
				s, err := c.CompletionStream(ctx, ask("?"))
				require.NoError(t, err)
				for range s.All() {
					break
				}
				return outcome{}
			}
			out := together(t.Context(), leaves, streamed(c, 0), streamed(c, 0))
			require.Equal(t, "aaa", out[1].text)
			require.Equal(t, "aaa", out[2].text)
			require.EqualValues(t, 2, u.calls.Load(), "one of the others makes the call for both")
		})
	})
	t.Run("that is read slowly", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, u, _ := setup(t, cache.Config{StreamWait: 2 * time.Second}, drip(3, ""))
			out := together(t.Context(), streamed(c, time.Minute), streamed(c, 0))
			require.Equal(t, 7*time.Second, out[1].after, "two of waiting, and a stream of one's own")
			require.EqualValues(t, 2, u.calls.Load())
		})
	})
	t.Run("that was given up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, _, _ := setup(t, cache.Config{}, drip(2, llm.ErrTruncated))
			open, err := c.CompletionStream(t.Context(), ask("?"))
			require.NoError(t, err)
			require.Equal(t, 13*time.Second, streamed(c, 0)(t.Context()).after)
			require.Equal(t, 3*time.Second, streamed(c, 0)(t.Context()).after, "one has waited in vain; nobody else does")
			require.NoError(t, open.Close())
		})
	})
	t.Run("without waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, u, _ := setup(t, cache.Config{StreamWait: -1}, drip(3, ""))
			out := together(t.Context(), streamed(c, 0), streamed(c, 0))
			require.Equal(t, 5*time.Second, out[1].after)
			require.EqualValues(t, 2, u.calls.Load())
		})
	})
	t.Run("that is never read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, u, _ := setup(t, cache.Config{}, drip(3, ""))
			_, err := c.CompletionStream(t.Context(), ask("?"), llm.WithTimeout(time.Minute))
			require.NoError(t, err)
			time.Sleep(2 * time.Minute)
			o := streamed(c, 0)(t.Context())
			require.Equal(t, 5*time.Second, o.after, "what is forgotten is not waited for when its time is over")
			require.EqualValues(t, 2, u.calls.Load())
		})
	})
}

// A call that takes no old answer does not wait for one that asks the store; one that stores nothing leads nobody.
func TestWhoDoesNotShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, u, _ := setup(t, cache.Config{}, slowly(time.Second, answering(text("a"))))
		out := together(t.Context(), whole(c), whole(c, cache.NoCache()), whole(c, cache.NoStore()))
		for _, o := range out {
			require.Nil(t, o.cache)
		}
		require.EqualValues(t, 3, u.calls.Load())
	})
}
