package all

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm"
)

// TestAll compares the imports with the directory: a provider package that is not imported here is a provider that
// nobody has.
func TestAll(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "all.go", nil, parser.ImportsOnly)
	require.NoError(t, err)
	var imported []string
	for _, i := range file.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		require.NoError(t, err)
		if filepath.Base(filepath.Dir(path)) == "providers" {
			imported = append(imported, filepath.Base(path))
		}
	}
	dirs, err := os.ReadDir("..")
	require.NoError(t, err)
	var want []string
	for _, d := range dirs {
		// providertest is the kit that providers are tested with.
		if d.IsDir() && d.Name() != "all" && d.Name() != "providertest" {
			want = append(want, d.Name())
		}
	}
	require.Equal(t, want, imported)
	require.True(t, slices.IsSorted(imported))
}

// TestNames: no name is taken twice (Register would panic), and each provider can be found by all of its names.
func TestNames(t *testing.T) {
	n := 0
	for p := range llm.Providers() {
		n++
		for _, name := range append([]string{p.Name}, p.Aliases...) {
			got, ok := llm.LookupProvider(name)
			require.True(t, ok, name)
			require.Same(t, p, got, name)
		}
	}
	require.Greater(t, n, 100)
}
