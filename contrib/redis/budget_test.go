//go:build unix

package redis

import (
	"context"
	"testing"
	"time"

	"github.com/llm-go/llm/cost"
	"github.com/llm-go/llm/cost/storetest"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

func openBudgets(t testing.TB, url string) *BudgetStore {
	t.Helper()
	s, err := NewBudgetStore(open(t, url), "test")
	require.NoError(t, err)
	return s
}

func TestBudgetStore(t *testing.T) {
	onEach(t, func(t *testing.T, binary string) {
		s := openBudgets(t, startServer(t, binary).url())
		storetest.Run(t, func(*testing.T) storetest.Subject { return storetest.Subject{Store: s} })
	})
}

func TestBudgetStoreOnCluster(t *testing.T) {
	onEach(t, func(t *testing.T, binary string) {
		s := openBudgets(t, startCluster(t, binary))
		storetest.Run(t, func(*testing.T) storetest.Subject { return storetest.Subject{Store: s} })
	})
}

// What is kept is bounded: all but accounts for all time expires.
func TestBudgetKeysExpire(t *testing.T) {
	onEach(t, func(t *testing.T, binary string) {
		url := startServer(t, binary).url()
		s, c := openBudgets(t, url), open(t, url)
		now := time.Now()
		r := &cost.Record{ID: "1", Reserved: 5}
		_, err := s.Reserve(t.Context(), &cost.Reservation{Record: r, TTL: time.Hour, Accounts: []cost.Account{
			{Budget: "total", Limit: 9}, {Budget: "rolling", Limit: 9, Window: time.Hour},
			{Budget: "day", Limit: 9, Start: now, End: now.Add(24 * time.Hour)}}})
		require.NoError(t, err)
		_, err = s.Settle(t.Context(), &cost.Record{ID: "1", Amount: 5})
		require.NoError(t, err)
		keys, err := c.Keys(t.Context(), "*").Result()
		require.NoError(t, err)
		require.Len(t, keys, 3)
		lasting := 0
		for _, key := range keys {
			ttl, err := c.PTTL(t.Context(), key).Result()
			require.NoError(t, err)
			if ttl < 0 {
				lasting++
			} else {
				require.Greater(t, ttl, 49*time.Hour)
				require.Less(t, ttl, 80*time.Hour)
			}
		}
		require.Equal(t, 1, lasting)
	})
}

// A server that has frozen holds nobody up for longer than the context allows.
func TestBudgetStoreFrozen(t *testing.T) {
	onEach(t, func(t *testing.T, binary string) {
		srv := startServer(t, binary)
		s := openBudgets(t, srv.url())
		_, err := s.Balances(t.Context(), nil)
		require.NoError(t, err)
		srv.freeze(t)
		defer srv.thaw(t)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err = s.Reserve(ctx, &cost.Reservation{Record: &cost.Record{ID: "1"}, TTL: time.Hour})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestNewBudgetStoreRefuses(t *testing.T) {
	c := redis.NewClient(&redis.Options{ContextTimeoutEnabled: true})
	defer c.Close()
	for _, name := range []string{"", "a{b}", "}"} {
		_, err := NewBudgetStore(c, name)
		require.ErrorContains(t, err, "name")
	}
	_, err := NewBudgetStore(nil, "a")
	require.Error(t, err)
}

func BenchmarkBudgetStore(b *testing.B) {
	s := openBudgets(b, startServer(b, binaries(b)[0]).url())
	accounts := []cost.Account{{Budget: "all", Limit: cost.Unlimited}, {Budget: "user", Key: "ada", Limit: cost.Unlimited}}
	for b.Loop() {
		r := &cost.Record{ID: "a", Reserved: 1000}
		_, err := s.Reserve(b.Context(), &cost.Reservation{Record: r, Accounts: accounts, TTL: time.Minute})
		require.NoError(b, err)
		_, err = s.Settle(b.Context(), &cost.Record{ID: "a", Amount: 500})
		require.NoError(b, err)
	}
}
