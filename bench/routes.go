package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/router"
)

// routed is what a router adds to a call: the same call through a client with a router, less that without one. The answer
// comes from memory.
type routed struct {
	Case   string
	N      int    // deployments
	Added  figure // Wall is that of 256 callers over all cores; CPU is of one call
	Ratio  float64
	Direct figure
}

const routeCallers = 256

// measureRoutes takes the median over rounds, in which the unrouted call comes before each case.
func measureRoutes(rounds int, batch time.Duration) ([]routed, error) {
	resp := &llm.CompletionResponse{Choices: []llm.Choice{{Message: llm.Assistant("Hello."), FinishReason: llm.FinishStop}},
		Usage: &llm.Usage{PromptTokens: 10, CompletionTokens: 5, TotalTokens: 15}}
	answer := func(llm.Handler) llm.Handler {
		res := &llm.Result{Response: resp}
		return func(context.Context, *llm.Call) (*llm.Result, error) { return res, nil }
	}
	direct := llm.New(llm.WithMiddleware(answer))
	var list []routed
	for _, n := range []int{10, 1000} {
		for _, c := range []struct {
			name     string
			strategy router.Strategy
			set      func(i int, d *router.Deployment)
		}{
			{"shuffle", router.Shuffle, nil},
			{"shuffle by weight", router.Shuffle, func(i int, d *router.Deployment) { d.Weight = float64(i + 1) }},
			{"shuffle, with limits of requests, tokens and calls in parallel", router.Shuffle, func(_ int, d *router.Deployment) { d.RPM, d.TPM, d.MaxParallel = 1e9, 1e12, 1e6 }},
			{"power of two", router.PowerOfTwo, nil},
			{"least busy", router.LeastBusy, nil},
			{"lowest latency", router.LowestLatency, nil},
			{"lowest usage", router.LowestUsage, nil},
			{"lowest cost", router.LowestCost, func(i int, d *router.Deployment) { d.Price = &router.Price{Input: float64(i + 1), Output: 1} }},
		} {
			var deployments []router.Deployment
			for i := range n {
				d := router.Deployment{ID: fmt.Sprint("d", i), Group: "g", Model: "p/m"}
				if c.set != nil {
					c.set(i, &d)
				}
				deployments = append(deployments, d)
			}
			rt, err := router.New(router.Config{Deployments: deployments, Strategy: c.strategy})
			if err != nil {
				return nil, err
			}
			through := llm.New(llm.WithMiddleware(rt.Middleware, answer))
			var before, after []figure
			for range rounds {
				b, err := routeBatch(direct, batch)
				if err != nil {
					return nil, err
				}
				a, err := routeBatch(through, batch)
				if err != nil {
					return nil, err
				}
				before, after = append(before, b), append(after, a)
			}
			b, a := medianFigure(before), medianFigure(after)
			list = append(list, routed{Case: c.name, N: n, Direct: b, Ratio: ratio(a.CPU, b.CPU),
				Added: figure{Wall: a.Wall - b.Wall, CPU: a.CPU - b.CPU, Bytes: a.Bytes - b.Bytes, Allocs: a.Allocs - b.Allocs}})
		}
	}
	return list, nil
}

// routeBatch has the callers call for as long as a batch takes.
func routeBatch(c *llm.Client, batch time.Duration) (figure, error) {
	req := &llm.CompletionRequest{Model: "g", Messages: []llm.Message{llm.User("Hi")}}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	cpu, start := ownCPU(), time.Now()
	end := start.Add(batch)
	var mu sync.Mutex
	var wg sync.WaitGroup
	calls := 0
	var failed error
	for range routeCallers {
		wg.Go(func() {
			n := 0
			var err error
			for err == nil && time.Now().Before(end) {
				for range 100 {
					if _, err = c.Completion(context.Background(), req); err != nil {
						break
					}
					n++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			calls += n
			if err != nil {
				failed = err
			}
		})
	}
	wg.Wait()
	wall, used := time.Since(start), ownCPU()-cpu
	runtime.ReadMemStats(&after)
	n := float64(calls)
	return figure{Wall: float64(wall) / n, CPU: float64(used) / n, Bytes: float64(after.TotalAlloc-before.TotalAlloc) / n,
		Allocs: float64(after.Mallocs-before.Mallocs) / n}, failed
}
