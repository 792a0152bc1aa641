package cache_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/cache"
)

// chat is a request of about size bytes of text.
func chat(size int) *llm.CompletionRequest {
	return &llm.CompletionRequest{Model: "openai/gpt-4.1-mini", Temperature: new(0.2), MaxTokens: 500,
		Messages: []llm.Message{llm.System(strings.Repeat("Be brief. ", size/40)), llm.User(strings.Repeat("What is it? ", size/16))}}
}

func BenchmarkHit(b *testing.B) {
	c, _, _ := setup(b, cache.Config{}, answering(text(strings.Repeat("An answer. ", 90))), llm.WithoutEnv(), llm.WithMock("x"))
	for name, size := range map[string]int{"1KB": 1 << 10, "100KB": 100 << 10} {
		req := chat(size)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				complete(b, c, req)
			}
		})
	}
	b.Run("1KB_stream", func(b *testing.B) {
		req := chat(1 << 10)
		b.ReportAllocs()
		for b.Loop() {
			collect(b, c, req)
		}
	})
	b.Run("1KB_parallel", func(b *testing.B) {
		req := chat(1 << 10)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				complete(b, c, req)
			}
		})
	})
}

// BenchmarkKey is a call that the cache leaves alone against one whose key is made, and not found.
func BenchmarkKey(b *testing.B) {
	s := &spy{}
	c, _, _ := setup(b, cache.Config{Store: s}, answering(text("a")))
	tools := chat(1 << 10)
	tools.Tools = []llm.Tool{{Function: &llm.FunctionTool{Name: "f", Parameters: json.RawMessage(`{"type":"object","properties":{"a":{"type":"string"}}}`)}}}
	for name, req := range map[string]*llm.CompletionRequest{"1KB": chat(1 << 10), "100KB": chat(100 << 10), "1KB_tools": tools} {
		for _, way := range []string{"off", "on"} {
			opts := []llm.Option{cache.NoStore()}
			if way == "off" {
				opts = append(opts, cache.NoCache())
			}
			b.Run(name+"/"+way, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					s.keys = s.keys[:0]
					complete(b, c, req, opts...)
				}
			})
		}
	}
}
