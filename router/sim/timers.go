package sim

import "time"

// timer is an entry of timers: it resumes a coroutine or ends a call.
type timer struct {
	index int // -1: not set
	wakes *coroutine
	ends  *callContext
}

// timers is a heap with the next timer first; among those of the same moment the one that was set first.
type timers struct {
	heap []timerEntry
	seq  uint64
}

type timerEntry struct {
	at    time.Duration
	seq   uint64
	timer *timer
}

func (e *timerEntry) before(o *timerEntry) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// next is when the next timer fires; never if there is none.
func (t *timers) next() time.Duration {
	if len(t.heap) == 0 {
		return never
	}
	return t.heap[0].at
}

// set adds a timer that is not set.
func (t *timers) set(x *timer, at time.Duration) {
	t.seq++
	x.index = len(t.heap)
	t.heap = append(t.heap, timerEntry{at, t.seq, x})
	t.up(x.index)
}

// remove takes a timer out, if it is set.
func (t *timers) remove(x *timer) {
	i, last := x.index, len(t.heap)-1
	if i < 0 {
		return
	}
	x.index = -1
	moved := t.heap[last]
	t.heap[last] = timerEntry{}
	t.heap = t.heap[:last]
	if i < last {
		t.put(i, moved)
		t.down(i)
		t.up(i)
	}
}

func (t *timers) put(i int, e timerEntry) {
	t.heap[i] = e
	e.timer.index = i
}

func (t *timers) up(i int) {
	e := t.heap[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !e.before(&t.heap[parent]) {
			break
		}
		t.put(i, t.heap[parent])
		i = parent
	}
	t.put(i, e)
}

func (t *timers) down(i int) {
	e := t.heap[i]
	for {
		child := 2*i + 1
		if child >= len(t.heap) {
			break
		}
		if child+1 < len(t.heap) && t.heap[child+1].before(&t.heap[child]) {
			child++
		}
		if !t.heap[child].before(&e) {
			break
		}
		t.put(i, t.heap[child])
		i = child
	}
	t.put(i, e)
}
