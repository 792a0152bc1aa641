package router

import (
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-go/llm"
)

// key is one key of a deployment, or the one that its options or the environment give.
type key struct {
	options, streamOptions []llm.Option

	out     atomic.Int64 // the instant until which it is left out; 0: it is not. Then one call tries it
	limited atomic.Bool  // it is left out for a limit, which has an end, and not for what it is
	probing atomic.Bool
	misses  int // limits and refusals in a row; under the deployment's mu
	reason  atomic.Pointer[string]
	// What the provider's headers said was left of its own limit of tokens, until the instant of its reset.
	tokens, tokensReset atomic.Int64
}

// deployment is a Deployment at work. What strategies read is atomic; one lock guards the rest, taken once at the end
// of a try.
type deployment struct {
	Deployment
	rt       *Router
	group    *group
	tier     *tier
	storeKey string
	claims   [2]Claim // of RPM and TPM, in so far as there are limits
	keys     []*key
	turn     atomic.Uint32

	inFlight atomic.Int32
	out      atomic.Int64 // the instant until which failures keep it out; 0: they do not
	warm     atomic.Int64 // since when it is coming back; 0: it is not
	probing  atomic.Bool
	kept     atomic.Bool  // it fails, but too many are out already
	remote   atomic.Int64 // what the shared store said of its cooldown

	// Published for strategies, in nanoseconds; 0: unknown.
	firstContent, perToken atomic.Int64
	firstDoubt, tokenDoubt atomic.Int64 // standard errors of the two
	sampled                atomic.Int64 // the instant of the last sample
	requests, tokens       atomic.Int64 // of the last minute, as of
	usedAt                 atomic.Int64
	peak                   peak
	typical                atomic.Int64 // a moving average of latencies, for operators

	mu       sync.Mutex
	failures int // in a row
	ejected  int // times in a row that it was put out
	reason   string
	health   counter // calls and failures
	usage    counter // requests and tokens
	first    ring
	token    ring
	totals   Totals
}

// Totals count over the router's life.
type Totals struct {
	Calls, Failures, Cooldowns int64
	PromptTokens, AnswerTokens int64
}

// available tells whether d can be chosen: now, only as a probe, or from an instant on.
func (d *deployment) available(now int64) (ready, due bool, from int64, reason string) {
	if out := d.out.Load(); out != 0 {
		if now < out {
			return false, false, out, "cooling"
		}
		return false, true, 0, "recovering"
	}
	if r := d.remote.Load(); now < r {
		return false, false, r, "cooling in another process"
	}
	for _, k := range d.keys {
		switch out := k.out.Load(); {
		case out == 0:
			return true, false, 0, ""
		case now >= out:
			due, from, reason = true, 0, "recovering"
		case !due && (from == 0 || out < from):
			from = out
			if r := k.reason.Load(); r != nil {
				reason = *r
			}
		}
	}
	return false, due, from, reason
}

// due is the instant from which d may be tried when there is nothing better.
func (d *deployment) due(now int64) int64 {
	_, _, from, _ := d.available(now)
	return from
}

// limitedFor is how long all keys wait for limits of the provider to end; ok is false if that is not what keeps d back.
// ended says that one has.
func (d *deployment) limitedFor(now int64) (wait time.Duration, ended, ok bool) {
	if d.out.Load() != 0 {
		return 0, false, false
	}
	for _, k := range d.keys {
		out := k.out.Load()
		switch {
		case out == 0:
			return 0, false, false
		case !k.limited.Load():
			continue
		case now >= out:
			return 0, true, true
		case !ok || time.Duration(out-now) < wait:
			wait, ok = time.Duration(out-now), true
		}
	}
	return wait, false, ok
}

