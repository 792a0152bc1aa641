package storetest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-go/llm/router"
	"github.com/stretchr/testify/require"
)

// checkLimit: no period of a window's length has more than the limit, whether or not it is aligned with anything. While
// there is demand, nearly all of it is admitted.
func checkLimit(t *testing.T, s *subject) {
	window, windows := s.short(), 3
	if s.Advance != nil {
		windows = 30
	}
	type booking struct {
		at     time.Time
		amount int64
	}
	type limit struct {
		name   string
		limit  int64
		most   int64 // of one call
		booked []booking
		total  int64
	}
	limits := []*limit{{name: "rpm", limit: 40, most: 1}, {name: "tpm", limit: 1000, most: 60}}
	rnd := rand.New(rand.NewPCG(1, 2))
	first := s.takes(t, s.choice("clock")).At
	for last := first; last.Sub(first) < time.Duration(windows)*(window+window/60); {
		s.sleep(time.Duration(rnd.Int64N(int64(window / 30))))
		for _, l := range limits {
			amount := 1 + rnd.Int64N(l.most)
			claim := router.Claim{Key: s.key(l.name), Limit: l.limit, Amount: amount, Window: window}
			taken := s.takes(t, s.choice("d", claim), s.choice("clock"))
			require.False(t, taken.At.Before(last), "time went back")
			if last = taken.At; taken.Choice == 0 {
				l.booked = append(l.booked, booking{taken.At, amount})
				l.total += amount
			}
		}
	}
	for _, l := range limits {
		from, sum := 0, int64(0)
		for _, b := range l.booked {
			for sum += b.amount; !l.booked[from].at.After(b.at.Add(-window)); from++ {
				sum -= l.booked[from].amount
			}
			require.LessOrEqual(t, sum, l.limit, "%s in the window that ends %v after the start", l.name, b.at.Sub(first))
		}
		if s.Advance != nil { // else a busy machine may not have asked for as much
			require.GreaterOrEqual(t, l.total, int64(windows)*l.limit*95/100, "%s: much less than the limit", l.name)
		}
	}
}

// checkRoomReturns: what was booked is free again a window and a sixtieth of it later, at 120/121 of the limit in the
// long run.
func checkRoomReturns(t *testing.T, s *subject) {
	window := s.short()
	full := s.choice("d", router.Claim{Key: s.key("d"), Limit: 10, Amount: 10, Window: window})
	for range 2 {
		require.Equal(t, 0, s.takes(t, full).Choice, "the room has not come back")
		s.sleep(window + window/60 + 2*time.Millisecond)
	}
}

// checkWait: a refused call is told when there may be room for its amount, and not later than that.
func checkWait(t *testing.T, s *subject) {
	window := s.short()
	most := window + window/60 + time.Millisecond
	claim := func(amount int64) *router.Take {
		return &router.Take{Choices: []router.Choice{
			s.choice("d", router.Claim{Key: s.key("d"), Limit: 20, Amount: amount, Window: window}),
		}}
	}
	one := s.take(t, claim(10))
	require.Equal(t, 0, one.Choice)
	s.sleep(window / 3)
	two := s.eventually(t, claim(10)) // at once, or the machine is very busy
	if s.Advance != nil {
		taken := s.take(t, claim(1))
		require.Equal(t, -1, taken.Choice)
		require.Greater(t, taken.Wait, window/2, "it is over two thirds of the window until the first 10 leave")
		require.LessOrEqual(t, taken.Wait, most-window/3)
	}
	taken := s.take(t, claim(20))
	if taken.Choice < 0 {
		require.LessOrEqual(t, taken.Wait, most)
		taken = s.eventually(t, claim(20))
	}
	require.GreaterOrEqual(t, taken.At.Sub(two.At), window, "all of the limit was given out within a window after a part of it")
	require.Equal(t, "", taken.Refused)

	// The soonest choice counts.
	k := &router.Take{Choices: []router.Choice{
		s.choice("full", s.claim("full", 1, 1)),
		s.choice("soon", router.Claim{Key: s.key("soon"), Limit: 1, Amount: 1, Window: window}),
	}}
	require.Equal(t, 0, s.take(t, k).Choice)
	require.Equal(t, 1, s.take(t, k).Choice)
	if taken := s.take(t, k); taken.Choice < 0 {
		require.LessOrEqual(t, taken.Wait, most, "the first choice is full for long, but not the second")
	}
	// But what both need counts in any case.
	k.Choices[1].Claims[0].Key = s.key("unused")
	k.Claims = []router.Claim{s.claim("full", 1, 1)}
	taken = s.take(t, k)
	require.Equal(t, -1, taken.Choice)
	require.Greater(t, taken.Wait, long/2, "the caller's claim is full for long")
}

