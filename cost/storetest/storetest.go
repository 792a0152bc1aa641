// Package storetest checks an implementation of [cost.Store].
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Subject { return storetest.Subject{Store: open(t)} })
//	}
package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-go/llm/cost"
	"github.com/stretchr/testify/require"
)

// Subject is a store to be checked.
type Subject struct {
	Store cost.Store
	// Advance lets time pass for the store. nil: it cannot, and what needs that takes a few seconds.
	Advance func(d time.Duration)
}

// Run runs all checks, each as a subtest with a store from open. Stores that are opened may share what they keep, since
// each subtest has accounts of its own. An open that has something to close does so by t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, c := range []struct {
		name  string
		check func(t *testing.T, s *subject)
	}{
		{"reserve", checkReserve},
		{"all_or_nothing", checkAllOrNothing},
		{"exact", checkExact},
		{"settle_above", checkSettleAbove},
		{"once", checkOnce},
		{"accounts_apart", checkAccountsApart},
		{"any_key", checkAnyKey},
		{"nothing", checkNothing},
		{"many", checkMany},
		{"expiry", checkExpiry},
		{"late", checkLate},
		{"rolling", checkRolling},
		{"rolling_expiry", checkRollingExpiry},
		{"together", checkTogether},
		{"context", checkContext},
		{"bad_input", checkBadInput},
		{"unchanged", checkUnchanged},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &subject{Subject: open(t), name: fmt.Sprintf("%x", rand.Uint64())}
			require.NotNil(t, s.Store, "open returned no store")
			c.check(t, s)
		})
	}
}

const (
	patience = 30 * time.Second // bounds a call to the store
	long     = time.Hour        // no subtest lives to see its end
)

type subject struct {
	Subject
	name string
	ids  atomic.Int64
}

// short is a time that can be waited for.
func (s *subject) short() time.Duration {
	if s.Advance == nil {
		return time.Second
	}
	return time.Minute
}

func (s *subject) sleep(d time.Duration) {
	if s.Advance == nil {
		time.Sleep(d)
	} else {
		s.Advance(d)
	}
}

func (s *subject) account(key string, limit cost.Amount) cost.Account {
	return cost.Account{Budget: s.name, Key: key, Limit: limit}
}

func (s *subject) record(amount cost.Amount) *cost.Record {
	r := &cost.Record{ID: fmt.Sprintf("%s-%d", s.name, s.ids.Add(1)), Time: time.Now(), Status: cost.StatusOpen, Reserved: amount, Provider: "p", Model: "m"}
	return r
}

func (s *subject) try(t *testing.T, r *cost.Reservation) cost.Reserved {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got, err := s.Store.Reserve(ctx, r)
	require.NoError(t, err)
	require.Less(t, got.Refused, len(r.Accounts))
	return got
}

// reserve must have room.
func (s *subject) reserve(t *testing.T, amount cost.Amount, accounts ...cost.Account) *cost.Record {
	t.Helper()
	r := s.record(amount)
	require.Equal(t, -1, s.try(t, &cost.Reservation{Record: r, Accounts: accounts, TTL: long}).Refused)
	return r
}

// refuse must have none.
func (s *subject) refuse(t *testing.T, amount cost.Amount, accounts ...cost.Account) cost.Reserved {
	t.Helper()
	got := s.try(t, &cost.Reservation{Record: s.record(amount), Accounts: accounts, TTL: long})
	require.NotEqual(t, -1, got.Refused, "there was room")
	return got
}

func (s *subject) settle(t *testing.T, r *cost.Record, amount cost.Amount) []cost.Balance {
	t.Helper()
	got, err := s.end(r, amount)
	require.NoError(t, err)
	return got
}

func (s *subject) end(r *cost.Record, amount cost.Amount) ([]cost.Balance, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := *r
	c.Status, c.Amount, c.Low, c.High = cost.StatusOK, amount, amount, amount
	return s.Store.Settle(ctx, &c)
}

func (s *subject) has(t *testing.T, spent, reserved cost.Amount, a cost.Account) {
	t.Helper()
	got, err := s.Store.Balances(context.Background(), []cost.Account{a})
	require.NoError(t, err)
	require.Equal(t, []cost.Balance{{Spent: spent, Reserved: reserved}}, got)
}

