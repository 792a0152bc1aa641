package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/router"
	"github.com/llm-go/llm/router/sim"
	"github.com/stretchr/testify/require"
)

func run(t *testing.T, c sim.Config) *sim.Report {
	t.Helper()
	if c.Seed == 0 {
		c.Seed = 1
	}
	r, err := sim.Run(c)
	require.NoError(t, err)
	sound(t, r)
	return r
}

// sound checks what holds for every report.
func sound(t *testing.T, r *sim.Report) {
	t.Helper()
	failed, served, attempts := 0, 0, 0
	for _, n := range r.Errors {
		failed += n
	}
	for _, d := range r.Deployments {
		ended := d.Answers + d.Canceled
		for _, n := range d.Errors {
			ended += n
		}
		require.Equal(t, d.Attempts, ended, d.ID)
		attempts += d.Attempts
		served += d.Served
	}
	require.Equal(t, r.Calls, r.Succeeded+failed)
	require.Equal(t, r.Succeeded, served)
	require.Equal(t, r.Attempts, attempts)
	calls := 0
	for _, b := range r.Buckets {
		calls += b.Calls
		require.Len(t, b.Attempts, len(r.Deployments))
	}
	require.Equal(t, r.Calls, calls)
	for _, v := range []float64{r.Success(), r.Amplification(), r.Cost} {
		require.False(t, math.IsNaN(v) || math.IsInf(v, 0) || v < 0, "%v", v)
	}
	d := r.Latency
	require.True(t, 0 <= d.P50 && d.P50 <= d.P90 && d.P90 <= d.P99 && d.P99 <= d.Max, "%+v", d)
}

// one is a group of one deployment.
func one(u sim.Upstream) sim.Config {
	return sim.Config{
		Router:    router.Config{Deployments: []router.Deployment{{ID: "only", Group: "chat", Model: "openai/gpt-4.1-mini"}}},
		Upstreams: map[string]sim.Upstream{"only": u},
		Load:      sim.Steady(1), Duration: 10 * time.Minute,
	}
}

// alone takes the router's own retries and cooldowns out of the picture.
func alone(u sim.Upstream) sim.Config {
	c := one(u)
	c.Router.Health = router.Health{Failures: -1, Ratio: -1, Cooldown: -1, KeyCooldown: -1}
	c.Options = []llm.Option{llm.WithMaxAttempts(1)}
	return c
}

// The same seed is the same run, whatever the router does in it; another seed is another.
func TestRunIsRepeatable(t *testing.T) {
	text := func(c sim.Config) string {
		r := run(t, c)
		b, err := json.Marshal(r)
		require.NoError(t, err)
		var svg bytes.Buffer
		require.NoError(t, r.WriteSVG(&svg))
		return string(b) + r.String() + svg.String()
	}
	config := func(seed uint64, s router.Strategy) sim.Config {
		d := pool(4)
		d[1].RPM, d[2].TPM, d[3].MaxParallel = 300, 400_000, 5
		d[2].MaxRetries, d[3].Timeout, d[0].StreamTimeout = 2, 3*time.Second, 2*time.Second
		d[1].Keys = []string{"k1", "k2"}
		return sim.Config{
			Router: router.Config{Deployments: d, Strategy: s, Hedge: &router.Hedge{}, Fallbacks: map[string][]string{"chat": {"groq/llama"}}},
			Upstreams: map[string]sim.Upstream{
				"a": {Phases: []sim.Phase{{From: time.Minute, Until: 2 * time.Minute, Fail: 0.5, Break: 0.2, Slow: 3}}},
				"b": {Keys: map[string]sim.Key{"k1": {RPM: 20}}},
				"c": {Phases: []sim.Phase{{Fail: 0.3, Fault: sim.RateLimited(2 * time.Second)}}},
			},
			Load: sim.Poisson(20), Duration: 3 * time.Minute, Seed: seed, Processes: 3, Store: sim.Memory,
			Request: func(n int, rnd *rand.Rand) sim.Request {
				r := sim.Request{Stream: n%2 == 0, Prompt: 100 + rnd.IntN(1000), Timeout: 20 * time.Second}
				if n%3 == 0 {
					r.Options = []llm.Option{router.WithSession(string(rune('a' + rnd.IntN(20)))), router.WithResume(llm.MarkerRestart)}
				}
				return r
			},
		}
	}
	for i, s := range strategies {
		if raceEnabled && i > 0 {
			break
		}
		t.Run(s.Name(), func(t *testing.T) {
			t.Parallel()
			first := text(config(7, s))
			require.Equal(t, first, text(config(7, s)))
			require.NotEqual(t, first, text(config(8, s)))
		})
	}
}

