package router

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeClock is a clock that stands still until it is advanced.
type fakeClock struct{ now atomic.Int64 }

func (c *fakeClock) Now() time.Time {
	return time.Unix(1_800_000_000, 0).Add(time.Duration(c.now.Load()))
}
func (c *fakeClock) Advance(d time.Duration) { c.now.Add(int64(d)) }

func claim(key string, limit, amount int64) Claim {
	return Claim{Key: "{r}" + key, Limit: limit, Amount: amount, Window: time.Minute}
}

func choice(key string, claims ...Claim) Choice { return Choice{Key: "{r}" + key, Claims: claims} }

func take(t testing.TB, s Store, k *Take) Taken {
	t.Helper()
	taken, err := s.Take(context.Background(), k)
	require.NoError(t, err)
	return taken
}

// Whatever the demand, no period of a window's length has more than the limit; and while there is demand, what is
// admitted is at least 120/121 of the limit.
func TestMemoryKeepsLimitsInEveryPeriod(t *testing.T) {
	for _, gap := range []time.Duration{10 * time.Millisecond, 90 * time.Millisecond, 500 * time.Millisecond} {
		t.Run(gap.String(), func(t *testing.T) {
			clock := &fakeClock{}
			s := NewMemory(MemoryConfig{Now: clock.Now})
			rnd := rand.New(rand.NewPCG(1, uint64(gap)))
			const limit, windows = 60, 20
			type admission struct {
				at     time.Duration
				amount int64
			}
			var admitted []admission
			var total int64
			for clock.now.Load() < int64(windows*61*time.Second) {
				clock.Advance(time.Duration(rnd.Int64N(int64(2 * gap))))
				amount := 1 + rnd.Int64N(2)
				if take(t, s, &Take{Choices: []Choice{choice("d", claim("d", limit, amount))}}).Choice == 0 {
					admitted = append(admitted, admission{time.Duration(clock.now.Load()), amount})
					total += amount
				}
			}
			from, sum := 0, int64(0)
			for _, a := range admitted {
				for sum += a.amount; admitted[from].at <= a.at-time.Minute; from++ {
					sum -= admitted[from].amount
				}
				require.LessOrEqual(t, sum, int64(limit), "in the minute that ends at %v", a.at)
			}
			require.GreaterOrEqual(t, total, int64(windows*(limit-1)), "120/121 of the limit, up to one claim a window")
		})
	}
}

// The wait of a refused call is exact while nobody else comes.
func TestMemoryWaitIsExact(t *testing.T) {
	clock := &fakeClock{}
	s := NewMemory(MemoryConfig{Now: clock.Now})
	rnd := rand.New(rand.NewPCG(7, 7))
	for range 2000 {
		clock.Advance(time.Duration(rnd.Int64N(int64(3 * time.Second))))
		k := &Take{Choices: []Choice{choice("d", claim("rpm", 20, 1), claim("tpm", 1000, rnd.Int64N(200)))}}
		taken := take(t, s, k)
		if taken.Choice == 0 {
			continue
		}
		if early := taken.Wait - 2*time.Millisecond; early > 0 {
			clock.Advance(early)
			require.Equal(t, -1, take(t, s, k).Choice, "sooner than it said")
			clock.Advance(2 * time.Millisecond)
		} else {
			clock.Advance(taken.Wait)
		}
		require.Equal(t, 0, take(t, s, k).Choice, "after the wait that it said")
	}
}

func TestMemoryBooksAllOrNothing(t *testing.T) {
	s := NewMemory(MemoryConfig{Now: (&fakeClock{}).Now})
	k := &Take{
		Choices: []Choice{choice("d", claim("a", 10, 1), claim("b", 2, 1))},
		Claims:  []Claim{claim("caller", 10, 1)},
	}
	for range 5 {
		take(t, s, k)
	}
	for key, used := range map[string]int64{"a": 2, "b": 2, "caller": 2} {
		require.Equal(t, 0, take(t, s, &Take{Choices: []Choice{choice("x", claim(key, 10, 10-used))}}).Choice, key)
		require.Equal(t, -1, take(t, s, &Take{Choices: []Choice{choice("x", claim(key, 10, 1))}}).Choice, key)
	}
}

// Claims on the same window add up, within a choice and together with the caller's.
func TestMemoryAddsUpClaimsOnOneWindow(t *testing.T) {
	s := NewMemory(MemoryConfig{Now: (&fakeClock{}).Now})
	k := &Take{Choices: []Choice{choice("d", claim("w", 10, 3), claim("w", 10, 3))}, Claims: []Claim{claim("w", 10, 3)}}
	require.Equal(t, 0, take(t, s, k).Choice)
	require.Equal(t, -1, take(t, s, k).Choice)
	require.Equal(t, 0, take(t, s, &Take{Choices: []Choice{choice("d", claim("w", 10, 1))}}).Choice)
	require.Equal(t, -1, take(t, s, &Take{Choices: []Choice{choice("d", claim("w", 10, 1))}}).Choice)
}