// checkReserve: what is held counts until it is settled, and then what was spent.
func checkReserve(t *testing.T, s *subject) {
	a := s.account("a", 10)
	s.has(t, 0, 0, a)
	one := s.reserve(t, 6, a)
	got := s.refuse(t, 5, a)
	require.Equal(t, cost.Reserved{Refused: 0, Balance: cost.Balance{Reserved: 6}}, got)
	two := s.reserve(t, 4, a)
	s.has(t, 0, 10, a)
	require.Equal(t, []cost.Balance{{Spent: 2, Reserved: 4}}, s.settle(t, one, 2))
	require.Equal(t, []cost.Balance{{Spent: 2}}, s.settle(t, two, 0))
	s.refuse(t, 9, a)
	s.settle(t, s.reserve(t, 8, a), 8)
	require.Equal(t, cost.Balance{Spent: 10}, s.refuse(t, 1, a).Balance)
	s.reserve(t, 0, a) // nothing always fits
	s.has(t, 10, 0, a)
}

// checkAllOrNothing: an account without room leaves the others as they were.
func checkAllOrNothing(t *testing.T, s *subject) {
	wide, narrow, last := s.account("wide", 100), s.account("narrow", 5), s.account("last", 100)
	r := s.reserve(t, 3, wide, narrow, last)
	got := s.refuse(t, 3, wide, narrow, last)
	require.Equal(t, 1, got.Refused)
	require.Equal(t, cost.Balance{Reserved: 3}, got.Balance)
	for _, a := range []cost.Account{wide, narrow, last} {
		s.has(t, 0, 3, a)
	}
	require.Equal(t, []cost.Balance{{Spent: 1}, {Spent: 1}, {Spent: 1}}, s.settle(t, r, 1))
}

// checkExact: amounts are exact up to the largest.
func checkExact(t *testing.T, s *subject) {
	const dollars = 9_000_000_000_000_000_000 // nine million
	a := s.account("a", cost.Unlimited)
	s.settle(t, s.reserve(t, dollars+1, a), dollars-1)
	s.has(t, dollars-1, 0, a)
	s.settle(t, s.reserve(t, 1, a), 1)
	s.has(t, dollars, 0, a)
	s.reserve(t, cost.Unlimited-dollars-1, a)
	s.refuse(t, 2, a)
	s.reserve(t, 1, a)
	s.refuse(t, 1, a)
	s.has(t, dollars, cost.Unlimited-dollars, a)
	b := s.account("b", 1<<53+3) // above what a float holds
	s.settle(t, s.reserve(t, 1<<53+1, b), 1<<53+1)
	s.has(t, 1<<53+1, 0, b)
	s.refuse(t, 3, b)
	s.reserve(t, 2, b)
}

// checkSettleAbove: what was spent counts, whatever was reserved.
func checkSettleAbove(t *testing.T, s *subject) {
	a := s.account("a", 10)
	require.Equal(t, []cost.Balance{{Spent: 25}}, s.settle(t, s.reserve(t, 10, a), 25))
	s.refuse(t, 1, a)
	s.reserve(t, 0, a)
	s.settle(t, s.reserve(t, 5, s.account("a", 30)), 5) // the limit is each reservation's
	s.has(t, 30, 0, a)
	s.settle(t, s.reserve(t, 1, s.account("a", cost.Unlimited)), cost.Unlimited)
	s.has(t, cost.Unlimited, 0, a) // it ends there, and does not overflow
	s.refuse(t, 1, s.account("a", cost.Unlimited))
}

// checkOnce: an ID is reserved once and settled once.
func checkOnce(t *testing.T, s *subject) {
	a := s.account("a", 10)
	r := s.reserve(t, 6, a)
	require.Equal(t, -1, s.try(t, &cost.Reservation{Record: r, Accounts: []cost.Account{a}, TTL: long}).Refused)
	s.has(t, 0, 6, a)
	s.settle(t, r, 3)
	for range 2 {
		_, err := s.end(r, 5)
		require.ErrorIs(t, err, cost.ErrNoReservation)
		s.has(t, 3, 0, a)
	}
	_, err := s.end(s.record(1), 1)
	require.ErrorIs(t, err, cost.ErrNoReservation)
}

// checkAccountsApart: each part of an account's name tells it from others.
func checkAccountsApart(t *testing.T, s *subject) {
	at := time.Now().Truncate(time.Second)
	all := []cost.Account{
		s.account("", 10), s.account("a", 10), s.account("a:", 10), s.account(":a", 10),
		{Budget: s.name + "a", Limit: 10}, {Budget: s.name + ":", Key: "a", Limit: 10}, {Budget: s.name + "|", Key: "a", Limit: 10},
		{Budget: s.name, Key: "a", Limit: 10, Start: at, End: at.Add(long)},
		{Budget: s.name, Key: "a", Limit: 10, Start: at.Add(long), End: at.Add(2 * long)},
		{Budget: s.name, Key: "a", Limit: 10, Window: long},
		{Budget: s.name, Key: "a", Limit: 10, Window: 2 * long},
	}
	for i := range all {
		s.settle(t, s.reserve(t, 10, all[i]), cost.Amount(i))
	}
	for i := range all {
		s.has(t, cost.Amount(i), 0, all[i])
	}
	// The place on the clock does not matter.
	same := all[7]
	same.Start = same.Start.In(time.FixedZone("", 3600))
	s.has(t, 7, 0, same)
}