// A seed is drawn if there is none, and repeats the run.
func TestSeedIsDrawn(t *testing.T) {
	c := one(sim.Upstream{})
	first, err := sim.Run(c)
	require.NoError(t, err)
	require.NotZero(t, first.Seed)
	require.Contains(t, first.String(), "seed")
	c.Seed = first.Seed
	second, err := sim.Run(c)
	require.NoError(t, err)
	require.Equal(t, first.String(), second.String())
}

// Another strategy meets the same calls and the same hosts.
func TestStrategiesMeetTheSameCalls(t *testing.T) {
	var calls []int
	for _, s := range strategies {
		c := scenarios[1].config()
		c.Router.Strategy, c.Duration = s, 4*minute
		calls = append(calls, run(t, c).Calls)
	}
	require.Len(t, slices.Compact(calls), 1)
}

func TestLatencies(t *testing.T) {
	for name, c := range map[string]struct {
		latency       sim.Latency
		p50, p99, max time.Duration
	}{
		"constant":    {sim.Constant(time.Second), time.Second, time.Second, time.Second},
		"log-normal":  {sim.LogNormal(time.Second, 0.5), time.Second, 3200 * time.Millisecond, 0},
		"exponential": {sim.Exponential(time.Second), 693 * time.Millisecond, 4605 * time.Millisecond, 0},
		"quantiles": {sim.Quantiles(map[float64]time.Duration{0.1: 200 * time.Millisecond, 0.5: 400 * time.Millisecond, 0.9: time.Second, 0.999: 9 * time.Second}),
			400 * time.Millisecond, 8273 * time.Millisecond, 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			u := one(sim.Upstream{Latency: c.latency})
			u.Load = sim.Steady(30)
			r := run(t, u)
			require.InEpsilon(t, c.p50, r.Latency.P50, 0.04)
			require.InEpsilon(t, c.p99, r.Latency.P99, 0.1)
			if c.max > 0 {
				require.InDelta(t, float64(c.max), float64(r.Latency.Max), float64(time.Millisecond))
			}
			require.Equal(t, r.Latency, r.Deployments[0].Latency)
		})
	}
	require.Panics(t, func() { sim.Quantiles(nil) })
	require.Panics(t, func() { sim.Quantiles(map[float64]time.Duration{50: time.Second}) })
}

