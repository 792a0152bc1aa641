package tiktoken_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/llm-go/llm/contrib/tiktoken"
	"github.com/llm-go/llm/tokens"
	"github.com/stretchr/testify/require"
)

const docFile = "../../docs/tokens.md"

// TestTableInDocs measures the estimates and bounds, and compares them with the table in docs/tokens.md.
func TestTableInDocs(t *testing.T) {
	var b strings.Builder
	b.WriteString("| Text | Bytes | o200k_base | Error, fitted half | Error, other half | bytes/4 | High bound | cl100k_base | Error, fitted half | Error, other half | High bound |\n")
	b.WriteString("|---|" + strings.Repeat("---:|", 10) + "\n")
	for _, c := range corpora(t) {
		all := c.fit + c.held
		fmt.Fprintf(&b, "| %s | %d ", c.name, len(all))
		for _, v := range vocabularies {
			n := tiktoken.CountAs(v, all)
			off := func(text string) float64 {
				have := tiktoken.CountAs(v, text)
				return 100 * float64(v.Estimate(text)-have) / float64(have)
			}
			fitted, held := off(c.fit), off(c.held)
			require.Less(t, max(held, -held), 45.0, "%s: the estimate is no estimate", c.name)
			_, high := v.Bounds(all)
			fmt.Fprintf(&b, "| %d | %+.0f %% | %+.0f %% ", n, fitted, held)
			if v == tokens.O200k {
				fmt.Fprintf(&b, "| %+.0f %% ", 100*float64(len(all)/4-n)/float64(n))
			}
			fmt.Fprintf(&b, "| %.1f x ", float64(high)/float64(n))
		}
		b.WriteString("|\n")
	}
	page, err := os.ReadFile(docFile)
	require.NoError(t, err)
	const begin, end = "<!-- begin table -->\n", "<!-- end table -->\n"
	head, rest, found := strings.Cut(string(page), begin)
	require.True(t, found)
	table, tail, found := strings.Cut(rest, end)
	require.True(t, found)
	if *update {
		require.NoError(t, os.WriteFile(docFile, []byte(head+begin+b.String()+end+tail), 0o644))
		return
	}
	require.Equal(t, b.String(), table, "docs/tokens.md is not what is measured: run go test ./contrib/tiktoken -update")
}