func TestMemoryDropsWhatHasExpiredThenWhatIsOldest(t *testing.T) {
	clock := &fakeClock{}
	s := NewMemory(MemoryConfig{Now: clock.Now, MaxKeys: 4})
	full := func(key string, window time.Duration) bool {
		c := Claim{Key: key, Limit: 1, Amount: 1, Window: window}
		return take(t, s, &Take{Choices: []Choice{{Key: "d", Claims: []Claim{c}}}}).Choice < 0
	}
	require.False(t, full("long", time.Hour))
	require.False(t, full("short", time.Minute))
	require.False(t, full("b", time.Hour))
	require.False(t, full("c", time.Hour))
	clock.Advance(2 * time.Minute)
	require.False(t, full("d", time.Hour))
	for _, key := range []string{"c", "long", "d", "b"} {
		require.True(t, full(key, time.Hour), "%s went, though another had expired", key)
	}
	require.False(t, full("e", time.Hour))
	for _, key := range []string{"long", "d", "b"} {
		require.True(t, full(key, time.Hour), "%s went, though another was used less recently", key)
	}
	require.False(t, full("c", time.Hour), "something else went")
}

func TestMemoryIsBounded(t *testing.T) {
	const most = 1000
	s := NewMemory(MemoryConfig{MaxKeys: most})
	for i := range 5 * most {
		key := fmt.Sprint("k", i)
		take(t, s, &Take{
			Choices: []Choice{choice(key, claim(key, 1, 1))}, Claims: []Claim{claim("c"+key, 1, 1)},
			Session: key, SessionTTL: time.Hour,
		})
		require.NoError(t, s.Cool(context.Background(), key, time.Hour))
	}
	for kind, n := range map[string]int64{"windows": s.windows.size.Load(), "sessions": s.sessions.size.Load(), "cooldowns": s.cooling.size.Load()} {
		require.LessOrEqual(t, n, int64(most), kind)
		require.GreaterOrEqual(t, n, int64(most)*9/10, kind)
	}
}

