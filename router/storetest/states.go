package storetest

import (
	"context"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/llm-go/llm/router"
	"github.com/stretchr/testify/require"
)

func (s *subject) cool(t *testing.T, name string, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, s.Store.Cool(ctx, s.key(name), d))
}

// checkCooldown: what is cooling is not taken, and the longer time holds.
func checkCooldown(t *testing.T, s *subject) {
	k := &router.Take{Choices: []router.Choice{s.choice("a", s.claim("a", 9, 1)), s.choice("b", s.claim("b", 9, 1))}}
	s.cool(t, "a", 0)
	s.cool(t, "a", -time.Second)
	taken := s.take(t, k)
	require.Equal(t, 0, taken.Choice, "no time is no cooldown")
	require.Nil(t, taken.Cooling)

	s.cool(t, "a", time.Hour)
	s.cool(t, "a", time.Millisecond)
	s.cool(t, "b", time.Millisecond)
	s.sleep(5 * time.Millisecond)
	taken = s.take(t, k)
	require.Equal(t, 1, taken.Choice)
	require.Len(t, taken.Cooling, 2)
	require.Greater(t, taken.Cooling[0], time.Hour/2, "the longer time holds")
	require.LessOrEqual(t, taken.Cooling[0], time.Hour)
	require.Zero(t, taken.Cooling[1])
	s.requireUsed(t, "a", 1)

	s.cool(t, "b", 2*time.Hour)
	taken = s.take(t, k)
	require.Equal(t, -1, taken.Choice)
	require.Greater(t, taken.Cooling[1], time.Hour)
	require.Greater(t, taken.Wait, time.Hour/2)
	require.LessOrEqual(t, taken.Wait, time.Hour, "the first is back in an hour")
	require.Equal(t, "", taken.Refused)

	s.cool(t, "a", 3*time.Hour)
	require.Greater(t, s.take(t, k).Cooling[0], 2*time.Hour, "the longer time holds")
	s.cool(t, "a", math.MaxInt64)
	require.Greater(t, s.take(t, k).Cooling[0], 24*time.Hour)

	// The rest of a cooldown is told whatever was taken, and also with nothing to claim.
	taken = s.takes(t, s.choice("free"), s.choice("b"))
	require.Equal(t, 0, taken.Choice)
	require.Len(t, taken.Cooling, 2)
	require.Greater(t, taken.Cooling[1], time.Hour)
}

func checkCooldownEnds(t *testing.T, s *subject) {
	const d = 50 * time.Millisecond
	k := &router.Take{Choices: []router.Choice{s.choice("a")}}
	before := s.take(t, k).At
	s.cool(t, "a", d)
	taken := s.take(t, k)
	if taken.Choice < 0 {
		require.LessOrEqual(t, taken.Wait, d)
		taken = s.eventually(t, k)
	}
	require.GreaterOrEqual(t, taken.At.Sub(before), d, "taken before the cooldown was over")
	require.Nil(t, taken.Cooling)
	s.cool(t, "a", d) // and again
	s.eventually(t, k)
}

// session is a call with two choices, of which the given one is preferred.
func (s *subject) session(name, preferred string) *router.Take {
	k := &router.Take{
		Choices: []router.Choice{s.choice("a", s.claim("a", 1000, 1)), s.choice("b", s.claim("b", 1000, 1))},
		Session: s.key(name), SessionTTL: long,
	}
	if preferred == "b" {
		k.Choices[0], k.Choices[1] = k.Choices[1], k.Choices[0]
	}
	return k
}

// requireAt says which choice a session's call went to, and whether since the session was with it.
func (s *subject) requireAt(t *testing.T, k *router.Take, name string, held bool) {
	t.Helper()
	taken := s.take(t, k)
	require.NotEqual(t, -1, taken.Choice)
	require.Equal(t, s.key(name), k.Choices[taken.Choice].Key)
	require.Equal(t, held, taken.Session)
}

// checkSession: a session stays where it was, whatever is preferred.
func checkSession(t *testing.T, s *subject) {
	s.requireAt(t, s.session("1", "a"), "a", false)
	s.requireAt(t, s.session("1", "b"), "a", true)
	s.requireAt(t, s.session("1", "a"), "a", true)
	s.requireAt(t, s.session("2", "b"), "b", false)
	s.requireAt(t, s.session("2", "a"), "b", true)
	k := s.session("2", "a")
	k.Session = ""
	s.requireAt(t, k, "a", false)
	s.requireUsed(t, "a", 4)
	s.requireUsed(t, "b", 2)
	k = s.session("for ever", "a")
	k.SessionTTL = math.MaxInt64
	s.requireAt(t, k, "a", false)
	s.sleep(5 * time.Millisecond)
	s.requireAt(t, k, "a", true)
	s.requireAt(t, s.session("for ever", "b"), "a", true)

	// It is not begun by a call that was refused.
	k = s.session("3", "b")
	k.Claims = []router.Claim{s.claim("one", 1, 1)}
	s.take(t, &router.Take{Choices: []router.Choice{s.choice("x")}, Claims: k.Claims})
	require.Equal(t, -1, s.take(t, k).Choice)
	s.requireAt(t, s.session("3", "a"), "a", false)
}

