package router

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/llm-go/llm"
)

// scratch is what a choice needs for a moment: a list of what is left after filtering, and what the strategy is told.
type scratch struct {
	list    []*deployment
	pool    pool
	ask     Take
	choices []Choice
	claims  [][2]Claim
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (s *scratch) giveBack() {
	clear(s.list)
	s.list, s.pool, s.ask = s.list[:0], pool{}, Take{}
	scratches.Put(s)
}

// choose picks a deployment and a key, and takes its place under the limits. Without a pick, busy is after how long
// one of those that are only at their limits may have room; 0: there is none.
func (t *trip) choose(ctx context.Context) (p pick, busy time.Duration, err error) {
	now := t.now()
	t.refused, t.anytime = "", false
	lent := scratches.Get().(*scratch)
	defer lent.giveBack()
	var skipped []llm.Skipped
	for i := 0; ; i++ {
		g, strict := t.stage(i)
		if g == nil {
			break
		}
		for _, tier := range g.tiers {
			v := tier.current(now)
			if skipped == nil {
				skipped = v.skipped
			} else if len(v.skipped) > 0 && len(skipped) < maxSkipped {
				skipped = append(skipped[:len(skipped):len(skipped)], v.skipped...)
			}
			c := choosing{t: t, g: g, now: now, strict: strict, stage: i, skipped: skipped, lent: lent}
			if err := c.from(ctx, tier, v); err != nil {
				return p, 0, err
			}
			if skipped = c.skipped; c.p.d != nil || t.refused != "" {
				c.p.skipped = skipped
				return c.p, c.busy, nil
			}
			if c.busy > 0 && (busy == 0 || c.busy < busy) {
				busy = c.busy
			}
		}
	}
	if busy > 0 {
		return p, busy, nil
	}
	return t.lastResort(ctx, now, skipped)
}

// choosing is the picking in one tier.
type choosing struct {
	t       *trip
	g       *group
	now     int64
	strict  bool
	stage   int
	p       pick
	busy    time.Duration
	skipped []llm.Skipped
	lent    *scratch
}

func (c *choosing) from(ctx context.Context, tier *tier, v *view) error {
	t := c.t
	if t.last == nil && !t.hedging {
		if err := c.probe(ctx, v); err != nil || c.p.d != nil {
			return err
		}
	}
	list, sums := v.ready, v.sums
	shared := true // the view's list must not be written to
	if t.filtering(c.g) {
		list, sums, shared = c.filter(list, c.lent.list[:0]), nil, false
		c.lent.list = list
	}
	for len(list) > 0 {
		picks, reason := c.prefer(list, sums, tier)
		if err := c.admit(ctx, picks, reason); err != nil || c.p.d != nil || t.refused != "" {
			return err
		}
		if shared {
			list, shared = append(c.lent.list[:0], list...), false
			c.lent.list = list
		}
		list, sums = without(list, picks), nil
	}
	return nil
}

// probe takes a deployment whose cooldown is over, if no other call is trying it.
func (c *choosing) probe(ctx context.Context, v *view) error {
	t := c.t
	for _, d := range v.due {
		if contains(t.tried, d) || t.unfit(d, c.g, c.strict) != "" || !d.probing.CompareAndSwap(false, true) {
			continue
		}
		if err := c.admit(ctx, []*deployment{d}, "probe"); err != nil || c.p.d != nil {
			if err == nil {
				t.rt.event(Event{Time: t.rt.time(c.now), Kind: "probe", Group: c.g.name, Deployment: d.ID})
			}
			return err
		}
		d.probing.Store(false)
	}
	return nil
}

// without takes the picks out of the list, of which they may be a part.
func without(list, picks []*deployment) []*deployment {
	if len(picks) == 1 {
		if i := slices.Index(list, picks[0]); i >= 0 {
			return slices.Delete(list, i, i+1)
		}
		return list
	}
	return slices.DeleteFunc(list, func(d *deployment) bool { return contains(picks, d) })
}

// filter leaves out what cannot take the call, and says why.
func (c *choosing) filter(list, into []*deployment) []*deployment {
	for _, d := range list {
		if contains(c.t.tried, d) || c.t.last != nil && d.kept.Load() { // a second try goes to what is well
			continue
		}
		if reason := c.t.unfit(d, c.g, c.strict); reason != "" {
			c.skip(d, reason)
			continue
		}
		into = append(into, d)
	}
	return into
}

func (c *choosing) skip(d *deployment, reason string) {
	if len(c.skipped) < maxSkipped {
		c.skipped = append(c.skipped[:len(c.skipped):len(c.skipped)], llm.Skipped{Deployment: d.ID, Reason: reason})
	}
}

// morePicks is how many deployments are offered to a shared store at once, so that one round trip is enough.
const morePicks = 4

// prefer orders a few of the list by preference.
func (c *choosing) prefer(list []*deployment, sums []float64, tier *tier) ([]*deployment, string) {
	t := c.t
	reason := c.g.strategy.name
	if c.stage > 0 {
		reason = "fallback"
	}
	p := &c.lent.pool
	*p = pool{list: list, sums: sums, weights: tier.weights, now: c.now, stream: t.call.Stream, rand: t.rt.config.Rand}
	if t.looked || c.g.strategy.custom != nil || c.g.strategy.name == LowestCost.name || c.g.strategy.name == LowestUsage.name {
		n := t.look()
		p.prompt, p.answer = n.prompt, n.answer
	}
	var with *deployment
	if t.session != "" {
		if id := t.rt.sessions.get(t.session, c.now); id != "" {
			for _, d := range list {
				if d.ID == id {
					with, reason = d, "affinity"
					break
				}
			}
		}
	}
	if t.rt.shared == nil {
		if with != nil {
			return []*deployment{with}, reason
		}
		return list[c.pickOne(p):][:1], reason
	}
	picks := make([]*deployment, 0, morePicks)
	if with != nil {
		picks = append(picks, with)
	}
	rest := make([]*deployment, 0, len(list))
	for _, d := range list {
		if d != with {
			rest = append(rest, d)
		}
	}
	most := morePicks
	if t.session != "" && with == nil {
		most = 64 // another process may know with which of them the session is
	}
	for len(picks) < most && len(rest) > 0 {
		if p.list, p.sums = rest, nil; len(picks) == 0 && with == nil && len(rest) == len(list) {
			p.sums = sums
		}
		i := c.pickOne(p)
		picks = append(picks, rest[i])
		rest = append(rest[:i], rest[i+1:]...)
	}
	return picks, reason
}

// pickOne asks the strategy; one that is coming back is passed over in part of the cases.
func (c *choosing) pickOne(p *pool) int {
	i := c.g.strategy.choose(p)
	d := p.list[i]
	if len(p.list) == 1 || d.warm.Load() == 0 && !d.kept.Load() {
		return i
	}
	list := p.list
	for {
		if share := d.share(c.now); len(p.list) == 1 || share >= 1 || p.fraction() < share {
			return slices.Index(list, d)
		}
		rest := make([]*deployment, 0, len(p.list)-1)
		p.list, p.sums = append(append(rest, p.list[:i]...), p.list[i+1:]...), nil
		i = c.g.strategy.choose(p)
		d = p.list[i]
	}
}

// admit takes a place with the first of the deployments that has room.
func (c *choosing) admit(ctx context.Context, picks []*deployment, reason string) error {
	t := c.t
	entered := picks[:0:0]
	if len(picks) == 1 { // no list is needed in the usual case
		d := picks[0]
		if wait := t.full(d, c.now); wait > 0 {
			c.wait(d, wait)
			return nil
		}
		if t.rt.shared == nil && d.RPM == 0 && d.TPM == 0 && len(t.limits) == 0 {
			if !d.enter() {
				c.wait(d, parallelWait)
				return nil
			}
			c.take(d, reason, Taken{})
			return nil
		}
		entered = picks
	} else {
		for _, d := range picks {
			if wait := t.full(d, c.now); wait > 0 {
				c.wait(d, wait)
			} else {
				entered = append(entered, d)
			}
		}
	}
	for len(entered) > 0 {
		taken, at, err := t.take(ctx, entered, c.lent)
		if err != nil {
			return err
		}
		if at == nil && taken.Refused != "" { // the caller's own limit: no other deployment helps
			t.refused, c.busy = taken.Refused, max(taken.Wait, time.Millisecond)
			return nil
		}
		if at == nil {
			for _, d := range entered {
				c.wait(d, max(taken.Wait, time.Millisecond))
			}
			return nil
		}
		if at.enter() {
			if taken.Session {
				reason = "affinity"
			}
			c.take(at, reason, taken)
			return nil
		}
		// Another call was quicker to the last place in parallel: what was booked goes back.
		t.settle(&pick{d: at, at: taken.At, tokens: t.tokens(at)}, 0)
		c.wait(at, parallelWait)
		var rest []*deployment
		for _, d := range entered {
			if d != at {
				rest = append(rest, d)
			}
		}
		entered = rest
	}
	return nil
}

// A place that gets free when another call ends wakes the queue of its group; elsewhere it is looked for now and then.
const (
	parallelWait = time.Minute
	lookAgain    = 50 * time.Millisecond
)

func (c *choosing) wait(d *deployment, wait time.Duration) {
	if wait == parallelWait {
		if c.t.anytime = true; c.g != c.t.group {
			wait = lookAgain
		}
	}
	if c.busy == 0 || wait < c.busy {
		c.busy = wait
	}
	c.skip(d, "limit")
}

// take makes the pick.
func (c *choosing) take(d *deployment, reason string, taken Taken) {
	t := c.t
	c.p = pick{d: d, k: d.nextKey(c.now, t.triedKeys), group: c.g, reason: reason, now: c.now, at: taken.At}
	if !taken.At.IsZero() && d.TPM > 0 {
		c.p.tokens = t.tokens(d)
	}
	if t.session != "" && !c.elsewhere(d) {
		t.rt.sessions.put(t.session, d.ID, c.now, t.rt.config.SessionTTL)
	}
	if c.stage > 0 && t.rt.config.OnEvent != nil {
		t.rt.event(Event{Time: t.rt.time(c.now), Kind: "fallback", Group: t.group.name, Deployment: d.ID, Reason: c.g.name})
	}
}

// elsewhere says that the session is with another deployment, which is well: this call went past it for its limits, or
// after a failure.
func (c *choosing) elsewhere(d *deployment) bool {
	with := c.t.table.byID[c.t.rt.sessions.get(c.t.session, c.now)]
	if with == nil || with == d || with.Disabled {
		return false
	}
	ready, _, _, _ := with.available(c.now)
	return ready
}

// enter counts a call as in flight, if MaxParallel allows one more.
func (d *deployment) enter() bool {
	n := d.inFlight.Add(1)
	if d.MaxParallel > 0 && int(n) > d.MaxParallel {
		d.inFlight.Add(-1)
		return false
	}
	return true
}

// full is how long d has no room as far as this process knows; 0: it may have some.
func (t *trip) full(d *deployment, now int64) time.Duration {
	if d.MaxParallel > 0 && int(d.inFlight.Load()) >= d.MaxParallel {
		return parallelWait
	}
	if !d.group.adaptive.Load() {
		return 0
	}
	for _, k := range d.keys {
		reset := k.tokensReset.Load()
		if now >= reset || k.tokens.Load() >= int64(t.look().prompt) {
			return 0
		}
	}
	return max(time.Duration(d.keys[0].tokensReset.Load()-now), time.Millisecond)
}

// tokens is what the call books of d's TPM: never more than the whole, or it could never go.
func (t *trip) tokens(d *deployment) int64 {
	n := t.look()
	want := int64(n.prompt + n.answer)
	if d.TPM > 0 {
		want = min(want, int64(d.TPM))
	}
	return want
}

// claims are the caller's own.
func (t *trip) claims() []Claim {
	var list []Claim
	for _, l := range t.limits {
		prefix := "{" + t.rt.config.Name + "}:l:" + l.Key
		if l.RPM > 0 {
			list = append(list, Claim{Key: prefix + ":rpm", Limit: int64(l.RPM), Amount: 1, Window: time.Minute})
		}
		if l.TPM > 0 {
			n := t.look()
			list = append(list, Claim{Key: prefix + ":tpm", Limit: int64(l.TPM), Amount: min(int64(n.prompt+n.answer), int64(l.TPM)), Window: time.Minute})
		}
	}
	return list
}

// take asks the store for a place with the first of the list that has room. nil: none has.
func (t *trip) take(ctx context.Context, list []*deployment, lent *scratch) (Taken, *deployment, error) {
	if cap(lent.choices) < len(list) {
		lent.choices, lent.claims = make([]Choice, len(list)), make([][2]Claim, len(list))
	}
	choices := lent.choices[:len(list)]
	for i, d := range list {
		choices[i] = Choice{Key: d.storeKey}
		claims := &lent.claims[i]
		*claims = d.claims
		switch {
		case d.RPM > 0 && d.TPM > 0:
			claims[1].Amount = t.tokens(d)
			choices[i].Claims = claims[:]
		case d.TPM > 0:
			claims[1].Amount = t.tokens(d)
			choices[i].Claims = claims[1:]
		case d.RPM > 0:
			choices[i].Claims = claims[:1]
		}
	}
	ask := &lent.ask
	*ask = Take{Choices: choices}
	if t.charges == nil { // a call is charged once, however often it is tried
		ask.Claims = t.claims()
	}
	if t.rt.shared == nil {
		taken, err := t.rt.local.Take(ctx, ask)
		return taken, t.charged(ask, list, taken), err
	}
	if t.last == nil && !list[0].probing.Load() { // neither a probe nor a second try moves a session
		ask.Session, ask.SessionTTL = t.session, t.rt.config.SessionTTL
	}
	taken, err := t.rt.shared.take(ctx, ask)
	if err != nil {
		return taken, nil, err
	}
	now := t.now()
	for i, left := range taken.Cooling {
		if left > 0 && i < len(list) && list[i].out.Load() == 0 {
			list[i].remote.Store(now + int64(left))
			list[i].tier.version.Add(1)
		}
	}
	return taken, t.charged(ask, list, taken), nil
}

// charged is the deployment that was taken, nil for none; it remembers what the caller was charged.
func (t *trip) charged(ask *Take, list []*deployment, taken Taken) *deployment {
	if taken.Choice < 0 || taken.Choice >= len(list) {
		return nil
	}
	if len(ask.Claims) > 0 {
		t.charges, t.chargedAt = ask.Claims, taken.At
	}
	return list[taken.Choice]
}

// lastResort is for when all are out: the one due first is tried instead of failing the call. What waits for a limit of
// the provider is waited for.
func (t *trip) lastResort(ctx context.Context, now int64, skipped []llm.Skipped) (pick, time.Duration, error) {
	var best *deployment
	var from place
	due := int64(0)
	var busy time.Duration
	lent := scratches.Get().(*scratch)
	defer lent.giveBack()
	admit := func(d *deployment, at place, reason string) (choosing, error) {
		c := choosing{t: t, g: at.g, now: now, strict: at.strict, stage: at.stage, skipped: skipped, lent: lent}
		err := c.admit(ctx, []*deployment{d}, reason)
		c.p.skipped = c.skipped
		return c, err
	}
	for d, at := range t.everywhere {
		if contains(t.tried, d) || t.unfit(d, at.g, at.strict) != "" || t.full(d, now) > 0 {
			continue
		}
		wait, ended, limited := d.limitedFor(now)
		if !limited {
			if until := d.due(now); best == nil || until < due {
				best, from, due = d, at, until
			}
			continue
		}
		if ended && d.probing.CompareAndSwap(false, true) {
			if c, err := admit(d, at, "probe"); err != nil || c.p.d != nil {
				return c.p, 0, err
			}
			d.probing.Store(false)
		}
		if ended { // another call is trying it
			wait, t.anytime = lookAgain, true
		}
		if busy == 0 || wait < busy {
			busy = wait
		}
	}
	if best == nil {
		return pick{}, busy, nil
	}
	if left := t.timeLeft(ctx); busy > 0 && now+int64(busy) < due && (left < 0 || busy < left) {
		return pick{}, busy, nil // the limit ends first
	}
	// A call that has failed elsewhere goes to what is due, but not to what is known to be out.
	if t.last != nil && (due > now || best.kept.Load() || best.out.Load() != 0 && !best.probing.CompareAndSwap(false, true)) {
		return pick{}, 0, nil
	}
	c, err := admit(best, from, "last resort")
	return c.p, c.busy, err
}
