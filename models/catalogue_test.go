package models_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/llm-go/llm/models"
	"github.com/stretchr/testify/require"
)

func TestEmbeddedCatalogue(t *testing.T) {
	info, err := os.Stat("catalogue.bin.gz")
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(400_000))
	c := models.Default()
	require.GreaterOrEqual(t, c.Len(), 2000)

	efforts := regexp.MustCompile(`^[a-z]+$`)
	ids, priced, prices := make(map[string]bool), 0, 0
	for m := range c.List(models.Filter{}) {
		require.Equal(t, m.ID, m.Provider+"/"+m.Name)
		require.False(t, ids[m.ID], m.ID)
		ids[m.ID] = true
		require.Equal(t, strings.TrimSpace(m.ID), m.ID)
		for _, n := range []int{m.ContextWindow, m.MaxInputTokens, m.MaxOutputTokens, m.Dimensions, m.MinReasoningTokens, m.MaxReasoningTokens} {
			require.GreaterOrEqual(t, n, 0, m.ID)
			require.Less(t, n, 200_000_000, m.ID)
		}
		for _, level := range m.ReasoningEfforts {
			require.Regexp(t, efforts, level, m.ID)
		}
		if m.Retired != 0 && m.Released != 0 {
			require.Less(t, m.Released, m.Retired, m.ID)
		}
		if len(m.Prices) > 0 {
			priced++
		}
		for i := range m.Prices {
			l := &m.Prices[i]
			require.NotEmpty(t, l.Source, m.ID)
			require.NotZero(t, l.Checked, m.ID)
			require.NotEmpty(t, l.Prices, m.ID)
			require.True(t, l.Until == 0 || l.From < l.Until, m.ID)
			require.Contains(t, []models.Tier{models.Standard, models.Batch, models.Flex, models.Priority, models.Fast}, l.Tier, m.ID)
			prices += len(l.Prices)
			for k, p := range l.Prices {
				where := fmt.Sprintf("%s: %v", m.ID, p)
				require.GreaterOrEqual(t, int64(p.Amount), int64(0), where)
				require.LessOrEqual(t, p.Amount, 10_000*models.Dollar, where)
				require.False(t, p.Excess, where)
				if k > 0 && l.Prices[k-1].Dimension == p.Dimension && l.Prices[k-1].Variant == p.Variant {
					require.Greater(t, p.Above, l.Prices[k-1].Above, where)
					require.Equal(t, l.Prices[k-1].Unit, p.Unit, where)
				} else {
					require.Zero(t, p.Above, where)
				}
				found, ok := l.Find(p.Dimension, p.Variant, p.Above+1)
				if l.UpTo == 0 || p.Above < l.UpTo {
					require.True(t, ok, where)
					require.Equal(t, p, found, where)
				}
			}
		}
		// Of the lists for one tier and region, at most one without hours holds at a time.
		for _, day := range []time.Time{now, now.AddDate(-1, 0, 0), now.AddDate(0, -3, 0), now.AddDate(1, 0, 0)} {
			seen := make(map[string]bool)
			for _, l := range m.Prices {
				if d := models.DateOf(day); len(l.Windows) > 0 || l.From > d || l.Until != 0 && l.Until <= d {
					continue
				}
				for _, region := range append([]string{}, append(l.Regions, "")[:max(len(l.Regions), 1)]...) {
					place := string(l.Tier) + "@" + region
					require.False(t, seen[place], "%s: two lists for %s on %s", m.ID, place, day)
					seen[place] = true
				}
			}
		}
	}
	require.Greater(t, priced, 2000)
	require.Greater(t, prices, 7000)
	require.Equal(t, fmt.Sprintf("%d models, %d with prices", c.Len(), priced), c.String())
}

