// Package sim answers "what if" about a router: it runs the deployments and the strategy of an application against
// simulated hosts, in virtual time. The router is the real one, and so is the client in front of it; only the hosts and
// the clock are not. An hour of traffic takes less than a second, and the same seed gives the same run.
//
//	report, err := sim.Run(sim.Config{
//		Router: router.Config{Strategy: router.PowerOfTwo, Deployments: []router.Deployment{
//			{ID: "eu", Group: "fast", Model: "azure/gpt-4.1-mini"},
//			{ID: "us", Group: "fast", Model: "openai/gpt-4.1-mini"},
//		}},
//		Upstreams: map[string]sim.Upstream{
//			"eu": {Phases: []sim.Phase{{From: 10 * time.Minute, Until: 20 * time.Minute, Slow: 5}}},
//		},
//		Load:     sim.Poisson(50),
//		Duration: 30 * time.Minute,
//	})
//	fmt.Println(report)
//
// The report has shares, latencies, errors and costs, by deployment and over time; [Report.WriteSVG] draws it.
//
// # What is simulated
//
// A call is a completion of some prompt and answer tokens. A host draws how long it takes from its [Latency], and fails
// as its [Phase]s say, with the error that the engine would have made of it. Time passes only while something waits:
// for a host, for a place in a queue, between tries. All callers, hosts and waits take their turns in one goroutine's
// time, so what a run shows of a router is its decisions, not its locks.
//
// What the engine does between a router and a host is done here in its place: MaxRetries and StreamTimeout of a
// deployment, without jitter. A store takes no time. A host bills the answers that it gave, and prompt and half the answer
// of streams that broke off.
package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/router"
)

// Config is what is to be simulated. Router, Load and Duration must be set.
type Config struct {
	// Title stands above the report.
	Title string
	// Router is the router's configuration as the application has it. Its Clock and Rand are the simulation's.
	Router router.Config
	// Upstreams are the hosts, by the id of their deployment; for a fallback that is a mere "provider/model", by that.
	// Deployments without one have a host that answers every call, the zero Upstream.
	Upstreams map[string]Upstream
	// Load says when calls come: [Poisson], [Steady], [Varying], [Replay].
	Load Load
	// Duration is how long calls come. Those that are under way then go on to their end, for a day at most.
	Duration time.Duration
	// Seed repeats a run. 0: one is drawn; the report has it.
	Seed uint64
	// Request makes the n-th call, from 0; nil: the zero Request.
	Request func(n int, rnd *rand.Rand) Request
	// Options are those of the client: llm.WithMaxAttempts(5). The time that a call has is in its Request, and callbacks
	// see real times.
	Options []llm.Option
	// Processes is how many programs with a router each there are, which take the calls by chance. Default 1.
	Processes int
	// Store makes what they share; now is the virtual time. nil: they share nothing. [Memory] is one.
	Store func(now func() time.Time) router.Store
	// OnAttempt is told of each attempt when it has ended, in the order of their ends.
	OnAttempt func(Attempt)
	// Bucket is the width of the report's time series. Default: a round one of which there are at most 200.
	Bucket time.Duration
}

// Memory is a [Config.Store] that answers at once.
func Memory(now func() time.Time) router.Store {
	return router.NewMemory(router.MemoryConfig{Now: now})
}

// Request is one call.
type Request struct {
	// Model is the group or alias that is called. Default: the group of the first deployment.
	Model string
	// Prompt and Answer are the tokens that it uses. Defaults 500 and 200.
	Prompt, Answer int
	// MaxTokens is the bound that the request sets to its answer; 0: none.
	MaxTokens int
	// Stream asks for a stream, and reads it to its end.
	Stream bool
	// Timeout is how long the caller waits. Default: that of package llm, 10 minutes, for streams an hour. Negative: for
	// ever.
	Timeout time.Duration
	// Options are those of the call: router.WithSession("ada").
	Options []llm.Option
}

// Attempt is one try at a host.
type Attempt struct {
	// Call is the number of the call, as Config.Request knows it.
	Call       int
	Deployment string
	// Reason is why the router chose it; see [llm.Route].
	Reason string
	// Start is since the beginning of the run. Duration is until the answer or the failure; for streams until their end.
	Start, Duration time.Duration
	Err             error
}

// run is a Config at work.
type run struct {
	Config
	clock     *scheduler
	clients   []*llm.Client
	hosts     []*host
	byID      map[string]*host
	arrivals  Arrivals
	requests  *rand.Rand
	processes *rand.Rand
	group     string // that is called unless a request says otherwise

	prompts    map[prompt]*llm.CompletionRequest
	last       *llm.CompletionRequest
	lastPrompt prompt
	text       string // of which prompts are pieces

	calls, succeeded, attempts, retries int
	errors                              map[llm.ErrorKind]int
	events                              map[string]int
	latency, failures                   histogram
	series                              series
}

// call is one simulated call.
type call struct {
	Request
	n        int
	ctx      callContext
	start    time.Duration
	answered time.Duration // when the answer, or its first content, was there
	attempts int
	served   *host // the last one that gave an answer
}

