package tokens_test

import (
	"strings"
	"testing"

	"github.com/llm-go/llm/tokens"
)

var benchTexts = map[string]string{
	"english": "The committee met on Tuesday to discuss the proposed changes to the neighbourhood parking scheme. ",
	"code":    "\tif err := json.Unmarshal(body, &resp); err != nil {\n\t\treturn nil, fmt.Errorf(\"decode: %w\", err)\n\t}\n",
	"chinese": "开往昆明的夜车九点一刻发车,八点半站台上已经挤满了假装不着急的人。",
}

func bench(b *testing.B, f func(string)) {
	for name, text := range benchTexts {
		b.Run(name, func(b *testing.B) {
			text := strings.Repeat(text, 1<<20/len(text))
			f(text)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				f(text)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(text)), "ns/byte")
		})
	}
}

func BenchmarkEstimate(b *testing.B) { bench(b, func(s string) { tokens.Estimate(s) }) }

func BenchmarkBounds(b *testing.B) { bench(b, func(s string) { tokens.Bounds(s) }) }

func BenchmarkQuick(b *testing.B) {
	req := conversation(20) // 101 messages
	b.ReportAllocs()
	for b.Loop() {
		tokens.Quick(req)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(req.Messages)), "ns/message")
}

func BenchmarkRequest(b *testing.B) {
	req := conversation(20)
	b.ReportAllocs()
	for b.Loop() {
		tokens.Request(req)
	}
}
