package tiktoken_test

import (
	"testing"

	"github.com/llm-go/llm/internal/deptest"
)

// A program that counts carries the vocabularies, and no engine for regular expressions.
func TestImports(t *testing.T) {
	deptest.AssertImports(t, deptest.Module+"/contrib/tiktoken", map[string]string{
		deptest.Module:                             "requests",
		deptest.Module + "/tokens":                 "the rules around texts",
		deptest.Module + "/internal/...":           "needed by the library",
		deptest.Module + "/stream":                 "needed by the library",
		"github.com/tidwall/...":                   "needed by the library",
		"github.com/cenkalti/backoff/...":          "needed by the library",
		"golang.org/x/sync/...":                    "needed by the library",
		"github.com/pkoukk/tiktoken-go-loader/...": "OpenAI's vocabularies as files (MIT); imports nothing",
	})
}
