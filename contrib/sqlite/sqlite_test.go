package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-go/llm/cost"
	"github.com/llm-go/llm/cost/storetest"
	"github.com/stretchr/testify/require"
)

func open(t testing.TB, path string, opts ...Option) *BudgetStore {
	t.Helper()
	s, err := Open(path, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestBudgetStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		var passed atomic.Int64
		s := open(t, filepath.Join(t.TempDir(), "with space?#%41.db"), WithClock(func() time.Time { return time.Unix(1_800_000_000, passed.Load()) }))
		return storetest.Subject{Store: s, Advance: func(d time.Duration) { passed.Add(int64(d)) }}
	})
}

// Two stores on one file are as one.
func TestBudgetStoreShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "budgets.db")
	a, b := open(t, path), open(t, path)
	account := cost.Account{Budget: "all", Limit: 10}
	r := &cost.Record{ID: "1", Time: time.Now(), Reserved: 6, Status: cost.StatusOpen}
	got, err := a.Reserve(t.Context(), &cost.Reservation{Record: r, Accounts: []cost.Account{account}, TTL: time.Hour})
	require.NoError(t, err)
	require.Equal(t, -1, got.Refused)
	got, err = b.Reserve(t.Context(), &cost.Reservation{Record: &cost.Record{ID: "2", Reserved: 6}, Accounts: []cost.Account{account}, TTL: time.Hour})
	require.NoError(t, err)
	require.Equal(t, 0, got.Refused)
	done := *r
	done.Amount, done.Status, done.Metadata = 2, cost.StatusOK, map[string]string{"team": "red"}
	_, err = b.Settle(t.Context(), &done)
	require.NoError(t, err)
	n := 0
	for r, err := range a.Records(t.Context(), time.Time{}, time.Time{}) {
		require.NoError(t, err)
		require.Equal(t, "red", r.Metadata["team"])
		require.Equal(t, cost.Amount(2), r.Amount)
		n++
	}
	require.Equal(t, 1, n, "what was refused has no record")
	for range a.Records(t.Context(), time.Now().Add(time.Hour), time.Time{}) {
		require.Fail(t, "none has begun")
	}
	forgotten, err := a.Forget(t.Context(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, int64(1), forgotten)
	has, err := a.Balances(t.Context(), []cost.Account{account})
	require.NoError(t, err)
	require.Equal(t, []cost.Balance{{Spent: 2}}, has)
}

// A file that another process has locked, and does not let go, holds nobody up for longer than the context allows.
func TestLockedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "budgets.db")
	a, b := open(t, path), open(t, path)
	tx, err := a.write.Begin()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	reservation := &cost.Reservation{Record: &cost.Record{ID: "1"}, TTL: time.Hour}
	_, err = b.Reserve(ctx, reservation)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(start), 3*time.Second, "it waited for the lock instead")
	require.NoError(t, tx.Rollback())
	_, err = b.Reserve(t.Context(), reservation)
	require.NoError(t, err)
}

func TestOpenRefuses(t *testing.T) {
	for _, path := range []string{"", ":memory:", filepath.Join(t.TempDir(), "none", "x.db")} {
		_, err := Open(path)
		require.ErrorContains(t, err, "sqlite: ")
	}
}

func BenchmarkReserveAndSettle(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "budgets.db"))
	accounts := []cost.Account{{Budget: "all", Limit: cost.Unlimited}, {Budget: "user", Key: "ada", Limit: cost.Unlimited}}
	for b.Loop() {
		r := &cost.Record{ID: time.Now().String(), Reserved: 1000}
		_, err := s.Reserve(b.Context(), &cost.Reservation{Record: r, Accounts: accounts, TTL: time.Minute})
		require.NoError(b, err)
		_, err = s.Settle(b.Context(), &cost.Record{ID: r.ID, Amount: 500})
		require.NoError(b, err)
	}
}

// Handles of several processes never give out more together than there is.
func TestHandlesTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "budgets.db")
	const limit = 1000
	account := cost.Account{Budget: "all", Limit: limit}
	var held, spent, refused atomic.Int64
	var wg sync.WaitGroup
	for h := range 3 {
		s := open(t, path)
		for g := range 2 {
			wg.Go(func() {
				for n := range 20 {
					r := &cost.Record{ID: fmt.Sprint(h, g, n), Time: time.Now(), Reserved: 300}
					got, err := s.Reserve(t.Context(), &cost.Reservation{Record: r, Accounts: []cost.Account{account}, TTL: time.Hour})
					if err != nil {
						t.Errorf("Reserve: %v", err)
						return
					}
					if got.Refused >= 0 {
						refused.Add(1)
						continue
					}
					if held.Add(300) > limit {
						t.Errorf("more than %d is held", limit)
					}
					spent.Add(50)
					held.Add(50 - 300)
					if _, err := s.Settle(t.Context(), &cost.Record{ID: r.ID, Amount: 50}); err != nil {
						t.Errorf("Settle: %v", err)
					}
				}
			})
		}
	}
	wg.Wait()
	require.Positive(t, refused.Load())
	has, err := open(t, path).Balances(t.Context(), []cost.Account{account})
	require.NoError(t, err)
	require.Equal(t, []cost.Balance{{Spent: cost.Amount(spent.Load())}}, has)
}
