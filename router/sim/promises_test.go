package sim_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/router"
	"github.com/llm-go/llm/router/sim"
	"github.com/stretchr/testify/require"
)

// With k dead keys of n every call succeeds as long as one is left, whichever they are and whatever is wrong with them.
func TestDeadKeys(t *testing.T) {
	const n = 6
	faults := []int{401, 402, 403}
	for dead := range n + 1 {
		t.Run(strconv.Itoa(dead), func(t *testing.T) {
			t.Parallel()
			for _, first := range []int{0, 3} {
				d := router.Deployment{ID: "only", Group: "chat", Model: "openai/x"}
				u := sim.Upstream{Keys: make(map[string]sim.Key)}
				for i := range n {
					d.Keys = append(d.Keys, fmt.Sprintf("key-%d", i))
				}
				for i := range dead {
					u.Keys[d.Keys[(first+i)%n]] = sim.Key{Refused: faults[i%len(faults)]}
				}
				r := run(t, sim.Config{Router: router.Config{Deployments: []router.Deployment{d}}, Upstreams: map[string]sim.Upstream{"only": u},
					Load: sim.Poisson(5), Duration: 30 * minute})
				only := r.Deployment("only")
				if dead == n {
					require.Zero(t, r.Succeeded)
					require.Less(t, r.Amplification(), 1.1)
					continue
				}
				require.Equal(t, 1.0, r.Success())
				require.Zero(t, r.Events["cooldown"], "a bad key is not the deployment's fault")
				// Each dead key is tried in every five minutes, by the calls that come before its refusal is known.
				require.LessOrEqual(t, only.Attempts-only.Answers, dead*7*3)
				require.GreaterOrEqual(t, only.Attempts-only.Answers, dead*6, "and none is given up")
			}
		})
	}
}

// The same with deployments of one key each.
func TestDeadDeployments(t *testing.T) {
	const n = 5
	for dead := range n {
		if raceEnabled && dead != n-1 {
			continue
		}
		for _, strategy := range strategies {
			up := make(map[string]sim.Upstream)
			d := pool(n)
			for i := range d {
				if d[i].Keys = []string{"k" + d[i].ID}; i < dead {
					up[d[i].ID] = sim.Upstream{Keys: map[string]sim.Key{"k" + d[i].ID: {Refused: 401}}}
				}
			}
			r := run(t, sim.Config{Router: router.Config{Deployments: d, Strategy: strategy}, Upstreams: up, Load: sim.Poisson(5), Duration: 6 * minute})
			require.Equal(t, 1.0, r.Success(), "%d dead, %s", dead, strategy.Name())
			require.Less(t, r.Amplification(), 1.05)
		}
	}
}

// A disabled deployment gets nothing, whatever becomes of the others.
func TestDisabled(t *testing.T) {
	for _, strategy := range strategies {
		d := pool(3)
		d[1].Disabled = true
		down := sim.Upstream{Phases: []sim.Phase{{From: minute, Until: 2 * minute, Fail: 1, Fault: sim.Refused()}}}
		r := run(t, sim.Config{Router: router.Config{Deployments: d, Strategy: strategy}, Upstreams: map[string]sim.Upstream{"a": down, "c": down},
			Load: sim.Poisson(20), Duration: 3 * minute})
		require.Zero(t, r.Deployment("b").Attempts, strategy.Name())
		require.Positive(t, r.Errors[llm.ErrConnection])
	}
}

// A lone deployment is never put out, and bad requests put none out.
func TestHealthOfOne(t *testing.T) {
	c := one(sim.Upstream{Phases: []sim.Phase{{From: minute, Until: 2 * minute, Fail: 0.9}}})
	c.Load = sim.Poisson(20)
	c.Options = []llm.Option{llm.WithMaxAttempts(1)}
	r := run(t, c)
	require.Zero(t, r.Events["cooldown"])
	require.Equal(t, r.Calls, r.Attempts, "every call is sent")

	for _, kind := range []sim.Fault{{Status: 400}, {Status: 404}, {Status: 413}, {Status: 422}, {Status: 400, Kind: llm.ErrContentPolicy}} {
		c := scenarios[0].config()
		c.Load = sim.Poisson(20)
		bad := sim.Upstream{Phases: []sim.Phase{{Fail: 0.8, Fault: kind}}}
		c.Upstreams = map[string]sim.Upstream{"a": bad, "b": bad, "c": bad}
		r := run(t, c)
		require.Zero(t, r.Events["cooldown"], "%+v", kind)
		for _, id := range []string{"a", "b", "c"} {
			require.InDelta(t, 1.0/3, float64(r.Deployment(id).Attempts)/float64(r.Attempts), 0.05)
		}
	}
}