// checkAnyKey: keys are the application's, and may hold anything.
func checkAnyKey(t *testing.T, s *subject) {
	keys := []string{"a", "A", " a", "a ", "a\x00", "a\x00b", "\xff", "\xfe", "{a}", "a}", "'; DROP TABLE accounts; --", "ä", "a\u0308", "a\n", "%41"}
	for i, key := range keys {
		s.settle(t, s.reserve(t, 100, s.account(key, 100)), cost.Amount(i+1))
	}
	for i, key := range keys {
		s.has(t, cost.Amount(i+1), 0, s.account(key, 100))
	}
}

// checkNothing: a reservation without accounts is one all the same.
func checkNothing(t *testing.T, s *subject) {
	r := s.reserve(t, 10)
	require.Empty(t, s.settle(t, r, 5))
	_, err := s.end(r, 5)
	require.ErrorIs(t, err, cost.ErrNoReservation)
	got, err := s.Store.Balances(context.Background(), nil)
	require.NoError(t, err)
	require.Empty(t, got)
}

func checkMany(t *testing.T, s *subject) {
	var all []cost.Account
	for i := range 50 {
		all = append(all, s.account(fmt.Sprint(i), cost.Amount(100+i)))
	}
	got := s.settle(t, s.reserve(t, 100, all...), 7)
	require.Len(t, got, 50)
	for _, b := range got {
		require.Equal(t, cost.Balance{Spent: 7}, b)
	}
	all[49].Limit = 106
	require.Equal(t, 49, s.refuse(t, 100, append(all[10:49:49], all[49])...).Refused+10)
}

func (s *subject) brief(t *testing.T, amount cost.Amount, accounts ...cost.Account) *cost.Record {
	t.Helper()
	r := s.record(amount)
	require.Equal(t, -1, s.try(t, &cost.Reservation{Record: r, Accounts: accounts, TTL: s.short()}).Refused)
	return r
}

// checkExpiry: what is never settled has been spent, and is no longer held.
func checkExpiry(t *testing.T, s *subject) {
	a, b := s.account("a", 10), s.account("b", 10)
	s.brief(t, 6, a, b)
	kept := s.reserve(t, 1, a)
	if s.Advance != nil {
		s.sleep(s.short() - time.Millisecond)
		s.has(t, 0, 7, a)
	}
	s.sleep(s.short() + 10*time.Millisecond)
	s.has(t, 6, 1, a)
	s.has(t, 6, 0, b)
	require.Equal(t, cost.Balance{Spent: 6, Reserved: 1}, s.refuse(t, 4, a).Balance)
	s.settle(t, kept, 1)
	s.has(t, 7, 0, a)
}

// checkLate: what was spent is corrected if it is told in the end.
func checkLate(t *testing.T, s *subject) {
	a := s.account("a", 10)
	r := s.brief(t, 6, a)
	s.sleep(s.short() + 10*time.Millisecond)
	s.has(t, 6, 0, a)
	require.Equal(t, []cost.Balance{{Spent: 2}}, s.settle(t, r, 2))
	_, err := s.end(r, 3)
	require.ErrorIs(t, err, cost.ErrNoReservation)
	s.has(t, 2, 0, a)
}

// checkRolling: in no window of this length is more spent than the limit, even if what was held was spent at any moment
// until it was settled.
func checkRolling(t *testing.T, s *subject) {
	window := s.short()
	a := cost.Account{Budget: s.name, Key: "a", Limit: 10, Window: window}
	open := s.reserve(t, 6, a)
	s.settle(t, s.reserve(t, 4, a), 4)
	got := s.refuse(t, 4, a)
	require.Positive(t, got.Wait)
	require.LessOrEqual(t, got.Wait, window+window/60+time.Millisecond)
	s.sleep(window + window/60 + 10*time.Millisecond)
	s.has(t, 0, 6, a) // what is held never leaves the window
	s.settle(t, open, 6)
	s.refuse(t, 5, a)
	if s.Advance != nil {
		s.sleep(window - time.Millisecond)
		s.refuse(t, 5, a)
	}
	s.sleep(window + window/60 + 10*time.Millisecond)
	s.has(t, 0, 0, a)
	s.reserve(t, 10, a)
}

