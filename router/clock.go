package router

import (
	"context"
	"time"
)

// wallClock is time as it is. Now keeps the monotonic reading, so that a clock that is set does not move cooldowns.
type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) Go(f func()) { go f() }

func (wallClock) Wait(ctx context.Context, d time.Duration, ready <-chan struct{}) error {
	var expired <-chan time.Time
	if d >= 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		expired = t.C
	}
	select {
	case <-expired:
	case <-ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// withTimeout is context.WithTimeout by a clock.
func withTimeout(ctx context.Context, clock Clock, d time.Duration) (context.Context, context.CancelFunc) {
	if _, real := clock.(wallClock); real {
		return context.WithTimeout(ctx, d)
	}
	inner, cancel := context.WithCancelCause(ctx)
	clock.Go(func() {
		if clock.Wait(inner, d, nil) == nil {
			cancel(context.DeadlineExceeded)
		}
	})
	return inner, func() { cancel(context.Canceled) }
}

// epoch is what instants are counted from. They are monotonic nanoseconds, which atomics can hold.
type epoch struct {
	clock Clock
	start time.Time
}

func (e *epoch) now() int64 { return int64(e.clock.Now().Sub(e.start)) + 1 } // 0 means never

func (e *epoch) time(instant int64) time.Time { return e.start.Add(time.Duration(instant - 1)) }
