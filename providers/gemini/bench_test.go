package gemini

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/llm-go/llm"
)

// streamBody is a stream as the service sends it: n pieces of a few words.
func streamBody(n int, part string) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "data: {\"candidates\": [{\"content\": {\"parts\": [%s],\"role\": \"model\"},\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 7,\"candidatesTokenCount\": %d,\"totalTokenCount\": %d,\"promptTokensDetails\": [{\"modality\": \"TEXT\",\"tokenCount\": 7}],\"thoughtsTokenCount\": 94,\"serviceTier\": \"standard\"},\"modelVersion\": \"gemini-2.5-flash\",\"responseId\": \"WQuqavG5KbfUjMcPuP_n6QI\"}\r\n\r\n", part, i, i+101)
	}
	fmt.Fprintf(&b, "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"\"}],\"role\": \"model\"},\"finishReason\": \"STOP\",\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 7,\"candidatesTokenCount\": %d,\"totalTokenCount\": %d},\"modelVersion\": \"gemini-2.5-flash\",\"responseId\": \"WQuqavG5KbfUjMcPuP_n6QI\"}\r\n\r\n", n, n+7)
	return b.Bytes()
}

func benchStream(b *testing.B, part string) {
	const n = 1000
	body := streamBody(n, part)
	call := callOf(b, &llm.CompletionRequest{})
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		next := streamCompletion(call, bytes.NewReader(body))
		for {
			if _, err := next(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/chunk")
}

func BenchmarkStream(b *testing.B)        { benchStream(b, `{"text": " a few words of text"}`) }
func BenchmarkStreamThought(b *testing.B) { benchStream(b, `{"text": " a thought","thought": true}`) }
func BenchmarkStreamToolCall(b *testing.B) {
	benchStream(b, `{"functionCall": {"name": "get_weather","args": {"city": "Paris"},"id": "lpndqlku"},"thoughtSignature": "AY89a19Ysn"}`)
}

func BenchmarkDecode1KB(b *testing.B) {
	body := []byte(`{"candidates": [{"content": {"parts": [{"text": "` + strings.Repeat("Hello! How can I help? ", 30) + `"}], "role": "model"}, "finishReason": "STOP", "index": 0}], "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 15, "totalTokenCount": 522, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}], "thoughtsTokenCount": 500, "serviceTier": "standard"}, "modelVersion": "gemini-2.5-flash", "responseId": "Uz5OarCUA6Pj7M8P7s2m2Qw"}`)
	call := callOf(b, &llm.CompletionRequest{})
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeCompletion(call, nil, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode100KB(b *testing.B) {
	text := strings.Repeat("The quick brown fox said \"hello\" to the lazy dog.\n", 50)
	req := &llm.CompletionRequest{MaxTokens: 100}
	for i := range 40 {
		m := llm.User(text)
		if i%2 == 1 {
			m = llm.Assistant(text)
		}
		req.Messages = append(req.Messages, m)
	}
	call := callOf(b, req)
	op := Host{}.Completion()
	b.ReportAllocs()
	for b.Loop() {
		r, err := op.Encode(call, req)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(r.ContentLength)
	}
}

// The hot path of a stream costs the chunk with its choice, and the text.
func TestStreamAllocations(t *testing.T) {
	const n = 1000
	body := streamBody(n, `{"text": " a few words of text"}`)
	call := callOf(t, &llm.CompletionRequest{})
	perRun := testing.AllocsPerRun(5, func() {
		next := streamCompletion(call, bytes.NewReader(body))
		for {
			if _, err := next(); err != nil {
				return
			}
		}
	})
	if perChunk := perRun / n; perChunk > 3 {
		t.Errorf("%.2f allocations a chunk, want at most 3", perChunk)
	}
}
