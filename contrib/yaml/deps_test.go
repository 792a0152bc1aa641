package yaml_test

import (
	"testing"

	"github.com/llm-go/llm/internal/deptest"
)

// A program that reads a file carries the library, the router and a parser.
func TestImports(t *testing.T) {
	deptest.AssertImports(t, deptest.Module+"/contrib/yaml", map[string]string{
		deptest.Module:                    "options, and the providers that are registered",
		deptest.Module + "/router":        "what a file configures",
		deptest.Module + "/internal/...":  "needed by the library",
		deptest.Module + "/stream":        "needed by the library",
		deptest.Module + "/tokens":        "needed by the router",
		"github.com/tidwall/...":          "needed by the library",
		"github.com/cenkalti/backoff/...": "needed by the library",
		"golang.org/x/sync/...":           "needed by the library",
		"go.yaml.in/yaml/v3":              "parses YAML; its errors have lines, and never quote the file",
	})
}
