package router

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// history is the last latencies of a group, for the delay of hedges.
type history struct {
	mu      sync.Mutex
	samples []int64
	n       int
	late    atomic.Int64 // the quantile, made anew every few samples
	q       float64      // 0: nobody asks
}

const (
	historySize = 256
	historyMin  = 20
)

func (h *history) add(v int64) {
	if h.q == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.samples) < historySize {
		h.samples = append(h.samples, v)
	} else {
		h.samples[h.n%historySize] = v
	}
	h.n++
	if h.n < historyMin || h.n%16 != 0 && h.n != historyMin {
		return
	}
	sorted := slices.Clone(h.samples)
	slices.Sort(sorted)
	h.late.Store(sorted[min(int(h.q*float64(len(sorted))), len(sorted)-1)])
}

// delay is after how long a call is late; 0: not known yet. It is a little more than the quantile, or calls that all take
// the same time would be late half of the time.
func (h *history) delay() time.Duration { return time.Duration(h.late.Load() * 21 / 20) }

// bucket is a token bucket without time: what comes in is a share of the calls.
type bucket struct {
	thousandths atomic.Int64
	most        int64
}

func newBucket(most int) *bucket {
	b := &bucket{most: int64(most) * 1000}
	b.thousandths.Store(b.most)
	return b
}

func (b *bucket) add(share float64) {
	have := b.thousandths.Load()
	if have < b.most { // a lost race adds once less
		b.thousandths.CompareAndSwap(have, min(have+int64(share*1000), b.most))
	}
}

func (b *bucket) take() bool {
	for {
		have := b.thousandths.Load()
		if have < 1000 {
			return false
		}
		if b.thousandths.CompareAndSwap(have, have-1000) {
			return true
		}
	}
}

func (b *bucket) left() float64 { return float64(b.thousandths.Load()) / 1000 }

// parallel counts calls in flight by a key of the caller's choosing. A key without calls takes no room.
type parallel struct {
	mu sync.Mutex
	n  map[string]int
}

func (p *parallel) enter(key string, limit int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n[key] >= limit {
		return false
	}
	if p.n == nil {
		p.n = make(map[string]int)
	}
	p.n[key]++
	return true
}

func (p *parallel) leave(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n[key]--; p.n[key] <= 0 {
		delete(p.n, key)
	}
}

func duration(n int64) time.Duration { return time.Duration(n) }
