package router

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/llm-go/llm"
)

// loserWait is how long an answer waits for the end of the try that it was quicker than, so that the list of attempts
// has both.
const loserWait = 50 * time.Millisecond

// branch is one of two tries of a call.
type branch struct {
	p      pick
	cancel context.CancelFunc
	done   chan struct{}
	res    *llm.Result
	err    error
}

// hedged is try, with a second one if the first is slow to begin.
func (t *trip) hedged(ctx context.Context, p pick) (*llm.Result, pick, error) {
	delay := t.group.latencies(t.call.Stream).delay()
	if delay == 0 {
		res, err := t.try(ctx, &p)
		return res, p, err
	}
	var (
		clock  = t.rt.clock
		mu     sync.Mutex
		either = make(chan struct{}) // closed when a branch ends; then made anew
	)
	start := func(p pick) *branch {
		b := &branch{p: p, done: make(chan struct{})}
		inner, cancel := context.WithCancel(ctx)
		b.cancel = cancel
		clock.Go(func() {
			b.res, b.err = t.try(inner, &b.p)
			mu.Lock()
			defer mu.Unlock()
			close(b.done)
			close(either)
			either = make(chan struct{})
		})
		return b
	}
	ended := func(b *branch) bool {
		select {
		case <-b.done:
			return true
		default:
			return false
		}
	}
	first := start(p)
	if err := clock.Wait(ctx, max(delay, t.rt.config.Hedge.MinDelay), first.done); err != nil && !ended(first) {
		_ = clock.Wait(context.Background(), -1, first.done) // its context has ended: it returns at once
	}
	var second *branch
	if !ended(first) {
		if other, ok := t.another(ctx, &p); ok {
			second = start(other)
		}
	}
	for {
		mu.Lock()
		next := either
		mu.Unlock()
		switch {
		case ended(first) && (first.err == nil || second == nil || ended(second) && second.err != nil):
			return t.won(first, second)
		case second != nil && ended(second) && second.err == nil:
			return t.won(second, first)
		}
		if clock.Wait(ctx, -1, next) != nil {
			_ = clock.Wait(context.Background(), -1, first.done)
			if second != nil {
				_ = clock.Wait(context.Background(), -1, second.done)
			}
		}
	}
}

// another is a place for a second try; it must be free now.
func (t *trip) another(ctx context.Context, first *pick) (pick, bool) {
	if t.call.AttemptsLeft() <= 0 || t.tries >= t.budget || !t.rt.hedges.take() {
		return pick{}, false
	}
	t.tried, t.hedging = append(t.tried, first.d), true
	defer func() { t.tried, t.hedging = t.tried[:len(t.tried)-1], false }()
	p, _, err := t.choose(ctx)
	if err != nil || p.d == nil {
		return pick{}, false
	}
	most := t.rt.config.Hedge.MaxCost
	n := t.look()
	if p.group != first.group || p.reason == "last resort" ||
		most > 0 && (p.d.Price == nil || p.d.cost(n.prompt, n.answer) > most) {
		t.release(&p)
		return pick{}, false
	}
	t.tries++
	p.reason = "hedge"
	t.rt.event(Event{Time: t.rt.clock.Now(), Kind: "hedge", Group: p.group.name, Deployment: p.d.ID})
	return p, true
}

// won ends the other branch and hands the answer out.
func (t *trip) won(b, other *branch) (*llm.Result, pick, error) {
	if other != nil {
		other.cancel()
		_ = t.rt.clock.Wait(context.Background(), loserWait, other.done)
		t.rt.clock.Go(func() { // an answer that came all the same is not left open
			_ = t.rt.clock.Wait(context.Background(), -1, other.done)
			if other.err == nil {
				if s, ok := other.res.Stream.(io.Closer); ok {
					_ = s.Close()
				}
			}
		})
	}
	if b.err != nil && other != nil {
		t.tried = append(t.tried, other.p.d) // both have failed
	}
	if b.err != nil || !t.call.Stream {
		b.cancel()
	} else {
		t.call.OnDone(b.res, func(*llm.Outcome) { b.cancel() })
	}
	return b.res, b.p, b.err
}
