package multipart_test

import (
	"testing"

	"github.com/llm-go/llm/internal/multipart"
)

func BenchmarkForm(b *testing.B) {
	data := make([]byte, 25<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		var f multipart.Form
		f.Field("model", "whisper-1")
		f.File("file", "a.wav", "audio/wav", data)
		if _, _, err := f.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}
