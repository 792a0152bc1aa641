package router

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-go/llm"
)

// trip is one call on its way through the deployments.
type trip struct {
	rt    *Router
	call  *llm.Call
	next  llm.Handler
	table *routes
	group *group
	name  string // as asked for

	looked    bool
	needs     needs
	session   string
	regions   []string
	priority  int
	limits    []Limit
	entered   int     // how many of limits count the call as in flight
	charges   []Claim // that were booked for them, once for all tries
	chargedAt time.Time
	refused   string   // the key of the limit that has no room
	anytime   bool     // there may be room when any call ends, and not only after a time
	fallbacks []*group // instead of the group's own
	replaced  bool

	kind      failure
	window    int // the largest context window that was too small
	tried     []*deployment
	triedKeys []*key
	tries     int
	singles   int // failures that are tried again only once
	budget    int
	hedging   bool // a second place is looked for while the first is at work
	free      bool // the next try does not count against the retry budget
	last      *llm.Error
	waits     time.Duration // the last backoff
	queued    time.Duration
	left      atomic.Bool // the caller's own limits have been told of the end
}

var trips = sync.Pool{New: func() any { return new(trip) }}

func (t *trip) giveBack() {
	*t = trip{}
	trips.Put(t)
}

// failure is the kind of fallback that is looked for.
type failure int

const (
	general failure = iota
	tooLong
	unsafe
)

// pick is where the next try goes.
type pick struct {
	d       *deployment
	k       *key
	group   *group
	reason  string
	now     int64     // when it was picked
	at      time.Time // of the booking in the store; zero: nothing was booked
	tokens  int64     // that were booked
	skipped []llm.Skipped
}

func (t *trip) now() int64 { return t.rt.now() }

// run routes the call.
func (t *trip) run(ctx context.Context) (*llm.Result, error) {
	if err := t.prepare(); err != nil {
		return nil, err
	}
	res, err := t.attempts(ctx)
	if err != nil {
		used := int64(-1)
		if !mayHaveRun(err) {
			used = 0
		}
		t.leave(used)
	}
	return res, err
}

func (t *trip) attempts(ctx context.Context) (*llm.Result, error) {
	t.rt.retries.add(t.rt.retryRate)
	if t.rt.hedges != nil {
		t.rt.hedges.add(t.rt.config.Hedge.MaxShare)
	}
	t.call.AllowAttempts(t.group.budget)
	t.budget = t.call.AttemptsLeft()
	for {
		p, err := t.find(ctx)
		if err != nil {
			return nil, err
		}
		if t.tries > 0 && !t.free && !t.rt.retries.take() {
			t.release(&p)
			t.rt.event(Event{Time: t.rt.clock.Now(), Kind: "retry_budget", Group: t.group.name, Deployment: p.d.ID})
			return nil, t.last
		}
		t.tries++
		var res *llm.Result
		if t.rt.hedges != nil {
			res, p, err = t.hedged(ctx, p)
		} else {
			res, err = t.try(ctx, &p)
		}
		if err == nil {
			return t.resumable(ctx, res, &p), nil
		}
		if !t.again(&p, err) {
			return nil, err
		}
	}
}

// prepare reads what the call asks of the router.
func (t *trip) prepare() error {
	c := t.call
	if s, ok := c.Value(sessionKey{}).(string); ok && s != "" {
		t.session = "{" + t.rt.config.Name + "}:s:" + t.group.name + "\x00" + t.rt.config.Tenant(c) + "\x00" + s
	}
	t.regions, _ = c.Value(regionKey{}).([]string)
	t.priority, _ = c.Value(priorityKey{}).(int)
	if names, ok := c.Value(fallbacksKey{}).([]string); ok {
		t.replaced = true
		for _, name := range names {
			g := t.table.find(name)
			if g == nil {
				return &llm.Error{Kind: llm.ErrInvalidRequest, Scope: llm.ScopeLocal, Param: "fallbacks",
					Message: fmt.Sprintf("router.WithFallbacks: there is no group %q", name)}
			}
			if g != t.group && !contains(t.fallbacks, g) {
				t.fallbacks = append(t.fallbacks, g)
			}
		}
	}
	if t.rt.config.Limits == nil {
		return nil
	}
	t.limits = t.rt.config.Limits(c)
	for i := range t.limits {
		if l := &t.limits[i]; l.Parallel > 0 && !t.rt.parallel.enter(l.Key, l.Parallel) {
			t.leave(0)
			return &llm.Error{Kind: llm.ErrRateLimit, Scope: llm.ScopeLocal, Temporary: true,
				Message: fmt.Sprintf("%d calls of %s are under way, and that is its limit", l.Parallel, l.Key)}
		}
		t.entered = i + 1
	}
	return nil
}

