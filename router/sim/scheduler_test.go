package sim

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// play runs f as the first coroutine until nothing is left to do.
func play(s *scheduler, f func()) {
	s.Go(f)
	s.settle()
	for s.timers.next() != never && s.failed == nil {
		s.fire()
	}
	s.end()
}

func background(s *scheduler, deadline time.Duration) *callContext {
	x := &callContext{s: s, deadline: deadline, timer: timer{index: -1}}
	x.timer.ends = x
	return x
}

func TestTimersComeInOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var h timers
	var set []*timer
	at := make(map[*timer]time.Duration)
	order := make(map[*timer]int)
	for n := range 5000 {
		if len(set) > 0 && rnd.IntN(3) == 0 {
			i := rnd.IntN(len(set))
			h.remove(set[i])
			require.Equal(t, -1, set[i].index)
			set = slices.Delete(set, i, i+1)
			continue
		}
		x := &timer{index: -1}
		at[x], order[x] = time.Duration(rnd.IntN(50)), n
		h.set(x, at[x])
		set = append(set, x)
	}
	slices.SortFunc(set, func(a, b *timer) int {
		if at[a] != at[b] {
			return int(at[a] - at[b])
		}
		return order[a] - order[b]
	})
	for _, want := range set {
		require.Same(t, want, h.heap[0].timer)
		require.Equal(t, at[want], h.next())
		h.remove(want)
	}
	require.Equal(t, never, h.next())
}

func TestWait(t *testing.T) {
	type result struct {
		at  time.Duration
		err error
	}
	// Each case is one wait, beside which others do something at 3 s.
	for name, c := range map[string]struct {
		wait time.Duration
		ctx  func(s *scheduler) (ctx context.Context, at3 func())
		shut bool // ready is closed at 3 s
		want result
	}{
		"time":     {wait: 5 * time.Second, want: result{5 * time.Second, nil}},
		"ready":    {wait: 5 * time.Second, shut: true, want: result{3 * time.Second, nil}},
		"for ever": {wait: -1, shut: true, want: result{3 * time.Second, nil}},
		"nothing":  {wait: 0, want: result{0, nil}},
		"deadline": {wait: 5 * time.Second, want: result{4 * time.Second, context.DeadlineExceeded},
			ctx: func(s *scheduler) (context.Context, func()) { return background(s, 4*time.Second), func() {} }},
		"own context ended": {wait: 5 * time.Second, want: result{3 * time.Second, context.Canceled},
			ctx: func(s *scheduler) (context.Context, func()) {
				x := background(s, 4*time.Second)
				return x, func() { x.end(context.Canceled) }
			}},
		"derived context cancelled": {wait: 5 * time.Second, want: result{3 * time.Second, context.Canceled},
			ctx: func(s *scheduler) (context.Context, func()) {
				ctx, cancel := context.WithCancel(background(s, 4*time.Second))
				return ctx, cancel
			}},
		"deadline of a derived context": {wait: 5 * time.Second, want: result{4 * time.Second, context.DeadlineExceeded},
			ctx: func(s *scheduler) (context.Context, func()) {
				ctx, cancel := context.WithCancelCause(background(s, 4*time.Second))
				_ = cancel
				return ctx, func() {}
			}},
		"context of another kind": {wait: 5 * time.Second, want: result{3 * time.Second, context.Canceled},
			ctx: func(*scheduler) (context.Context, func()) {
				ctx, cancel := context.WithCancel(context.Background())
				return ctx, cancel
			}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scheduler{}
			ctx, at3 := context.Context(background(s, never)), func() {}
			if c.ctx != nil {
				ctx, at3 = c.ctx(s)
			}
			ready := make(chan struct{})
			var got result
			play(s, func() {
				s.Go(func() {
					require.NoError(t, s.Wait(context.Background(), 3*time.Second, nil))
					at3()
					if c.shut {
						close(ready)
					}
				})
				got.err = s.Wait(ctx, c.wait, ready)
				got.at = s.now
			})
			require.NoError(t, s.failed)
			require.Equal(t, c.want, got)
			if c.want.err != nil { // it stays so
				require.Equal(t, c.want.err, s.Wait(ctx, time.Second, nil))
			}
		})
	}
}

// What is due at the same moment happens in the order in which it was asked for.
func TestOrderAtOneMoment(t *testing.T) {
	s := &scheduler{}
	var order []int
	play(s, func() {
		for i := range 20 {
			s.Go(func() {
				for range 3 {
					_ = s.Wait(context.Background(), time.Second, nil)
					order = append(order, i)
				}
			})
		}
	})
	require.Len(t, order, 60)
	for i, n := range order {
		require.Equal(t, i%20, n)
	}
}

