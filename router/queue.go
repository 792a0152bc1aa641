package router

import (
	"container/heap"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// queue is the calls of a group that wait for room. The first of them tries when its wait is over or a call has ended,
// the others only when it has gone: so none overtakes.
type queue struct {
	max int // 0: the default; negative: none waits

	n       atomic.Int32 // of those that wait, so that nobody asks the lock when none does
	mu      sync.Mutex
	waiting waiters
	serial  int64
}

type waiter struct {
	priority int
	serial   int64
	index    int
	ready    chan struct{} // closed to have it look again; then replaced
}

// waiters is a heap: lower priorities first, then those that came first.
type waiters []*waiter

func (w waiters) Len() int { return len(w) }
func (w waiters) Less(i, j int) bool {
	return w[i].priority < w[j].priority || w[i].priority == w[j].priority && w[i].serial < w[j].serial
}
func (w waiters) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].index, w[j].index = i, j
}
func (w *waiters) Push(x any) {
	x.(*waiter).index = len(*w)
	*w = append(*w, x.(*waiter))
}
func (w *waiters) Pop() any {
	old := *w
	x := old[len(old)-1]
	old[len(old)-1] = nil
	*w = old[:len(old)-1]
	return x
}

// behind says whether a newcomer would overtake somebody.
func (q *queue) behind(priority int) bool {
	if q.n.Load() == 0 {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) > 0 && q.waiting[0].priority <= priority
}

// enter takes a place; nil: the queue is full.
func (q *queue) enter(priority int) *waiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	limit := q.max
	if limit == 0 {
		limit = 1000
	}
	if len(q.waiting) >= limit {
		return nil
	}
	q.serial++
	w := &waiter{priority: priority, serial: q.serial, ready: make(chan struct{})}
	heap.Push(&q.waiting, w)
	q.n.Add(1)
	return w
}

// leave gives the place up, and wakes the next.
func (q *queue) leave(w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	heap.Remove(&q.waiting, w.index)
	q.n.Add(-1)
	q.wakeFirst()
}

// wake has the first look again.
func (q *queue) wake() {
	if q.n.Load() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wakeFirst()
}

func (q *queue) wakeFirst() {
	if len(q.waiting) == 0 {
		return
	}
	w := q.waiting[0]
	close(w.ready)
	w.ready = make(chan struct{})
}

// look says whether w is the first, and on what it waits otherwise.
func (q *queue) look(w *waiter) (first bool, ready <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return w.index == 0, w.ready
}

// errLate ends a wait that took all the time there was.
var errLate = errors.New("late")

// wait is for a call that found no room. The first in the queue tries, and if there is none yet, says after which time
// there may be; wait returns when it is done. Longer than left it does not wait, if that is not negative.
func (q *queue) wait(ctx context.Context, clock Clock, w *waiter, left time.Duration,
	try func() (done bool, again time.Duration, err error)) error {
	defer q.leave(w)
	start := clock.Now()
	for {
		first, ready := q.look(w)
		d := time.Duration(-1)
		if first {
			done, again, err := try()
			if done || err != nil {
				return err
			}
			d = again
		}
		if left >= 0 {
			rest := left - clock.Now().Sub(start)
			if rest <= 0 {
				return errLate
			}
			if d < 0 || d > rest {
				d = rest
			}
		}
		if err := clock.Wait(ctx, d, ready); err != nil {
			return err
		}
	}
}

// queues are those of callers' limits, by key; they exist while somebody waits in them.
type queues struct {
	mu    sync.Mutex
	byKey map[string]*openQueue
}

type openQueue struct {
	queue
	users int
}

func (q *queues) open(key string, most int) *queue {
	q.mu.Lock()
	defer q.mu.Unlock()
	o := q.byKey[key]
	if o == nil {
		if q.byKey == nil {
			q.byKey = make(map[string]*openQueue)
		}
		o = &openQueue{queue: queue{max: most}}
		q.byKey[key] = o
	}
	o.users++
	return &o.queue
}

func (q *queues) close(key string) {
	if key == "" {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if o := q.byKey[key]; o != nil {
		if o.users--; o.users == 0 {
			delete(q.byKey, key)
		}
	}
}
