package jsonx_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/llm-go/llm/internal/jsonx"
)

func BenchmarkChunk(b *testing.B) {
	data := []byte(chunk)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	var e event
	for b.Loop() {
		if err := e.decode(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStr(b *testing.B) {
	prose := "The quick brown fox jumps over the lazy dog and runs away. " // 59 bytes
	for _, bb := range []struct{ name, unit string }{
		{"plain", prose}, {"escaped", prose + `\n`}, {"unicode", "快速的棕色狐狸跳过懒狗,然后跑开了。"}, {"hex", `\u5feb\u901f\u7684\u68d5`},
	} {
		data := []byte(`"` + strings.Repeat(bb.unit, 64<<10/len(bb.unit)) + `"`)
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var d jsonx.Decoder
			for b.Loop() {
				d.Reset(data)
				if d.Str() == "" {
					b.Fatal(d.Err())
				}
			}
		})
		b.Run(bb.name+"/bytes", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var d jsonx.Decoder
			for b.Loop() {
				d.Reset(data)
				if len(d.StrBytes()) == 0 {
					b.Fatal(d.Err())
				}
			}
		})
	}
}

func BenchmarkSkip(b *testing.B) {
	for _, bb := range []struct{ name, data string }{
		{"chunks", "[" + strings.Repeat(chunk+",", 200) + "0]"},
		{"numbers", "[" + strings.Repeat("-0.0123456789,", 4000) + "0]"},
		{"text", `["` + strings.Repeat("a long plain string ", 4000) + `"]`},
	} {
		b.Run(bb.name, func(b *testing.B) {
			data := []byte(bb.data)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var d jsonx.Decoder
			for b.Loop() {
				d.Reset(data)
				d.Skip()
				if d.End() != nil {
					b.Fatal(d.Err())
				}
			}
		})
	}
}

func BenchmarkFloats(b *testing.B) {
	data := []byte("[" + strings.Repeat("-0.0123456789,", 1535) + "0.5]")
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	var d jsonx.Decoder
	fs := make([]float64, 0, 1536)
	for b.Loop() {
		fs = fs[:0]
		d.Reset(data)
		for d.Array(); d.More(); {
			fs = append(fs, d.Float())
		}
		if d.End() != nil || len(fs) != 1536 {
			b.Fatal(d.Err())
		}
	}
}

// The encoding/json figures are the yardstick.
func BenchmarkChunkStdlib(b *testing.B) {
	data := []byte(chunk)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		var e struct {
			ID      string `json:"id"`
			Object  string `json:"object"`
			Created int64  `json:"created"`
			Model   string `json:"model"`
			Choices []struct {
				Index        int                      `json:"index"`
				Delta        struct{ Content string } `json:"delta"`
				FinishReason string                   `json:"finish_reason"`
			} `json:"choices"`
		}
		if err := json.Unmarshal(data, &e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendString(b *testing.B) {
	prose := "The quick brown fox jumps over the lazy dog and runs away. "
	for _, bb := range []struct{ name, unit string }{
		{"plain", prose}, {"escaped", prose + "\n"}, {"unicode", "快速的棕色狐狸跳过懒狗,然后跑开了。"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			s := strings.Repeat(bb.unit, 64<<10/len(bb.unit))
			b.SetBytes(int64(len(s)))
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				buf = jsonx.AppendString(buf[:0], s)
			}
		})
	}
}

func BenchmarkRequest(b *testing.B) {
	b.ReportAllocs()
	temperature := 0.2
	buf := make([]byte, 0, 1024)
	for b.Loop() {
		e := jsonx.Encoder{B: buf[:0]}
		e.Object()
		e.Name("model")
		e.Str("gpt-4o-mini")
		e.Name("messages")
		e.Array()
		for range 2 {
			e.Object()
			e.Name("role")
			e.Str("user")
			e.Name("content")
			e.Str("What is the capital of France? Answer in one word, please.")
			e.EndObject()
		}
		e.EndArray()
		e.OptInt("max_tokens", 100)
		e.PtrFloat("temperature", &temperature)
		e.OptBool("stream", true)
		e.Strs("stop", []string{"\n"})
		e.EndObject()
		buf = e.B
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkOverlay(b *testing.B) {
	body := []byte(`{"model":"gpt-4o-mini","messages":[{"role":"user","content":"` + strings.Repeat("hello ", 100) + `"}],"stream":true}`)
	extra := map[string]any{"top_k": 40, "stream_options": map[string]any{"include_usage": true}}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := jsonx.Overlay(body, extra); err != nil {
			b.Fatal(err)
		}
	}
}