// checkOrder: the first choice that has room is taken.
func checkOrder(t *testing.T, s *subject) {
	k := &router.Take{Choices: []router.Choice{
		s.choice("a", s.claim("a", 2, 1)),
		s.choice("b", s.claim("b1", 9, 1), s.claim("b2", 1, 1)),
		s.choice("c", s.claim("c", 1, 1)),
	}}
	for _, want := range []int{0, 0, 1, 2, -1, -1} {
		taken := s.take(t, k)
		require.Equal(t, want, taken.Choice)
		require.False(t, taken.Session)
		require.Nil(t, taken.Cooling)
		require.Equal(t, "", taken.Refused, "the choices were full, not the caller")
		if want < 0 {
			require.Greater(t, taken.Wait, long/2)
			require.LessOrEqual(t, taken.Wait, long+long/60+time.Millisecond)
		}
	}
	s.requireUsed(t, "b1", 1) // what has no room elsewhere is not booked here
	require.Equal(t, 1, s.takes(t, s.choice("a", s.claim("a", 2, 1)), s.choice("d", s.claim("d", 1, 1))).Choice)
}

func checkNothingToClaim(t *testing.T, s *subject) {
	require.Equal(t, 0, s.takes(t, s.choice("free")).Choice)
	require.Equal(t, 0, s.takes(t, s.choice("none", s.claim("none", 0, 0))).Choice, "an amount of 0 fits a limit of 0")
	require.Equal(t, 0, s.takes(t, s.choice("one", s.claim("one", 1, 1))).Choice)
	require.Equal(t, 0, s.takes(t, s.choice("one", s.claim("one", 1, 0))).Choice, "an amount of 0 fits a full window")
	require.Equal(t, -1, s.take(t, &router.Take{}).Choice)
}

// checkCaller: the caller's claims must have room whichever choice is taken.
func checkCaller(t *testing.T, s *subject) {
	k := &router.Take{
		Choices: []router.Choice{s.choice("a", s.claim("a", 9, 1)), s.choice("b", s.claim("b", 9, 1))},
		Claims:  []router.Claim{s.claim("wide", 9, 1), s.claim("narrow", 2, 1)},
	}
	for range 2 {
		require.Equal(t, 0, s.take(t, k).Choice)
	}
	taken := s.take(t, k)
	require.Equal(t, -1, taken.Choice)
	require.Equal(t, s.key("narrow"), taken.Refused)
	require.Greater(t, taken.Wait, long/2)
	for name, used := range map[string]int64{"a": 2, "b": 0, "wide": 2, "narrow": 2} {
		s.requireUsed(t, name, used)
	}
}

// checkSameWindow: claims on one window add up, whoever's they are.
func checkSameWindow(t *testing.T, s *subject) {
	w := s.claim("w", 10, 3)
	k := &router.Take{Choices: []router.Choice{s.choice("d", w, w)}, Claims: []router.Claim{w}}
	require.Equal(t, 0, s.take(t, k).Choice)
	require.Equal(t, -1, s.take(t, k).Choice, "3 x 3 of 10 are used, and 3 x 3 more were taken")
	s.requireUsed(t, "w", 9)
	k.Choices[0].Claims[0].Limit = 20 // the limit of each claim is its own
	require.Equal(t, -1, s.take(t, k).Choice)
	s.requireUsed(t, "w", 9)
}

// checkWindowsApart: the same key with another window is another window.
func checkWindowsApart(t *testing.T, s *subject) {
	a, b := s.claim("w", 1, 1), s.claim("w", 1, 1)
	b.Window *= 2
	for range 2 {
		s.takes(t, s.choice("a", a))
	}
	require.Equal(t, 0, s.takes(t, s.choice("b", b)).Choice)
	require.Equal(t, -1, s.takes(t, s.choice("b", b)).Choice)
	require.Equal(t, -1, s.takes(t, s.choice("a", a)).Choice)
}

