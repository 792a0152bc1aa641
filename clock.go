package llm

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// clock watches one attempt with a single timer. Its phases are the contract's clocks; the total one runs
// through all of them. When a limit passes, the attempt's context is cancelled with the phase's error as the
// cause. Beside that, only the total clock runs while nobody waits: a reader who takes long over a chunk is not
// the host's fault. Waiting costs a look at the time and a few atomic operations a chunk, and no goroutine unless
// the timer fires.
type clock struct {
	cancel context.CancelCauseFunc
	base   time.Time
	total  time.Duration // since base; 0: none

	phase  atomic.Int32
	limit  atomic.Int64 // of the phase, since base; 0: none
	paused atomic.Bool
	armed  atomic.Int64  // when the timer fires, since base; 0: it is not set
	since  time.Duration // when the pause began; -1: after content

	mu    sync.Mutex
	timer *time.Timer
}

// phase numbers index phaseKinds.
const (
	phaseConnect int32 = iota
	phaseHeaders
	phaseFirstContent
	phaseBetween
	phaseRest // a unary body, or draining: only the total clock
)

var phaseKinds = [...]ErrorKind{ErrConnectTimeout, ErrHeaderTimeout, ErrFirstContentTimeout, ErrStallTimeout, ErrTotalTimeout}

// errDrained is the cause when the wait for the end of an already complete answer is given up.
const errDrained ErrorKind = "drained"

func (c *clock) start(cancel context.CancelCauseFunc, deadline time.Time) {
	c.cancel, c.base = cancel, time.Now()
	if !deadline.IsZero() {
		c.total = max(deadline.Sub(c.base), 1)
	}
}

// enter begins a phase that may last d; 0: without limit.
func (c *clock) enter(phase int32, d time.Duration) {
	now := time.Since(c.base)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase.Store(phase)
	c.paused.Store(false)
	c.limit.Store(0)
	if d > 0 {
		c.limit.Store(int64(now + d))
	}
	c.arm(now)
}

// pause begins a time in which nobody waits; content says that the wait before it brought some.
func (c *clock) pause(content bool) {
	c.since = -1
	if !content {
		c.since = time.Since(c.base)
	}
	c.paused.Store(true)
}

// resume ends it. After content the phase begins anew, for d; otherwise what was left of it goes on.
func (c *clock) resume(d time.Duration) {
	if d > 0 {
		now := time.Since(c.base)
		if c.since < 0 {
			c.limit.Store(int64(now + d))
		} else {
			c.limit.Add(int64(now - c.since))
		}
	}
	c.paused.Store(false)
	if armed, limit := c.armed.Load(), c.limit.Load(); armed == 0 || limit > 0 && armed > limit { // it fired in the pause
		c.mu.Lock()
		c.arm(time.Since(c.base))
		c.mu.Unlock()
	}
}

// arm sets the timer to the nearest limit if it is not set to fire before; mu is held.
func (c *clock) arm(now time.Duration) {
	next := time.Duration(c.limit.Load())
	if next == 0 || c.paused.Load() || c.total > 0 && c.total < next {
		next = c.total
	}
	armed := time.Duration(c.armed.Load())
	if next == 0 || armed > 0 && armed <= next {
		return
	}
	c.armed.Store(int64(next))
	if c.timer == nil {
		c.timer = time.AfterFunc(next-now, c.fire)
	} else {
		c.timer.Reset(next - now)
	}
}

func (c *clock) fire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Since(c.base)
	// First the timer is not set, then the pause is looked at; resume does it the other way round, so that one of
	// the two sees the other.
	c.armed.Store(0)
	if c.total > 0 && now >= c.total {
		c.cancel(ErrTotalTimeout)
		return
	}
	if limit := time.Duration(c.limit.Load()); !c.paused.Load() && limit > 0 && now >= limit {
		if phase := c.phase.Load(); phase == phaseRest {
			c.cancel(errDrained)
		} else {
			c.cancel(phaseKinds[phase])
		}
		return
	}
	c.arm(now)
}

func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
}