// nextKey takes turns over the keys that are not left out. One that is due is tried by one call at a time. When all are
// out, it is the one due first.
func (d *deployment) nextKey(now int64, tried []*key) *key {
	if len(d.keys) == 1 {
		return d.keys[0]
	}
	turn := d.turn.Add(1)
	var best *key
	for i := range d.keys {
		k := d.keys[(int(turn)+i)%len(d.keys)]
		out := k.out.Load()
		if !contains(tried, k) && (out == 0 || now >= out && k.probing.CompareAndSwap(false, true)) {
			return k
		}
		if best == nil || k.out.Load() < best.out.Load() {
			best = k
		}
	}
	return best
}

// freshKey says whether a key of d is neither left out nor in the list.
func (d *deployment) freshKey(now int64, tried []*key) bool {
	for _, k := range d.keys {
		if out := k.out.Load(); !contains(tried, k) && (out == 0 || now >= out && !k.probing.Load()) {
			return true
		}
	}
	return false
}

func contains[T comparable](list []T, v T) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}

// share is the part of its calls that a deployment gets while it comes back; 1 otherwise.
func (d *deployment) share(now int64) float64 {
	if d.kept.Load() {
		return 0.1
	}
	warm := d.warm.Load()
	if warm == 0 {
		return 1
	}
	whole := d.rt.health.SlowStart
	passed := time.Duration(now - warm)
	if passed >= whole {
		d.warm.CompareAndSwap(warm, 0)
		return 1
	}
	return 0.1 + 0.9*float64(passed)/float64(whole)
}

// verdict is what an error says about a deployment and its key.
type verdict int

const (
	nothing  verdict = iota // it is about the request or the caller
	suspect                 // a failure that counts
	broken                  // it will not get better by itself soon
	limited                 // the key must wait
	refused                 // the key is not good
	answered                // no error
)

func judge(err error) (verdict, *llm.Error) {
	if err == nil {
		return answered, nil
	}
	var e *llm.Error
	if !errors.As(err, &e) {
		return nothing, nil
	}
	switch {
	case e.Scope == llm.ScopeKey && errors.Is(e, llm.ErrRateLimit):
		return limited, e
	case e.Scope == llm.ScopeKey:
		return refused, e
	case e.Scope != llm.ScopeRoute, errors.Is(e, llm.ErrConflict):
		return nothing, e
	case e.Temporary || errors.Is(e, llm.ErrUnknown):
		return suspect, e
	}
	return broken, e
}

// sample is what a try has shown.
type sample struct {
	key     *key
	stream  bool
	latency time.Duration // to the answer, or to its first content
	prompt  int
	answer  int
	err     error
	now     int64 // at the end
}

// record takes in how a try ended.
func (d *deployment) record(s *sample) {
	now := s.now
	v, e := judge(s.err)
	var event Event
	d.mu.Lock()
	d.usage.add(now, 1, int64(s.prompt+s.answer))
	d.requests.Add(1)
	d.tokens.Add(int64(s.prompt + s.answer))
	if d.usedAt.Load() != now/d.usage.width {
		d.publishUsage(now)
	}
	d.totals.Calls++
	d.totals.PromptTokens += int64(s.prompt)
	d.totals.AnswerTokens += int64(s.answer)
	switch v {
	case answered:
		d.observe(now, s)
		d.health.add(now, 1, 0)
		d.failures = 0
		event = d.recover(now, s.key)
	case suspect, broken:
		d.totals.Failures++
		d.peak.penalize(now)
		d.health.add(now, 1, 1)
		d.failures++
		event = d.eject(now, v, e)
	case limited, refused:
		event = d.leaveOut(now, s.key, v, e)
	}
	if v == nothing || v == limited || v == refused {
		d.probing.Store(false) // it said nothing about the deployment: the next call may tell
		s.key.probing.Store(false)
	}
	d.mu.Unlock()
	if event.Kind != "" {
		d.changed(now, event)
	}
}

// opened is told when a stream has brought its first content: a probe need not wait for its end.
func (d *deployment) opened(now int64, s *sample) {
	d.mu.Lock()
	d.observe(now, s)
	event := d.recover(now, s.key)
	d.mu.Unlock()
	if event.Kind != "" {
		d.changed(now, event)
	}
}

