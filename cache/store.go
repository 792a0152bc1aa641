package cache

import (
	"context"
	"sync/atomic"
	"time"
)

// Store keeps answers by their keys. This package has [Memory] and [Disk]; github.com/llm-go/llm/contrib/redis and
// others have shared ones. Whether one of your own does what a [Cache] relies on is checked by package cachetest.
//
// Implementations are safe for use by many goroutines. They return, with ctx's error, when ctx ends: that is what keeps
// [Config.StoreTimeout]. Values are opaque, and are checked when they are read: a store may lose them at any time.
type Store interface {
	// Get returns the value of key; nil if there is none, or if its time is over. The caller does not change it.
	Get(ctx context.Context, key Key) ([]byte, error)
	// Set stores a value, which is not empty, in the place of another, if there is one. After ttl it is not there any
	// more; 0: it stays. The value is not changed any more.
	Set(ctx context.Context, key Key, value []byte, ttl time.Duration) error
}

// guard stands before a store: what the store may cost a call is bounded, and while it does not answer calls go on
// without it.
type guard struct {
	store   Store
	local   bool // it waits for nothing
	timeout time.Duration
	now     func() time.Time
	failed  func(error)
	misses  atomic.Int32
	down    atomic.Int64 // not asked until this instant, in Unix nanoseconds
}

const (
	maxMisses  = 3           // in a row, and the store is left alone
	storePause = time.Second // for so long; then one call tries
)

// ready says whether the store is to be asked.
func (g *guard) ready() bool {
	down := g.down.Load()
	if down == 0 {
		return true
	}
	now := g.now().UnixNano()
	return now >= down && g.down.CompareAndSwap(down, now+int64(storePause))
}

// answered keeps the account of an answer or a failure of the store.
func (g *guard) answered(ctx context.Context, err error) {
	switch {
	case err == nil:
		if g.misses.Load() != 0 || g.down.Load() != 0 {
			g.misses.Store(0)
			g.down.Store(0)
		}
		return
	case ctx.Err() != nil:
		return // it is the caller who has gone
	}
	if g.misses.Add(1) >= maxMisses {
		g.down.Store(g.now().Add(storePause).UnixNano())
	}
	g.failed(err)
}

func (g *guard) get(ctx context.Context, key Key) []byte {
	if g.local {
		value, _ := g.store.Get(ctx, key)
		return value
	}
	if !g.ready() {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	value, err := g.store.Get(limited, key)
	g.answered(ctx, err)
	if err != nil {
		return nil
	}
	return value
}

// set stores although the caller may just have gone: the answer is there.
func (g *guard) set(ctx context.Context, key Key, value []byte, ttl time.Duration) bool {
	ctx = context.WithoutCancel(ctx)
	if g.local {
		return g.store.Set(ctx, key, value, ttl) == nil
	}
	if !g.ready() {
		return false
	}
	limited, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	err := g.store.Set(limited, key, value, ttl)
	g.answered(ctx, err)
	return err == nil
}
