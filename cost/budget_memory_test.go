package cost_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/llm-go/llm/cost"
	"github.com/stretchr/testify/require"
)

// A store in memory is bounded, and forgets only what no longer matters.
func TestMemoryIsBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var expired []string
	m := cost.NewMemory(cost.MemoryConfig{Now: func() time.Time { return now }, MaxAccounts: 3,
		OnExpire: func(r *cost.Record) { expired = append(expired, r.ID) }})
	reserve := func(id string, accounts ...cost.Account) error {
		_, err := m.Reserve(t.Context(), &cost.Reservation{Record: &cost.Record{ID: id, Reserved: 1}, Accounts: accounts, TTL: time.Minute})
		return err
	}
	settle := func(id string, amount cost.Amount) {
		_, err := m.Settle(t.Context(), &cost.Record{ID: id, Amount: amount})
		require.NoError(t, err)
	}
	day := cost.Account{Budget: "day", Limit: 9, Start: now, End: now.Add(24 * time.Hour)}
	hour := cost.Account{Budget: "hour", Limit: 9, Window: time.Hour}
	total := cost.Account{Budget: "total", Limit: 9}
	require.NoError(t, reserve("a", day, hour, total))
	settle("a", 1)
	other := cost.Account{Budget: "other", Limit: 9}
	require.ErrorIs(t, reserve("b", other), cost.ErrStoreFull)
	now = now.Add(2 * time.Hour)
	require.NoError(t, reserve("b", other), "the rolling window is empty")
	settle("b", 1)
	require.ErrorIs(t, reserve("c", hour), cost.ErrStoreFull)
	now = now.Add(22*time.Hour + time.Second)
	require.NoError(t, reserve("c", hour), "the day is over")
	got, err := m.Balances(t.Context(), []cost.Account{total, other, day})
	require.NoError(t, err)
	require.Equal(t, []cost.Balance{{Spent: 1}, {Spent: 1}, {}}, got)
	require.Empty(t, expired)
	now = now.Add(time.Hour)
	_, err = m.Balances(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"c"}, expired)

	for i := range 40 { // nothing is held on accounts, and yet it is bounded
		if err = reserve(fmt.Sprint("free", i)); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, cost.ErrStoreFull)
}
