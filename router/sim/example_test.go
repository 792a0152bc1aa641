package sim_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/router"
	"github.com/llm-go/llm/router/sim"
)

// What if the European deployment becomes slow at ten o'clock?
func Example() {
	report, err := sim.Run(sim.Config{
		Router: router.Config{
			Strategy: router.PowerOfTwo,
			Deployments: []router.Deployment{
				{ID: "eu", Group: "fast", Model: "azure/gpt-4.1-mini"},
				{ID: "us", Group: "fast", Model: "openai/gpt-4.1-mini"},
			},
		},
		Upstreams: map[string]sim.Upstream{
			"eu": {Phases: []sim.Phase{{From: 10 * time.Hour, Until: 11 * time.Hour, Slow: 6}}},
		},
		Load:     sim.Poisson(1), // calls a second
		Duration: 12 * time.Hour,
		Seed:     1,
	})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%.1f %% of the calls succeeded, half of them within %s\n", 100*report.Success(), report.Latency.P50.Round(100*time.Millisecond))
	eu, us := 0, 0
	for _, b := range report.Buckets {
		if b.Start >= 10*time.Hour && b.Start < 11*time.Hour {
			eu, us = eu+b.Attempts[0], us+b.Attempts[1]
		}
	}
	fmt.Printf("from ten to eleven eu got %.0f %%\n", 100*float64(eu)/float64(eu+us))
	// Print the report to see it as a table; its method WriteSVG draws it.

	// Output:
	// 100.0 % of the calls succeeded, half of them within 800ms
	// from ten to eleven eu got 4 %
}

// Four processes that share their limits, a busy hour of streams in sessions, a small host of one's own that comes
// first, a rented one, and a fallback for the rest.
func ExampleRun() {
	report, err := sim.Run(sim.Config{
		Router: router.Config{
			Deployments: []router.Deployment{
				{ID: "own", Group: "chat", Model: "vllm/llama-3.3-70b", MaxParallel: 4},
				{ID: "rented", Group: "chat", Model: "openai/gpt-4.1-mini", RPM: 60, Order: 1,
					Price: &router.Price{Input: 0.4, Output: 1.6}},
			},
			Fallbacks: map[string][]string{"chat": {"groq/llama-3.3-70b-versatile"}},
		},
		Upstreams: map[string]sim.Upstream{
			"own": {Latency: sim.LogNormal(300*time.Millisecond, 0.5), TokensPerSecond: 60, Capacity: 16, Refuse: 503},
		},
		Load: sim.Varying(func(t time.Duration) float64 { // calls a second
			if t > time.Hour && t < 2*time.Hour {
				return 6
			}
			return 0.5
		}),
		Request: func(n int, rnd *rand.Rand) sim.Request {
			return sim.Request{Stream: true, Prompt: 200 + rnd.IntN(2000), Answer: 100 + rnd.IntN(400), MaxTokens: 500,
				Options: []llm.Option{router.WithSession(fmt.Sprint(rnd.IntN(1000)))}}
		},
		Duration: 3 * time.Hour, Seed: 1,
		Processes: 4, Store: sim.Memory,
	})
	if err != nil {
		panic(err)
	}
	for _, d := range report.Deployments {
		fmt.Printf("%s: %.0f %% of the calls\n", d.ID, 100*report.Share(d.ID))
	}

	// Output:
	// own: 51 % of the calls
	// rented: 14 % of the calls
	// groq/llama-3.3-70b-versatile: 35 % of the calls
}