// A session stays with its deployment until that is unhealthy, for every strategy, and over processes with one store.
func TestAffinity(t *testing.T) {
	const sessions = 200
	for i, strategy := range strategies {
		if raceEnabled && i > 1 {
			break
		}
		for _, processes := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s/%d", strategy.Name(), processes), func(t *testing.T) {
				t.Parallel()
				session, probes := make(map[int]uint64), make(map[int]bool) // by call
				type stay struct{ before, during, after map[string]int }
				stays := make([]stay, sessions)
				for i := range stays {
					stays[i] = stay{map[string]int{}, map[string]int{}, map[string]int{}}
				}
				c := sim.Config{
					Router:    router.Config{Deployments: pool(4), Strategy: strategy},
					Upstreams: map[string]sim.Upstream{"b": {Phases: []sim.Phase{{From: 4 * minute, Until: 6 * minute, Fail: 1, Fault: sim.Refused()}}}},
					Load:      sim.Poisson(20), Duration: 10 * minute, Processes: processes,
					Request: func(n int, rnd *rand.Rand) sim.Request {
						session[n] = rand.NewZipf(rnd, 1.2, 3, sessions-1).Uint64()
						return sim.Request{Options: []llm.Option{router.WithSession(strconv.FormatUint(session[n], 10))}}
					},
					OnAttempt: func(a sim.Attempt) {
						s := &stays[session[a.Call]]
						if a.Reason == "probe" { // any call may be the one that sees whether b is well again
							probes[a.Call] = true
						}
						switch {
						case a.Err != nil || probes[a.Call]:
						case a.Start < 4*minute:
							s.before[a.Deployment]++
						case a.Start < 4*minute+10*time.Second: // until b is out, a call that failed there goes anywhere
						case a.Start < 6*minute:
							s.during[a.Deployment]++
						default:
							s.after[a.Deployment]++
						}
					},
				}
				if processes > 1 {
					c.Store = sim.Memory
				}
				r := run(t, c)
				require.Equal(t, 1.0, r.Success())
				moved := 0
				for i, s := range stays {
					require.LessOrEqual(t, len(s.before), 1, "session %d: %v", i, s.before)
					if s.before["b"] == 0 {
						for where := range s.before {
							require.Subset(t, []string{where}, keysOf(s.during), "session %d moved without need: %v, %v", i, s.before, s.during)
							require.Subset(t, []string{where}, keysOf(s.after), "session %d moved without need: %v, %v", i, s.before, s.after)
						}
					} else if len(s.during) > 0 {
						moved++
						require.Len(t, s.during, 1, "session %d: %v", i, s.during)
					}
				}
				if spreads(strategy.Name()) {
					require.Greater(t, moved, 10)
				}
			})
		}
	}
}

func keysOf(m map[string]int) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	return list
}

// Hedging cuts the tail, within its share of calls.
func TestHedging(t *testing.T) {
	config := func(h *router.Hedge) sim.Config {
		slow := sim.Upstream{Latency: sim.Quantiles(map[float64]time.Duration{0.5: 400 * time.Millisecond, 0.97: 600 * time.Millisecond, 0.971: 10 * time.Second})}
		return sim.Config{
			Router: router.Config{Deployments: pool(3), Hedge: h}, Upstreams: map[string]sim.Upstream{"a": slow, "b": slow, "c": slow},
			Load: sim.Poisson(20), Duration: 20 * minute,
			Request: func(n int, _ *rand.Rand) sim.Request { return sim.Request{Stream: n%2 == 0} },
		}
	}
	without, with := run(t, config(nil)), run(t, config(&router.Hedge{}))
	require.Greater(t, without.Latency.P99, 9*time.Second)
	require.Less(t, with.Latency.P99, 2*time.Second)
	require.Positive(t, with.Events["hedge"])
	require.Equal(t, with.Events["hedge"], with.Retries)
	require.LessOrEqual(t, with.Amplification(), 1.05+10/float64(with.Calls))
	canceled := 0
	for _, d := range with.Deployments {
		canceled += d.Canceled
	}
	require.Equal(t, with.Attempts-with.Calls, canceled, "one of each two is cancelled")
}

// Streams that break off go on elsewhere, if their callers have consented.
func TestResume(t *testing.T) {
	for _, consent := range []bool{false, true} {
		c := scenarios[0].config()
		c.Load = sim.Poisson(20)
		breaking := sim.Upstream{TokensPerSecond: 100, Phases: []sim.Phase{{Break: 0.05}}}
		c.Upstreams = map[string]sim.Upstream{"a": breaking, "b": breaking, "c": breaking}
		c.Request = func(int, *rand.Rand) sim.Request {
			r := sim.Request{Stream: true}
			if consent {
				r.Options = []llm.Option{router.WithResume(llm.MarkerRestart)}
			}
			return r
		}
		r := run(t, c)
		if !consent {
			require.InDelta(t, 0.95, r.Success(), 0.01)
			require.Zero(t, r.Retries)
			continue
		}
		require.Greater(t, r.Success(), 0.998)
		require.Equal(t, r.Events["resume"], r.Retries)
		require.Positive(t, r.Retries)
	}
}

// The estimate of a simulated prompt is its size: calls that a window cannot hold go to a larger one.
func TestContextWindows(t *testing.T) {
	d := pool(2)
	d[0].ContextWindow, d[1].ContextWindow = 8000, 128_000
	r := run(t, sim.Config{
		Router:    router.Config{Deployments: d, Strategy: router.InOrder},
		Upstreams: map[string]sim.Upstream{"a": {ContextWindow: 8000}, "b": {ContextWindow: 128_000}},
		Load:      sim.Steady(10), Duration: minute,
		Request: func(n int, _ *rand.Rand) sim.Request {
			return sim.Request{Prompt: 7000 + 2000*(n%2), Answer: 500, MaxTokens: 500}
		},
	})
	require.Equal(t, 1.0, r.Success())
	require.InDelta(t, 0.5, r.Share("a"), 0.01)
	require.Equal(t, r.Calls, r.Attempts, "nothing was sent in vain")
}
