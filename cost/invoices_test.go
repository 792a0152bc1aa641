package cost_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/cost"
	"github.com/llm-go/llm/models"
	"github.com/stretchr/testify/require"
)

// invoice is a case of testdata/invoices.txt.
type invoice struct {
	name, model, usage, tier, region, page, own, sum string
	at                                               time.Time
}

// invoices reads the cases and, by their names, the pages.
func invoices(t *testing.T) (cases []*invoice, pages map[string]string) {
	t.Helper()
	text, err := os.ReadFile("testdata/invoices.txt")
	require.NoError(t, err)
	pages = make(map[string]string)
	var c *invoice
	for line := range strings.Lines(string(text)) {
		field, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case field == "" || field == "#":
		case field == "page" && c == nil:
			name, page, _ := strings.Cut(value, ": ")
			parts := strings.Split(page, "; ")
			require.Len(t, parts, 3, "title, address and day: %s", line)
			require.Contains(t, parts[1], "https://")
			day, _, _ := strings.Cut(parts[2], ",")
			_, err := time.Parse(time.DateOnly, day)
			require.NoError(t, err)
			pages[name] = page
		case field == "case":
			c = &invoice{name: value, at: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
			cases = append(cases, c)
		case field == "at":
			c.at, err = time.Parse(time.RFC3339, value)
			require.NoError(t, err)
		default:
			to := map[string]*string{"model": &c.model, "usage": &c.usage, "tier": &c.tier, "region": &c.region, "page": &c.page, "own": &c.own, "sum": &c.sum}[field]
			require.NotNil(t, to, "unknown field: %s", line)
			*to = value
		}
	}
	return cases, pages
}

// total works the arithmetic of a case out, in fractions and without the code that is tested.
func total(t *testing.T, sum string) *big.Rat {
	t.Helper()
	terms, result, found := strings.Cut(sum, " = $")
	require.True(t, found)
	rat := func(s string) *big.Rat {
		r, ok := new(big.Rat).SetString(strings.ReplaceAll(s, ",", ""))
		require.True(t, ok, s)
		return r
	}
	per := map[string]string{"M": "1000000", "k": "1000", "h": "3600", "s": "1", "image": "1"}
	all := new(big.Rat)
	for term := range strings.SplitSeq(terms, " + ") {
		n, price, found := strings.Cut(term, " × $")
		require.True(t, found, term)
		price, unit, _ := strings.Cut(price, "/")
		product := new(big.Rat).Mul(rat(n), rat(price))
		all.Add(all, product.Quo(product, rat(per[unit])))
	}
	require.Zero(t, all.Cmp(rat(result)), "the terms make $%s", all.FloatString(12))
	return all
}

