package sim

import (
	"math"
	"math/bits"
	"time"
)

// histogram keeps durations within 1.6 %, however many there are.
type histogram struct {
	counts []uint32
	n      int
	sum    float64
	max    time.Duration
}

// Each power of two is cut into 32.
const (
	subBits    = 5
	subBuckets = 1 << subBits
)

func (h *histogram) add(d time.Duration) {
	i := bucketOf(d)
	if i >= len(h.counts) {
		h.counts = append(h.counts, make([]uint32, i+subBuckets-len(h.counts))...)
	}
	h.counts[i]++
	h.n++
	h.sum += float64(d)
	h.max = max(h.max, d)
}

// bucketOf counts in microseconds.
func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0) / time.Microsecond)
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return (shift+1)<<subBits + int(v>>shift) - subBuckets
}

// edge is where a bucket begins.
func edge(i int) time.Duration {
	if i < subBuckets {
		return time.Duration(i) * time.Microsecond
	}
	shift := i>>subBits - 1
	return time.Duration(uint64(i%subBuckets+subBuckets)<<shift) * time.Microsecond
}

func (h *histogram) reset() {
	clear(h.counts)
	h.n, h.sum, h.max = 0, 0, 0
}

// quantile interpolates within a bucket; 0 if there is nothing.
func (h *histogram) quantile(q float64) time.Duration {
	rank := q * float64(h.n)
	seen := 0.0
	for i, c := range h.counts {
		if c == 0 {
			continue
		}
		if seen+float64(c) >= rank {
			from, to := edge(i), min(edge(i+1), h.max)
			if to < from { // the largest value lies within its bucket
				to = from
			}
			return from + time.Duration((rank-seen)/float64(c)*float64(to-from))
		}
		seen += float64(c)
	}
	return h.max
}

func (h *histogram) distribution() Distribution {
	if h.n == 0 {
		return Distribution{}
	}
	return Distribution{Mean: time.Duration(h.sum / float64(h.n)), P50: h.quantile(0.5), P90: h.quantile(0.9),
		P99: h.quantile(0.99), Max: h.max}
}

// window is what has happened in the last 60 s.
type window struct {
	ring    []booking // its length is a power of two
	head, n int
	tokens  int64
}

type booking struct {
	at     time.Duration
	tokens int64
}

const windowLength = time.Minute

func (w *window) at(i int) *booking { return &w.ring[(w.head+i)&(len(w.ring)-1)] }

// expire forgets what has left the window.
func (w *window) expire(now time.Duration) {
	for w.n > 0 && w.at(0).at <= now-windowLength {
		w.tokens -= w.at(0).tokens
		w.head++
		w.n--
	}
}

func (w *window) add(now time.Duration, tokens int64) {
	if w.n == len(w.ring) {
		grown := make([]booking, max(2*len(w.ring), 64))
		for i := range w.n {
			grown[i] = *w.at(i)
		}
		w.ring, w.head = grown, 0
	}
	*w.at(w.n) = booking{now, tokens}
	w.n++
	w.tokens += tokens
}

// wait is how long it takes until one more request with so many tokens has room; 0: it has. Limits below 1 are none.
func (w *window) wait(now time.Duration, rpm, tpm int, tokens int64) time.Duration {
	w.expire(now)
	n, sum := w.n, w.tokens
	for i := 0; ; i++ {
		if (rpm <= 0 || n < rpm) && (tpm <= 0 || sum+tokens <= int64(tpm)) {
			if i == 0 {
				return 0
			}
			return w.at(i-1).at + windowLength - now
		}
		if i == w.n { // it would not fit into an empty window
			return windowLength
		}
		n--
		sum -= w.at(i).tokens
	}
}

// share is a part of a whole, 0 of nothing.
func share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// niceWidth is a width of buckets that gives about 120 of them.
func niceWidth(d time.Duration) time.Duration {
	for _, w := range [...]time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 2 * time.Second,
		5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
		time.Hour, 6 * time.Hour} {
		if d/w <= 200 {
			return w
		}
	}
	return time.Duration(math.Ceil(d.Hours()/24/200)) * 24 * time.Hour
}