func TestLoads(t *testing.T) {
	calls := func(l sim.Load) []float64 {
		c := one(sim.Upstream{})
		c.Load, c.Bucket = l, time.Second
		var list []float64
		for range 2 { // a load begins anew with each run
			r := run(t, c)
			list = nil
			for _, b := range r.Buckets {
				list = append(list, float64(b.Calls))
			}
		}
		return list
	}
	moments := func(list []float64) (mean, variance float64) {
		for _, v := range list {
			mean += v / float64(len(list))
		}
		for _, v := range list {
			variance += (v - mean) * (v - mean) / float64(len(list))
		}
		return mean, variance
	}
	mean, variance := moments(calls(sim.Steady(20)))
	require.InDelta(t, 20, mean, 0.1)
	require.Less(t, variance, 1.0)
	mean, variance = moments(calls(sim.Poisson(20)))
	require.InDelta(t, 20, mean, 1)
	require.InDelta(t, 20, variance, 4)

	varying := calls(sim.Varying(func(t time.Duration) float64 {
		switch {
		case t < 3*time.Minute:
			return 0
		case t < 6*time.Minute:
			return 40
		}
		return 10
	}))
	mean, _ = moments(varying[:180])
	require.Zero(t, mean)
	mean, variance = moments(varying[180:360])
	require.InDelta(t, 40, mean, 2)
	require.InDelta(t, 40, variance, 12)
	mean, _ = moments(varying[360:])
	require.InDelta(t, 10, mean, 1)

	replay := calls(sim.Replay([]time.Duration{time.Second, time.Second, 3500 * time.Millisecond, time.Hour}))
	require.Equal(t, []float64{0, 2, 0, 1, 0}, replay[:5])
	for name, none := range map[string]sim.Load{"steady": sim.Steady(0), "poisson": sim.Poisson(0), "negative": sim.Poisson(-1), "nan": sim.Poisson(math.NaN()),
		"varying": sim.Varying(func(time.Duration) float64 { return 0 }), "replay": sim.Replay(nil)} {
		mean, _ = moments(calls(none))
		require.Zero(t, mean, name)
	}
}

func TestTokensPerSecond(t *testing.T) {
	for _, stream := range []bool{false, true} {
		c := one(sim.Upstream{Latency: sim.Constant(300 * time.Millisecond), TokensPerSecond: 100})
		c.Request = func(int, *rand.Rand) sim.Request { return sim.Request{Stream: stream, Answer: 500} }
		c.Load, c.Duration = sim.Replay([]time.Duration{0}), 10*time.Second
		r := run(t, c)
		ended := slices.IndexFunc(r.Buckets, func(b sim.Bucket) bool { return b.Succeeded == 1 })
		require.Equal(t, 5300*time.Millisecond, r.Buckets[ended].Start, "an answer ends after 0.3 s and 500 tokens")
		want := 5300 * time.Millisecond
		if stream {
			want = 300 * time.Millisecond
		}
		require.InEpsilon(t, want, r.Latency.Max, 0.001)
	}
}

func TestCapacity(t *testing.T) {
	u := sim.Upstream{Latency: sim.Constant(time.Second), Capacity: 10}
	c := alone(u)
	c.Load = sim.Steady(8)
	require.Equal(t, time.Second, run(t, c).Latency.Max, "below the capacity nothing is slower")
	c.Load = sim.Steady(40)
	require.Greater(t, run(t, c).Latency.P50, 10*time.Second, "a host that is offered four times what it can do")

	u.Refuse = 429
	c = alone(u)
	c.Load = sim.Steady(40)
	r := run(t, c)
	require.InDelta(t, 0.25, r.Success(), 0.01)
	require.Equal(t, map[llm.ErrorKind]int{llm.ErrRateLimit: r.Calls - r.Succeeded}, r.Errors)
	require.Equal(t, time.Second, r.Latency.Max)
}

func TestUpstreamLimits(t *testing.T) {
	c := alone(sim.Upstream{RPM: 30, Latency: sim.Constant(time.Second)})
	r := run(t, c)
	require.InDelta(t, 300, r.Succeeded, 1)
	require.Equal(t, r.Calls-r.Succeeded, r.Errors[llm.ErrRateLimit])

	c = alone(sim.Upstream{TPM: 7000, Latency: sim.Constant(time.Second)})
	r = run(t, c)
	require.InDelta(t, 100, r.Succeeded, 1, "ten calls of 700 tokens a minute")
	require.Equal(t, 60*700, r.Deployments[0].PeakTPM)
	require.Equal(t, 60, r.Deployments[0].PeakRPM)

	c = alone(sim.Upstream{ContextWindow: 600})
	r = run(t, c)
	require.Equal(t, map[llm.ErrorKind]int{llm.ErrContextWindow: r.Calls}, r.Errors)
}

