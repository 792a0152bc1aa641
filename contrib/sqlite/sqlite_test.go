package sqlite

import (
	"path/filepath"
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
