package openai

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/llm-go/llm"
)

// chunkBody is a stream as OpenAI sends it: n text deltas.
func chunkBody(n int) []byte {
	var b bytes.Buffer
	head := `"id":"chatcmpl-BxyzE5rUqGSgyi0yYHkAaWcqVTZ1s","object":"chat.completion.chunk","created":1753357177,"model":"gpt-5-2025-08-07","service_tier":"default","system_fingerprint":"fp_34a54ae93c"`
	fmt.Fprintf(&b, "data: {%s,\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null,\"obfuscation\":\"xY3\"}\n\n", head)
	for i := range n {
		fmt.Fprintf(&b, "data: {%s,\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token%d\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null,\"obfuscation\":\"aZ0q9TkP3\"}\n\n", head, i)
	}
	fmt.Fprintf(&b, "data: {%s,\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":null,\"obfuscation\":\"\"}\n\n", head)
	fmt.Fprintf(&b, "data: {%s,\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":%d,\"total_tokens\":%d,\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}},\"obfuscation\":\"\"}\n\n", head, n, n+9)
	b.WriteString("data: [DONE]\n\n")
	return b.Bytes()
}

func BenchmarkStream(b *testing.B) {
	const n = 1000
	body := chunkBody(n)
	op := newCompletion(&Quirks{})
	call := callOf(b, &llm.CompletionRequest{})
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		next := op.Stream(call, bytes.NewReader(body))
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

func BenchmarkStreamToolCall(b *testing.B) {
	const n = 1000
	var buf bytes.Buffer
	head := `"id":"chatcmpl-BxyzE5rUqGSgyi0yYHkAaWcqVTZ1s","object":"chat.completion.chunk","created":1753357177,"model":"gpt-5-2025-08-07","service_tier":"default","system_fingerprint":"fp_34a54ae93c"`
	fmt.Fprintf(&buf, "data: {%s,\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]},\"logprobs\":null,\"finish_reason\":null}]}\n\n", head)
	for range n {
		fmt.Fprintf(&buf, "data: {%s,\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"abcdef\"}}]},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null,\"obfuscation\":\"aZ0q9TkP3\"}\n\n", head)
	}
	buf.WriteString("data: [DONE]\n\n")
	body := buf.Bytes()
	op := newCompletion(&Quirks{})
	call := callOf(b, &llm.CompletionRequest{})
	b.ReportAllocs()
	for b.Loop() {
		next := op.Stream(call, bytes.NewReader(body))
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

func bigRequest() *llm.CompletionRequest {
	req := &llm.CompletionRequest{Model: "openai/gpt-5", MaxTokens: 100}
	text := strings.Repeat("The quick brown fox said \"hello\" to the lazy dog.\n", 50)
	for i := range 40 {
		m := llm.User(text)
		if i%2 == 1 {
			m = llm.Assistant(text)
		}
		req.Messages = append(req.Messages, m)
	}
	return req
}

func BenchmarkEncode100KB(b *testing.B) {
	req := bigRequest()
	op := newCompletion(&Quirks{})
	call := callOf(b, req)
	b.ReportAllocs()
	for b.Loop() {
		r, err := op.Encode(call, req)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(r.ContentLength)
	}
}

func BenchmarkDecode1KB(b *testing.B) {
	body := []byte(`{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion","created":1741569952,"model":"gpt-5-2025-08-07","choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Repeat("Hello! How can I help? ", 30) + `","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default"}`)
	op := newCompletion(&Quirks{})
	call := callOf(b, &llm.CompletionRequest{})
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := op.Decode(call, nil, body); err != nil {
			b.Fatal(err)
		}
	}
}
