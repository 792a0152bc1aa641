package cache

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/llm-go/llm"
)

// flights are the calls that are being made, for identical ones to wait for.
type flights struct {
	mu    sync.Mutex
	calls map[Key]*flight
	swept time.Time
}

// flight is one of them.
type flight struct {
	done   chan struct{}
	stream bool
	until  time.Time // then it is over in any case, though its stream may not have been closed

	// Set before done is closed: the answer, nil if there is none to share. left says that its caller has gone.
	found *found
	left  bool
}

// maxFlights bounds what is remembered; calls beyond do not wait for each other.
const maxFlights = 10_000

// join finds the flight of an identical call, or begins one, which leads says. It is nil if there are too many.
func (fs *flights) join(key Key, call *llm.Call) (f *flight, leads bool) {
	now := time.Now()
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.calls[key]; f != nil && !f.over(now) {
		return f, false
	}
	if len(fs.calls) >= maxFlights && now.Sub(fs.swept) > time.Second {
		fs.swept = now
		for k, f := range fs.calls {
			if f.over(now) {
				delete(fs.calls, k)
			}
		}
	}
	if len(fs.calls) >= maxFlights {
		return nil, false
	}
	f = &flight{done: make(chan struct{}), stream: call.Stream}
	var bounded bool
	if f.until, bounded = call.Deadline(); !bounded {
		f.until = now.Add(llm.DefaultStreamTimeout)
	}
	if fs.calls == nil {
		fs.calls = make(map[Key]*flight)
	}
	fs.calls[key] = f
	return f, true
}

func (f *flight) over(now time.Time) bool { return now.After(f.until) }

// end gives the answer to those who wait.
func (fs *flights) end(key Key, f *flight) {
	fs.forget(key, f)
	close(f.done)
}

// forget lets the next identical call begin anew.
func (fs *flights) forget(key Key, f *flight) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.calls[key] == f {
		delete(fs.calls, key)
	}
}

// share makes the call, or waits for an identical one that is being made.
func (t *trip) share(ctx context.Context) (*llm.Result, error) {
	fs := &t.cache.flights
	for {
		f, leads := fs.join(t.key, t.call)
		if f == nil {
			return t.alone(ctx)
		}
		if leads {
			return t.lead(ctx, f)
		}
		landed, err := t.wait(ctx, f)
		switch {
		case err != nil:
			return nil, err
		case !landed: // its reader is slow, or gone: who comes now does not wait for him
			fs.forget(t.key, f)
			return t.alone(ctx)
		case f.found != nil:
			if res := t.answer(f.found); res != nil {
				t.cache.counts.shared.Add(1)
				return res, nil
			}
			return t.alone(ctx)
		case !f.left:
			return t.alone(ctx)
		}
	}
}

// lead makes the call for all.
func (t *trip) lead(ctx context.Context, f *flight) (*llm.Result, error) {
	land := func(answer *found, left bool) {
		f.found, f.left = answer, left
		t.cache.flights.end(t.key, f)
	}
	asking := false
	defer func() {
		if !asking { // the answer was found, or a function of the caller's has panicked
			land(f.found, false)
		}
	}()
	if f.found = t.find(ctx); f.found != nil { // another flight may just have ended
		return f.found.result, nil
	}
	asking = true
	return t.ask(ctx, land)
}

// wait returns when the flight has landed, which landed says, or when it is not to be waited for any longer. The error
// is that of the waiting call alone.
func (t *trip) wait(ctx context.Context, f *flight) (landed bool, err error) {
	patience := time.Duration(1<<63 - 1)
	deadline, bounded := t.call.Deadline()
	if bounded {
		patience = time.Until(deadline)
	}
	if f.stream {
		patience = min(patience, t.cache.config.StreamWait)
	}
	select {
	case <-f.done:
		return true, nil
	default:
		if f.stream && t.cache.config.StreamWait < 0 {
			return false, nil
		}
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-f.done:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	case <-timer.C:
		if bounded && !time.Now().Before(deadline) {
			return false, &llm.Error{Kind: llm.ErrTotalTimeout, Scope: llm.ScopeLocal, Err: context.DeadlineExceeded,
				Message: "the deadline passed while an identical call was under way"}
		}
		return false, nil
	}
}

// gone says whether a call has ended because of its own caller, which says nothing about the next one.
func gone(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, llm.ErrCanceled) || errors.Is(err, llm.ErrClosed) || errors.Is(err, llm.ErrTotalTimeout) ||
		errors.Is(err, context.Canceled)
}
