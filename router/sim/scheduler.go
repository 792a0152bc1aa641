package sim

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"slices"
	"time"
)

// epoch is when every run begins. It is in the future, so that a real time among virtual ones stands out.
var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// never is a point in time that is not reached.
const never = time.Duration(1<<63 - 1)

// scheduler runs coroutines in virtual time, one at a time. It is the router's Clock. What happens at the same
// moment happens in the order in which it was asked for, so that a run depends on nothing but its seed.
type scheduler struct {
	now     time.Duration // since epoch
	timers  timers
	ready   []*coroutine // to be resumed, from head on
	head    int
	polled  []*coroutine // parked, with a channel to look at
	idle    []*coroutine
	all     []*coroutine
	current *coroutine
	ended   bool  // nothing waits any more
	failed  error // the first panic
}

// coroutine runs one job after another, and is parked whenever the job waits.
type coroutine struct {
	job    func()
	resume func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool

	parked bool
	timer  timer
	ready  <-chan struct{} // looked at by poll; nil: none
	done   <-chan struct{} // the same
	call   *callContext    // wakes it by itself; nil: none
	cause  wakeup
}

// wakeup is why a coroutine was resumed.
type wakeup int8

const (
	byTimer wakeup = iota
	byReady
	byContext
)

// errEnded is what a wait returns when the run is over.
var errEnded = fmt.Errorf("sim: the run has ended: %w", context.Canceled)

// Now is the virtual time.
func (s *scheduler) Now() time.Time { return epoch.Add(s.now) }

// Go runs f in a coroutine of its own, after the one that asks.
func (s *scheduler) Go(f func()) {
	var c *coroutine
	if n := len(s.idle); n > 0 {
		c, s.idle = s.idle[n-1], s.idle[:n-1]
	} else {
		c = s.newCoroutine()
	}
	c.job = f
	s.ready = append(s.ready, c)
}

// newCoroutine makes one that is used for many jobs: starting a job on it costs a tenth of making it.
func (s *scheduler) newCoroutine() *coroutine {
	c := &coroutine{timer: timer{index: -1}}
	c.timer.wakes = c
	c.resume, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		for {
			s.run(c.job)
			c.job = nil
			s.idle = append(s.idle, c)
			if !yield(struct{}{}) {
				return
			}
		}
	})
	s.all = append(s.all, c)
	return c
}

// run keeps a panic of a job with its stack, which would be lost on the way through the scheduler.
func (s *scheduler) run(job func()) {
	defer func() {
		if r := recover(); r != nil && s.failed == nil {
			s.failed = fmt.Errorf("sim: panic at %s: %v\n%s", s.now, r, debug.Stack())
		}
	}()
	job()
}

// Wait parks the caller until d has passed, ready is closed, or ctx ends.
func (s *scheduler) Wait(ctx context.Context, d time.Duration, ready <-chan struct{}) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d == 0 || closed(ready) {
		return nil
	}
	c := s.current
	switch {
	case c == nil:
		return errors.New("sim: Clock.Wait was called by a goroutine that the simulation does not know; begin it by Clock.Go")
	case s.ended:
		return errEnded
	}
	until := never
	if d > 0 && d < never-s.now {
		until = s.now + d
	}
	c.ready = ready
	if call, _ := ctx.Value(callKey{}).(*callContext); call != nil && (ctx == context.Context(call) || ctx.Done() == call.done) {
		// The call's context tells its end by itself, which needs no polling, and no timer if that is later.
		c.call = call
		call.waiting = append(call.waiting, c)
		if call.deadline < until {
			call.arm()
		}
	} else {
		c.done = ctx.Done()
	}
	s.park(c, until)
	if c.call != nil {
		c.call.forget(c)
	}
	c.ready, c.done, c.call = nil, nil, nil
	switch {
	case s.ended:
		return errEnded
	case c.cause == byContext:
		return ctx.Err()
	}
	return nil
}

// park returns when the coroutine has been woken.
func (s *scheduler) park(c *coroutine, until time.Duration) {
	if until != never {
		s.timers.set(&c.timer, until)
	}
	if c.ready != nil || c.done != nil {
		s.polled = append(s.polled, c)
	}
	c.parked = true
	c.yield(struct{}{})
}

// wake has a coroutine resumed, if it is parked.
func (s *scheduler) wake(c *coroutine, cause wakeup) {
	if !c.parked {
		return
	}
	if i := slices.Index(s.polled, c); i >= 0 {
		s.polled = slices.Delete(s.polled, i, i+1)
	}
	s.resumeSoon(c, cause)
}

func (s *scheduler) resumeSoon(c *coroutine, cause wakeup) {
	c.parked, c.cause = false, cause
	s.timers.remove(&c.timer)
	s.ready = append(s.ready, c)
}

// poll wakes the coroutines whose channels have been closed.
func (s *scheduler) poll() {
	for i, c := range s.polled {
		if closed(c.ready) || closed(c.done) {
			s.pollFrom(i)
			return
		}
	}
}

// pollFrom does that when there is at least one; the others keep their order.
func (s *scheduler) pollFrom(first int) {
	kept := s.polled[:first]
	for _, c := range s.polled[first:] {
		switch {
		case closed(c.ready):
			s.resumeSoon(c, byReady)
		case closed(c.done):
			s.resumeSoon(c, byContext)
		default:
			kept = append(kept, c)
		}
	}
	clear(s.polled[len(kept):])
	s.polled = kept
}

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// maxSteps is how often coroutines may be resumed at one moment: more is a loop that never waits.
const maxSteps = 1_000_000

// settle resumes coroutines until all of them wait.
func (s *scheduler) settle() {
	for steps := 0; ; steps++ {
		s.poll()
		if s.head == len(s.ready) {
			break
		}
		if steps == maxSteps {
			s.failed = fmt.Errorf("sim: at %s something is done over and over without a wait", s.now)
			break
		}
		c := s.ready[s.head]
		s.head++
		s.current = c
		c.resume()
		s.current = nil
	}
	s.ready, s.head = s.ready[:0], 0
}

// fire moves on to the next timer and does what follows from it.
func (s *scheduler) fire() {
	next := s.timers.heap[0]
	s.now = next.at
	s.timers.remove(next.timer)
	if next.timer.wakes != nil {
		s.wake(next.timer.wakes, byTimer)
	} else {
		next.timer.ends.end(context.DeadlineExceeded)
	}
	s.settle()
}

// end has everything that still waits return, and frees the coroutines.
func (s *scheduler) end() {
	s.ended = true
	for _, c := range s.all {
		s.wake(c, byContext)
	}
	s.settle()
	for _, c := range s.all {
		c.stop()
	}
}