func checkRollingExpiry(t *testing.T, s *subject) {
	window := s.short()
	a := cost.Account{Budget: s.name, Key: "a", Limit: 10, Window: 2 * window}
	r := s.brief(t, 6, a)
	s.sleep(window + 10*time.Millisecond)
	s.has(t, 6, 0, a)
	s.settle(t, r, 1)
	s.has(t, 1, 0, a)
	s.brief(t, 6, a)
	s.sleep(4 * window)
	s.has(t, 0, 0, a)
}

// checkTogether: many at once never hold or spend more than the limit, and at the end the sums are right.
func checkTogether(t *testing.T, s *subject) {
	const limit = 1000
	var held, spent, refused atomic.Int64
	accounts := []cost.Account{s.account("shared", limit), s.account("other", 10*limit)}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(i)))
			order := accounts
			if i%2 == 1 { // no deadlock
				order = []cost.Account{accounts[1], accounts[0]}
			}
			for range 50 {
				amount := 1 + rnd.Int64N(200)
				r := s.record(cost.Amount(amount))
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				got, err := s.Store.Reserve(ctx, &cost.Reservation{Record: r, Accounts: order, TTL: long})
				cancel()
				if err != nil {
					t.Errorf("Reserve: %v", err)
					return
				}
				if got.Refused >= 0 {
					refused.Add(1)
					continue
				}
				if sum := held.Add(amount); sum > limit {
					t.Errorf("%d is held of %d", sum, limit)
				}
				used := rnd.Int64N(amount + 1)
				spent.Add(used)
				held.Add(used - amount) // before the store knows, so that held is never too large
				if _, err := s.end(r, cost.Amount(used)); err != nil {
					t.Errorf("Settle: %v", err)
				}
			}
		})
	}
	wg.Wait()
	require.Positive(t, refused.Load())
	for _, a := range accounts {
		s.has(t, cost.Amount(spent.Load()), 0, a)
	}
}

func checkContext(t *testing.T, s *subject) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	a := s.account("a", 10)
	_, err := s.Store.Reserve(ctx, &cost.Reservation{Record: s.record(1), Accounts: []cost.Account{a}, TTL: long})
	require.ErrorIs(t, err, context.Canceled)
	r := s.reserve(t, 1, a)
	_, err = s.Store.Settle(ctx, r)
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Store.Balances(ctx, []cost.Account{a})
	require.ErrorIs(t, err, context.Canceled)
	s.has(t, 0, 1, a)
}

func checkBadInput(t *testing.T, s *subject) {
	ctx, a, at := context.Background(), s.account("a", 10), time.Now()
	for _, r := range []*cost.Reservation{
		{Accounts: []cost.Account{a}, TTL: long},
		{Record: &cost.Record{Reserved: 1}, Accounts: []cost.Account{a}, TTL: long},
		{Record: s.record(-1), Accounts: []cost.Account{a}, TTL: long},
		{Record: s.record(1), Accounts: []cost.Account{a}},
		{Record: s.record(1), Accounts: []cost.Account{a, a}, TTL: long},
		{Record: s.record(1), Accounts: []cost.Account{a, {Key: "a", Limit: 1}}, TTL: long},
		{Record: s.record(1), Accounts: []cost.Account{a, s.account("b", -1)}, TTL: long},
		{Record: s.record(1), Accounts: []cost.Account{a, {Budget: "b", Window: -1}}, TTL: long},
		{Record: s.record(1), Accounts: []cost.Account{a, {Budget: "b", Start: at}}, TTL: long},
		{Record: s.record(1), Accounts: []cost.Account{a, {Budget: "b", Start: at, End: at}}, TTL: long},
		{Record: s.record(1), Accounts: []cost.Account{a, {Budget: "b", Start: at, End: at.Add(1), Window: 1}}, TTL: long},
	} {
		_, err := s.Store.Reserve(ctx, r)
		require.Error(t, err)
	}
	r := s.reserve(t, 1, a)
	_, err := s.end(r, -1)
	require.Error(t, err)
	_, err = s.end(&cost.Record{}, 1)
	require.Error(t, err)
	s.has(t, 0, 1, a)
}

// checkUnchanged: what is handed over is not written to.
func checkUnchanged(t *testing.T, s *subject) {
	a := s.account("a", 10)
	r := s.record(5)
	was := *r
	s.try(t, &cost.Reservation{Record: r, Accounts: []cost.Account{a}, TTL: long})
	require.Equal(t, was, *r)
	s.settle(t, r, 5)
	require.Equal(t, was, *r)
}
