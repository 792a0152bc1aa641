package router_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/router"
)

// BenchmarkRoute shows what routing adds to a call: the same client and the same answer without and with a router.
// Run it with -cpu and -benchmem; docs/performance.md has figures.
func BenchmarkRoute(b *testing.B) {
	resp := &llm.CompletionResponse{Choices: []llm.Choice{{Message: llm.Assistant("Hello."), FinishReason: llm.FinishStop}},
		Usage: &llm.Usage{PromptTokens: 10, CompletionTokens: 5, TotalTokens: 15}}
	answer := func(llm.Handler) llm.Handler {
		res := &llm.Result{Response: resp}
		return func(context.Context, *llm.Call) (*llm.Result, error) { return res, nil }
	}
	run := func(b *testing.B, c *llm.Client) {
		req := ask("g")
		b.ReportAllocs()
		b.SetParallelism(128)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := c.Completion(context.Background(), req); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	b.Run("unrouted", func(b *testing.B) { run(b, llm.New(llm.WithMiddleware(answer))) })
	for _, n := range []int{10, 1000} {
		var ids []string
		for i := range n {
			ids = append(ids, fmt.Sprint("d", i))
		}
		for _, s := range []router.Strategy{router.Shuffle, router.LeastBusy, router.LowestLatency, router.LowestCost,
			router.LowestUsage, router.PowerOfTwo, router.InOrder} {
			b.Run(fmt.Sprintf("%s/%d", s.Name(), n), func(b *testing.B) {
				rt, err := router.New(router.Config{Deployments: group("g", ids...), Strategy: s})
				if err != nil {
					b.Fatal(err)
				}
				run(b, llm.New(llm.WithMiddleware(rt.Middleware, answer)))
			})
		}
		b.Run(fmt.Sprintf("shuffle with weights/%d", n), func(b *testing.B) {
			list := group("g", ids...)
			for i := range list {
				list[i].Weight = float64(i + 1)
			}
			rt, err := router.New(router.Config{Deployments: list})
			if err != nil {
				b.Fatal(err)
			}
			run(b, llm.New(llm.WithMiddleware(rt.Middleware, answer)))
		})
		b.Run(fmt.Sprintf("shuffle with limits/%d", n), func(b *testing.B) {
			list := group("g", ids...)
			for i := range list {
				list[i].RPM, list[i].TPM, list[i].MaxParallel = 1e9, 2e9, 1e6
			}
			rt, err := router.New(router.Config{Deployments: list})
			if err != nil {
				b.Fatal(err)
			}
			run(b, llm.New(llm.WithMiddleware(rt.Middleware, answer)))
		})
	}
}
