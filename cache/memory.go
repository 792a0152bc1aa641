package cache

import (
	"cmp"
	"context"
	"sync"
	"time"
)

// Memory is a [Store] of this process. When it is full, what was not used for the longest time goes first.
type Memory struct {
	now    func() time.Time
	shards []shard
}

// MemoryConfig bounds a [Memory].
type MemoryConfig struct {
	// MaxBytes bounds the values, with what it costs to keep them; default 64 MiB.
	MaxBytes int64
	// MaxEntries bounds their number; default 100,000.
	MaxEntries int
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Locks are taken by many goroutines at once only in large memories: a small one is not divided, so that its bounds are
// exact.
const (
	shardCount   = 16
	shardEntries = 1024     // fewer entries than that are not divided
	shardBytes   = 16 << 20 // nor are fewer bytes
	itemOverhead = 250      // of the map, the list and the item
)

type shard struct {
	mu              sync.Mutex
	items           map[Key]*item
	first, last     *item // first is the one used last
	bytes, maxBytes int64
	maxEntries      int
	_               [64]byte // locks of two shards share no cache line
}

type item struct {
	key        Key
	value      []byte
	expires    int64 // Unix nanoseconds; 0: never
	prev, next *item
}

// NewMemory returns an empty one.
func NewMemory(c MemoryConfig) *Memory {
	c.MaxBytes = cmp.Or(c.MaxBytes, 64<<20)
	c.MaxEntries = cmp.Or(c.MaxEntries, 100_000)
	if c.Now == nil {
		c.Now = time.Now
	}
	n := shardCount
	if c.MaxEntries < shardEntries || c.MaxBytes < shardBytes {
		n = 1
	}
	m := &Memory{now: c.Now, shards: make([]shard, n)}
	for i := range m.shards {
		s := &m.shards[i]
		s.items = make(map[Key]*item)
		s.maxBytes, s.maxEntries = c.MaxBytes/int64(n), max(c.MaxEntries/n, 1)
	}
	return m
}

func (m *Memory) shard(key Key) *shard { return &m.shards[int(key[0])%len(m.shards)] }

// Get is [Store.Get].
func (m *Memory) Get(ctx context.Context, key Key) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.items[key]
	if it == nil {
		return nil, nil
	}
	if it.expires != 0 && m.now().UnixNano() >= it.expires {
		s.remove(it)
		return nil, nil
	}
	s.unlink(it)
	s.front(it)
	return it.value, nil
}

// Set is [Store.Set]. A value that is larger than the whole memory, or than a 16th of a large one, is not kept.
func (m *Memory) Set(ctx context.Context, key Key, value []byte, ttl time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	it := &item{key: key, value: value}
	if ttl > 0 {
		it.expires = m.now().Add(ttl).UnixNano()
	}
	s := m.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.items[key]; old != nil {
		s.remove(old)
	}
	if it.size() > s.maxBytes {
		return nil
	}
	s.items[key] = it
	s.front(it)
	s.bytes += it.size()
	for s.bytes > s.maxBytes || len(s.items) > s.maxEntries {
		s.remove(s.last)
	}
	return nil
}

func (it *item) size() int64 { return int64(len(it.value)) + itemOverhead }

func (s *shard) remove(it *item) {
	s.unlink(it)
	delete(s.items, it.key)
	s.bytes -= it.size()
}

func (s *shard) front(it *item) {
	it.prev, it.next = nil, s.first
	if s.first != nil {
		s.first.prev = it
	} else {
		s.last = it
	}
	s.first = it
}

func (s *shard) unlink(it *item) {
	if it.prev != nil {
		it.prev.next = it.next
	} else {
		s.first = it.next
	}
	if it.next != nil {
		it.next.prev = it.prev
	} else {
		s.last = it.prev
	}
}