// The streams of random numbers of a run. Each purpose has its own, so that another strategy meets the same calls.
const (
	drawLoad uint64 = iota + 1
	drawRequests
	drawProcesses
	drawRouters
)

// Run simulates. It returns an error for a configuration that is wrong, and for a panic, with its stack.
func Run(c Config) (*Report, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	begin := time.Now()
	c.Bucket = cmp.Or(c.Bucket, niceWidth(c.Duration))
	c.Processes = max(c.Processes, 1)
	for c.Seed == 0 {
		c.Seed = rand.Uint64() >> 32 // short enough to be typed
	}
	r := &run{Config: c, clock: &scheduler{}, byID: make(map[string]*host), prompts: make(map[prompt]*llm.CompletionRequest),
		errors: make(map[llm.ErrorKind]int), events: make(map[string]int), requests: c.draw(drawRequests), processes: c.draw(drawProcesses)}
	r.arrivals = c.Load(c.draw(drawLoad))
	r.series = newSeries(c.Duration, c.Bucket)
	if err := r.start(); err != nil {
		return nil, err
	}
	r.clock.run(r.loop)
	r.clock.end()
	if r.clock.failed != nil {
		return nil, r.clock.failed
	}
	report := r.report()
	report.Elapsed = time.Since(begin)
	return report, nil
}

func (c *Config) check() error {
	switch {
	case c.Load == nil:
		return errors.New("sim: Load is missing: when calls come, such as sim.Poisson(50)")
	case c.Duration <= 0 || c.Duration > maxDuration:
		return errors.New("sim: Duration is missing: how long calls come")
	case c.Router.Clock != nil || c.Router.Rand != nil:
		return errors.New("sim: Router.Clock and Router.Rand are the simulation's; leave them out")
	case c.Router.Store != nil && c.Store != nil:
		return errors.New("sim: there are two stores; leave one of Store and Router.Store out")
	case c.Bucket < 0:
		return errors.New("sim: Bucket cannot be negative")
	}
	for _, id := range slices.Sorted(maps.Keys(c.Upstreams)) {
		u := c.Upstreams[id]
		if err := u.check(); err != nil {
			return fmt.Errorf("sim: upstream %q: %w", id, err)
		}
	}
	return nil
}

func (c *Config) draw(purpose uint64) *rand.Rand { return rand.New(rand.NewPCG(c.Seed, purpose)) }

// start makes the routers and their hosts.
func (r *run) start() error {
	c := r.Router
	c.Clock = r.clock
	c.Deployments = identified(c.Deployments)
	if len(c.Deployments) > 0 {
		r.group = cmp.Or(c.Deployments[0].Group, c.Deployments[0].Model)
	}
	for i := range c.Deployments {
		r.host(&c.Deployments[i])
	}
	for _, id := range slices.Sorted(maps.Keys(r.Upstreams)) {
		if r.byID[id] == nil && !strings.Contains(id, "/") {
			return fmt.Errorf("sim: the upstream %q has no deployment; there are %s", id, listed(c.Deployments))
		}
	}
	if r.Store != nil {
		c.Store = r.Store(r.clock.Now)
	}
	c.StoreTimeout = maxDuration // it is real time, of which a store takes none
	tell := c.OnEvent
	c.OnEvent = func(e router.Event) {
		r.events[e.Kind]++
		if tell != nil {
			tell(e)
		}
	}
	for i := range r.Processes {
		c.Rand = rand.NewPCG(r.Seed, drawRouters+uint64(i)).Uint64
		rt, err := router.New(c)
		if err != nil {
			return err
		}
		opts := append(slices.Clip(r.Options), llm.WithoutEnv(), llm.WithTimeout(-1),
			llm.WithMiddleware(rt.Middleware, func(llm.Handler) llm.Handler { return r.serve }))
		r.clients = append(r.clients, llm.New(opts...))
	}
	return nil
}

// identified gives the deployments the ids that the router would give them.
func identified(deployments []router.Deployment) []router.Deployment {
	deployments = slices.Clone(deployments)
	taken := make(map[string]bool, len(deployments))
	for i := range deployments {
		d := &deployments[i]
		if d.ID == "" {
			d.ID = d.Model
			for n := 2; taken[d.ID]; n++ {
				d.ID = fmt.Sprintf("%s#%d", d.Model, n)
			}
		}
		taken[d.ID] = true
	}
	return deployments
}

// listed names deployments, for errors.
func listed(deployments []router.Deployment) string {
	var names []string
	for i := range deployments {
		if i == 20 {
			names = append(names, "…")
			break
		}
		names = append(names, strconv.Quote(deployments[i].ID))
	}
	return strings.Join(names, ", ")
}

// host adds the host of a deployment.
func (r *run) host(d *router.Deployment) *host {
	u := r.Upstreams[d.ID]
	h := newHost(&u, d, r.Seed)
	h.index = len(r.hosts)
	r.hosts = append(r.hosts, h)
	r.byID[d.ID] = h
	return h
}