// checkLargeAmounts: sums are exact up to 1<<53, and end there.
func checkLargeAmounts(t *testing.T, s *subject) {
	const top = 1 << 53
	require.Equal(t, 0, s.takes(t, s.choice("d", s.claim("d", top, top-2))).Choice)
	require.Equal(t, 0, s.takes(t, s.choice("d", s.claim("d", top, 1))).Choice)
	require.Equal(t, 0, s.takes(t, s.choice("d", s.claim("d", top, 1))).Choice)
	require.Equal(t, -1, s.takes(t, s.choice("d", s.claim("d", top, 1))).Choice)
	require.Equal(t, -1, s.takes(t, s.choice("d", s.claim("d", math.MaxInt64, 1))).Choice)
	at := s.takes(t, s.choice("e", s.claim("e", math.MaxInt64, math.MaxInt64))).At
	for _, delta := range []int64{math.MaxInt64, math.MinInt64, 5} {
		s.take(t, &router.Take{Settle: []router.Settlement{{Key: s.key("e"), Window: long, At: at, Delta: delta}}})
	}
	s.requireUsed(t, "e", 5)
}

// checkMany: many choices with many claims are one Take like any other.
func checkMany(t *testing.T, s *subject) {
	k := &router.Take{}
	for i := range 40 {
		var claims []router.Claim
		for j := range 5 {
			claims = append(claims, s.claim(fmt.Sprint(i, "/", j), 1, 1))
		}
		k.Choices = append(k.Choices, s.choice(fmt.Sprint(i), claims...))
	}
	for i := range 20 {
		k.Claims = append(k.Claims, s.claim(fmt.Sprint("caller", i), 100, 1))
	}
	for i := range 40 {
		require.Equal(t, i, s.take(t, k).Choice)
	}
	require.Equal(t, -1, s.take(t, k).Choice)
}

