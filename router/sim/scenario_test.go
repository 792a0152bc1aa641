package sim_test

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/router"
	"github.com/llm-go/llm/router/sim"
)

// strategies are all that there are; the custom one takes the shortest queue in time, as a user might write it.
var strategies = []router.Strategy{router.Shuffle, router.LeastBusy, router.LowestLatency, router.LowestCost, router.LowestUsage,
	router.PowerOfTwo, router.InOrder, router.Custom("custom", func(list []router.Candidate) int {
		best, least := 0, math.Inf(1)
		for i := range list {
			if wait := float64(list[i].InFlight+1) * float64(list[i].Latency); wait < least {
				best, least = i, wait
			}
		}
		return best
	})}

// scenario is something that goes wrong.
type scenario struct {
	name, title, text string
	shown             router.Strategy // of which the chart is
	config            func() sim.Config
}

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

const minute = time.Minute

var typical = sim.LogNormal(800*time.Millisecond, 0.4)

var scenarios = []scenario{
	{
		name: "spike", title: "A spike: five times the load for two minutes",
		text:  "Three hosts that serve 80, 40 and 20 calls at full speed, and become slower with more.",
		shown: router.PowerOfTwo,
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
	},
	{
		name: "brown-out", title: "A brown-out: one of three is slow and fails in part",
		shown: router.PowerOfTwo,
		config: func() sim.Config {
			return sim.Config{
				Router: router.Config{Deployments: pool(3)},
				Upstreams: map[string]sim.Upstream{
					"a": {Phases: []sim.Phase{{From: 3 * minute, Until: 7 * minute, Slow: 6, Fail: 0.2, Fault: sim.Fault{Status: 503, After: -1}}}},
				},
				Load: sim.Poisson(50), Duration: 12 * minute,
			}
		},
	},
	{
		name: "flapping", title: "Flapping: one of three is down for 10 s of each 20 s",
		shown: router.Shuffle,
		config: func() sim.Config {
			return sim.Config{
				Router: router.Config{Deployments: pool(3)},
				Upstreams: map[string]sim.Upstream{
					"a": {Phases: []sim.Phase{{From: 3 * minute, Until: 7 * minute, Every: 20 * time.Second, For: 10 * time.Second, Fail: 1, Fault: sim.Refused()}}},
				},
				Load: sim.Poisson(50), Duration: 12 * minute,
			}
		},
	},
	{
		name: "all-dead", title: "All dead: no host answers for 60 s",
		shown: router.Shuffle,
		config: func() sim.Config {
			down := sim.Upstream{Phases: []sim.Phase{{From: 3 * minute, Until: 4 * minute, Fail: 1, Fault: sim.Refused()}}}
			return sim.Config{
				Router:    router.Config{Deployments: pool(3)},
				Upstreams: map[string]sim.Upstream{"a": down, "b": down, "c": down},
				Load:      sim.Poisson(50), Duration: 8 * minute,
			}
		},
	},
	{
		name: "cold-start", title: "Cold start: the first 40 calls of a host take eight times as long",
		shown: router.LowestLatency,
		config: func() sim.Config {
			cold := sim.Upstream{ColdCalls: 40, ColdSlow: 8, ColdAfter: minute}
			return sim.Config{
				Router:    router.Config{Deployments: pool(3)},
				Upstreams: map[string]sim.Upstream{"a": cold, "b": cold},
				Load:      sim.Poisson(20), Duration: 10 * minute,
			}
		},
	},
	{
		name: "one-slow", title: "One slow of ten",
		shown: router.PowerOfTwo,
		config: func() sim.Config {
			return sim.Config{
				Router:    router.Config{Deployments: pool(10)},
				Upstreams: map[string]sim.Upstream{"d": {Phases: []sim.Phase{{Slow: 5}}}},
				Load:      sim.Poisson(100), Duration: 8 * minute,
			}
		},
	},
	{
		name: "skewed-keys", title: "Skewed keys: limits of 100, 300 and 1,200 requests a minute",
		shown: router.Shuffle,
		config: func() sim.Config {
			d := pool(2)
			d[0].Keys = []string{"k1", "k2", "k3"}
			return sim.Config{
				Router:    router.Config{Deployments: d},
				Upstreams: map[string]sim.Upstream{"a": {Keys: map[string]sim.Key{"k1": {RPM: 100}, "k2": {RPM: 300}, "k3": {RPM: 1200}}}},
				Load:      sim.Poisson(40), Duration: 10 * minute,
			}
		},
	},
	{
		name: "skewed-sessions", title: "Skewed sessions: one of 300 makes a fifth of the calls",
		shown: router.PowerOfTwo,
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
	},
	{
		name: "thousand", title: "A thousand deployments, a hundred of which are down for two minutes",
		shown: router.PowerOfTwo,
		config: func() sim.Config {
			d := pool(1000)
			up := make(map[string]sim.Upstream)
			for i := range 100 {
				up[d[i].ID] = sim.Upstream{Phases: []sim.Phase{{From: 2 * minute, Until: 4 * minute, Fail: 1, Fault: sim.Refused()}}}
			}
			return sim.Config{Router: router.Config{Deployments: d}, Upstreams: up, Load: sim.Poisson(200), Duration: 6 * minute}
		},
	},
}