// hostOf is where a try goes. What has no deployment of its own, such as a fallback that is a mere model's name, gets a
// host when it is first needed.
func (r *run) hostOf(c *llm.Call) *host {
	id := c.ModelName()
	if c.Route != nil {
		id = c.Route.Deployment
	}
	if h := r.byID[id]; h != nil {
		return h
	}
	return r.host(&router.Deployment{ID: id, Model: c.ModelName()})
}

// loop runs until no call is under way and none will come.
func (r *run) loop() {
	next := r.arrival(0)
	for r.clock.failed == nil {
		at := r.clock.timers.next()
		switch {
		case next != never && next <= at:
			r.clock.now = next
			r.begin()
			r.clock.settle()
			next = r.arrival(next)
		case at <= r.Duration+maxDrain:
			r.clock.fire()
		default: // what still waits does so for ever, or nearly
			return
		}
	}
}

// maxDrain is how long calls may go on after the last one came.
const maxDrain = 24 * time.Hour

// arrival is when the next call comes; never if none does.
func (r *run) arrival(last time.Duration) time.Duration {
	t := r.arrivals()
	if t < 0 || t >= r.Duration {
		return never
	}
	return max(t, last)
}

// begin has a call made.
func (r *run) begin() {
	c := &call{n: r.calls, start: r.clock.now}
	if r.Config.Request != nil {
		c.Request = r.Config.Request(r.calls, r.requests)
	}
	c.Model = cmp.Or(c.Model, r.group)
	c.Prompt, c.Answer = cmp.Or(c.Prompt, 500), cmp.Or(c.Answer, 200)
	r.calls++
	if b := r.series.at(c.start); b != nil {
		b.calls++
	}
	client := r.clients[0]
	if len(r.clients) > 1 {
		client = r.clients[r.processes.IntN(len(r.clients))]
	}
	r.clock.Go(func() { r.finish(c, r.make(c, client)) })
}

// make makes a call as an application would, and returns when its whole answer was read.
func (r *run) make(c *call, client *llm.Client) error {
	deadline := c.Timeout
	switch {
	case deadline < 0:
		deadline = maxDuration
	case deadline == 0 && c.Stream:
		deadline = llm.DefaultStreamTimeout
	case deadline == 0:
		deadline = llm.DefaultTimeout
	}
	ctx := &c.ctx
	*ctx = callContext{s: r.clock, call: c, deadline: never, timer: timer{index: -1, ends: ctx}}
	ctx.waiting = ctx.first[:0]
	if deadline < maxDuration {
		ctx.deadline = c.start + deadline
	}
	defer ctx.end(context.Canceled)
	req := r.completion(c)
	if !c.Stream {
		_, err := client.Completion(ctx, req, c.Options...)
		c.answered = r.clock.now
		return err
	}
	s, err := client.CompletionStream(ctx, req, c.Options...)
	if err != nil {
		return err
	}
	c.answered = r.clock.now
	for {
		if _, err := s.Next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// prompt is what requests differ by.
type prompt struct {
	model             string
	tokens, maxTokens int
}

// maxPrompts bounds the requests that are kept to be used again.
const maxPrompts = 4096

// completion is a request whose prompt is so long that the router takes it for c.Prompt tokens.
func (r *run) completion(c *call) *llm.CompletionRequest {
	p := prompt{c.Model, c.Prompt, c.MaxTokens}
	if r.last != nil && r.lastPrompt == p {
		return r.last
	}
	req := r.prompts[p]
	if req == nil {
		// Four bytes a token, and four tokens for the message itself.
		n := max(c.Prompt-4, 1) * 4
		if n > len(r.text) {
			r.text = strings.Repeat("word", n/4)
		}
		req = &llm.CompletionRequest{Model: p.model, Messages: []llm.Message{llm.User(r.text[:n])}, MaxTokens: p.maxTokens}
		if len(r.prompts) == maxPrompts {
			clear(r.prompts)
		}
		r.prompts[p] = req
	}
	r.last, r.lastPrompt = req, p
	return req
}

// finish counts a call that has ended.
func (r *run) finish(c *call, err error) {
	now := r.clock.now
	r.attempts += c.attempts
	r.retries += max(c.attempts-1, 0)
	b := r.series.at(now)
	if err == nil {
		r.succeeded++
		r.latency.add(c.answered - c.start)
		c.served.served++
		if b != nil {
			b.succeeded++
			r.series.observe(now, c.answered-c.start)
		}
		return
	}
	kind := llm.ErrUnknown
	var e *llm.Error
	if errors.As(err, &e) {
		kind = e.Kind
	}
	r.errors[kind]++
	r.failures.add(now - c.start)
	if b != nil {
		b.failed++
	}
}

// strategy is the name of the one that calls meet first.
func (r *run) strategy() string {
	s := r.Router.Strategy
	if own, ok := r.Router.Strategies[r.group]; ok {
		s = own
	}
	return cmp.Or(s.Name(), router.Shuffle.Name())
}