// One channel may wake many, who take their turns in the order in which they came.
func TestReadyWakesAll(t *testing.T) {
	s := &scheduler{}
	var order []int
	ready, other := make(chan struct{}), make(chan struct{})
	play(s, func() {
		for i := range 10 {
			ch := ready
			if i%3 == 0 {
				ch = other
			}
			s.Go(func() {
				_ = s.Wait(context.Background(), -1, ch)
				order = append(order, i)
			})
		}
		_ = s.Wait(context.Background(), time.Second, nil)
		close(ready)
		_ = s.Wait(context.Background(), time.Second, nil)
		close(other)
	})
	require.Equal(t, []int{1, 2, 4, 5, 7, 8, 0, 3, 6, 9}, order)
}

// Coroutines are used again.
func TestCoroutinesAreReused(t *testing.T) {
	s := &scheduler{}
	play(s, func() {
		for range 1000 {
			s.Go(func() { _ = s.Wait(context.Background(), time.Millisecond, nil) })
			_ = s.Wait(context.Background(), time.Second, nil)
		}
	})
	require.Len(t, s.all, 2)
}

// What waits when all is over returns.
func TestEnd(t *testing.T) {
	s := &scheduler{}
	var err error
	play(s, func() {
		for err == nil {
			err = s.Wait(context.Background(), -1, nil)
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Error(t, s.Wait(context.Background(), time.Second, nil))
}

// A loop without a wait is found, instead of running for ever.
func TestNoProgress(t *testing.T) {
	s := &scheduler{}
	n := 0
	var again func()
	again = func() {
		if n++; n < 2*maxSteps {
			s.Go(again)
		}
	}
	play(s, again)
	require.ErrorContains(t, s.failed, "without a wait")
}

func TestWaitOutside(t *testing.T) {
	s := &scheduler{}
	require.ErrorContains(t, s.Wait(context.Background(), time.Second, nil), "Clock.Go")
}

func TestContext(t *testing.T) {
	s := &scheduler{}
	x := background(s, 5*time.Second)
	deadline, ok := x.Deadline()
	require.True(t, ok)
	require.Equal(t, epoch.Add(5*time.Second), deadline)
	child, cancel := context.WithCancel(x)
	defer cancel()
	var called []string
	x.AfterFunc(func() { called = append(called, "first") })
	stop := x.AfterFunc(func() { called = append(called, "second") })
	require.True(t, stop())
	require.False(t, stop())
	require.NoError(t, child.Err())
	s.fire()
	require.Equal(t, 5*time.Second, s.now)
	require.Equal(t, context.DeadlineExceeded, x.Err())
	require.Equal(t, context.DeadlineExceeded, child.Err(), "at once, with no goroutine between")
	require.Equal(t, []string{"first"}, called)
	require.False(t, x.AfterFunc(func() { called = append(called, "late") })())
	require.Equal(t, []string{"first", "late"}, called)
	require.True(t, closed(x.Done()))

	_, ok = background(s, never).Deadline()
	require.False(t, ok)
}

func TestHistogram(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var h histogram
	var all []time.Duration
	draw := LogNormal(time.Second, 1.5)
	for range 20_000 {
		d := draw(rnd)
		all = append(all, d)
		h.add(d)
	}
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999} {
		want := all[int(q*float64(len(all)))]
		require.InEpsilon(t, want, h.quantile(q), 0.02, "%v", q)
	}
	require.Equal(t, all[len(all)-1], h.distribution().Max)
	require.LessOrEqual(t, h.quantile(1), all[len(all)-1])
	h.reset()
	require.Equal(t, Distribution{}, h.distribution())
	for i := range 2000 { // buckets follow each other without a gap
		require.Equal(t, i, bucketOf(edge(i)), "%d", i)
		require.Equal(t, i, bucketOf(edge(i+1)-time.Microsecond), "%d", i)
		if edge(i+1) > never/4 {
			break
		}
	}
	h.add(never) // must not panic
}

func TestWindow(t *testing.T) {
	var w window
	for i := range 10 {
		at := time.Duration(i) * time.Second
		require.Zero(t, w.wait(at, 10, 100, 10))
		w.add(at, 10)
	}
	require.Equal(t, 51*time.Second, w.wait(9*time.Second, 10, 0, 10), "until the first has left")
	require.Equal(t, 52*time.Second, w.wait(9*time.Second, 0, 100, 20), "until the first two have left")
	require.Equal(t, time.Minute, w.wait(9*time.Second, 0, 100, 101), "never, which is a while")
	require.Zero(t, w.wait(60*time.Second, 10, 100, 10))
	w.expire(2 * time.Minute)
	require.Zero(t, w.n)
	require.Zero(t, w.tokens)
	for i := range 1000 { // grows, and keeps its order over the ring's edge
		w.add(3*time.Minute+time.Duration(i), 1)
	}
	require.Equal(t, 1000, w.n)
	require.Equal(t, time.Minute-time.Duration(999-499), w.wait(3*time.Minute+999, 501, 0, 1))
}
