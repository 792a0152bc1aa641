package sim_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/llm-go/llm/router/sim"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/routing.md and its charts")

const docs = "../../docs"

const intro = `# Routing when things go wrong

Written by ` + "`go test ./router/sim -run TestScenarios -update`" + `, and compared by the same test without the flag; do not edit by hand.

Everything here comes from simulated runs, with seed 1, of the router as it is and with its defaults: 3 failures in a row put a
deployment out, for 5 s at first and 60 s at most, and at most a tenth of the calls are tried again. Time is virtual: the %s
calls below take seconds. The package ` + "`router/sim`" + ` does the same for your own deployments:

` + "```go" + `
%s
` + "```" + `

Unless it says otherwise there are three deployments, a, b and c, of which a is the cheapest and the first; an answer takes 0.8 s in
the median and 2 s in the 99th percentile, and calls come by chance (a Poisson process). "custom" is a strategy as an application
may have it, of a few lines: it takes the deployment with the smallest product of calls in flight and latency. "Swing" is the
most by which a deployment's share of the attempts of 10 s differs from that of the 10 s before, the fault included: it is large where a host
goes out or comes back, and small otherwise.

`

// document compares docs/routing.md and the charts with the reports, or writes them.
func document(t *testing.T, reports map[string]*sim.Report) {
	// The last digit of a float may differ on machines that multiply and add in one step, and with it everything after.
	if raceEnabled || runtime.GOARCH != "amd64" {
		return
	}
	var body strings.Builder
	calls := 0
	for _, s := range scenarios {
		fmt.Fprintf(&body, "## %s\n\n%s\n\n![%s](routing-%s.svg)\n\n", s.title, s.text, s.title, s.name)
		fmt.Fprintf(&body, "| Strategy | Succeeded | Attempts a call | p50 | p99 | Swing | %s |\n|---|---:|---:|---:|---:|---:|---:|\n", s.figure)
		for _, strategy := range strategies {
			r := reports[s.name+"/"+strategy.Name()]
			if s.skips(strategy) {
				continue
			}
			if r == nil {
				return // only some of them were run
			}
			calls += r.Calls
			fmt.Fprintf(&body, "| %s | %s | %.3f | %s | %s | %s | %s |\n", strategy.Name(), percent(r.Success()), r.Amplification(),
				seconds(r.Latency.P50), seconds(r.Latency.P99), percent(swing(r, 0, r.Duration)), s.of(r))
		}
		body.WriteString("\n")
		var svg bytes.Buffer
		require.NoError(t, reports[s.name+"/"+s.shown.Name()].WriteSVG(&svg))
		same(t, "routing-"+s.name+".svg", svg.String())
	}
	same(t, "routing.md", fmt.Sprintf(intro, thousands(calls), example(t))+strings.TrimSuffix(body.String(), "\n"))
}

func same(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(docs, name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return
	}
	have, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, string(have) == text, "docs/%s is not what the router does now; look at it after: go test ./router/sim -run TestScenarios -update", name)
}

// example is the body of the function Example.
func example(t *testing.T) string {
	b, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	_, code, found := strings.Cut(string(b), "\nfunc Example() {\n")
	require.True(t, found)
	code, _, _ = strings.Cut(code, "\n\t// Output:")
	return strings.ReplaceAll(strings.TrimSpace(strings.ReplaceAll("\n"+code, "\n\t", "\n")), "\t", "    ")
}

func percent(v float64) string {
	if v > 0.9995 && v < 1 {
		return strconv.FormatFloat(100*v, 'f', 2, 64) + " %"
	}
	return strings.TrimSuffix(strconv.FormatFloat(100*v, 'f', 1, 64), ".0") + " %"
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s" }

func thousands(n int) string { return fmt.Sprintf("%.1f million", float64(n)/1e6) }

func amplification(b sim.Bucket) string {
	attempts := 0
	for _, n := range b.Attempts {
		attempts += n
	}
	return strconv.FormatFloat(float64(attempts)/float64(b.Calls), 'f', 3, 64)
}