// leave ends the call's presence under the caller's own limits. used are the tokens that it has used; negative: that is
// not known, and what was booked stays.
func (t *trip) leave(used int64) {
	if t.entered == 0 || t.left.Swap(true) {
		return
	}
	for _, l := range t.limits[:t.entered] {
		if l.Parallel > 0 {
			t.rt.parallel.leave(l.Key)
		}
	}
	if used < 0 {
		return
	}
	var list []Settlement
	for i := range t.charges {
		if c := &t.charges[i]; strings.HasSuffix(c.Key, ":tpm") {
			list = append(list, Settlement{Key: c.Key, Window: c.Window, At: t.chargedAt, Delta: used - c.Amount})
		}
	}
	t.rt.settle(list)
}

func (t *trip) look() *needs {
	if !t.looked {
		t.looked, t.needs = true, look(t.call.Request)
	}
	return &t.needs
}

// stage is the i-th group that may serve the call, nil after the last; strict says that deployments with an unknown
// context window are none for a prompt that is too long.
func (t *trip) stage(i int) (g *group, strict bool) {
	if i == 0 && t.kind != unsafe {
		return t.group, true
	}
	if t.kind != unsafe {
		i--
	}
	list, more := t.group.chain, []*group(nil)
	switch {
	case t.replaced:
		list = t.fallbacks
	case t.kind == tooLong:
		list, more = t.group.contextChain, t.group.chain
	case t.kind == unsafe:
		list = t.group.policyChain
	}
	if i < len(list) {
		return list[i], false
	}
	if i -= len(list); i < len(more) {
		return more[i], true
	}
	return nil, false
}

// place is where a deployment stands on the way of a call.
type place struct {
	g      *group
	stage  int
	strict bool
}

// everywhere yields the deployments of all stages.
func (t *trip) everywhere(yield func(*deployment, place) bool) {
	for i := 0; ; i++ {
		g, strict := t.stage(i)
		if g == nil {
			return
		}
		for _, tier := range g.tiers {
			for _, d := range tier.all {
				if !yield(d, place{g, i, strict}) {
					return
				}
			}
		}
	}
}

// find is where the next try goes. It waits if it must and may.
func (t *trip) find(ctx context.Context) (pick, error) {
	if t.last != nil && (t.tries >= t.budget || t.call.AttemptsLeft() <= 0) {
		return pick{}, t.last
	}
	var p pick
	var busy time.Duration
	err := error(nil)
	if t.group.queue.behind(t.priority) {
		busy, t.anytime = time.Millisecond, true
	} else {
		p, busy, err = t.choose(ctx)
	}
	switch {
	case err != nil || p.d != nil:
		return p, err
	case busy > 0:
		return t.enqueue(ctx, busy)
	case t.last == nil:
		return p, t.none()
	}
	return t.backOff(ctx)
}

// none is the error when no deployment is left for the call, and none was tried.
func (t *trip) none() error {
	var why []string
	for d, at := range t.everywhere {
		if reason := t.unfit(d, at.g, at.strict); reason != "" && len(why) < 8 {
			why = append(why, d.ID+": "+reason)
		}
	}
	if len(why) == 0 {
		why = append(why, "all are disabled")
	}
	return &llm.Error{Kind: llm.ErrNoDeployment, Scope: llm.ScopeLocal, Param: "model",
		Message: fmt.Sprintf("no deployment of %q can take the call (%s)", t.group.name, strings.Join(why, "; "))}
}

// deadline is how much time the call has left; negative: any.
func (t *trip) timeLeft(ctx context.Context) time.Duration {
	end, ok := t.call.Deadline()
	if d, has := ctx.Deadline(); has && (!ok || d.Before(end)) {
		end, ok = d, true
	}
	if !ok {
		return -1
	}
	return max(end.Sub(t.rt.clock.Now()), 0)
}

