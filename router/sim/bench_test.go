package sim_test

import (
	"testing"
	"time"

	"github.com/llm-go/llm/router"
	"github.com/llm-go/llm/router/sim"
)

func BenchmarkRun(b *testing.B) {
	calls := 0
	for b.Loop() {
		r, err := sim.Run(sim.Config{
			Router: router.Config{Deployments: []router.Deployment{
				{ID: "eu", Group: "fast", Model: "azure/gpt-4.1-mini"},
				{ID: "us", Group: "fast", Model: "openai/gpt-4.1-mini"},
			}},
			Load: sim.Poisson(50), Duration: time.Hour, Seed: 1,
		})
		if err != nil {
			b.Fatal(err)
		}
		calls += r.Calls
	}
	b.ReportMetric(float64(calls)/b.Elapsed().Seconds(), "calls/s")
}
