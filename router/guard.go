package router

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-go/llm"
)

// guard stands before a shared store: what the store may cost a call is bounded, and while it does not answer calls
// go on with this process's own counts, or are refused.
type guard struct {
	rt      *Router
	store   Store
	timeout time.Duration
	misses  atomic.Int32
	down    atomic.Int64 // not asked until this instant

	mu      sync.Mutex
	pending []Settlement // they go with the next Take: a call makes one round trip
}

const (
	maxMisses    = 3           // in a row, and the store is left alone
	storePause   = time.Second // for so long
	maxPending   = 10_000
	settleAtOnce = 256 // of the pending go with one Take
)

func (g *guard) take(ctx context.Context, t *Take) (Taken, error) {
	now := g.rt.now()
	if down := g.down.Load(); now < down || down != 0 && !g.down.CompareAndSwap(down, now+int64(storePause)) {
		return g.without(ctx, t)
	}
	g.mu.Lock()
	n := min(len(g.pending), settleAtOnce)
	t.Settle = append([]Settlement(nil), g.pending[:n]...)
	g.pending = append(g.pending[:0], g.pending[n:]...)
	g.mu.Unlock()
	taken, err := g.ask(ctx, t)
	if err == nil {
		g.misses.Store(0)
		if g.down.Swap(0) != 0 {
			g.rt.event(Event{Time: g.rt.clock.Now(), Kind: "store_recovered"})
		}
		return taken, nil
	}
	if ctx.Err() != nil {
		return Taken{Choice: -1}, ctx.Err()
	}
	g.missed(err)
	t.Settle = nil
	return g.without(ctx, t)
}

func (g *guard) ask(ctx context.Context, t *Take) (Taken, error) {
	if m, ok := g.store.(*Memory); ok { // it does not wait for anything
		return m.Take(ctx, t)
	}
	limited, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	return g.store.Take(limited, t)
}

// missed counts a failure of the store; after a few in a row it is left alone for a while.
func (g *guard) missed(err error) {
	if g.misses.Add(1) < maxMisses {
		return
	}
	if g.down.Swap(g.rt.now()+int64(storePause)) == 0 {
		g.rt.event(Event{Time: g.rt.clock.Now(), Kind: "store", Reason: err.Error()})
	}
}

func (g *guard) without(ctx context.Context, t *Take) (Taken, error) {
	if g.rt.config.FailClosed {
		return Taken{Choice: -1}, &llm.Error{Kind: llm.ErrRefused, Scope: llm.ScopeLocal, Temporary: true,
			Message: "router: the shared store does not answer, and Config.FailClosed refuses calls without it"}
	}
	taken, err := g.rt.local.Take(ctx, t)
	taken.At = time.Time{} // it is not to be settled with the store
	return taken, err
}

// cool tells the other processes of a cooldown.
func (g *guard) cool(d *deployment, pause time.Duration) {
	if g.rt.now() < g.down.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), g.timeout)
	defer cancel()
	if err := g.store.Cool(ctx, d.storeKey, pause); err != nil {
		g.missed(err)
	}
}

// settle corrects what was booked, with the next call where that costs a round trip.
func (rt *Router) settle(list []Settlement) {
	if len(list) == 0 {
		return
	}
	if rt.shared == nil {
		_, _ = rt.local.Take(context.Background(), &Take{Settle: list})
		return
	}
	g := rt.shared
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.pending) < maxPending {
		g.pending = append(g.pending, list...)
	}
}

// Flush writes to the shared store what calls have used beside what was booked for them, which otherwise goes with the
// next call. An application may do so before it ends.
func (rt *Router) Flush(ctx context.Context) error {
	g := rt.shared
	if g == nil {
		return nil
	}
	g.mu.Lock()
	list := g.pending
	g.pending = nil
	g.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	_, err := g.store.Take(ctx, &Take{Settle: list})
	return err
}

// adapt reads what a provider says is left of its own limits: x-ratelimit-remaining-* (OpenAI and those who follow it)
// and anthropic-ratelimit-*. A key with nothing left is not used until the reset.
func (d *deployment) adapt(k *key, h http.Header, rt *Router, now int64) {
	if len(h) == 0 {
		return
	}
	for _, kind := range [...]string{"Requests", "Tokens"} {
		remaining, reset := h["X-Ratelimit-Remaining-"+kind], h["X-Ratelimit-Reset-"+kind]
		if len(remaining) == 0 {
			remaining, reset = h["Anthropic-Ratelimit-"+kind+"-Remaining"], h["Anthropic-Ratelimit-"+kind+"-Reset"]
		}
		if len(remaining) == 0 || len(reset) == 0 {
			continue
		}
		left, err := strconv.ParseInt(strings.TrimSpace(remaining[0]), 10, 64)
		if err != nil || left < 0 {
			continue
		}
		wait := rt.until(reset[0])
		if wait <= 0 || wait > time.Hour {
			continue
		}
		if kind == "Tokens" {
			k.tokens.Store(left)
			k.tokensReset.Store(now + int64(wait))
			if !d.group.adaptive.Load() {
				d.group.adaptive.Store(true)
			}
		} else if left == 0 {
			reason := "limit of the provider"
			k.reason.Store(&reason)
			k.limited.Store(true)
			k.out.Store(now + int64(wait))
			d.tier.version.Add(1)
		}
	}
}

// until reads a reset time: a duration ("6m0s", "120ms"), seconds, or an RFC 3339 date.
func (rt *Router) until(v string) time.Duration {
	v = strings.TrimSpace(v)
	if d, err := time.ParseDuration(v); err == nil {
		return d
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil && s > 0 && s < 1e6 {
		return time.Duration(s * float64(time.Second))
	}
	if at, err := time.Parse(time.RFC3339, v); err == nil {
		return at.Sub(rt.clock.Now())
	}
	return 0
}
