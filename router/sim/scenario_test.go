package sim_test

import (
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/router"
	"github.com/llm-go/llm/router/sim"
	"github.com/stretchr/testify/require"
)

// strategies are all that there are. The custom one takes the shortest queue in time, as a user might write it.
var strategies = []router.Strategy{router.Shuffle, router.LeastBusy, router.PowerOfTwo, router.LowestLatency, router.LowestUsage,
	router.LowestCost, router.InOrder, router.Custom("custom", func(list []router.Candidate) int {
		best, least := 0, math.Inf(1)
		for i := range list {
			if wait := float64(list[i].InFlight+1) * float64(list[i].Latency); wait < least {
				best, least = i, wait
			}
		}
		return best
	})}

// spreads says that a strategy shares calls out among equal deployments; the others have a favourite.
func spreads(strategy string) bool { return strategy != "lowest-cost" && strategy != "in-order" }

// adapts says that a strategy looks at what hosts can do: at calls in flight, or at latencies and calls in flight.
func adapts(strategy string) bool {
	return strategy == "least-busy" || strategy == "power-of-two" || strategy == "custom"
}

// scenario is something that goes wrong, and what must come of it.
type scenario struct {
	name, title, text string
	shown             router.Strategy // whose run is drawn
	figure            string          // what else is told of each run, and
	of                func(r *sim.Report) string
	config            func() sim.Config
	check             func(t *testing.T, r *sim.Report)
}

const minute = time.Minute

var typical = sim.LogNormal(800*time.Millisecond, 0.4)

// pool is deployments "a", "b", "c" … of one group, each dearer than the one before.
func pool(n int) []router.Deployment {
	list := make([]router.Deployment, n)
	for i := range list {
		id := string(rune('a' + i))
		if n > 26 {
			id = "d" + strconv.Itoa(1000 + i)[1:]
		}
		list[i] = router.Deployment{ID: id, Group: "chat", Model: "openai/gpt-4.1-mini",
			Price: &router.Price{Input: 0.4 + 0.1*float64(i), Output: 1.6 + 0.4*float64(i)}}
	}
	return list
}

// between is the sum of some buckets.
func between(r *sim.Report, from, until time.Duration) (sum sim.Bucket) {
	sum.Attempts = make([]int, len(r.Deployments))
	for _, b := range r.Buckets {
		if b.Start >= from && b.Start < until {
			sum.Calls += b.Calls
			sum.Succeeded += b.Succeeded
			sum.Failed += b.Failed
			sum.P99 = max(sum.P99, b.P99)
			for i, n := range b.Attempts {
				sum.Attempts[i] += n
			}
		}
	}
	return sum
}

// shareOf is the part of the attempts that went to the i-th deployment.
func shareOf(b sim.Bucket, i int) float64 {
	all := 0
	for _, n := range b.Attempts {
		all += n
	}
	return float64(b.Attempts[i]) / math.Max(float64(all), 1)
}

// swing is the most that the share of a deployment changed from one bucket to the next.
func swing(r *sim.Report, from, until time.Duration) (most float64) {
	var last sim.Bucket
	for _, b := range r.Buckets {
		if b.Start < from || b.Start >= until {
			continue
		}
		for i := range b.Attempts {
			if last.Attempts != nil {
				most = max(most, math.Abs(shareOf(b, i)-shareOf(last, i)))
			}
		}
		last = b
	}
	return most
}

// maxSwing is what bounded oscillation means here: of three deployments none has its share of 10 s, a third on average,
// change by more than this from one 10 s to the next. What chance does to 500 calls is three to five hundredths.
const maxSwing = 0.25

// reserve is the retry budget's: tries that may come on top of a tenth of the calls.
const reserve = 100

// offered checks that attempts between two times are at most 1.1 times the calls.
func offered(t *testing.T, r *sim.Report, from, until time.Duration) {
	b := between(r, from, until)
	attempts := 0
	for _, n := range b.Attempts {
		attempts += n
	}
	require.LessOrEqual(t, float64(attempts), 1.1*float64(b.Calls)+reserve)
}

