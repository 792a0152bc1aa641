package cache

import (
	"cmp"
	"container/list"
	"context"
	"sync"
	"time"
)

// MemoryIndex is an [Index] of this process. It compares a vector with all of its scope, so it finds the nearest. When it
// is full, the oldest goes first.
type MemoryIndex struct {
	config MemoryIndexConfig

	mu      sync.RWMutex
	vectors map[Key]*list.Element // by the key of the answer; the values are *indexed
	scopes  map[Key][]*indexed
	order   list.List // oldest first
	bytes   int64
}

// MemoryIndexConfig bounds a [MemoryIndex].
type MemoryIndexConfig struct {
	// MaxEntries bounds the number of vectors; default 10,000. MaxBytes bounds their size; default 64 MiB. A vector of
	// 1,536 numbers has 6 KiB.
	MaxEntries int
	MaxBytes   int64
	// Now is the clock; default time.Now.
	Now func() time.Time
}

type indexed struct {
	Vector
	scope   Key
	place   int // in its scope's list
	expires time.Time
}

// NewMemoryIndex returns an empty one.
func NewMemoryIndex(c MemoryIndexConfig) *MemoryIndex {
	c.MaxEntries = cmp.Or(c.MaxEntries, 10_000)
	c.MaxBytes = cmp.Or(c.MaxBytes, 64<<20)
	if c.Now == nil {
		c.Now = time.Now
	}
	return &MemoryIndex{config: c, vectors: make(map[Key]*list.Element), scopes: make(map[Key][]*indexed)}
}

// Nearest is [Index.Nearest].
func (x *MemoryIndex) Nearest(ctx context.Context, scope Key, vector []float32) (Match, error) {
	if err := ctx.Err(); err != nil {
		return Match{}, err
	}
	now := x.config.Now()
	x.mu.RLock()
	defer x.mu.RUnlock()
	var best Match
	for _, v := range x.scopes[scope] {
		if len(v.Values) != len(vector) || v.over(now) {
			continue // the first: of another model of vectors
		}
		if s := float64(dot(v.Values, vector)); s > best.Similarity {
			best = Match{v.Key, s}
		}
	}
	return best, nil
}

// Add is [Index.Add].
func (x *MemoryIndex) Add(ctx context.Context, scope Key, m Vector) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	v := &indexed{Vector: m, scope: scope}
	now := x.config.Now()
	if m.TTL > 0 {
		v.expires = now.Add(m.TTL)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if old := x.vectors[m.Key]; old != nil {
		x.remove(old)
	}
	v.place = len(x.scopes[scope])
	x.scopes[scope] = append(x.scopes[scope], v)
	x.vectors[m.Key] = x.order.PushBack(v)
	x.bytes += v.size()
	for oldest := x.order.Front(); oldest != nil; oldest = x.order.Front() {
		if x.order.Len() <= x.config.MaxEntries && x.bytes <= x.config.MaxBytes && !oldest.Value.(*indexed).over(now) {
			break
		}
		x.remove(oldest)
	}
	return nil
}

func (x *MemoryIndex) remove(e *list.Element) {
	v := x.order.Remove(e).(*indexed)
	delete(x.vectors, v.Key)
	x.bytes -= v.size()
	in := x.scopes[v.scope]
	last := in[len(in)-1]
	in[v.place], last.place = last, v.place
	in[len(in)-1] = nil
	if in = in[:len(in)-1]; len(in) == 0 {
		delete(x.scopes, v.scope)
	} else {
		x.scopes[v.scope] = in
	}
}

func (v *indexed) over(now time.Time) bool { return !v.expires.IsZero() && !now.Before(v.expires) }

// size is that of the vector and of what keeps it.
func (v *indexed) size() int64 { return int64(4*len(v.Values)) + 400 }

// dot adds in four lanes, which the processor does at the same time.
func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	for len(a) >= 4 && len(b) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for i := range a {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}