// backOff waits until a deployment that has failed may be tried again, if there is time.
func (t *trip) backOff(ctx context.Context) (pick, error) {
	if !t.last.Temporary || t.kind != general {
		return pick{}, t.last
	}
	now := t.now()
	soonest, alive := int64(-1), false
	for d, at := range t.everywhere {
		if t.unfit(d, at.g, at.strict) != "" {
			continue
		}
		if d.out.Load() == 0 && !d.kept.Load() {
			alive = true
		}
		if wait := max(d.due(now)-now, 0); soonest < 0 || wait < soonest {
			soonest = wait
		}
	}
	if !alive { // all have failed too often: one try a call is enough until one answers
		return pick{}, t.last
	}
	b := t.rt.config.Backoff
	if t.waits = min(2*t.waits, b.Max); t.waits == 0 {
		t.waits = b.Initial
	}
	spread := 1 + b.Jitter*(2*fraction(t.rt.config.Rand)-1)
	wait := max(time.Duration(float64(t.waits)*spread), time.Duration(soonest))
	if left := t.timeLeft(ctx); left >= 0 && wait >= left {
		return pick{}, t.last
	}
	if err := t.rt.clock.Wait(ctx, wait, nil); err != nil {
		return pick{}, err
	}
	t.tried, t.triedKeys, t.free = nil, nil, false
	p, busy, err := t.choose(ctx)
	switch {
	case err != nil || p.d != nil:
		return p, err
	case busy > 0:
		return t.enqueue(ctx, busy)
	}
	return pick{}, t.last
}

// enqueue waits for room under the limits. busy is after how long there may be some. Calls that their own caller's limit
// keeps back wait apart, or they would hold up everybody.
func (t *trip) enqueue(ctx context.Context, busy time.Duration) (pick, error) {
	left := t.timeLeft(ctx)
	if most := t.rt.config.Queue.MaxWait; most > 0 && (left < 0 || most < left) {
		left = most
	}
	start := t.rt.clock.Now()
	defer func() { t.queued += t.rt.clock.Now().Sub(start) }()
	late := func(wait time.Duration) bool {
		return left >= 0 && !t.anytime && wait >= left-t.rt.clock.Now().Sub(start)
	}
	for {
		if late(busy) {
			return t.noRoom(", and the call has no time to wait", busy)
		}
		queue, limit := &t.group.queue, t.refused
		if limit != "" {
			queue = t.rt.waiting.open(limit, t.group.queue.max)
		}
		if queue.max < 0 {
			t.rt.waiting.close(limit)
			return t.noRoom("", busy)
		}
		w := queue.enter(t.priority)
		if w == nil {
			t.rt.waiting.close(limit)
			return t.noRoom(", and the queue of those that wait is full", busy)
		}
		rest := left
		if left >= 0 {
			rest = left - t.rt.clock.Now().Sub(start)
		}
		var p pick
		err := queue.wait(ctx, t.rt.clock, w, rest, func() (done bool, again time.Duration, err error) {
			p, busy, err = t.choose(ctx)
			switch {
			case p.d != nil || err != nil:
				return true, 0, err
			case busy <= 0:
				return true, 0, t.none()
			}
			// What keeps it back has changed, or it can wait no longer: that is for the loop.
			return late(busy) || t.refused != limit, busy, nil
		})
		t.rt.waiting.close(limit)
		switch {
		case errors.Is(err, errLate):
			return t.noRoom(", and the call had no time to wait longer", 0)
		case err != nil || p.d != nil:
			return p, err
		}
	}
}

// noRoom is the end of a call that limits keep back.
func (t *trip) noRoom(why string, wait time.Duration) (pick, error) {
	if t.last != nil {
		return pick{}, t.last
	}
	message := fmt.Sprintf("the deployments of %q are at their limits", t.group.name)
	if t.refused != "" {
		message = t.limitName() + " is at its limit"
	}
	return pick{}, &llm.Error{Kind: llm.ErrRateLimit, Scope: llm.ScopeLocal, Temporary: true, RetryAfter: wait, Message: message + why}
}

// limitName is the caller's own limit that has no room, as the caller has named it.
func (t *trip) limitName() string {
	name := strings.TrimPrefix(t.refused, "{"+t.rt.config.Name+"}:l:")
	return strings.TrimSuffix(strings.TrimSuffix(name, ":rpm"), ":tpm")
}