var scenarios = []scenario{
	{
		name: "spike", title: "A spike: five times the load for two minutes",
		text: `Three hosts serve 80, 40 and 20 calls at a time at full speed; with more, each becomes slower in proportion. The spike takes
nine tenths of what they can do together, so it fits only if each gets its part. A strategy that looks at calls in flight finds the parts
by itself. One that spreads evenly runs over the small hosts, one with a favourite runs over that, and both are minutes behind when the
spike has passed. A latency is known only when a call has ended, so a strategy that looks at nothing else runs after it.`,
		shown:  router.PowerOfTwo,
		figure: "p99 of the minute after it",
		of:     func(r *sim.Report) string { return seconds(between(r, 6*minute, 7*minute).P99) },
		config: func() sim.Config {
			return sim.Config{
				Router: router.Config{Deployments: pool(3)},
				Upstreams: map[string]sim.Upstream{
					"a": {Latency: typical, Capacity: 80}, "b": {Latency: typical, Capacity: 40}, "c": {Latency: typical, Capacity: 20},
				},
				Load: sim.Varying(func(t time.Duration) float64 {
					if t >= 4*minute && t < 6*minute {
						return 150
					}
					return 30
				}),
				Duration: 10 * minute,
			}
		},
		check: func(t *testing.T, r *sim.Report) {
			require.Equal(t, 1.0, r.Success())
			if !adapts(r.Strategy) {
				return
			}
			require.Less(t, r.Latency.P99, 5*time.Second)
			require.Less(t, between(r, 6*minute+30*time.Second, 10*minute).P99, 4*time.Second)
			require.InDelta(t, 4.0/7, shareOf(between(r, 5*minute, 6*minute), 0), 0.12)
			require.Less(t, swing(r, minute, 10*minute), maxSwing)
		},
	},
	{
		name: "brown-out", title: "A brown-out: one of three is slow and fails in part",
		text: `For four minutes the host of a answers six times slower, and a fifth of its answers are a 503. No call fails: each failure is
tried elsewhere. How long callers wait depends on whether the strategy sees that a is slow. Those that do not keep sending calls there
until failures in a row put it out, and again when its probe succeeds, gradually.`,
		shown:  router.PowerOfTwo,
		figure: "share of a after its first minute",
		of:     func(r *sim.Report) string { return percent(shareOf(between(r, 4*minute, 7*minute), 0)) },
		config: func() sim.Config {
			return sim.Config{
				Router: router.Config{Deployments: pool(3)},
				Upstreams: map[string]sim.Upstream{
					"a": {Phases: []sim.Phase{{From: 3 * minute, Until: 7 * minute, Slow: 6, Fail: 0.2, Fault: sim.Fault{Status: 503, After: -1}}}},
				},
				Load: sim.Poisson(50), Duration: 12 * minute,
			}
		},
		check: func(t *testing.T, r *sim.Report) {
			require.Greater(t, r.Success(), 0.999)
			during, after := shareOf(between(r, 4*minute, 7*minute), 0), shareOf(between(r, 10*minute, 12*minute), 0)
			if r.Strategy == "power-of-two" || r.Strategy == "lowest-latency" || r.Strategy == "custom" {
				require.Less(t, during, 0.1)
				require.Less(t, r.Latency.P99, 3*time.Second)
			}
			require.Positive(t, between(r, 5*minute, 7*minute).Attempts[0], "it is tried again")
			recovered(t, r, after)
		},
	},
	{
		name: "flapping", title: "Flapping: one of three is down for 10 s of each 20 s",
		text: `The host of a refuses connections every other 10 s for four minutes. Each time that a probe fails its cooldown doubles, up to a
minute, so that it gets ever fewer calls until it has been well for a while. No call fails.`,
		shown:  router.Shuffle,
		figure: "share of a meanwhile",
		of:     func(r *sim.Report) string { return percent(shareOf(between(r, 3*minute, 7*minute), 0)) },
		config: func() sim.Config {
			return sim.Config{
				Router: router.Config{Deployments: pool(3)},
				Upstreams: map[string]sim.Upstream{
					"a": {Phases: []sim.Phase{{From: 3 * minute, Until: 7 * minute, Every: 20 * time.Second, For: 10 * time.Second, Fail: 1, Fault: sim.Refused()}}},
				},
				Load: sim.Poisson(50), Duration: 12 * minute,
			}
		},
		check: func(t *testing.T, r *sim.Report) {
			require.Greater(t, r.Success(), 0.999)
			offered(t, r, 3*minute, 7*minute)
			require.Less(t, r.Amplification(), 1.01)
			if spreads(r.Strategy) {
				require.Less(t, shareOf(between(r, 3*minute, 7*minute), 0), 0.2)
			}
			recovered(t, r, shareOf(between(r, 9*minute, 12*minute), 0))
		},
	},
	{
		name: "all-dead", title: "All dead: no host answers for 60 s",
		text: `All three refuse connections for a minute. Then a router must not make it worse: what it sends stays within 1.1 times what is
asked for, since the retry budget is used up and a call is no longer repeated where all have failed. It must not shut its eyes either: the one
that is due first is tried by each call, so the first call after the minute succeeds.`,
		shown:  router.Shuffle,
		figure: "attempts a call in that minute",
		of:     func(r *sim.Report) string { return amplification(between(r, 3*minute, 4*minute)) },
		config: func() sim.Config {
			down := sim.Upstream{Phases: []sim.Phase{{From: 3 * minute, Until: 4 * minute, Fail: 1, Fault: sim.Refused()}}}
			return sim.Config{
				Router:    router.Config{Deployments: pool(3)},
				Upstreams: map[string]sim.Upstream{"a": down, "b": down, "c": down},
				Load:      sim.Poisson(50), Duration: 8 * minute,
			}
		},
		check: func(t *testing.T, r *sim.Report) {
			offered(t, r, 3*minute, 4*minute)
			require.Less(t, r.Amplification(), 1.02)
			probe := 5 * time.Second // the shortest interval that there is, Health.Cooldown
			require.Zero(t, between(r, 4*minute+probe, 8*minute).Failed)
			require.Positive(t, between(r, 4*minute, 4*minute+probe).Succeeded)
			require.Less(t, r.Failing.P99, time.Second, "nobody waits for a failure")
			recovered(t, r, shareOf(between(r, 6*minute, 8*minute), 0))
		},
	},
	{
		name: "cold-start", title: "Cold start: the first ten calls of a host take eight times as long",
		text: `The hosts of a and b start cold, and are cold again after two minutes without a call, as where models are loaded on demand. A
strategy that looks at latencies takes a cold host for a slow one: it sends a call there every half minute, to see. That warms it up in the
end, and then it must get its share.`,
		shown:  router.LowestLatency,
		figure: "share of a and b at the end",
		of: func(r *sim.Report) string {
			b := between(r, 9*minute, 12*minute)
			return percent(shareOf(b, 0) + shareOf(b, 1))
		},
		config: func() sim.Config {
			cold := sim.Upstream{ColdCalls: 10, ColdSlow: 8, ColdAfter: 2 * minute}
			return sim.Config{
				Router:    router.Config{Deployments: pool(3)},
				Upstreams: map[string]sim.Upstream{"a": cold, "b": cold},
				Load:      sim.Poisson(20), Duration: 12 * minute,
			}
		},
		check: func(t *testing.T, r *sim.Report) {
			require.Equal(t, 1.0, r.Success())
			if spreads(r.Strategy) {
				for i := range 3 {
					require.Greater(t, shareOf(between(r, 9*minute, 12*minute), i), 0.2)
				}
			}
		},
	},
	{
		name: "one-slow", title: "One slow of ten",
		text: `The host of d answers five times slower than the nine others, all the time. Strategies that see it give it few calls, yet some: it
might become better.`,
		shown:  router.PowerOfTwo,
		figure: "share of d",
		of:     func(r *sim.Report) string { return percent(r.Share("d")) },
		config: func() sim.Config {
			return sim.Config{
				Router:    router.Config{Deployments: pool(10)},
				Upstreams: map[string]sim.Upstream{"d": {Phases: []sim.Phase{{Slow: 5}}}},
				Load:      sim.Poisson(80), Duration: 8 * minute,
			}
		},
		check: func(t *testing.T, r *sim.Report) {
			require.Equal(t, 1.0, r.Success())
			if !spreads(r.Strategy) {
				return
			}
			if r.Strategy != "shuffle" && r.Strategy != "lowest-usage" {
				require.Less(t, r.Share("d"), 0.03)
				require.Less(t, r.Latency.P99, 5*time.Second)
			}
			for from := time.Duration(0); from < r.Duration; from += 2 * minute {
				require.Positive(t, between(r, from, from+2*minute).Attempts[3], "it is tried again")
			}
			for i := range r.Deployments {
				if i != 3 {
					require.InDelta(t, 0.11, r.Share(r.Deployments[i].ID), 0.05)
				}
			}
			require.Less(t, swing(r, minute, r.Duration), maxSwing)
		},
	},
	{
		name: "skewed-keys", title: "Skewed keys: limits of 100, 300 and 1,200 requests a minute",
		text: `The deployment a has three keys with limits of their own, of which the router knows nothing; b has none. It learns from each 429,
which concerns that key alone and says how long, and uses the next key at once. No call fails, and few are sent twice.`,
		shown:  router.Shuffle,
		figure: "share of a",
		of:     func(r *sim.Report) string { return percent(r.Share("a")) },
		config: func() sim.Config {
			d := pool(2)
			d[0].Keys = []string{"k1", "k2", "k3"}
			return sim.Config{
				Router:    router.Config{Deployments: d},
				Upstreams: map[string]sim.Upstream{"a": {Keys: map[string]sim.Key{"k1": {RPM: 100}, "k2": {RPM: 300}, "k3": {RPM: 1200}}}},
				Load:      sim.Poisson(40), Duration: 10 * minute,
			}
		},
		check: func(t *testing.T, r *sim.Report) {
			require.Equal(t, 1.0, r.Success())
			require.Less(t, r.Amplification(), 1.05)
			require.LessOrEqual(t, float64(r.Deployment("a").Answers), 1600*r.Duration.Minutes(), "no more than its keys allow")
			if spreads(r.Strategy) {
				require.Greater(t, r.Share("a"), 0.4)
			} else {
				require.Greater(t, float64(r.Deployment("a").Answers), 1300*r.Duration.Minutes(), "and most of that")
			}
		},
	},
	{
		name: "skewed-sessions", title: "Skewed sessions: one of 300 makes a quarter of the calls",
		text: `Calls of one session stay on one deployment, for the sake of the prompt cache there. Sessions are of very different size, so the
shares are not even, and that is right. When a is down its sessions move, and stay where they went.`,
		shown:  router.PowerOfTwo,
		figure: "share of a before, meanwhile, after",
		of: func(r *sim.Report) string {
			return percent(shareOf(between(r, 0, 4*minute), 0)) + ", " + percent(shareOf(between(r, 4*minute, 6*minute), 0)) + ", " + percent(shareOf(between(r, 6*minute, 10*minute), 0))
		},
		config: func() sim.Config {
			return sim.Config{
				Router:    router.Config{Deployments: pool(4)},
				Upstreams: map[string]sim.Upstream{"a": {Phases: []sim.Phase{{From: 4 * minute, Until: 6 * minute, Fail: 1, Fault: sim.Refused()}}}},
				Load:      sim.Poisson(40), Duration: 10 * minute,
				Request: func(_ int, rnd *rand.Rand) sim.Request {
					n := rand.NewZipf(rnd, 1.15, 1, 299).Uint64()
					return sim.Request{Options: []llm.Option{router.WithSession(strconv.FormatUint(n, 10))}}
				},
			}
		},
		check: func(t *testing.T, r *sim.Report) {
			require.Equal(t, 1.0, r.Success())
			offered(t, r, 4*minute, 6*minute)
			require.Less(t, r.Amplification(), 1.01)
			require.Less(t, swing(r, minute, 4*minute), maxSwing)
			require.Less(t, swing(r, 7*minute, 10*minute), maxSwing)
			require.Less(t, shareOf(between(r, 4*minute+20*time.Second, 6*minute), 0), 0.01)
		},
	},
	{
		name: "thousand", title: "A thousand deployments, a hundred of which are down for two minutes",
		text: `Each deployment gets a call every five seconds, so it takes a while until failures in a row have put all the dead ones out. Every
failed try is repeated elsewhere, within the retry budget: a strategy with a favourite, which tries the dead ones one after the other, uses it up.`,
		shown:  router.PowerOfTwo,
		figure: "tries that failed",
		of:     func(r *sim.Report) string { return strconv.Itoa(r.Attempts - r.Succeeded) },
		config: func() sim.Config {
			d := pool(1000)
			up := make(map[string]sim.Upstream)
			for i := range 100 {
				up[d[i].ID] = sim.Upstream{Phases: []sim.Phase{{From: 2 * minute, Until: 4 * minute, Fail: 1, Fault: sim.Refused()}}}
			}
			return sim.Config{Router: router.Config{Deployments: d}, Upstreams: up, Load: sim.Poisson(200), Duration: 6 * minute}
		},
		check: func(t *testing.T, r *sim.Report) {
			require.Greater(t, r.Success(), 0.995)
			offered(t, r, 2*minute, 4*minute)
			if !spreads(r.Strategy) {
				return
			}
			dead := func(b sim.Bucket) (share float64) {
				for i := range 100 {
					share += shareOf(b, i)
				}
				return share
			}
			require.InDelta(t, 0.1, dead(between(r, 0, 2*minute)), 0.02)
			require.Less(t, dead(between(r, 3*minute, 4*minute)), 0.02)
			require.Greater(t, dead(between(r, 5*minute+30*time.Second, 6*minute)), 0.05, "they come back")
		},
	},
}

