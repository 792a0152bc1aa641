package all

import (
	"os"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/deptest"
	"github.com/stretchr/testify/require"
)

// Every directory of providers is imported.
func TestAllIsAll(t *testing.T) {
	var want []string
	for _, pkg := range deptest.Packages(t, deptest.Module+"/providers/...") {
		if name := strings.TrimPrefix(pkg, deptest.Module+"/providers/"); name != "all" && name != "providertest" && !strings.Contains(name, "internal") {
			want = append(want, pkg)
		}
	}
	src, err := os.ReadFile("all.go")
	require.NoError(t, err)
	for _, pkg := range want {
		require.Contains(t, string(src), "\t_ \""+pkg+"\"\n", "providers/all must import it")
	}
	require.Equal(t, len(want), strings.Count(string(src), "\n\t_ \""))
}

// Every provider says where it is and with which key.
func TestProvidersAreComplete(t *testing.T) {
	n := 0
	for p := range llm.Providers() {
		n++
		require.True(t, p.BaseURL != "" || len(p.BaseURLEnv) > 0 || p.KeyOptional, "%s: where is it?", p.Name)
		require.True(t, p.KeyOptional || len(p.KeyEnv) > 0, "%s: which variable holds the key?", p.Name)
	}
	require.Greater(t, n, 100)
}
