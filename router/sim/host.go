package sim

import (
	"context"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/router"
)

// host is an Upstream at work, and what is counted of it.
type host struct {
	*Upstream
	deployment *router.Deployment
	index      int
	latency    Latency
	rnd        *rand.Rand

	inFlight int
	cold     int           // calls that will be slow
	lastCall time.Duration // when the last one began
	keys     map[string]*window

	// For the report.
	attempts, answers, failed, canceled int
	served                              int // calls whose answer came from here
	errors                              map[llm.ErrorKind]int
	times                               histogram
	last                                window // of the last 60 s
	peakInFlight, peakRPM               int
	peakTPM                             int64
	cost                                float64
}

func newHost(u *Upstream, d *router.Deployment, seed uint64) *host {
	name := fnv.New64a()
	name.Write([]byte(d.ID))
	h := &host{Upstream: u, deployment: d, latency: u.Latency, cold: u.ColdCalls, keys: make(map[string]*window),
		// Each host draws from numbers of its own: what happens at one changes nothing at another.
		rnd: rand.New(rand.NewPCG(seed, name.Sum64())), errors: make(map[llm.ErrorKind]int)}
	if h.latency == nil {
		h.latency = LogNormal(800*time.Millisecond, 0.4)
	}
	return h
}

// try is one attempt at a host.
type try struct {
	run    *run
	host   *host
	call   *call
	start  time.Duration
	tokens int64
	stream bool
	route  *llm.Route
}

// plan is what will come of a try.
type plan struct {
	after time.Duration // until the answer, the first content, or the failure
	rest  time.Duration // of a stream, after its first content
	cut   bool          // the stream breaks off
	err   *llm.Error
}

// serve is the last middleware: the provider.
func (r *run) serve(ctx context.Context, c *llm.Call) (*llm.Result, error) {
	own, ok := ctx.Value(callKey{}).(*callContext)
	if !ok {
		return nil, llm.InvalidRequest("context", "sim: a middleware has replaced the call's context by one that is not derived from it")
	}
	h := r.hostOf(c)
	for n := 0; ; n++ {
		t := &try{run: r, host: h, call: own.call, start: r.clock.now, stream: c.Stream, route: c.Route}
		res, err := t.do(ctx, c.Key().Reveal())
		if err == nil {
			return res, nil
		}
		// What the engine does with MaxRetries.
		if n >= h.deployment.MaxRetries || !err.Temporary {
			return nil, err
		}
		pause := max(500*time.Millisecond<<min(n, 4), err.RetryAfter)
		if e := r.clock.Wait(ctx, pause, nil); e != nil {
			return nil, ended(ctx)
		}
	}
}

func (t *try) do(ctx context.Context, key string) (*llm.Result, *llm.Error) {
	t.begin()
	p := t.host.plan(t, key)
	if err := t.run.clock.Wait(ctx, p.after, nil); err != nil {
		e := ended(ctx)
		t.end(e)
		return nil, e
	}
	if p.err != nil {
		t.end(p.err)
		return nil, p.err
	}
	t.host.times.add(t.run.clock.now - t.start)
	c := t.call
	a := &answer{usage: llm.Usage{PromptTokens: c.Prompt, CompletionTokens: c.Answer, TotalTokens: c.Prompt + c.Answer}}
	if t.stream {
		a.result.Stream = t.open(ctx, &p, &a.usage)
		return &a.result, nil
	}
	t.end(nil)
	a.response = llm.CompletionResponse{Object: "chat.completion", Model: t.host.deployment.Model, Choices: choices, Usage: &a.usage}
	a.result.Response = &a.response
	return &a.result, nil
}

// answer is all that a host returns, in one piece of memory.
type answer struct {
	result   llm.Result
	response llm.CompletionResponse
	usage    llm.Usage
}

// choices are what every call is told; nobody writes to them.
var choices = []llm.Choice{{Message: llm.Assistant("simulated"), FinishReason: llm.FinishStop}}

// open is a stream whose first content is there.
func (t *try) open(ctx context.Context, p *plan, usage *llm.Usage) *llm.Stream[llm.CompletionChunk] {
	state, whole := 0, false
	var fault *llm.Error
	next := func() (*llm.CompletionChunk, error) {
		c := &llm.CompletionChunk{Object: "chat.completion.chunk", Model: t.host.deployment.Model}
		switch state++; state {
		case 1:
			c.Choices = []llm.ChunkChoice{{Delta: llm.Delta{Role: llm.RoleAssistant, Content: "simulated"}}}
			return c, nil
		case 2:
			rest := p.rest
			if p.cut {
				rest /= 2
			}
			if err := t.run.clock.Wait(ctx, rest, nil); err != nil {
				fault = ended(ctx)
				return nil, fault
			}
			if p.cut {
				fault = llm.Truncated("simulated")
				return nil, fault
			}
			c.Choices, c.Usage = []llm.ChunkChoice{{FinishReason: llm.FinishStop}}, usage
			return c, nil
		}
		whole = true
		return nil, io.EOF
	}
	return llm.NewStream(next, func() error {
		if !whole && fault == nil { // the reader has left
			fault = &llm.Error{Kind: llm.ErrCanceled, Scope: llm.ScopeLocal}
		}
		t.end(fault)
		return nil
	})
}