// recovered checks the share that the deployment a has some time after it became well.
func recovered(t *testing.T, r *sim.Report, share float64) {
	if spreads(r.Strategy) {
		require.InDelta(t, 1.0/3, share, 0.1)
	} else {
		require.Greater(t, share, 0.95)
	}
}

// simulate runs a scenario. All scenarios have buckets of 10 s.
func (s *scenario) simulate(t *testing.T, strategy router.Strategy, seed uint64) *sim.Report {
	c := s.config()
	c.Title, c.Seed, c.Bucket = s.title, seed, 10*time.Second
	if s.name == "all-dead" {
		c.Bucket = 5 * time.Second // a probe interval
	}
	c.Router.Strategy = strategy
	return run(t, c)
}

// skips says that a strategy is left out: a custom one is given a copy of all candidates, which takes long for a thousand.
func (s *scenario) skips(strategy router.Strategy) bool {
	if s.name == "thousand" {
		return raceEnabled || strategy.Name() == "custom"
	}
	return raceEnabled && strategy.Name() != s.shown.Name()
}

// Every strategy comes through every scenario. docs/routing.md tells of it; go test -run TestScenarios -update writes it.
func TestScenarios(t *testing.T) {
	var mu sync.Mutex
	reports := make(map[string]*sim.Report)
	t.Run("all", func(t *testing.T) {
		for _, s := range scenarios {
			for _, strategy := range strategies {
				if s.skips(strategy) {
					continue
				}
				t.Run(s.name+"/"+strategy.Name(), func(t *testing.T) {
					t.Parallel()
					r := s.simulate(t, strategy, 1)
					mu.Lock()
					reports[s.name+"/"+strategy.Name()] = r
					mu.Unlock()
					s.check(t, r)
				})
			}
		}
	})
	t.Run("docs", func(t *testing.T) { document(t, reports) })
}

