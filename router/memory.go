package router

import (
	"context"
	"errors"
	"hash/maphash"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// MemoryConfig configures a [Memory]. Its zero values are the defaults.
type MemoryConfig struct {
	// Now is the clock; default time.Now.
	Now func() time.Time
	// MaxKeys is the most windows, cooldowns and sessions that are kept, of each kind; default 100,000. A window takes
	// about 650 bytes. Beyond it, what has expired goes first, and then what was used least recently: a limit that is
	// dropped begins anew, so let there be more than the keys in use within a window.
	MaxKeys int
}

// Memory is a [Store] in the memory of one process. It is safe for concurrent use, and has no goroutine and nothing to
// close.
type Memory struct {
	now   func() time.Time
	start time.Time

	// Locks are taken in this order: of a session, and of windows in the order of their shards. That of a cooldown is
	// held for itself.
	sessions table[string]
	windows  table[window]
	cooling  table[struct{}]
}

// NewMemory returns an empty store.
func NewMemory(c MemoryConfig) *Memory {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MaxKeys <= 0 {
		c.MaxKeys = 100_000
	}
	return &Memory{
		now:      c.Now,
		start:    c.Now(),
		sessions: newTable[string](c.MaxKeys),
		windows:  newTable[window](c.MaxKeys),
		cooling:  newTable[struct{}](c.MaxKeys),
	}
}

// elapsed is the time as everything here counts it: since the start, by the monotonic clock if there is one.
func (m *Memory) elapsed() time.Duration { return max(m.now().Sub(m.start), 0) }

// Take is [Store.Take]. The context only matters if it has ended before: nothing is waited for.
func (m *Memory) Take(ctx context.Context, t *Take) (Taken, error) {
	err := ctx.Err()
	if err == nil {
		err = t.Validate()
	}
	if err != nil {
		return Taken{Choice: -1}, err
	}
	now := m.elapsed()
	for i := range t.Settle {
		m.settle(&t.Settle[i], now)
	}
	if t.Session == "" || len(t.Choices) == 0 {
		return m.take(t, -1, now), nil
	}
	// Held throughout, so that calls which begin a session together end up at one deployment.
	s := m.sessions.shard(t.Session)
	s.mu.Lock()
	defer s.mu.Unlock()
	first := -1
	if n := s.get(tableKey{name: t.Session}); n != nil && now < n.expires {
		first = indexOf(t.Choices, n.value)
	}
	taken := m.take(t, first, now)
	if taken.Choice >= 0 {
		s.put(tableKey{name: t.Session}, now, later(now, t.SessionTTL)).value = t.Choices[taken.Choice].Key
	}
	return taken, nil
}

func indexOf(choices []Choice, key string) int {
	for i := range choices {
		if choices[i].Key == key {
			return i
		}
	}
	return -1
}

// take takes the choice with the index first, if that is not negative and it can be, or else the first that can.
func (m *Memory) take(t *Take, first int, now time.Duration) Taken {
	taken := Taken{Choice: -1, Cooling: m.cooldowns(t.Choices, now)}
	at := now
	for n := -1; n < len(t.Choices) && taken.Choice < 0; n++ {
		i := n
		switch {
		case n < 0:
			i = first
		case n == first:
			continue
		}
		if i < 0 || taken.Cooling != nil && taken.Cooling[i] > 0 {
			continue
		}
		var full int
		at, full = m.book(t.Claims, t.Choices[i].Claims, now)
		if full < 0 {
			taken.Choice, taken.Session = i, i == first
		} else if full < len(t.Claims) {
			taken.Refused = t.Claims[full].Key
			break
		}
	}
	taken.At = m.start.Add(at)
	if taken.Choice < 0 && len(t.Choices) > 0 {
		taken.Wait = m.wait(t, taken.Cooling, now)
	}
	return taken
}

// book books all claims and returns the time at which it did, or nothing and the index of a claim that has no room,
// where the choice's come after the caller's.
func (m *Memory) book(caller, choice []Claim, now time.Duration) (at time.Duration, full int) {
	type booking struct {
		*Claim
		shard  int
		window *window
	}
	var few [8]booking
	all := few[:0]
	var shards uint64
	for i := range len(caller) + len(choice) {
		b := booking{}
		if i < len(caller) {
			b.Claim = &caller[i]
		} else {
			b.Claim = &choice[i-len(caller)]
		}
		b.shard = m.windows.index(b.Key)
		shards |= 1 << b.shard
		all = append(all, b)
	}
	m.windows.lock(shards)
	defer m.windows.unlock(shards)
	at = now
	for i := range all {
		b := &all[i]
		b.window = &m.windows.shards[b.shard].put(tableKey{b.Key, b.Window}, now, later(now, windowTTL(b.Window))).value
		if b.window.width == 0 {
			*b.window = newWindow(b.Window)
		}
		at = b.window.clamp(at)
	}
	for i := range all {
		b := &all[i]
		if b.window.room(at, b.Limit) < min(b.Amount, maxSum) {
			for _, b := range all[:i] {
				b.window.settle(at, at, -b.Amount)
			}
			return at, i
		}
		b.window.add(at, b.Amount)
	}
	return at, -1
}

// wait is how long it takes until a choice that was refused may be taken.
func (m *Memory) wait(t *Take, cooling []time.Duration, now time.Duration) time.Duration {
	soonest := time.Duration(math.MaxInt64)
	for i := range t.Choices {
		var d time.Duration
		if cooling != nil {
			d = cooling[i]
		}
		soonest = min(soonest, max(d, m.room(t.Choices[i].Claims, now)))
	}
	return max(soonest, m.room(t.Claims, now), time.Millisecond)
}

// room is the time until each of the claims has room.
func (m *Memory) room(claims []Claim, now time.Duration) time.Duration {
	var d time.Duration
	for i := range claims {
		c := &claims[i]
		s := m.windows.shard(c.Key)
		s.mu.Lock()
		if n := s.get(tableKey{c.Key, c.Window}); n != nil {
			d = max(d, n.value.wait(now, c.Limit, c.Amount))
		}
		s.mu.Unlock()
	}
	return d
}

func (m *Memory) settle(s *Settlement, now time.Duration) {
	at := s.At.Sub(m.start)
	if at < 0 {
		return
	}
	shard := m.windows.shard(s.Key)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if n := shard.get(tableKey{s.Key, s.Window}); n != nil {
		n.value.settle(now, at, s.Delta)
	}
}

// Cool is [Store.Cool].
func (m *Memory) Cool(ctx context.Context, key string, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if key == "" {
		return errors.New("router: Cool needs a key")
	}
	if d <= 0 {
		return nil
	}
	now := m.elapsed()
	s := m.cooling.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	until := later(now, d)
	if n := s.get(tableKey{name: key}); n != nil {
		until = max(until, n.expires)
	}
	s.put(tableKey{name: key}, now, until)
	return nil
}

// cooldowns returns nil if none of the choices is cooling.
func (m *Memory) cooldowns(choices []Choice, now time.Duration) []time.Duration {
	if m.cooling.size.Load() == 0 { // as a rule
		return nil
	}
	var rest []time.Duration
	for i := range choices {
		s := m.cooling.shard(choices[i].Key)
		s.mu.Lock()
		if n := s.get(tableKey{name: choices[i].Key}); n == nil {
		} else if n.expires <= now {
			s.remove(n)
		} else {
			if rest == nil {
				rest = make([]time.Duration, len(choices))
			}
			rest[i] = n.expires - now
		}
		s.mu.Unlock()
	}
	return rest
}

// later is now + d, or the end of time.
func later(now, d time.Duration) time.Duration {
	if d > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + d
}

const (
	// windowBuckets divide a window. What is checked is the unfinished bucket and this many before it, which cover every
	// window of that length, aligned or not, at the price of refusing for up to one bucket longer than needed.
	windowBuckets = 120
	// maxSum bounds sums and amounts: whole numbers are exact up to here in every store.
	maxSum = 1 << 53
)

// window is a sliding sum. Times are durations since any moment in the past that stays the same. It has no lock.
type window struct {
	width  time.Duration // of a bucket
	last   int64         // number of the newest bucket, since that moment
	total  int64         // of all buckets
	bucket [windowBuckets + 1]int64
}

func newWindow(length time.Duration) window {
	return window{width: (length-1)/windowBuckets + 1}
}

// windowTTL is how long a booking may matter.
func windowTTL(length time.Duration) time.Duration { return later(length, length/windowBuckets+2) }

// clamp returns the time at which a booking is made that was begun now: not before the newest bucket, in which another
// goroutine may have booked first. A clock that was set back by more than the window begins anew.
func (w *window) clamp(now time.Duration) time.Duration {
	newest := time.Duration(w.last) * w.width
	if now >= newest || newest-now > windowBuckets*w.width {
		return now
	}
	return newest
}

// advance drops the buckets that have left the window.
func (w *window) advance(now time.Duration) {
	n := int64(w.clamp(now) / w.width)
	if n == w.last {
		return
	}
	if n < w.last || n > w.last+windowBuckets {
		w.total = 0
		clear(w.bucket[:])
	} else {
		for i := w.last + 1; i <= n; i++ {
			b := &w.bucket[i%int64(len(w.bucket))]
			w.total -= *b
			*b = 0
		}
	}
	w.last = n
}

// add books n, limit or not.
func (w *window) add(now time.Duration, n int64) { w.settle(now, now, n) }

// settle adds delta, which may be negative, to what was booked at a time; nothing if that has left the window. Neither
// a bucket nor the sum falls below 0.
func (w *window) settle(now, at time.Duration, delta int64) {
	w.advance(now)
	n := int64(at / w.width)
	if n < w.last-windowBuckets || n > w.last {
		return
	}
	b := &w.bucket[n%int64(len(w.bucket))]
	delta = max(min(delta, maxSum-w.total), -*b)
	*b += delta
	w.total += delta
}

// sum is what the window holds.
func (w *window) sum(now time.Duration) int64 {
	w.advance(now)
	return w.total
}

// room is what can still be booked; negative if settlements went over the limit.
func (w *window) room(now time.Duration, limit int64) int64 {
	return min(limit, maxSum) - w.sum(now)
}

// wait is the time until there is room for an amount, if nothing else is booked; 0: there is.
func (w *window) wait(now time.Duration, limit, amount int64) time.Duration {
	over := min(amount, maxSum) - w.room(now, limit)
	if over <= 0 {
		return 0
	}
	for i := max(w.last-windowBuckets, 0); i < w.last; i++ {
		if over -= w.bucket[i%int64(len(w.bucket))]; over <= 0 {
			return w.leaves(i) - now
		}
	}
	return w.leaves(w.last) - now
}

// leaves is when a bucket has left the window.
func (w *window) leaves(bucket int64) time.Duration {
	return time.Duration(bucket+windowBuckets+1) * w.width
}

// table is a bounded map in shards that are locked one by one, or several in the order of their indexes.
type table[V any] struct {
	seed   maphash.Seed
	shards []shard[V] // a power of two, at most 64, so that a uint64 is a set of them
	size   *atomic.Int64
}

// tableKey is the key of an entry; window is its length, since windows of different length are different ones.
type tableKey struct {
	name   string
	window time.Duration
}

func newTable[V any](maxKeys int) table[V] {
	n := 1
	for n < 64 && maxKeys/(2*n) >= 64 { // small shards would be full long before the table is
		n *= 2
	}
	t := table[V]{seed: maphash.MakeSeed(), shards: make([]shard[V], n), size: new(atomic.Int64)}
	for i := range t.shards {
		t.shards[i] = shard[V]{nodes: make(map[tableKey]*node[V]), max: maxKeys / n, size: t.size, soonest: math.MaxInt64}
	}
	return t
}

func (t *table[V]) index(name string) int {
	return int(maphash.String(t.seed, name) & uint64(len(t.shards)-1))
}

func (t *table[V]) shard(name string) *shard[V] { return &t.shards[t.index(name)] }

func (t *table[V]) lock(set uint64) {
	for ; set != 0; set &= set - 1 {
		t.shards[bits.TrailingZeros64(set)].mu.Lock()
	}
}

func (t *table[V]) unlock(set uint64) {
	for ; set != 0; set &= set - 1 {
		t.shards[bits.TrailingZeros64(set)].mu.Unlock()
	}
}

// shard is a map, and a list in the order of use.
type shard[V any] struct {
	mu             sync.Mutex
	nodes          map[tableKey]*node[V]
	newest, oldest *node[V]
	max            int
	size           *atomic.Int64 // of the table
	soonest        time.Duration // nothing expires before
	_              [48]byte      // keeps the locks of two shards in two cache lines
}

type node[V any] struct {
	key          tableKey
	expires      time.Duration
	newer, older *node[V]
	value        V
}

// get returns what there is, expired or not, or nil.
func (s *shard[V]) get(key tableKey) *node[V] {
	n := s.nodes[key]
	if n != nil && n != s.newest {
		s.unlink(n)
		s.link(n)
	}
	return n
}

// put returns what there is, or makes an entry, and sets when it expires.
func (s *shard[V]) put(key tableKey, now, expires time.Duration) *node[V] {
	n := s.get(key)
	if n == nil {
		if len(s.nodes) >= s.max {
			s.evict(now)
		}
		n = &node[V]{key: key}
		s.nodes[key] = n
		s.link(n)
		s.size.Add(1)
	}
	n.expires = expires
	s.soonest = min(s.soonest, expires)
	return n
}

// evict drops what has expired, or else what was used least recently.
func (s *shard[V]) evict(now time.Duration) {
	if s.oldest.expires > now && s.soonest <= now {
		s.soonest = math.MaxInt64
		for n := s.oldest; n != nil; {
			newer := n.newer
			if n.expires <= now {
				s.remove(n)
			} else {
				s.soonest = min(s.soonest, n.expires)
			}
			n = newer
		}
	}
	if len(s.nodes) >= s.max {
		s.remove(s.oldest)
	}
}

func (s *shard[V]) remove(n *node[V]) {
	delete(s.nodes, n.key)
	s.unlink(n)
	s.size.Add(-1)
}

func (s *shard[V]) link(n *node[V]) {
	n.older, n.newer = s.newest, nil
	if s.newest != nil {
		s.newest.newer = n
	} else {
		s.oldest = n
	}
	s.newest = n
}

func (s *shard[V]) unlink(n *node[V]) {
	if n.newer != nil {
		n.newer.older = n.older
	} else {
		s.newest = n.older
	}
	if n.older != nil {
		n.older.newer = n.newer
	} else {
		s.oldest = n.newer
	}
}
