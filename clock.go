package llm

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// clock watches one attempt with a single timer. Its phases are the contract's clocks; the total one runs
// through all of them. When a limit passes, the attempt's context is cancelled with the phase's error as the
// cause. Feeding it with content is one atomic store, and it costs no goroutine unless it fires.
type clock struct {
	cancel context.CancelCauseFunc
	base   time.Time
	total  time.Duration // since base; 0: none
	phase  atomic.Int32
	limit  atomic.Int64 // of the phase, since base; 0: none

	mu    sync.Mutex
	timer *time.Timer
	armed time.Duration // when the timer fires, since base; 0: it is not set
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
	c.limit.Store(0)
	if d > 0 {
		c.limit.Store(int64(now + d))
	}
	c.arm(now)
}

// feed begins the current phase anew, for d from now. d never shrinks within a phase, so the timer can stay.
func (c *clock) feed(d time.Duration) {
	if d > 0 {
		c.limit.Store(int64(time.Since(c.base) + d))
	}
}

// arm sets the timer to the nearest limit if it is not set to fire before; mu is held.
func (c *clock) arm(now time.Duration) {
	next := time.Duration(c.limit.Load())
	if next == 0 || c.total > 0 && c.total < next {
		next = c.total
	}
	if next == 0 || c.armed > 0 && c.armed <= next {
		return
	}
	c.armed = next
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
	if c.total > 0 && now >= c.total {
		c.cancel(ErrTotalTimeout)
		return
	}
	if limit := time.Duration(c.limit.Load()); limit > 0 && now >= limit {
		if phase := c.phase.Load(); phase == phaseRest {
			c.cancel(errDrained)
		} else {
			c.cancel(phaseKinds[phase])
		}
		return
	}
	c.armed = 0
	c.arm(now)
}

func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
}