// Equal deployments get equal shares, which do not swing.
func TestEqualDeployments(t *testing.T) {
	length := 6 * minute
	if raceEnabled {
		length = minute
	}
	for _, strategy := range strategies {
		t.Run(strategy.Name(), func(t *testing.T) {
			t.Parallel()
			for _, stream := range []bool{false, true} {
				r := run(t, sim.Config{
					Router: router.Config{Deployments: pool(3), Strategy: strategy},
					Load:   sim.Poisson(50), Duration: length, Bucket: 10 * time.Second, Seed: 2,
					Upstreams: map[string]sim.Upstream{"a": {TokensPerSecond: 400}, "b": {TokensPerSecond: 400}, "c": {TokensPerSecond: 400}},
					Request:   func(int, *rand.Rand) sim.Request { return sim.Request{Stream: stream} },
				})
				require.Equal(t, 1.0, r.Success())
				most, off := maxSwing, 0.05
				if strategy.Name() == "lowest-latency" { // chance may leave one of them out for a while
					most, off = 0.4, 0.15
				}
				require.Less(t, swing(r, 0, r.Duration), most)
				if spreads(strategy.Name()) {
					for _, d := range r.Deployments {
						require.InDelta(t, 1.0/3, r.Share(d.ID), off, d.ID)
					}
				}
			}
		})
	}
}