// begin counts the try.
func (t *try) begin() {
	h, now := t.host, t.start
	t.tokens = int64(t.call.Prompt + t.call.Answer)
	h.attempts++
	h.inFlight++
	h.peakInFlight = max(h.peakInFlight, h.inFlight)
	h.last.expire(now)
	h.last.add(now, t.tokens)
	h.peakRPM, h.peakTPM = max(h.peakRPM, h.last.n), max(h.peakTPM, h.last.tokens)
	t.call.attempts++
	t.run.attempted(h)
}

// end counts how the try ended.
func (t *try) end(err *llm.Error) {
	h := t.host
	h.inFlight--
	if t.run.OnAttempt != nil {
		a := Attempt{Call: t.call.n, Deployment: h.deployment.ID, Start: t.start, Duration: t.run.clock.now - t.start}
		if t.route != nil {
			a.Reason = t.route.Reason
		}
		if err != nil {
			a.Err = err
		}
		t.run.OnAttempt(a)
	}
	billed := 0.0 // the part of the answer
	switch {
	case err == nil:
		h.answers++
		t.call.served = h
		billed = 1
	case err.Kind == llm.ErrCanceled:
		h.canceled++
	default:
		h.failed++
		h.errors[err.Kind]++
		if err.Kind == llm.ErrTruncated {
			billed = 0.5
		}
	}
	if p := h.deployment.Price; p != nil && billed > 0 {
		h.cost += (float64(t.call.Prompt)*p.Input + billed*float64(t.call.Answer)*p.Output) / 1e6
	}
}

// ended is the error of a try whose context has ended.
func ended(ctx context.Context) *llm.Error {
	switch cause := context.Cause(ctx); cause := cause.(type) {
	case *llm.Error:
		return cause
	case llm.ErrorKind: // one of the engine's clocks, or the router's
		return &llm.Error{Kind: cause, Scope: llm.ScopeRoute, Temporary: true, PossiblyExecuted: true, Message: "simulated"}
	default:
		if cause == context.DeadlineExceeded {
			return &llm.Error{Kind: llm.ErrTotalTimeout, Scope: llm.ScopeLocal, PossiblyExecuted: true,
				Message: "the deadline passed", Err: cause}
		}
		return &llm.Error{Kind: llm.ErrCanceled, Scope: llm.ScopeLocal, PossiblyExecuted: true,
			Message: "the context was cancelled", Err: cause}
	}
}

// plan decides what becomes of a try.
func (h *host) plan(t *try, key string) plan {
	now := t.start
	refuse := func(f Fault) plan {
		after := f.After
		switch {
		case after == 0:
			after = defaultFaultTime
		case after < 0:
			after = h.latency(h.rnd)
		}
		return plan{after: after, err: f.err()}
	}
	k := h.Keys[key]
	if k.Refused != 0 {
		return refuse(Fault{Status: k.Refused})
	}
	slow, cut := 1.0, false
	for i := range h.Phases {
		p := &h.Phases[i]
		if !p.holds(now) {
			continue
		}
		if p.Slow > 0 {
			slow *= p.Slow
		}
		if p.Fail > 0 && h.rnd.Float64() < p.Fail {
			return refuse(p.Fault)
		}
		cut = cut || t.stream && p.Break > 0 && h.rnd.Float64() < p.Break
	}
	if h.ContextWindow > 0 && t.tokens > int64(h.ContextWindow) {
		return refuse(Fault{Status: 400, Kind: llm.ErrContextWindow})
	}
	if wait := h.limit(now, key, k, t.tokens); wait > 0 {
		return refuse(RateLimited((wait + time.Second - 1).Truncate(time.Second)))
	}
	if h.Capacity > 0 && h.inFlight > h.Capacity {
		if h.Refuse != 0 {
			return refuse(Fault{Status: h.Refuse})
		}
		slow *= float64(h.inFlight) / float64(h.Capacity)
	}
	p := plan{after: scale(h.latency(h.rnd), slow*h.warmUp(now)), cut: cut}
	if h.TokensPerSecond > 0 {
		p.rest = scale(time.Second, float64(t.call.Answer)/h.TokensPerSecond*slow)
	}
	if !t.stream {
		p.after += p.rest
	} else if limit := h.deployment.StreamTimeout; limit > 0 && p.after > limit {
		// The engine's clock for the first content, which the router sets.
		return plan{after: limit, err: &llm.Error{Kind: llm.ErrFirstContentTimeout, Scope: llm.ScopeRoute, Temporary: true,
			PossiblyExecuted: true, Message: "simulated"}}
	}
	return p
}

// limit is how long the key has to wait; 0: the call was booked.
func (h *host) limit(now time.Duration, key string, k Key, tokens int64) time.Duration {
	rpm, tpm := h.RPM, h.TPM
	if k.RPM != 0 {
		rpm = k.RPM
	}
	if k.TPM != 0 {
		tpm = k.TPM
	}
	if rpm <= 0 && tpm <= 0 {
		return 0
	}
	w := h.keys[key]
	if w == nil {
		w = &window{}
		h.keys[key] = w
	}
	wait := w.wait(now, rpm, tpm, tokens)
	if wait == 0 {
		w.add(now, tokens)
	}
	return wait
}

// warmUp is how many times slower a call is since the host is cold.
func (h *host) warmUp(now time.Duration) float64 {
	if h.ColdAfter > 0 && now-h.lastCall > h.ColdAfter {
		h.cold = h.ColdCalls
	}
	h.lastCall = now
	if h.cold <= 0 || h.ColdSlow <= 0 {
		return 1
	}
	h.cold--
	return h.ColdSlow
}