// filtering says that not every deployment of the group can take every call.
func (t *trip) filtering(g *group) bool {
	return len(t.tried) > 0 || t.last != nil || t.kind != general || g.windows || g.capable || len(t.regions) > 0 ||
		t.rt.config.Tags != TagsIgnored
}

// unfit is why d cannot take the call, whatever its state; "" if it can.
func (t *trip) unfit(d *deployment, g *group, strict bool) string {
	if len(t.regions) > 0 && !contains(t.regions, d.Region) {
		return "region"
	}
	if t.kind == tooLong && (strict && d.ContextWindow <= t.window || !strict && d.ContextWindow > 0 && d.ContextWindow <= t.window) {
		return "context window"
	}
	if d.ContextWindow > 0 {
		n := t.look()
		most := n.prompt
		if n.bounded { // what the answer may take of the window, if the request says so
			most += n.answer
		}
		if most > d.ContextWindow {
			return "context window"
		}
	}
	if d.Capabilities != nil {
		n := t.look()
		for _, c := range n.capabilities[:n.n] {
			if !contains(d.Capabilities, c) {
				return "no " + string(c)
			}
		}
	}
	if t.rt.config.Tags != TagsIgnored && !t.tagged(d, g) {
		return "tags"
	}
	return ""
}

// tagged says whether the call's tags choose d.
func (t *trip) tagged(d *deployment, g *group) bool {
	tags := t.call.Tags()
	if len(tags) == 0 {
		return len(d.Tags) == 0 || contains(d.Tags, "default")
	}
	if t.matches(d, tags) {
		return true
	}
	if !contains(d.Tags, "default") {
		return false
	}
	for _, tier := range g.tiers {
		for _, other := range tier.all {
			if t.matches(other, tags) {
				return false
			}
		}
	}
	return true
}

func (t *trip) matches(d *deployment, tags []string) bool {
	if t.rt.config.Tags == TagsAll {
		for _, tag := range tags {
			if !contains(d.Tags, tag) {
				return false
			}
		}
		return true
	}
	return slices.ContainsFunc(tags, func(tag string) bool { return contains(d.Tags, tag) })
}

// again takes in a failure and says whether another try can help.
func (t *trip) again(p *pick, err error) bool {
	v, e := judge(err)
	if e == nil {
		return false
	}
	t.last, t.free = e, false
	switch {
	case e.Scope == llm.ScopeLocal && !errors.Is(e, llm.ErrAuthentication):
		return false
	case errors.Is(e, llm.ErrContextWindow):
		t.kind, t.window, t.free = tooLong, max(t.window, p.d.ContextWindow), true
	case errors.Is(e, llm.ErrContentPolicy):
		t.kind, t.free = unsafe, true
	case e.Status == http.StatusRequestTimeout, e.Status == http.StatusConflict, e.Status == http.StatusTooEarly:
		if t.singles++; t.singles > 1 { // once more is right for these, and not more
			return false
		}
	case errors.Is(e, llm.ErrUnsupported), errors.Is(e, llm.ErrUnsupportedParam), errors.Is(e, llm.ErrNotFound):
		t.free = true
	case e.Scope == llm.ScopeRequest:
		return false
	}
	if v == limited || v == refused {
		t.free = true // another key, or another deployment, takes no more than it would have
		t.triedKeys = append(t.triedKeys, p.k)
		if p.d.freshKey(t.now(), t.triedKeys) {
			return true
		}
	}
	t.tried = append(t.tried, p.d)
	return true
}

// try sends the call once.
func (t *trip) try(ctx context.Context, p *pick) (*llm.Result, error) {
	return t.send(ctx, p, t.fork(p))
}

// fork is the call as it goes to a deployment.
func (t *trip) fork(p *pick) *llm.Call {
	d := p.d
	opts := p.k.options
	if t.call.Stream {
		opts = p.k.streamOptions
	}
	if star := strings.IndexByte(d.Model, '*'); star >= 0 {
		model := d.Model[:star] + strings.TrimPrefix(t.name, d.group.prefix) + d.Model[star+1:]
		opts = append(slices.Clip(opts), llm.WithModel(model))
	}
	return t.call.Fork(opts...)
}