// The prices that vendors publish, read on their pages on 22 November 2026; the page is beside each group.
func TestVendorsPrices(t *testing.T) {
	for _, group := range []struct {
		page   string
		prices string // model tier dimension amount, amounts in dollars per million tokens or per piece
	}{
		{"https://platform.claude.com/docs/en/about-claude/pricing", `
			anthropic/claude-fable-5-1 standard input 10
			anthropic/claude-fable-5-1 standard cache_write 12.5
			anthropic/claude-fable-5-1 standard cache_write_1h 20
			anthropic/claude-fable-5-1 standard cache_read 0.25
			anthropic/claude-fable-5-1 standard output 50
			anthropic/claude-fable-5 standard input 10
			anthropic/claude-fable-5 standard cache_read 1
			anthropic/claude-fable-5 standard output 50
			anthropic/claude-opus-5 standard input 5
			anthropic/claude-opus-5 standard cache_write 6.25
			anthropic/claude-opus-5 standard cache_write_1h 10
			anthropic/claude-opus-5 standard cache_read 0.5
			anthropic/claude-opus-5 standard output 25
			anthropic/claude-opus-4-8 standard input 5
			anthropic/claude-opus-4-8 standard output 25
			anthropic/claude-opus-4-7 standard input 5
			anthropic/claude-opus-4-7 standard output 25
			anthropic/claude-opus-4-6 standard cache_read 0.5
			anthropic/claude-opus-4-5-20251101 standard cache_write 6.25
			anthropic/claude-opus-4-1 standard input 15
			anthropic/claude-opus-4-1 standard cache_write 18.75
			anthropic/claude-opus-4-1 standard cache_write_1h 30
			anthropic/claude-opus-4-1 standard cache_read 1.5
			anthropic/claude-opus-4-1 standard output 75
			anthropic/claude-sonnet-4-6 standard input 3
			anthropic/claude-sonnet-4-6 standard output 15
			anthropic/claude-sonnet-4-5 standard cache_write 3.75
			anthropic/claude-sonnet-4-5 standard cache_write_1h 6
			anthropic/claude-sonnet-4-5 standard cache_read 0.3
			anthropic/claude-haiku-4-5 standard input 1
			anthropic/claude-haiku-4-5 standard cache_write 1.25
			anthropic/claude-haiku-4-5 standard cache_write_1h 2
			anthropic/claude-haiku-4-5 standard cache_read 0.1
			anthropic/claude-haiku-4-5 standard output 5
			anthropic/claude-3-haiku-20240307 standard cache_read 0.03
			anthropic/claude-3-haiku-20240307 standard output 1.25`},
		// And the overviews of the other models, beside it.
		{"https://platform.claude.com/docs/en/models/opus-5-5/overview", `
			anthropic/claude-opus-5-5 standard input 4
			anthropic/claude-opus-5-5 standard output 20
			anthropic/claude-opus-5-5 standard cache_write 5
			anthropic/claude-opus-5-5 standard cache_write_1h 8
			anthropic/claude-opus-5-5 standard cache_read 0.2
			anthropic/claude-opus-5-5 batch input 2
			anthropic/claude-sonnet-5-5 standard input 2
			anthropic/claude-sonnet-5-5 standard cache_write 2.5
			anthropic/claude-sonnet-5-5 standard output 10
			anthropic/claude-haiku-5-5 standard input 0.1
			anthropic/claude-haiku-5-5 standard output 0.5
			anthropic/claude-sonnet-5 standard input 2
			anthropic/claude-sonnet-5 standard output 10`},
		// Read in a copy of the page.
		{"https://platform.claude.com/docs/en/build-with-claude/batch-processing", `
			anthropic/claude-opus-4-1 batch input 7.5
			anthropic/claude-opus-4-1 batch output 37.5
			anthropic/claude-3-haiku-20240307 batch input 0.125
			anthropic/claude-3-haiku-20240307 batch output 0.625`},
		{"https://api-docs.deepseek.com/quick_start/pricing", `
			deepseek/deepseek-v4-pro standard input 0.66
			deepseek/deepseek-v4-pro standard cache_read 0.022
			deepseek/deepseek-v4-pro standard output 1.98
			deepseek/deepseek-flash standard input 0.15
			deepseek/deepseek-flash standard cache_read 0.003
			deepseek/deepseek-flash standard output 0.6`},
		{"https://developers.openai.com/api/docs/models/gpt-5-codex", `
			openai/gpt-5-codex standard input 1.25
			openai/gpt-5-codex standard cache_read 0.125
			openai/gpt-5-codex standard output 10
			openai/gpt-5 standard input 1.25`},
		// From here on read where others quote the page of the vendor.
		{"https://developers.openai.com/api/docs/pricing", `
			openai/gpt-4o standard input 2.5
			openai/gpt-4o standard cache_read 1.25
			openai/gpt-4o standard output 10
			openai/gpt-4o batch input 1.25
			openai/gpt-4o batch output 5
			openai/gpt-4o-mini standard input 0.15
			openai/gpt-4o-mini standard cache_read 0.075
			openai/gpt-4o-mini standard output 0.6
			openai/gpt-5-mini standard input 0.25
			openai/gpt-5-mini standard output 2
			openai/gpt-5.4 standard input 2.5
			openai/gpt-5.4 standard cache_read 0.25
			openai/gpt-5.4 standard output 15
			openai/o3 standard input 2
			openai/o3 standard output 8
			openai/text-embedding-3-small standard input 0.02
			openai/text-embedding-3-large standard input 0.13`},
		{"https://groq.com/pricing", `
			groq/llama-3.1-8b-instant standard input 0.05
			groq/llama-3.1-8b-instant standard output 0.08
			groq/llama-3.3-70b-versatile standard input 0.59
			groq/llama-3.3-70b-versatile standard output 0.79
			groq/whisper-large-v3-turbo standard input_audio 0.04`},
		{"https://docs.x.ai/docs/models", `
			xai/grok-4.3 standard input 1.25
			xai/grok-4.3 standard cache_read 0.2
			xai/grok-4.3 standard output 2.5
			xai/grok-4.6 standard input 2
			xai/grok-4.6 standard output 6`},
		{"https://mistral.ai/pricing/api", `
			mistral/mistral-large-latest standard input 0.5
			mistral/mistral-large-latest standard output 1.5
			mistral/mistral-medium-3-5 standard input 1.5
			mistral/mistral-medium-3-5 standard output 7.5`},
		{"https://ai.google.dev/gemini-api/docs/pricing", `
			gemini/gemini-2.5-pro standard input 1.25
			gemini/gemini-2.5-pro standard output 10
			gemini/gemini-2.5-flash standard input 0.3
			gemini/gemini-2.5-flash standard output 2.5`},
	} {
		for line := range strings.SplitSeq(strings.TrimSpace(group.prices), "\n") {
			words := strings.Fields(line)
			require.Len(t, words, 4)
			m, ok := models.Lookup(words[0])
			require.True(t, ok, line)
			l, ok := m.PriceAt(now, models.TierOf(words[1]), "")
			require.True(t, ok, line)
			var d models.Dimension
			require.NoError(t, d.UnmarshalText([]byte(words[2])))
			p, ok := l.Find(d, "", 1000)
			require.True(t, ok, "%s: %s", group.page, line)
			require.Equal(t, words[3], p.Amount.String(), "%s: %s", group.page, line)
		}
	}
}