// recover ends a time out of d and of the key; mu is held.
func (d *deployment) recover(now int64, k *key) Event {
	k.misses = 0
	returned := false
	if out := k.out.Load(); out != 0 && now >= out {
		returned = k.out.CompareAndSwap(out, 0)
		k.probing.Store(false)
	}
	if d.out.Load() == 0 && !d.kept.Load() {
		d.probing.Store(false)
		if returned {
			return Event{Kind: "key_recovered"}
		}
		return Event{}
	}
	d.out.Store(0)
	d.kept.Store(false)
	d.probing.Store(false)
	d.failures, d.reason = 0, ""
	d.health = counter{width: d.health.width}
	if d.rt.health.SlowStart > 0 {
		d.warm.Store(now)
	}
	return Event{Kind: "recovered"}
}

// eject puts d out if its failures are enough for that; mu is held.
func (d *deployment) eject(now int64, v verdict, e *llm.Error) Event {
	h := &d.rt.health
	probe := d.out.Load() != 0
	if probe && now < d.out.Load() {
		return Event{} // a try from before it was put out
	}
	enough := probe || v == broken || e.RetryAfter > 0 || h.Failures > 0 && d.failures >= h.Failures
	if !enough && h.Ratio > 0 {
		calls, failures := d.health.sum(now)
		enough = calls >= int64(h.MinCalls) && float64(failures) >= h.Ratio*float64(calls)
	}
	if !enough || h.Cooldown < 0 {
		d.probing.Store(false)
		return Event{}
	}
	if !probe {
		if !d.tier.mayLose(h.MaxEjected) {
			if d.kept.Swap(true) {
				return Event{}
			}
			return Event{Kind: "kept", Reason: string(e.Kind)}
		}
		d.kept.Store(false)
		if warm := d.warm.Load(); warm == 0 {
			d.ejected = 0 // it had been well for a while
		}
	}
	cooldown := h.Cooldown << min(d.ejected, 20)
	if cooldown > h.MaxCooldown || cooldown <= 0 {
		cooldown = h.MaxCooldown
	}
	cooldown = max(cooldown, e.RetryAfter)
	d.ejected++
	d.totals.Cooldowns++
	d.reason = string(e.Kind)
	d.warm.Store(0)
	d.out.Store(now + int64(cooldown))
	d.probing.Store(false)
	return Event{Kind: "cooldown", Reason: d.reason, Until: d.rt.time(now + int64(cooldown))}
}

// leaveOut keeps one key from being used for a while; mu is held.
func (d *deployment) leaveOut(now int64, k *key, v verdict, e *llm.Error) Event {
	h := &d.rt.health
	base := h.Cooldown
	if v == refused {
		base = h.KeyCooldown
	}
	if base < 0 {
		return Event{}
	}
	pause := base
	if v == limited {
		if pause = base << min(k.misses, 20); pause > h.MaxCooldown || pause <= 0 {
			pause = h.MaxCooldown
		}
		if e.RetryAfter > 0 { // the provider knows best, unless it is wrong again and again
			pause = e.RetryAfter
			if k.misses > 0 {
				pause = max(pause, min(limitStep<<min(k.misses-1, 20), h.MaxCooldown))
			}
		}
	}
	k.misses++
	k.probing.Store(false)
	reason := string(e.Kind)
	k.reason.Store(&reason)
	k.limited.Store(v == limited)
	if until := now + int64(min(pause, 24*time.Hour)); until > k.out.Load() {
		k.out.Store(until)
	}
	d.totals.Cooldowns++
	return Event{Kind: "key_cooldown", Reason: reason, Until: d.rt.time(k.out.Load())}
}

// limitStep is the least pause of a key that is refused again after the time that the provider had named. It doubles.
const limitStep = 500 * time.Millisecond

