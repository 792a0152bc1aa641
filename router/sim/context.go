package sim

import (
	"slices"
	"time"
)

// callKey finds a callContext through the contexts that are derived from it.
type callKey struct{}

// callContext is the context of one simulated call. It ends in virtual time. It has an AfterFunc method, by which
// package context derives others from it without a goroutine: what they do happens within the coroutine at hand.
type callContext struct {
	s        *scheduler
	call     *call
	deadline time.Duration // since epoch; never: none
	err      error
	done     chan struct{} // made when it is asked for
	timer    timer
	after    []*func()
	waiting  []*coroutine
	first    [1]*coroutine // memory for waiting: as a rule there is one
}

func (x *callContext) Deadline() (time.Time, bool) {
	if x.deadline == never {
		return time.Time{}, false
	}
	return epoch.Add(x.deadline), true
}

func (x *callContext) Done() <-chan struct{} {
	if x.done == nil {
		x.done = make(chan struct{})
		if x.err != nil {
			close(x.done)
		} else {
			x.arm()
		}
	}
	return x.done
}

func (x *callContext) Err() error { return x.err }

func (x *callContext) Value(key any) any {
	if key == (callKey{}) {
		return x
	}
	return nil
}

// AfterFunc has f called, within the simulation, when the context ends.
func (x *callContext) AfterFunc(f func()) (stop func() bool) {
	if x.err != nil {
		f()
		return func() bool { return false }
	}
	x.arm()
	p := &f
	x.after = append(x.after, p)
	return func() bool {
		i := slices.Index(x.after, p)
		if i < 0 {
			return false
		}
		x.after = slices.Delete(x.after, i, i+1)
		return true
	}
}

// arm has the context end at its deadline.
func (x *callContext) arm() {
	if x.timer.index < 0 && x.deadline != never && x.err == nil {
		x.s.timers.set(&x.timer, x.deadline)
	}
}

// end ends the context, once.
func (x *callContext) end(err error) {
	x.s.timers.remove(&x.timer)
	if x.err != nil {
		return
	}
	x.err = err
	if x.done != nil {
		close(x.done)
	}
	for len(x.after) > 0 {
		f := x.after[0]
		x.after = x.after[1:]
		(*f)()
	}
	for _, c := range x.waiting {
		x.s.wake(c, byContext)
	}
}

// forget takes a coroutine off those that wait for the end.
func (x *callContext) forget(c *coroutine) {
	if i := slices.Index(x.waiting, c); i >= 0 {
		x.waiting = slices.Delete(x.waiting, i, i+1)
	}
}
