package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/llm-go/llm/models"
	"github.com/stretchr/testify/require"
)

var extracts = inputs{
	genai: "testdata/genai.json@2026-09-22", litellm: "testdata/litellm.json@2026-08-01", modelsdev: "testdata/modelsdev.json@2026-07-02",
	portkey: "testdata/portkey.json@2026-08-21", verified: "testdata/verified.json",
}

func TestGenerate(t *testing.T) {
	sources, err := extracts.read()
	require.NoError(t, err)
	c, report, err := generate(sources)
	require.NoError(t, err)
	text, err := json.MarshalIndent(c, "", "\t")
	require.NoError(t, err)
	for name, got := range map[string]string{"testdata/golden.json": string(text) + "\n", "testdata/golden.md": report} {
		if os.Getenv("UPDATE") != "" {
			require.NoError(t, os.WriteFile(name, []byte(got), 0o644))
		}
		want, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, string(want), got, name)
	}

	price := func(id string, day string, tier models.Tier, region string) string {
		m, ok := c.Lookup(id)
		require.True(t, ok, id)
		when, err := time.Parse(time.RFC3339, day)
		require.NoError(t, err)
		l, ok := m.PriceAt(when, tier, region)
		if !ok {
			return "none"
		}
		p, ok := l.Find(models.Input, "", 0)
		if !ok {
			return "none"
		}
		return p.Amount.String()
	}
	const after, before = "2026-10-01T12:00:00Z", "2026-08-20T12:00:00Z"
	require.Equal(t, "1.5", price("openai/orion-2", after, "", ""), "all agree")
	require.Equal(t, "0.75", price("openai/orion-2", after, "batch", ""), "two agree")
	require.Equal(t, "1.65", price("openai/orion-2", after, "", "eu"), "a multiplier and a price agree")
	require.Equal(t, "none", price("openai/orion-2", after, "priority", ""), "a tier with the prices of the standard one is filler")
	require.Equal(t, "2", price("openai/cut-1", after, "", ""), "the newest dates the change")
	require.Equal(t, "10", price("openai/cut-1", before, "", ""), "what was before is kept")
	require.Equal(t, "4", price("openai/cut-1", "2026-10-01T07:00:00Z", "", ""), "two windows of one price")
	require.Equal(t, "none", price("openai/cut-1", after, "batch", ""), "the tier is older than the change")
	require.Equal(t, "none", price("openai/split-1", after, "", ""), "they differ, and the newest names no page")
	require.Equal(t, "0.5", price("openai/split-1", after, "batch", ""), "read on the vendor's page")
	require.Equal(t, "none", price("openai/rumour-1", after, "", ""), "a name matched by a pattern, and one without a page")
	require.Equal(t, "none", price("openai/gift-1", after, "", ""), "one zero is not free")
	_, ok := c.Lookup("openai/orion-2-2026-02-03")
	require.True(t, ok, "a spelled out version is an alias")
	_, ok = c.Lookup("openai/something-else")
	require.False(t, ok, "another name with the same price is not")
	_, ok = c.Lookup("fireworks_ai/fireworks-ai-up-to-4b")
	require.False(t, ok)

	require.Equal(t, "1", price("openai/intro-1", after, "", ""), "the newest dates the end of the price")
	require.Equal(t, "2", price("openai/intro-1", "2027-01-01T00:00:00Z", "", ""))
	require.Equal(t, "15", price("openai/voice-1", after, "", ""), "a token of Portkey's is a character of speech")
	require.Equal(t, "0.002", price("cohere/sorter-1", after, "", ""), "and a query of a rerank")
	m, _ := c.Lookup("openai/canvas-1")
	l, ok := m.PriceAt(time.Now(), models.Standard, "")
	require.True(t, ok)
	require.Equal(t, []models.Price{{Dimension: models.OutputImage, Unit: models.PerImage, Amount: models.Dollar * 4 / 100, Variant: "1024x1024"}}, l.Prices,
		"the price of a pixel that was cut agrees with that of the image")

	m, _ = c.Lookup("openai/orion-2")
	l, _ = m.PriceAt(time.Now(), models.Standard, "")
	p, _ := l.Find(models.Input, "", 200000)
	require.Equal(t, int64(199999), p.Above, "the threshold of the most careful source")
	require.Equal(t, "https://example.com/openai/orion", l.Source)
	m, _ = c.Lookup("groq/ear-1")
	l, _ = m.PriceAt(time.Now(), models.Standard, "")
	require.Equal(t, []models.Price{{Dimension: models.InputAudio, Unit: models.PerHour, Amount: models.Dollar * 111 / 1000}}, l.Prices,
		"the price of a second that was cut agrees with that of the hour")
}

// The same sources give the same bytes.
func TestGenerateIsStable(t *testing.T) {
	var first []byte
	for range 5 {
		sources, err := extracts.read()
		require.NoError(t, err)
		c, _, err := generate(sources)
		require.NoError(t, err)
		b, err := c.MarshalBinary()
		require.NoError(t, err)
		if first == nil {
			first = b
		}
		require.Equal(t, first, b)
	}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	out, report := filepath.Join(dir, "c.gz"), filepath.Join(dir, "r.md")
	require.NoError(t, run(extracts, out, report))
	b, err := os.ReadFile(out)
	require.NoError(t, err)
	var c models.Catalogue
	require.NoError(t, c.UnmarshalBinary(b))
	require.Greater(t, c.Len(), 5)
	require.FileExists(t, report)

	require.NoError(t, run(inputs{}, out, report), "without files the catalogue is packed again")
	b, err = os.ReadFile(out)
	require.NoError(t, err)
	require.NoError(t, c.UnmarshalBinary(b))
	require.Equal(t, models.Default().String(), c.String())
}

func TestInputErrors(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.json")
	for text, want := range map[string]string{
		`{"openai": {"models": {"x": {"cost": {"input": "1e-30"}}}}}`: "openai/x",
	} {
		require.NoError(t, os.WriteFile(bad, []byte(text), 0o644))
		_, err := inputs{modelsdev: bad + "@2026-01-01"}.read()
		require.ErrorContains(t, err, want)
	}
	_, err := inputs{modelsdev: bad}.read()
	require.ErrorContains(t, err, "file@date")
	require.NoError(t, os.WriteFile(bad, []byte(`{"models": {"a/b": {"prices": [{"prices": [{"of": "input", "usd": 1}]}]}}}`), 0o644))
	_, err = inputs{verified: bad}.read()
	require.ErrorContains(t, err, "do not name their source")
}

// The report is short enough to be read.
func TestReportIsBounded(t *testing.T) {
	text, err := os.ReadFile("../../../docs/price-conflicts.md")
	require.NoError(t, err)
	require.Less(t, strings.Count(string(text), "\n"), 600)
	require.NotContains(t, string(text), os.TempDir())
}