// checkAnyKey: keys are any text, and those of cooldowns, windows and sessions do not meet.
func checkAnyKey(t *testing.T, s *subject) {
	ctx := context.Background()
	for _, name := range []string{"x", "X", " x", "x\n", "x\x00", "x\xff", "ключ", "%s%d", "a:b{c}d", `"'\`, "*", "1"} {
		k := &router.Take{
			Choices: []router.Choice{s.choice("other"), s.choice(name, s.claim(name, 9, 1))},
			Session: s.key(name), SessionTTL: long,
		}
		k.Choices[0], k.Choices[1] = k.Choices[1], k.Choices[0]
		require.Equal(t, 0, s.take(t, k).Choice, "%q", name)
		k.Choices[0], k.Choices[1] = k.Choices[1], k.Choices[0]
		taken := s.take(t, k)
		require.Equal(t, 1, taken.Choice, "%q", name)
		require.True(t, taken.Session, "%q", name)
		require.NoError(t, s.Store.Cool(ctx, s.key(name), long))
		require.Equal(t, 0, s.take(t, k).Choice, "%q", name)
		s.requireUsed(t, name, 2)
	}
}

// checkTogether: of calls that come at once exactly as many are admitted as there is room for, and nothing else is
// booked.
func checkTogether(t *testing.T, s *subject) {
	const most = 100
	narrow, wide, caller := s.claim("narrow", most, 1), s.claim("wide", 1<<40, 3), s.claim("caller", 1<<40, 5)
	admitted := s.together(t, func(i int) *router.Take {
		claims := []router.Claim{narrow, wide}
		if i%2 == 0 {
			claims[0], claims[1] = wide, narrow
		}
		return &router.Take{Choices: []router.Choice{s.choice("d", claims...)}, Claims: []router.Claim{caller}}
	})
	require.Equal(t, []int64{most}, admitted)
	s.requireUsed(t, "wide", 3*most)
	s.requireUsed(t, "caller", 5*most)
}

func checkChoicesTogether(t *testing.T, s *subject) {
	admitted := s.together(t, func(int) *router.Take {
		return &router.Take{Choices: []router.Choice{
			s.choice("a", s.claim("a", 70, 1), s.claim("both", 100, 1)), s.choice("b", s.claim("b", 1000, 1), s.claim("both", 100, 1)),
		}}
	})
	require.Equal(t, []int64{70, 30}, admitted)
	s.requireUsed(t, "b", 30)
}

// together lets 32 goroutines take 10 times each, and returns how often each choice was taken.
func (s *subject) together(t *testing.T, build func(i int) *router.Take) []int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	admitted := make([]atomic.Int64, len(build(0).Choices))
	errs := make(chan error, 32)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			<-start
			k := build(i)
			for range 10 {
				taken, err := s.Store.Take(ctx, k)
				if err == nil {
					err = wrong(k, &taken)
				}
				if err != nil {
					errs <- err
					return
				}
				if taken.Choice >= 0 {
					admitted[taken.Choice].Add(1)
				}
			}
		})
	}
	close(start)
	wg.Wait()
	select {
	case err := <-errs:
		require.NoError(t, err)
	default:
	}
	var counts []int64
	for i := range admitted {
		counts = append(counts, admitted[i].Load())
	}
	return counts
}

// checkSettle: a settlement corrects what was booked.
func checkSettle(t *testing.T, s *subject) {
	settle := func(at time.Time, delta int64) {
		t.Helper()
		taken := s.take(t, &router.Take{Settle: []router.Settlement{{Key: s.key("w"), Window: long, At: at, Delta: delta}}})
		require.Equal(t, -1, taken.Choice)
		require.Equal(t, "", taken.Refused)
	}
	settle(time.Now(), 7)
	s.requireUsed(t, "w", 0) // nothing was booked, so there is nothing to correct
	taken := s.takes(t, s.choice("d", s.claim("w", 100, 60)))
	require.Equal(t, 0, taken.Choice)
	settle(taken.At, -20)
	s.requireUsed(t, "w", 40)
	settle(taken.At, 15)
	s.requireUsed(t, "w", 55)
	settle(taken.At, 500) // it cost more than the limit allows: that is a fact
	s.requireUsed(t, "w", 555)
	require.Equal(t, -1, s.takes(t, s.choice("d", s.claim("w", 100, 0))).Choice, "the window holds more than the limit")
	settle(taken.At, -1_000_000)
	s.requireUsed(t, "w", 0)                                    // and not less
	for _, away := range []time.Duration{-2 * long, 2 * long} { // nothing was booked then
		settle(taken.At.Add(away), 7)
		s.requireUsed(t, "w", 0)
	}

	// Another window of the same key is not touched.
	other := s.claim("w", 10, 10)
	other.Window = 2 * long
	require.Equal(t, 0, s.takes(t, s.choice("d", other)).Choice)
	settle(taken.At, -10)
	other.Amount = 1
	require.Equal(t, -1, s.takes(t, s.choice("d", other)).Choice)
}

// checkSettleFirst: what a call gives back is there for its own claims, and several settlements add up.
func checkSettleFirst(t *testing.T, s *subject) {
	k := &router.Take{Choices: []router.Choice{s.choice("d", s.claim("w", 10, 10))}}
	taken := s.take(t, k)
	require.Equal(t, 0, taken.Choice)
	half := router.Settlement{Key: s.key("w"), Window: long, At: taken.At, Delta: -5}
	k.Settle = []router.Settlement{half}
	require.Equal(t, -1, s.take(t, k).Choice)
	require.Equal(t, 0, s.take(t, k).Choice, "a settlement counts though its call was refused")
	s.requireUsed(t, "w", 10)
	k.Settle = []router.Settlement{half, {Key: s.key("unknown"), Window: long, At: taken.At, Delta: -1}, half}
	taken = s.take(t, k)
	require.Equal(t, 0, taken.Choice)
	s.requireUsed(t, "w", 10)
}

// checkSettleTooLate: what has left its window is not corrected.
func checkSettleTooLate(t *testing.T, s *subject) {
	window := s.short()
	k := &router.Take{Choices: []router.Choice{
		s.choice("d", router.Claim{Key: s.key("w"), Limit: 10, Amount: 10, Window: window}),
	}}
	taken := s.take(t, k)
	require.Equal(t, 0, taken.Choice)
	s.sleep(window + window/60 + 2*time.Millisecond)
	for _, delta := range []int64{-10, 10} {
		k.Settle = append(k.Settle, router.Settlement{Key: s.key("w"), Window: window, At: taken.At, Delta: delta})
	}
	now := s.take(t, k)
	require.Equal(t, 0, now.Choice, "what was settled late took room")
	again := s.take(t, k)
	require.True(t, again.Choice < 0 || again.At.Sub(now.At) >= window, "what was settled late gave room")
}