// Calls of one session that begin together end up at one deployment.
func TestMemorySessionBegunTogether(t *testing.T) {
	s := NewMemory(MemoryConfig{})
	var wg sync.WaitGroup
	var at [2]atomic.Int64
	for i := range 64 {
		wg.Go(func() {
			k := &Take{Choices: []Choice{choice("0"), choice("1")}, Session: "{r}s", SessionTTL: time.Hour}
			if i%2 == 1 {
				k.Choices[0], k.Choices[1] = k.Choices[1], k.Choices[0]
			}
			taken, err := s.Take(context.Background(), k)
			if err == nil {
				at[(taken.Choice+i)%2].Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 64, max(at[0].Load(), at[1].Load()))
}

// Orders of claims that would deadlock if locks were taken as they come; and the count must be exact.
func TestMemoryUnderContention(t *testing.T) {
	s := NewMemory(MemoryConfig{Now: (&fakeClock{}).Now})
	var admitted atomic.Int64
	var wg sync.WaitGroup
	for g := range 256 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 0))
			for range 50 {
				a, b := claim("shared", 3000, 1), claim(fmt.Sprint(rnd.IntN(40)), 1<<40, 1)
				if rnd.IntN(2) == 0 {
					a, b = b, a
				}
				taken, err := s.Take(context.Background(), &Take{
					Choices: []Choice{choice("x", claim("none", 0, 0), a, b), choice("y", b, a)},
					Claims:  []Claim{claim(fmt.Sprint("c", rnd.IntN(9)), 1<<40, 1)},
				})
				if err == nil && taken.Choice >= 0 {
					admitted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 3000, admitted.Load())
}

func TestMemoryClockThatIsSetBack(t *testing.T) {
	clock := &fakeClock{}
	s := NewMemory(MemoryConfig{Now: clock.Now})
	clock.Advance(time.Hour)
	k := &Take{Choices: []Choice{choice("d", claim("d", 2, 1))}}
	at := take(t, s, k).At
	clock.Advance(-30 * time.Second)
	taken := take(t, s, k)
	require.Equal(t, 0, taken.Choice)
	require.Less(t, at.Sub(taken.At), time.Second, "time stands still while the clock is behind, up to a bucket")
	require.Equal(t, -1, take(t, s, k).Choice, "a small step back gives nothing away")
	clock.Advance(-30 * time.Minute)
	require.Equal(t, 0, take(t, s, k).Choice, "a large one does not block for as long")
	clock.Advance(-2 * time.Hour)
	take(t, s, k)
}

func TestWindowSettlesWhereItWasBooked(t *testing.T) {
	w := newWindow(time.Minute)
	w.add(10*time.Second, 5)
	w.add(20*time.Second, 5)
	w.settle(30*time.Second, 10*time.Second, -9)
	require.EqualValues(t, 5, w.sum(30*time.Second), "a bucket does not fall below 0")
	w.settle(30*time.Second, 10*time.Second, 7)
	require.EqualValues(t, 12, w.sum(70*time.Second))
	require.EqualValues(t, 5, w.sum(71*time.Second), "the correction leaves with its booking")
	w.settle(80*time.Second, 10*time.Second, 7)
	require.EqualValues(t, 5, w.sum(80*time.Second), "what has left is not corrected")
	require.EqualValues(t, -1, w.room(80*time.Second, 4))
	require.Equal(t, 500*time.Millisecond, w.wait(80*time.Second, 4, 1), "a bucket")
	w.settle(80*time.Second, 80*time.Second, math.MaxInt64)
	require.Equal(t, int64(maxSum), w.sum(80*time.Second))
	require.Zero(t, w.sum(time.Hour))
	w.add(time.Hour, 5)
	w.add(time.Hour+time.Second, 5)
	require.Equal(t, 59500*time.Millisecond, w.wait(time.Hour+time.Second, 10, 5))
	require.Equal(t, 60500*time.Millisecond, w.wait(time.Hour+time.Second, 10, 6))
}

func TestMemoryAllocatesNothing(t *testing.T) {
	s := NewMemory(MemoryConfig{})
	k := &Take{
		Choices: []Choice{choice("d", claim("rpm", math.MaxInt64, 1), claim("tpm", math.MaxInt64, 100))},
		Claims:  []Claim{claim("user", math.MaxInt64, 1)},
		Session: "{r}s", SessionTTL: time.Hour,
		Settle: []Settlement{{Key: "{r}tpm", Window: time.Minute, At: time.Now(), Delta: -1}},
	}
	take(t, s, k)
	require.Zero(t, testing.AllocsPerRun(100, func() { take(t, s, k) }))
}

func BenchmarkMemoryTake(b *testing.B) {
	b.ReportAllocs()
	s := NewMemory(MemoryConfig{})
	k := &Take{Choices: []Choice{choice("gpt/1", claim("gpt/1:rpm", math.MaxInt64, 1), claim("gpt/1:tpm", math.MaxInt64, 100))}}
	ctx := context.Background()
	for b.Loop() {
		if _, err := s.Take(ctx, k); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMemoryTakeCallerAndSession(b *testing.B) {
	b.ReportAllocs()
	s := NewMemory(MemoryConfig{})
	k := &Take{
		Choices: []Choice{choice("gpt/1", claim("gpt/1:rpm", math.MaxInt64, 1), claim("gpt/1:tpm", math.MaxInt64, 100))},
		Claims:  []Claim{claim("user:ada", math.MaxInt64, 1)},
		Session: "{r}s", SessionTTL: time.Hour,
	}
	ctx := context.Background()
	for b.Loop() {
		if _, err := s.Take(ctx, k); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMemoryTakeRefused(b *testing.B) {
	b.ReportAllocs()
	s := NewMemory(MemoryConfig{})
	k := &Take{Choices: []Choice{choice("gpt/1", claim("gpt/1:rpm", 1, 1), claim("gpt/1:tpm", 1000, 100))}}
	ctx := context.Background()
	for b.Loop() {
		if _, err := s.Take(ctx, k); err != nil {
			b.Fatal(err)
		}
	}
}

// 256 goroutines, each with a choice of ten deployments that they share.
func BenchmarkMemoryTakeParallel(b *testing.B) {
	b.ReportAllocs()
	s := NewMemory(MemoryConfig{})
	b.SetParallelism(256 / 2)
	var next atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		k := &Take{}
		for i := range 10 {
			key := fmt.Sprint("gpt/", (int(next.Load())+i)%10)
			k.Choices = append(k.Choices, choice(key, claim(key+":rpm", math.MaxInt64, 1), claim(key+":tpm", math.MaxInt64, 100)))
		}
		next.Add(1)
		for pb.Next() {
			if _, err := s.Take(context.Background(), k); err != nil {
				b.Error(err)
			}
		}
	})
}