// changed makes a change of state known: to the tier's list, the store, the operator.
func (d *deployment) changed(now int64, e Event) {
	d.tier.version.Add(1)
	e.Time, e.Group, e.Deployment = d.rt.time(now), d.group.name, d.ID
	if g := d.rt.shared; g != nil && (e.Kind == "cooldown" || e.Kind == "key_cooldown") {
		if from := d.due(now); from > now {
			g.cool(d, time.Duration(from-now))
		}
	}
	d.rt.event(e)
}

// observe keeps a latency; mu is held.
func (d *deployment) observe(now int64, s *sample) {
	if s.latency <= 0 {
		return
	}
	if now-d.sampled.Load() > unexplored { // what was long ago says little
		d.first, d.token = ring{}, ring{}
	}
	if s.stream {
		mean, doubt := d.first.add(int64(s.latency))
		d.firstContent.Store(mean)
		d.firstDoubt.Store(doubt)
	} else {
		mean, doubt := d.token.add(int64(s.latency) / int64(max(s.answer, 1)))
		d.perToken.Store(mean)
		d.tokenDoubt.Store(doubt)
	}
	d.sampled.Store(now)
	d.peak.observe(now, float64(s.latency))
	if old := d.typical.Load(); old == 0 {
		d.typical.Store(int64(s.latency))
	} else {
		d.typical.Store(old + (int64(s.latency)-old)/8)
	}
	d.group.latencies(s.stream).add(int64(s.latency))
}

// ring is the last samples.
type ring struct {
	samples [32]int64
	n       int
	sum     float64
	squares float64
}

// add keeps a sample, and returns the mean and its standard error.
func (r *ring) add(v int64) (mean, doubt int64) {
	i := r.n % len(r.samples)
	old := float64(r.samples[i])
	r.sum += float64(v) - old
	r.squares += float64(v)*float64(v) - old*old
	r.samples[i] = v
	r.n++
	n := float64(min(r.n, len(r.samples)))
	m := r.sum / n
	variance := max(r.squares/n-m*m, 0)
	return max(int64(m), 1), int64(math.Sqrt(variance / n))
}

// counter is two sums over a sliding time of twelve widths.
type counter struct {
	width int64
	slots [12]struct{ epoch, a, b int64 }
}

func (c *counter) add(now, a, b int64) {
	e := now / c.width
	s := &c.slots[e%int64(len(c.slots))]
	if s.epoch != e {
		s.epoch, s.a, s.b = e, 0, 0
	}
	s.a += a
	s.b += b
}

func (c *counter) sum(now int64) (a, b int64) {
	oldest := now/c.width - int64(len(c.slots))
	for i := range c.slots {
		if s := &c.slots[i]; s.epoch > oldest {
			a, b = a+s.a, b+s.b
		}
	}
	return a, b
}

// peak is a moving average that follows a rise at once and falls with a time constant of ten seconds: "peak EWMA", as
// in Twitter's Finagle. A deployment that becomes slow is noticed with its first slow answer.
type peak struct {
	value, stamp atomic.Int64
}

const peakDecay = float64(10 * time.Second)

// observe and penalize are called under the deployment's mu.
func (p *peak) observe(now int64, v float64) {
	old := float64(p.value.Load())
	if v < old {
		w := math.Exp(-float64(now-p.stamp.Load()) / peakDecay)
		v = old*w + v*(1-w)
	}
	p.value.Store(int64(v))
	p.stamp.Store(now)
}

// penalize makes failures look slow: what fails fast must not look fast. There is an end to it, or a dead deployment
// would not be tried again for hours.
func (p *peak) penalize(now int64) {
	v := float64(p.value.Load())
	p.observe(now, max(v, min(max(2*v, float64(time.Second)), float64(30*time.Second))))
}

// read lets the value fall toward nothing while there are no samples, so that what was slow is tried again.
func (p *peak) read(now int64) float64 {
	v := float64(p.value.Load())
	if idle := float64(now - p.stamp.Load()); idle > peakDecay {
		v *= math.Exp(-(idle - peakDecay) / (6 * peakDecay))
	}
	return v
}
