// Package storetest checks implementations of [router.Store]: that no period has more than a limit, that a call is
// booked whole or not at all however many come at once, and what the router relies on about cooldowns, sessions,
// settlements, contexts and bad input. This library's own stores are tested with it, and others should be.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Subject {
//			return storetest.Subject{Store: open(t)}
//		})
//	}
//
// Nothing in it depends on how fast the machine or the store is, except that a single call must not take longer than
// half a minute.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/llm-go/llm/router"
	"github.com/stretchr/testify/require"
)

// Subject is a store to be checked.
type Subject struct {
	Store router.Store
	// Advance moves the store's clock, if that can be done; all else is then exact, and much more time is covered. nil:
	// it has a clock of its own, and the kit sleeps, for about two seconds in all.
	Advance func(d time.Duration)
}

// Run checks a store. It calls open once for each of its subtests, which run in parallel; stores that are opened may
// share what they keep, since each subtest has keys of its own. An open that has something to close does so by
// t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &subject{Subject: open(t), name: fmt.Sprintf("{storetest-%x}", rand.Uint64())}
			require.NotNil(t, s.Store, "open returned no store")
			c.check(t, s)
		})
	}
}

var checks = []struct {
	name  string
	check func(t *testing.T, s *subject)
}{
	{"limit", checkLimit},
	{"room_returns", checkRoomReturns},
	{"wait", checkWait},
	{"order", checkOrder},
	{"nothing_to_claim", checkNothingToClaim},
	{"caller", checkCaller},
	{"same_window", checkSameWindow},
	{"windows_apart", checkWindowsApart},
	{"large_amounts", checkLargeAmounts},
	{"many", checkMany},
	{"any_key", checkAnyKey},
	{"together", checkTogether},
	{"choices_together", checkChoicesTogether},
	{"cooldown", checkCooldown},
	{"cooldown_ends", checkCooldownEnds},
	{"session", checkSession},
	{"session_moves", checkSessionMoves},
	{"session_ends", checkSessionEnds},
	{"session_begun_together", checkSessionBegunTogether},
	{"settle", checkSettle},
	{"settle_first", checkSettleFirst},
	{"settle_too_late", checkSettleTooLate},
	{"context", checkContext},
	{"bad_input", checkBadInput},
	{"take_unchanged", checkTakeUnchanged},
}

// patience bounds a call to the store.
const patience = 30 * time.Second

// long is a window that no subtest lives to see the end of.
const long = time.Hour

type subject struct {
	Subject
	name string
}

// short is a window that can be waited for.
func (s *subject) short() time.Duration {
	if s.Advance == nil {
		return 600 * time.Millisecond
	}
	return time.Minute
}

// sleep lets at least d pass.
func (s *subject) sleep(d time.Duration) {
	if s.Advance == nil {
		time.Sleep(d)
	} else {
		s.Advance(d)
	}
}

func (s *subject) key(name string) string { return s.name + name }

func (s *subject) claim(name string, limit, amount int64) router.Claim {
	return router.Claim{Key: s.key(name), Limit: limit, Amount: amount, Window: long}
}

func (s *subject) choice(name string, claims ...router.Claim) router.Choice {
	return router.Choice{Key: s.key(name), Claims: claims}
}

// take calls Take, and checks what holds for every answer.
func (s *subject) take(t *testing.T, k *router.Take) router.Taken {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	taken, err := s.Store.Take(ctx, k)
	require.NoError(t, err)
	require.NoError(t, wrong(k, &taken))
	return taken
}

// wrong tells an answer that cannot be right whatever the store keeps.
func wrong(k *router.Take, taken *router.Taken) error {
	cooling := taken.Cooling == nil
	for _, d := range taken.Cooling {
		if d < 0 {
			return fmt.Errorf("a cooldown's rest is %v", d)
		}
		cooling = cooling || d > 0
	}
	switch {
	case taken.Choice < -1 || taken.Choice >= len(k.Choices):
		return fmt.Errorf("the choice is %d of %d", taken.Choice, len(k.Choices))
	case taken.At.IsZero():
		return errors.New("the answer has no time (At)")
	case taken.Choice < 0 && len(k.Choices) > 0 && taken.Wait < time.Millisecond:
		return fmt.Errorf("none was taken, but the wait is %v", taken.Wait)
	case taken.Choice >= 0 && taken.Refused != "":
		return fmt.Errorf("choice %d was taken, but a claim is said to be refused", taken.Choice)
	case taken.Session && (taken.Choice < 0 || k.Session == ""):
		return errors.New("it is said to be taken for a session without one")
	case !cooling:
		return errors.New("none is cooling, but Cooling is not nil")
	case taken.Cooling != nil && len(taken.Cooling) != len(k.Choices):
		return fmt.Errorf("cooldowns of %d choices are told, for %d", len(taken.Cooling), len(k.Choices))
	case taken.Choice >= 0 && taken.Cooling != nil && taken.Cooling[taken.Choice] > 0:
		return fmt.Errorf("choice %d was taken though it is cooling", taken.Choice)
	}
	return nil
}

func (s *subject) takes(t *testing.T, choices ...router.Choice) router.Taken {
	t.Helper()
	return s.take(t, &router.Take{Choices: choices})
}

// eventually takes as soon as the store lets it.
func (s *subject) eventually(t *testing.T, k *router.Take) router.Taken {
	t.Helper()
	for range 100 {
		taken := s.take(t, k)
		if taken.Choice >= 0 {
			return taken
		}
		s.sleep(taken.Wait)
	}
	require.Fail(t, "never taken, however often its Wait was kept")
	return router.Taken{}
}

// requireUsed says what a long window holds, by filling it up to a limit.
func (s *subject) requireUsed(t *testing.T, name string, used int64) {
	t.Helper()
	const room = 1_000_000
	probe := s.takes(t, s.choice("probe", s.claim(name, used+room, room)))
	require.NotEqual(t, -1, probe.Choice, "more than %d is booked in %s", used, name)
	require.Equal(t, -1, s.takes(t, s.choice("probe", s.claim(name, used+room, 1))).Choice,
		"less than %d is booked in %s", used, name)
	s.take(t, &router.Take{Settle: []router.Settlement{{Key: s.key(name), Window: long, At: probe.At, Delta: -room}}})
}

// checkTakeUnchanged: the caller may use its Take again.
func checkTakeUnchanged(t *testing.T, s *subject) {
	build := func() *router.Take {
		return &router.Take{
			Choices: []router.Choice{s.choice("a", s.claim("a1", 9, 1), s.claim("a2", 9, 1)), s.choice("b", s.claim("b", 9, 1))},
			Claims:  []router.Claim{s.claim("c", 9, 1)},
			Session: s.key("s"), SessionTTL: long,
			Settle: []router.Settlement{{Key: s.key("a1"), Window: long, At: time.Unix(1, 0), Delta: 1}},
		}
	}
	k := build()
	s.take(t, k)
	require.True(t, reflect.DeepEqual(build(), k), "Take wrote to what it was given")
	// What it was given is the caller's again, so it must not be kept.
	k.Choices[0], k.Choices[1] = k.Choices[1], k.Choices[0]
	taken := s.take(t, k)
	require.Equal(t, 1, taken.Choice, "the session is with the first choice of the first call")
	require.True(t, taken.Session)
}