// The Retry-After of a host's limit is long enough, and no longer.
func TestRetryAfterOfLimits(t *testing.T) {
	c := one(sim.Upstream{RPM: 30, Latency: sim.Constant(time.Second)})
	c.Load, c.Duration = sim.Poisson(0.4), time.Hour
	c.Router.Backoff = llm.Backoff{Initial: time.Millisecond, Max: time.Millisecond}
	c.Request = func(int, *rand.Rand) sim.Request { return sim.Request{Timeout: 2 * time.Minute} }
	r := run(t, c)
	require.Positive(t, r.Deployments[0].Errors[llm.ErrRateLimit])
	require.Greater(t, r.Success(), 0.97)
}

func TestCold(t *testing.T) {
	u := sim.Upstream{Latency: sim.Constant(100 * time.Millisecond), ColdCalls: 5, ColdSlow: 10}
	slow := func(u sim.Upstream) (n int) {
		c := alone(u)
		c.Bucket = time.Second
		c.Load = sim.Varying(func(t time.Duration) float64 {
			if t > 4*time.Minute && t < 6*time.Minute {
				return 0
			}
			return 20
		})
		for _, b := range run(t, c).Buckets {
			if b.P99 > 500*time.Millisecond {
				n++
			}
		}
		return n
	}
	require.Equal(t, 1, slow(u))
	u.ColdAfter = time.Minute
	require.Equal(t, 2, slow(u))
}

func TestPhases(t *testing.T) {
	ended := func(p sim.Phase, stream bool) *sim.Report {
		c := alone(sim.Upstream{Latency: sim.Constant(100 * time.Millisecond), TokensPerSecond: 1000, Phases: []sim.Phase{p}})
		c.Load, c.Bucket = sim.Steady(10), time.Second
		c.Request = func(int, *rand.Rand) sim.Request { return sim.Request{Stream: stream} }
		return run(t, c)
	}
	bad := func(r *sim.Report, from, until int) (n int) {
		for _, b := range r.Buckets[from:until] {
			n += b.Failed
		}
		return n
	}
	r := ended(sim.Phase{From: minute, Until: 2 * minute, Fail: 1, Fault: sim.Refused()}, false)
	require.Equal(t, 600, bad(r, 60, 120))
	require.Equal(t, map[llm.ErrorKind]int{llm.ErrConnection: 600}, r.Errors)
	require.Equal(t, []sim.Note{{Text: "only: down", From: minute, Until: 2 * minute}}, r.Notes)

	r = ended(sim.Phase{From: minute, Fail: 0.25, Fault: sim.Fault{Status: 503}}, false)
	require.InDelta(t, 9*600/4, r.Errors[llm.ErrOverloaded], 100)
	require.Equal(t, "only: 25 % HTTP 503", r.Notes[0].Text)
	require.Equal(t, 10*minute, r.Notes[0].Until)

	r = ended(sim.Phase{From: minute, Until: 2 * minute, Every: 20 * time.Second, For: 5 * time.Second, Fail: 1}, false)
	require.Equal(t, 150, bad(r, 60, 120))
	require.Equal(t, 50, bad(r, 79, 86))
	require.Equal(t, map[llm.ErrorKind]int{llm.ErrServer: 150}, r.Errors)

	r = ended(sim.Phase{From: minute, Slow: 3}, false)
	require.InEpsilon(t, 900*time.Millisecond, r.Latency.Max, 0.001)
	require.InEpsilon(t, 300*time.Millisecond, r.Buckets[30].P50, 0.02)

	r = ended(sim.Phase{From: minute, Until: 2 * minute, Break: 1}, true)
	require.Equal(t, map[llm.ErrorKind]int{llm.ErrTruncated: 600}, r.Errors)
	require.Equal(t, 600, bad(r, 60, 121))
	require.Empty(t, ended(sim.Phase{Break: 1}, false).Errors, "an answer that is not streamed cannot break off")
}

