package anthropic

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm"
)

func TestLookup(t *testing.T) {
	for model, want := range map[string]string{
		"claude-haiku-4-5":                            "claude-haiku-4-5",
		"claude-haiku-4-5-20251001":                   "claude-haiku-4-5",
		"claude-3-7-sonnet-latest":                    "claude-3-7-sonnet",
		"claude-opus-4-20250514":                      "claude-opus-4",
		"claude-opus-4-0":                             "claude-opus-4-0",
		"claude-opus-5":                               "claude-opus-5",
		"claude-opus-5-5":                             "claude-opus-5-5",
		"anthropic.claude-opus-4-6-v1":                "claude-opus-4-6",
		"us.anthropic.claude-haiku-4-5-20251001-v1:0": "claude-haiku-4-5",
		"claude-haiku-4-5@20251001":                   "claude-haiku-4-5",
		"us-gov/anthropic.claude-sonnet-4-6":          "claude-sonnet-4-6",
	} {
		f, ok := lookup(model)
		require.True(t, ok, model)
		require.Equal(t, want, f.name, model)
	}
	for _, model := range []string{"", "claude", "claude-opus-6", "claude-opus-4-80", "claude-opus-5-fast", "my-claude-opus-5", "claude-opus-5-x-20251001",
		"xanthropic.claude-opus-5", "gpt-5", "claude-haiku-4-5:free", "claude-opus-5-v"} {
		_, ok := lookup(model)
		require.False(t, ok, model)
	}
}

// The table is consistent in itself.
func TestFamilies(t *testing.T) {
	seen := make(map[string]bool)
	for i := range families {
		f := &families[i]
		require.False(t, seen[f.name], f.name)
		seen[f.name] = true
		require.Regexp(t, regexp.MustCompile(`^claude-[a-z0-9-]+[a-z0-9]$`), f.name)
		require.Equal(t, f.name, canonical(f.name))
		require.Positive(t, f.maxTokens)
		require.False(t, f.has(noSampling) && f.has(oneSampling), f.name)
		if len(f.efforts) > 0 {
			require.NotZero(t, f.thinking, f.name)
			for _, e := range f.efforts {
				require.Equal(t, e, f.effort(e), f.name)
			}
			require.Equal(t, llm.EffortLow, f.effort(llm.EffortMinimal), f.name)
			require.Equal(t, llm.ReasoningEffort("turbo"), f.effort("turbo"), "an unknown level passes")
		}
	}
}