// DeepSeek's day, as its page has it: peak from 01:00 to 04:00 and from 06:00 to 10:00 UTC, Monday to Friday.
func TestOffPeak(t *testing.T) {
	m, ok := models.Lookup("deepseek/deepseek-v4-pro")
	require.True(t, ok)
	for at, want := range map[string]string{
		"2026-10-26T00:59:00Z": "1.98", "2026-10-26T01:00:00Z": "3.96", "2026-10-26T03:59:00Z": "3.96", "2026-10-26T04:00:00Z": "1.98",
		"2026-10-26T06:00:00Z": "3.96", "2026-10-26T10:00:00Z": "1.98", "2026-10-25T07:00:00Z": "1.98", "2026-10-24T07:00:00Z": "1.98",
		"2026-07-06T07:00:00Z": "0.87",
	} {
		when, err := time.Parse(time.RFC3339, at)
		require.NoError(t, err)
		l, ok := m.PriceAt(when, models.Standard, "")
		require.True(t, ok)
		p, ok := l.Find(models.Output, "", 0)
		require.True(t, ok)
		require.Equal(t, want, p.Amount.String(), at)
	}
}

// The long-context price begins where the vendor's page says.
func TestThresholds(t *testing.T) {
	for id, want := range map[string]struct {
		tokens     int64
		below, and string
	}{
		"gemini/gemini-2.5-pro": {200_001, "1.25", "2.5"}, // "prompts > 200k tokens"
		"openai/gpt-5.4":        {272_000, "2.5", "5"},    // standard rates are for "<272K"
		"xai/grok-4.3":          {200_000, "1.25", "2.5"}, // ">= 200k prompt tokens"

		"anthropic/claude-haiku-5-5": {100_001, "0.1", "0.5"}, // "prompts over 100K tokens"
	} {
		m, ok := models.Lookup(id)
		require.True(t, ok)
		l, ok := m.PriceAt(now, models.Standard, "")
		require.True(t, ok)
		p, _ := l.Find(models.Input, "", want.tokens-1)
		require.Equal(t, want.below, p.Amount.String(), id)
		p, _ = l.Find(models.Input, "", want.tokens)
		require.Equal(t, want.and, p.Amount.String(), id)
	}
}

// A tier whose long-context price is not known does not sell long requests at the price of short ones.
func TestUnknownThresholds(t *testing.T) {
	m, ok := models.Lookup("openai/gpt-5.4")
	require.True(t, ok)
	l, ok := m.PriceAt(now, models.Priority, "")
	require.True(t, ok)
	_, ok = l.Find(models.Input, "", 271_999)
	require.True(t, ok)
	_, ok = l.Find(models.Input, "", 272_000)
	require.False(t, ok)
	// Where data must stay in a region, OpenAI bills a tenth more.
	l, ok = m.PriceAt(now, models.Standard, "eu")
	require.True(t, ok)
	p, ok := l.Find(models.Output, "", 0)
	require.True(t, ok)
	require.Equal(t, "16.5", p.Amount.String())
}