// send gives a copy of the call to the next handler, and takes in how it went.
func (t *trip) send(ctx context.Context, p *pick, f *llm.Call) (*llm.Result, error) {
	d := p.d
	f.Route = &llm.Route{Group: p.group.name, Deployment: d.ID, Reason: p.reason, Queued: t.queued, Skipped: p.skipped}
	inner := ctx
	if d.Timeout > 0 && !f.Stream {
		var cancel context.CancelFunc
		inner, cancel = withTimeout(ctx, t.rt.clock, d.Timeout)
		defer cancel()
	}
	res, err := t.next(inner, f)
	now := t.now()
	s := sample{key: p.k, stream: f.Stream, latency: time.Duration(now - p.now), err: err, now: now}
	if err != nil {
		if inner.Err() != nil && ctx.Err() == nil {
			err = t.slow(d, err)
			s.err = err
		}
		t.done(p, &s, nil)
		return nil, err
	}
	if f.Stream {
		d.opened(now, &s)
		t.follow(f, res, *p)
		return res, nil
	}
	o := f.Outcome(res)
	t.leave(t.done(p, &s, &o))
	return res, nil
}

// follow takes in the end of a stream.
func (t *trip) follow(f *llm.Call, res *llm.Result, p pick) {
	f.OnDone(res, func(o *llm.Outcome) {
		t.leave(t.done(&p, &sample{key: p.k, stream: true, err: o.Err, now: t.now()}, o))
	})
}

// slow is the error of a try that its deployment's own limit of time ended.
func (t *trip) slow(d *deployment, err error) error {
	e := &llm.Error{Kind: llm.ErrTimeout, Scope: llm.ScopeRoute, Temporary: true, PossiblyExecuted: true, Err: err,
		Message: fmt.Sprintf("no answer within %s, the Timeout of the deployment %s", d.Timeout, d.ID)}
	var cause *llm.Error
	if errors.As(err, &cause) {
		e.Provider, e.Model, e.Attempts = cause.Provider, cause.Model, cause.Attempts
	}
	return e
}

// done takes in the end of a try: health, usage, limits. It returns the tokens that were used, -1 if that is not known.
func (t *trip) done(p *pick, s *sample, o *llm.Outcome) (total int64) {
	d := p.d
	d.inFlight.Add(-1)
	total = -1
	if o != nil {
		if u := o.Usage; u != nil {
			s.prompt, s.answer = u.PromptTokens, u.CompletionTokens
			total = int64(max(u.TotalTokens, u.PromptTokens+u.CompletionTokens))
		}
		if o.Meta != nil && s.err == nil {
			d.adapt(p.k, o.Meta.Header, t.rt, s.now)
		}
	}
	d.record(s)
	if s.err != nil && total < 0 && !mayHaveRun(s.err) {
		total = 0
	}
	t.settle(p, total)
	p.group.queue.wake()
	return total
}

// settle corrects what was booked of a deployment's TPM by what was used, if that is known.
func (t *trip) settle(p *pick, used int64) {
	if p.at.IsZero() || p.d.TPM == 0 || used < 0 || used == p.tokens {
		return
	}
	c := &p.d.claims[1]
	t.rt.settle([]Settlement{{Key: c.Key, Window: c.Window, At: p.at, Delta: used - p.tokens}})
}

// mayHaveRun says whether a provider may have worked on a call that failed.
func mayHaveRun(err error) bool {
	var e *llm.Error
	return errors.As(err, &e) && (e.PossiblyExecuted || e.Partial != nil)
}

// release gives back a pick that was not used.
func (t *trip) release(p *pick) {
	p.d.inFlight.Add(-1)
	p.d.probing.Store(false)
	p.k.probing.Store(false)
	t.settle(p, 0)
	p.group.queue.wake()
}

// pinned sends the call to one deployment, whatever its state.
func (t *trip) pinned(ctx context.Context, id string) (*llm.Result, error) {
	d := t.table.byID[id]
	if d == nil || d.Disabled {
		return nil, &llm.Error{Kind: llm.ErrNoDeployment, Scope: llm.ScopeLocal, Param: "deployment",
			Message: fmt.Sprintf("router.WithDeployment: there is no deployment %q, or it is disabled", id)}
	}
	t.group = d.group
	d.inFlight.Add(1)
	now := t.now()
	p := pick{d: d, k: d.nextKey(now, nil), group: d.group, reason: "pinned", now: now}
	return t.try(ctx, &p)
}