func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault sim.Fault
		kind  llm.ErrorKind
		scope llm.Scope
		after time.Duration
	}{
		"nothing said":   {sim.Fault{}, llm.ErrServer, llm.ScopeRoute, 20 * time.Millisecond},
		"refused":        {sim.Refused(), llm.ErrConnection, llm.ScopeRoute, time.Millisecond},
		"black hole":     {sim.Blackhole(), llm.ErrConnectTimeout, llm.ScopeRoute, 10 * time.Second},
		"rate limit":     {sim.RateLimited(time.Minute), llm.ErrRateLimit, llm.ScopeKey, 20 * time.Millisecond},
		"quota":          {sim.Fault{Status: 429, Kind: llm.ErrQuota}, llm.ErrQuota, llm.ScopeKey, 20 * time.Millisecond},
		"content policy": {sim.Fault{Status: 400, Kind: llm.ErrContentPolicy, After: -1}, llm.ErrContentPolicy, llm.ScopeRequest, time.Second},
		"stalled":        {sim.Fault{Kind: llm.ErrFirstContentTimeout, After: 4 * time.Second}, llm.ErrFirstContentTimeout, llm.ScopeRoute, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var seen *llm.Error
			config := alone(sim.Upstream{Latency: sim.Constant(time.Second), Phases: []sim.Phase{{Fail: 1, Fault: c.fault}}})
			config.Options = append(config.Options, llm.WithCallback(llm.Callback{OnFailure: func(_ context.Context, _ *llm.Call, o *llm.Outcome) {
				_ = errors.As(o.Err, &seen)
			}}))
			r := run(t, config)
			require.Equal(t, map[llm.ErrorKind]int{c.kind: r.Calls}, r.Errors)
			require.Equal(t, c.after, r.Failing.Max)
			require.Equal(t, c.scope, seen.Scope)
			require.Equal(t, c.fault.RetryAfter, seen.RetryAfter)
			require.Equal(t, c.fault.Status, seen.Status&^(500*b(c.fault == sim.Fault{})))
		})
	}
}

func b(v bool) int {
	if v {
		return 1
	}
	return 0
}

// A caller's deadline is virtual too.
func TestTimeout(t *testing.T) {
	for _, stream := range []bool{false, true} {
		c := alone(sim.Upstream{Latency: sim.Constant(time.Hour)})
		c.Request = func(int, *rand.Rand) sim.Request {
			return sim.Request{Stream: stream, Timeout: 2500 * time.Millisecond}
		}
		r := run(t, c)
		require.Equal(t, map[llm.ErrorKind]int{llm.ErrTotalTimeout: r.Calls}, r.Errors)
		require.Equal(t, 2500*time.Millisecond, r.Failing.Max)
		require.Equal(t, 2500*time.Millisecond, r.Failing.Mean)
		c.Request = func(int, *rand.Rand) sim.Request { return sim.Request{Stream: stream} }
		want := llm.DefaultTimeout
		if stream {
			want = llm.DefaultStreamTimeout - time.Second // the answer is in time
		}
		if r = run(t, c); !stream {
			require.Equal(t, want, r.Failing.Mean)
		}
		c.Request = func(int, *rand.Rand) sim.Request { return sim.Request{Stream: stream, Timeout: -1} }
		require.Equal(t, 1.0, run(t, c).Success())
	}
}

// The clocks that the engine keeps for a router hold in a simulation as well.
func TestDeploymentTimeouts(t *testing.T) {
	c := alone(sim.Upstream{Latency: sim.Constant(5 * time.Second)})
	c.Router.Deployments[0].Timeout, c.Router.Deployments[0].StreamTimeout = 2*time.Second, 3*time.Second
	r := run(t, c)
	require.Equal(t, 2*time.Second, r.Failing.Max)
	require.Equal(t, map[llm.ErrorKind]int{llm.ErrTimeout: r.Calls}, r.Errors)
	c.Request = func(int, *rand.Rand) sim.Request { return sim.Request{Stream: true} }
	r = run(t, c)
	require.Equal(t, 3*time.Second, r.Failing.Max)
	require.Equal(t, map[llm.ErrorKind]int{llm.ErrFirstContentTimeout: r.Calls}, r.Errors)
}

