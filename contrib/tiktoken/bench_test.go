package tiktoken_test

import (
	"strings"
	"testing"

	"github.com/llm-go/llm/contrib/tiktoken"
	"github.com/llm-go/llm/tokens"
)

func BenchmarkCount(b *testing.B) {
	for name, text := range map[string]string{
		"english":  strings.Repeat("The committee met on Tuesday to discuss the neighbourhood parking scheme. ", 1000),
		"one word": strings.Repeat("qxzjvkwpyh", 7400),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			tiktoken.CountAs(tokens.O200k, text)
			for b.Loop() {
				tiktoken.CountAs(tokens.O200k, text)
			}
		})
	}
}