// checkSessionMoves: where it is cooling, full or not offered, the session goes elsewhere and stays there.
func checkSessionMoves(t *testing.T, s *subject) {
	s.requireAt(t, s.session("offered", "a"), "a", false)
	k := s.session("offered", "a")
	k.Choices = k.Choices[1:]
	s.requireAt(t, k, "b", false)
	s.requireAt(t, s.session("offered", "a"), "b", true)

	s.requireAt(t, s.session("full", "a"), "a", false)
	k = s.session("full", "a")
	k.Choices[0].Claims[0] = s.claim("a", 0, 0) // less than is booked
	s.requireAt(t, k, "b", false)
	s.requireAt(t, s.session("full", "a"), "b", true)

	s.requireAt(t, s.session("cooling", "a"), "a", false)
	s.cool(t, "a", long)
	s.requireAt(t, s.session("cooling", "a"), "b", false)
	s.requireAt(t, s.session("cooling", "a"), "b", true)
}

// checkSessionEnds: a session is forgotten SessionTTL after its last call, not after its first.
func checkSessionEnds(t *testing.T, s *subject) {
	const ttl = 200 * time.Millisecond
	preferring := func(preferred string) *router.Take {
		k := s.session("1", preferred)
		k.SessionTTL = ttl
		return k
	}
	last := s.take(t, preferring("a")).At
	for range 3 {
		s.sleep(ttl * 6 / 10)
		k := preferring("b")
		taken := s.take(t, k)
		if taken.At.Sub(last) >= ttl { // a busy machine: it has ended
			break
		}
		require.True(t, taken.Session, "forgotten %v after its last call", taken.At.Sub(last))
		require.Equal(t, s.key("a"), k.Choices[taken.Choice].Key)
		last = taken.At
	}
	s.sleep(ttl + 2*time.Millisecond)
	require.False(t, s.take(t, preferring("b")).Session, "remembered for longer than its time")

	// A shorter time holds too.
	s.requireAt(t, s.session("2", "a"), "a", false)
	k := s.session("2", "a")
	k.SessionTTL = time.Millisecond
	s.take(t, k)
	s.sleep(5 * time.Millisecond)
	s.requireAt(t, s.session("2", "b"), "b", false)
}

// checkSessionBegunTogether: calls that begin a session at once end up at one deployment.
func checkSessionBegunTogether(t *testing.T, s *subject) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	places := make([]string, 16)
	errs := make([]error, len(places))
	var wg sync.WaitGroup
	for i := range places {
		wg.Go(func() {
			k := s.session("1", string("ab"[i%2]))
			taken, err := s.Store.Take(ctx, k)
			if errs[i] = err; err == nil && taken.Choice >= 0 {
				places[i] = k.Choices[taken.Choice].Key
			}
		})
	}
	wg.Wait()
	for i := range places {
		require.NoError(t, errs[i])
		require.Equal(t, places[0], places[i])
	}
	require.NotEmpty(t, places[0])
}

// checkContext: a call whose context has ended does nothing.
func checkContext(t *testing.T, s *subject) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	for want, ctx := range map[error]context.Context{context.Canceled: cancelled, context.DeadlineExceeded: late} {
		_, err := s.Store.Take(ctx, &router.Take{Choices: []router.Choice{s.choice("a", s.claim("a", 9, 1))}})
		require.ErrorIs(t, err, want)
		require.ErrorIs(t, s.Store.Cool(ctx, s.key("a"), time.Hour), want)
	}
	taken := s.takes(t, s.choice("a", s.claim("a", 9, 1)))
	require.Equal(t, 0, taken.Choice)
	s.requireUsed(t, "a", 1)
}

// checkBadInput: what cannot be right is an error, and does nothing.
func checkBadInput(t *testing.T, s *subject) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	at := s.takes(t, s.choice("d", s.claim("w", 9, 5))).At
	for name, spoil := range map[string]func(k *router.Take){
		"choice without a key":      func(k *router.Take) { k.Choices[0].Key = "" },
		"claim without a key":       func(k *router.Take) { k.Choices[0].Claims[0].Key = "" },
		"claim without a window":    func(k *router.Take) { k.Choices[0].Claims[0].Window = 0 },
		"negative window":           func(k *router.Take) { k.Choices[0].Claims[0].Window = -time.Second },
		"negative amount":           func(k *router.Take) { k.Choices[0].Claims[0].Amount = -1 },
		"amount above the limit":    func(k *router.Take) { k.Choices[0].Claims[0].Amount = 10 },
		"caller's negative amount":  func(k *router.Take) { k.Claims[0].Amount = -1 },
		"negative limit":            func(k *router.Take) { k.Claims[0].Limit, k.Claims[0].Amount = -1, -1 },
		"second choice":             func(k *router.Take) { k.Choices = append(k.Choices, router.Choice{}) },
		"session without its time":  func(k *router.Take) { k.SessionTTL = 0 },
		"settlement without key":    func(k *router.Take) { k.Settle[0].Key = "" },
		"settlement without window": func(k *router.Take) { k.Settle[0].Window = 0 },
	} {
		k := &router.Take{
			Choices: []router.Choice{s.choice("d", s.claim("w", 9, 1))},
			Claims:  []router.Claim{s.claim("caller", 9, 1)},
			Session: s.key("s"), SessionTTL: long,
			Settle: []router.Settlement{{Key: s.key("w"), Window: long, At: at, Delta: -5}},
		}
		spoil(k)
		_, err := s.Store.Take(ctx, k)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), s.name, "%s: keys do not belong into errors", name)
	}
	require.Error(t, s.Store.Cool(ctx, "", time.Hour))
	s.requireUsed(t, "w", 5)
	s.requireUsed(t, "caller", 0)
	k := &router.Take{Choices: []router.Choice{s.choice("other"), s.choice("d")}, Session: s.key("s"), SessionTTL: long}
	require.False(t, s.take(t, k).Session)
}
