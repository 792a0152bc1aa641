package compat

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/providers/providertest"
)

// TestConformance runs the kit over each host that has cases: with the operations that it has cases for, since what
// a host has in common with OpenAI is tested there.
func TestConformance(t *testing.T) {
	dirs, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		t.Run(d.Name(), func(t *testing.T) {
			p := Provider(d.Name())
			if p == nil {
				t.Fatalf("testdata/%s: no such host in the table", d.Name())
			}
			dir := filepath.Join("testdata", d.Name())
			providertest.Run(t, only(t, p, dir), dir)
		})
	}
}

// only is the provider without the operations that dir has no answers for.
func only(t *testing.T, p *llm.Provider, dir string) *llm.Provider {
	t.Helper()
	has := func(operation string) bool {
		files, err := filepath.Glob(filepath.Join(dir, operation+"_*.txtar"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files) > 0
	}
	q := *p
	if !has("completion") {
		q.Completion = nil
	}
	if !has("text_completion") {
		q.TextCompletion = nil
	}
	q.Responses, q.Embedding, q.Image, q.ImageEdit, q.ImageVariation = nil, nil, nil, nil, nil
	q.Speech, q.Transcription, q.Translation, q.Moderation, q.Models = nil, nil, nil, nil, nil
	return &q
}
