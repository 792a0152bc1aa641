//go:build unix

package redis

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/cache"
	"github.com/llm-go/llm/cache/cachetest"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

func openCache(t testing.TB, url string) *CacheStore {
	t.Helper()
	s, err := NewCacheStore(open(t, url))
	require.NoError(t, err)
	return s
}

func TestCacheStore(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, binary string) {
		for name, url := range map[string]string{"alone": startServer(t, binary).url(), "cluster": startCluster(t, binary)} {
			t.Run(name, func(t *testing.T) {
				cachetest.Run(t, func(t *testing.T) cachetest.Subject { return cachetest.Subject{Store: openCache(t, url)} })
			})
		}
	})
}

func TestCacheStoreNeedsDeadlines(t *testing.T) {
	_, err := NewCacheStore(redis.NewClient(&redis.Options{}))
	require.ErrorIs(t, err, errNoDeadline)
	_, err = NewCacheStore(nil)
	require.ErrorContains(t, err, "no client")
}

// cached makes a client whose answers come from the function, behind a cache on the store.
func cached(t testing.TB, s cache.Store, answer func() string) (*llm.Client, *cache.Cache) {
	t.Helper()
	c, err := cache.New(cache.Config{Store: s})
	require.NoError(t, err)
	return llm.New(llm.WithMiddleware(c.Middleware, func(llm.Handler) llm.Handler {
		return func(_ context.Context, call *llm.Call) (*llm.Result, error) {
			return call.Answer(&llm.CompletionResponse{Choices: []llm.Choice{{Message: llm.Assistant(answer()), FinishReason: llm.FinishStop}}}, llm.Meta{})
		}
	})), c
}

func question(words string) *llm.CompletionRequest {
	return &llm.CompletionRequest{Model: "openai/m", Messages: []llm.Message{llm.User(words)}}
}

// What one process has asked answers the others, also as a stream, and packed or not.
func TestCacheIsShared(t *testing.T) {
	onEach(t, func(t *testing.T, binary string) {
		url := startServer(t, binary).url()
		for _, answer := range []string{"short", strings.Repeat("A long answer. ", 2000)} {
			one, _ := cached(t, openCache(t, url), func() string { return answer })
			two, stats := cached(t, openCache(t, url), func() string { return "not asked" })
			_, err := one.Completion(t.Context(), question(answer[:5]))
			require.NoError(t, err)
			r, err := two.Completion(t.Context(), question(answer[:5]))
			require.NoError(t, err)
			require.Equal(t, answer, r.Text())
			s, err := two.CompletionStream(t.Context(), question(answer[:5]))
			require.NoError(t, err)
			r, err = llm.Collect(s)
			require.NoError(t, err)
			require.Equal(t, answer, r.Text())
			require.EqualValues(t, 2, stats.Stats().Hits)
		}
	})
}

// Bytes that something else has put under a key are a miss, and are replaced.
func TestCacheOfForeignBytes(t *testing.T) {
	onEach(t, func(t *testing.T, binary string) {
		url := startServer(t, binary).url()
		client := open(t, url)
		c, stats := cached(t, openCache(t, url), func() string { return "answer" })
		ask := func() {
			r, err := c.Completion(t.Context(), question("?"))
			require.NoError(t, err)
			require.Equal(t, "answer", r.Text())
		}
		ask()
		keys, err := client.Keys(t.Context(), "*").Result()
		require.NoError(t, err)
		require.Len(t, keys, 1)
		require.Regexp(t, "^llm:cache:[0-9a-f]{64}$", keys[0])
		ttl, err := client.PTTL(t.Context(), keys[0]).Result()
		require.NoError(t, err)
		require.InDelta(t, time.Hour, ttl, float64(time.Minute))
		require.NoError(t, client.Set(t.Context(), keys[0], "not ours", 0).Err())
		ask()
		ask()
		require.Equal(t, cache.Stats{Hits: 1, Misses: 2, Stored: 2}, stats.Stats())
	})
}

// A server that has frozen: calls go on, none of them waits for longer than the budget twice, and most not at all.
func TestCacheOfAFrozenServer(t *testing.T) {
	onEach(t, func(t *testing.T, binary string) {
		server := startServer(t, binary)
		store := openCache(t, server.url())
		require.Eventually(t, func() bool { return store.Set(t.Context(), cache.Key{1}, []byte("x"), time.Hour) == nil }, patience, time.Millisecond)
		c, stats := cached(t, store, func() string { return "answer" })
		server.freeze(t)
		defer server.thaw(t)
		var mu sync.Mutex
		var took []time.Duration
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 20 {
					start := time.Now()
					r, err := c.Completion(t.Context(), question(strings.Repeat("?", 20*g+i+1)))
					if err != nil || r.Text() != "answer" {
						t.Errorf("a call failed because of its cache: %v", err)
					}
					mu.Lock()
					took = append(took, time.Since(start))
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		slices.Sort(took)
		p50, p99 := took[len(took)/2], took[len(took)*99/100]
		t.Logf("with 50ms twice: p50 %v p99 %v", p50, p99)
		// ReadTimeout is a second: so long a client would wait that does not look at the context.
		require.Less(t, p99, 500*time.Millisecond)
		require.Zero(t, stats.Stats().Stored)
		server.thaw(t)
		require.Eventually(t, func() bool {
			_, err := c.Completion(t.Context(), question("again"))
			return err == nil && stats.Stats().Hits > 0
		}, patience, 50*time.Millisecond, "it is not used again")
	})
}