func TestMaxRetries(t *testing.T) {
	c := alone(sim.Upstream{Phases: []sim.Phase{{Fail: 0.5}}})
	c.Router.Deployments[0].MaxRetries = 4
	r := run(t, c)
	require.InDelta(t, 1-math.Pow(0.5, 5), r.Success(), 0.02)
	require.InDelta(t, 1.94, r.Amplification(), 0.1)
	require.Equal(t, r.Attempts-r.Calls, r.Retries)
}

// A call that waits for what never comes does not hold the simulation up.
func TestWaitForEver(t *testing.T) {
	c := one(sim.Upstream{})
	c.Router.Limits = func(*llm.Call) []router.Limit { return nil }
	c.Router.Deployments[0].RPM = 1
	c.Request = func(int, *rand.Rand) sim.Request { return sim.Request{Timeout: -1} }
	c.Router.Queue.Max = 10
	c.Duration = 30 * time.Second
	r := run(t, c)
	require.Equal(t, 11, r.Succeeded, "one at once, and one each minute from the queue")
}

func TestPanicIsAnError(t *testing.T) {
	c := one(sim.Upstream{})
	c.Router.Deployments = pool(2)
	c.Upstreams = nil
	c.Router.Strategy = router.Custom("bad", func(list []router.Candidate) int { panic("no idea") })
	before := runtime.NumGoroutine()
	_, err := sim.Run(c)
	require.ErrorContains(t, err, "no idea")
	require.ErrorContains(t, err, "sim_test.go", "with its stack")
	require.LessOrEqual(t, runtime.NumGoroutine(), before, "nothing is left behind")

	c = one(sim.Upstream{})
	c.Request = func(n int, _ *rand.Rand) sim.Request { panic("what request?") }
	_, err = sim.Run(c)
	require.ErrorContains(t, err, "what request?")
}

// Nothing is left behind, whether calls have ended or wait for ever.
func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, timeout := range []time.Duration{0, -1} {
		c := one(sim.Upstream{Latency: sim.Constant(20 * 365 * 24 * time.Hour)})
		c.Request = func(int, *rand.Rand) sim.Request { return sim.Request{Timeout: timeout} }
		r := run(t, c)
		require.Zero(t, r.Succeeded)
		want := llm.ErrTotalTimeout
		if timeout < 0 {
			want = llm.ErrCanceled // by the end of the run
		}
		require.Equal(t, map[llm.ErrorKind]int{want: r.Calls}, r.Errors)
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
}

func TestConfigErrors(t *testing.T) {
	for want, change := range map[string]func(c *sim.Config){
		"Load is missing":         func(c *sim.Config) { c.Load = nil },
		"Duration is missing":     func(c *sim.Config) { c.Duration = 0 },
		"at least one deployment": func(c *sim.Config) { c.Router.Deployments, c.Upstreams = nil, nil },
		`there are "only"`:        func(c *sim.Config) { c.Upstreams = map[string]sim.Upstream{"onyl": {}} },
		"Router.Rand":             func(c *sim.Config) { c.Router.Rand = rand.Uint64 },
		"two stores": func(c *sim.Config) {
			c.Store, c.Router.Store = sim.Memory, router.NewMemory(router.MemoryConfig{})
		},
		"Bucket cannot":      func(c *sim.Config) { c.Bucket = -1 },
		"cannot be negative": func(c *sim.Config) { c.Upstreams["only"] = sim.Upstream{RPM: -1} },
		"ColdSlow":           func(c *sim.Config) { c.Upstreams["only"] = sim.Upstream{ColdCalls: 1} },
		"not 200":            func(c *sim.Config) { c.Upstreams["only"] = sim.Upstream{Refuse: 200} },
		"no time of the run": func(c *sim.Config) {
			c.Upstreams["only"] = sim.Upstream{Phases: []sim.Phase{{From: 2 * minute, Until: minute}}}
		},
		"belong together": func(c *sim.Config) { c.Upstreams["only"] = sim.Upstream{Phases: []sim.Phase{{For: minute}}} },
		"are shares":      func(c *sim.Config) { c.Upstreams["only"] = sim.Upstream{Phases: []sim.Phase{{Fail: 50}}} },
		"is a factor":     func(c *sim.Config) { c.Upstreams["only"] = sim.Upstream{Phases: []sim.Phase{{Slow: math.NaN()}}} },
	} {
		c := one(sim.Upstream{})
		change(&c)
		_, err := sim.Run(c)
		require.ErrorContains(t, err, want)
	}
}