// answer is what the client would have returned, with the request where the price depends on it.
func (c *invoice) answer(t *testing.T) (req, resp any) {
	t.Helper()
	kind, items := "completion", ""
	n := make(map[string]int)
	words := make(map[string]string)
	for field := range strings.FieldsSeq(c.usage) {
		k, v, _ := strings.Cut(field, "=")
		switch k {
		case "answer":
			kind = v
		case "items":
			kind, items = "responses", v
		case "quality", "size", "context":
			words[k] = v
		default:
			var err error
			n[k], err = strconv.Atoi(v)
			require.NoError(t, err)
			require.Contains(t, "prompt cached write write1h audio image video completion reasoning outaudio outimage search images characters seconds citations thoughts queries cachedaudio", k)
		}
	}
	var u *llm.Usage
	if n["prompt"] > 0 {
		u = &llm.Usage{PromptTokens: n["prompt"], CompletionTokens: n["completion"], TotalTokens: n["prompt"] + n["completion"],
			PromptTokensDetails: &llm.PromptTokensDetails{CachedTokens: n["cached"], CacheCreationTokens: n["write"], CacheCreation1hTokens: n["write1h"],
				AudioTokens: n["audio"], ImageTokens: n["image"], VideoTokens: n["video"]},
			CompletionTokensDetails: &llm.CompletionTokensDetails{ReasoningTokens: n["reasoning"], AudioTokens: n["outaudio"], ImageTokens: n["outimage"]}}
		if n["search"] > 0 {
			u.ServerToolUse = &llm.ServerToolUse{WebSearchRequests: n["search"]}
		}
		if n["cachedaudio"] > 0 { // as Gemini tells it
			u.PromptTokensDetails.Extra = llm.Extra{"cacheTokensDetails": json.RawMessage(fmt.Sprintf(
				`[{"modality": "TEXT", "tokenCount": %d}, {"modality": "AUDIO", "tokenCount": %d}]`, n["cached"]-n["cachedaudio"], n["cachedaudio"]))}
		}
		u.Extra = make(llm.Extra)
		for k, name := range map[string]string{"citations": "citation_tokens", "thoughts": "reasoning_tokens", "queries": "num_search_queries"} {
			if n[k] > 0 {
				u.Extra[name] = json.RawMessage(strconv.Itoa(n[k]))
			}
		}
		if words["context"] != "" {
			u.Extra["search_context_size"] = json.RawMessage(strconv.Quote(words["context"]))
		}
	}
	provider, model, _ := strings.Cut(c.model, "/")
	meta := llm.Meta{Provider: provider, Model: model}
	switch kind {
	case "completion":
		return nil, &llm.CompletionResponse{Usage: u, ServiceTier: c.tier, Meta: meta}
	case "responses":
		r := &llm.ResponsesResponse{Usage: u, ServiceTier: c.tier, Meta: meta}
		for item := range strings.SplitSeq(items, ",") {
			r.Output = append(r.Output, llm.ResponsesItem{Type: item})
		}
		return nil, r
	case "embedding":
		return nil, &llm.EmbeddingResponse{Usage: u, Meta: meta}
	case "image":
		return &llm.ImageRequest{Quality: words["quality"], Size: words["size"]}, &llm.ImageResponse{Data: make([]llm.ImageData, n["images"]), Usage: u, Meta: meta}
	case "speech":
		return &llm.SpeechRequest{Input: strings.Repeat("é", n["characters"])}, &llm.SpeechResponse{Usage: u, Meta: meta}
	case "transcription":
		return nil, &llm.TranscriptionResponse{Usage: u, UsageSeconds: float64(n["seconds"]), Meta: meta}
	}
	require.Fail(t, "unknown answer", kind)
	return nil, nil
}

// catalogue is nil, for the embedded one, or has the case's own prices.
func (c *invoice) catalogue(t *testing.T) *models.Catalogue {
	t.Helper()
	if c.own == "" {
		return nil
	}
	var prices []string
	for p := range strings.SplitSeq(c.own, ", ") {
		of, amount, _ := strings.Cut(p, " ")
		amount, unit, found := strings.Cut(amount, "/")
		if !found {
			unit = "million_tokens"
		}
		prices = append(prices, fmt.Sprintf(`{"of": %q, "per": %q, "usd": %q}`, of, unit, amount))
	}
	catalogue, err := models.Parse(strings.NewReader(fmt.Sprintf(`{"models": {%q: {"mode": "chat", "prices": [{"tier": %q, "source": "case", "checked": "2026-11-22", "prices": [%s]}]}}}`,
		c.model, c.tier, strings.Join(prices, ", "))))
	require.NoError(t, err)
	return catalogue
}

// Answers cost what a person works out from the vendors' pages, to the picodollar.
func TestInvoices(t *testing.T) {
	cases, pages := invoices(t)
	require.GreaterOrEqual(t, len(cases), 60)
	own := 0
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			require.Contains(t, pages, c.page)
			want := total(t, c.sum)
			p := &cost.Pricing{Catalogue: c.catalogue(t), Region: c.region, Now: func() time.Time { return c.at }}
			if c.own != "" {
				own++
			}
			b, err := p.Call(c.answer(t))
			require.NoError(t, err)
			got := new(big.Rat).SetFrac64(int64(b.Total), int64(models.Dollar))
			require.Zero(t, want.Cmp(got), "$%s is billed for\n%s\n%s", b.Total, c.sum, b)
			require.Equal(t, strings.Count(c.sum, "×"), len(b.Items), "an item for each term\n%s", b)
		})
	}
	t.Logf("%d cases, %d of them by prices of their own", len(cases), own)
	require.LessOrEqual(t, own, 10, "most cases are priced by the catalogue")
}
