package sim_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/llm-go/llm/router"
	"github.com/llm-go/llm/router/sim"
	"github.com/stretchr/testify/require"
)

// Limits hold over processes that share a store: over three days no window of 60 s has more than 1.05 times the limit
// and, since callers always wait for a place, no minute less than 0.95 times.
func TestLimitsOverProcesses(t *testing.T) {
	const rpm, tpm, perCall = 60, 30_000, 500
	for name, config := range map[string]struct {
		queue   router.Queue
		hours   int
		timeout time.Duration
		minute  float64 // the least that one minute of requests may have
		several float64 // and five minutes of them, and all the minutes of tokens
	}{
		"queued": {hours: 72, timeout: 20 * time.Second, minute: 0.95, several: 0.95},
		// None waits for a place, so each stays empty until the next call comes.
		"refused": {hours: 24, queue: router.Queue{Max: -1}, minute: 0.7, several: 0.9},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if raceEnabled {
				config.hours = 2
			}
			r := run(t, sim.Config{
				Router: router.Config{Queue: config.queue, Deployments: []router.Deployment{
					{ID: "requests", Group: "requests", Model: "openai/x", RPM: rpm},
					{ID: "tokens", Group: "tokens", Model: "openai/x", TPM: tpm},
				}},
				Load: sim.Poisson(2.4), Duration: time.Duration(config.hours) * time.Hour, Bucket: time.Minute,
				Processes: 8, Store: sim.Memory,
				Request: func(n int, rnd *rand.Rand) sim.Request {
					r := sim.Request{Model: "requests", Timeout: config.timeout}
					if n%2 == 0 {
						r.Model, r.Prompt, r.Answer, r.MaxTokens = "tokens", 200+rnd.IntN(201), 100+rnd.IntN(201), 300
					}
					return r
				},
			})
			requests, tokens := r.Deployment("requests"), r.Deployment("tokens")
			require.LessOrEqual(t, float64(requests.PeakRPM), rpm*1.05)
			require.LessOrEqual(t, float64(tokens.PeakTPM), tpm*1.05)
			require.GreaterOrEqual(t, float64(tokens.Attempts)*perCall/r.Duration.Minutes(), tpm*config.several)
			sum := 0
			for i, b := range r.Buckets {
				sum += b.Attempts[0]
				require.GreaterOrEqual(t, float64(b.Attempts[0]), rpm*config.minute, "%s", b.Start)
				if i >= 5 {
					sum -= r.Buckets[i-5].Attempts[0]
					require.GreaterOrEqual(t, float64(sum), 5*rpm*config.several, "%s", b.Start)
				}
			}
		})
	}
}