// Deployments without an id are found by the one that the router gives them.
func TestIDs(t *testing.T) {
	r := run(t, sim.Config{
		Router: router.Config{Deployments: []router.Deployment{{Group: "chat", Model: "openai/x"}, {Group: "chat", Model: "openai/x"}},
			Fallbacks: map[string][]string{"chat": {"groq/y"}}},
		Upstreams: map[string]sim.Upstream{
			"openai/x":   {Phases: []sim.Phase{{Fail: 1}}},
			"openai/x#2": {Phases: []sim.Phase{{From: minute, Fail: 1}}},
			"groq/y":     {Latency: sim.Constant(time.Second)},
		},
		Load: sim.Steady(10), Duration: 3 * minute,
	})
	require.Len(t, r.Deployments, 3)
	require.Zero(t, r.Deployment("openai/x").Answers)
	require.Positive(t, r.Deployment("openai/x#2").Answers)
	require.Greater(t, r.Share("groq/y"), 0.5)
	require.Zero(t, r.Share("nobody"))
}

func TestCost(t *testing.T) {
	c := alone(sim.Upstream{Phases: []sim.Phase{{Fail: 0.5}}})
	c.Router.Deployments[0].Price = &router.Price{Input: 2, Output: 10}
	c.Request = func(int, *rand.Rand) sim.Request { return sim.Request{Prompt: 1000, Answer: 100} }
	r := run(t, c)
	require.InDelta(t, float64(r.Succeeded)*0.003, r.Cost, 1e-9)
	require.InDelta(t, r.Cost, r.Deployments[0].Cost, 1e-9)
}

func TestReportIsJSON(t *testing.T) {
	r := run(t, scenarios[1].config())
	b, err := json.Marshal(r)
	require.NoError(t, err)
	var again sim.Report
	require.NoError(t, json.Unmarshal(b, &again))
	again.Elapsed = r.Elapsed
	require.Equal(t, *r, again)
}

// The chart is one well-formed document that refers to nothing else.
func TestChartIsSelfContained(t *testing.T) {
	for _, s := range scenarios {
		if raceEnabled && s.name == "thousand" {
			continue
		}
		c := s.config()
		c.Title, c.Duration = "<"+s.title+">", c.Duration/3
		var svg bytes.Buffer
		require.NoError(t, run(t, c).WriteSVG(&svg))
		text := svg.String()
		require.NotContains(t, strings.ReplaceAll(text, "http://www.w3.org/2000/svg", ""), "http:")
		require.NotContains(t, text, "NaN")
		require.NotContains(t, text, "Inf")
		require.Less(t, len(text), 300_000)
		d := xml.NewDecoder(&svg)
		for {
			_, err := d.Token()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
		}
	}
}

// An empty run draws too.
func TestNothingHappens(t *testing.T) {
	c := one(sim.Upstream{})
	c.Load = sim.Poisson(0)
	r := run(t, c)
	require.Zero(t, r.Calls)
	require.NotContains(t, r.String(), "NaN")
	var svg bytes.Buffer
	require.NoError(t, r.WriteSVG(&svg))
	require.NotContains(t, svg.String(), "NaN")
}
