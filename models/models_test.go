package models_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/models"
	_ "github.com/llm-go/llm/providers/all"
	"github.com/stretchr/testify/require"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) // a Sunday

// reset brings the embedded catalogue back after the test.
func reset(t *testing.T) { t.Cleanup(func() { models.SetDefault(nil) }) }

func TestLookup(t *testing.T) {
	m, ok := models.Lookup("openai/gpt-4o")
	require.True(t, ok)
	require.Equal(t, "openai/gpt-4o", m.ID)
	require.Equal(t, "openai", m.Provider)
	require.Equal(t, "gpt-4o", m.Name)
	require.Equal(t, models.ModeChat, m.Mode)
	require.Equal(t, 128000, m.ContextWindow)
	require.Equal(t, 16384, m.MaxOutputTokens)
	require.True(t, m.Input.Has(models.Text|models.Image))
	require.True(t, m.FirstParty)
	require.Equal(t, "2024-05-13", m.Released.String())

	// A snapshot has a row of its own; another name of the provider leads to the same.
	snapshot, ok := models.Lookup("openai/gpt-4o-2024-05-13")
	require.True(t, ok)
	require.NotSame(t, m, snapshot)
	google, ok := models.Lookup("google/gemini-2.5-pro")
	require.True(t, ok)
	require.Equal(t, "gemini/gemini-2.5-pro", google.ID)
	nested, ok := models.Lookup("openrouter/anthropic/claude-sonnet-4.5")
	require.True(t, ok)
	require.Equal(t, "anthropic/claude-sonnet-4.5", nested.Name)
	for _, prefix := range []string{"", "us.", "eu.", "global."} {
		_, ok := models.Lookup("bedrock/" + prefix + "anthropic.claude-sonnet-4-5-20250929-v1:0")
		require.True(t, ok, prefix)
	}
	for _, id := range []string{"", "/", "gpt-4o", "openai/", "openai/GPT-4o", "openai/gpt-4o ", "openai/gpt-4o-", "openai/gpt-4o-2031-01-01", "nowhere/gpt-4o",
		"openai/openai/gpt-4o"} {
		_, ok := models.Lookup(id)
		require.False(t, ok, id)
	}
}

func TestAliases(t *testing.T) {
	n := 0
	for m := range models.List(models.Filter{}) {
		for _, alias := range m.Aliases {
			n++
			found, ok := models.Lookup(alias)
			require.True(t, ok, alias)
			require.Same(t, m, found, alias)
		}
	}
	require.Greater(t, n, 20)
	// All further names of the providers of this module lead to their models.
	for p := range llm.Providers() {
		for m := range models.List(models.Filter{Provider: p.Name}) {
			for _, alias := range p.Aliases {
				found, ok := models.Lookup(alias + "/" + m.Name)
				require.True(t, ok, "%s/%s", alias, m.Name)
				require.Same(t, m, found)
			}
			break
		}
	}
}

func TestSupports(t *testing.T) {
	yes, known := models.Supports("anthropic/claude-sonnet-4-5", models.Tools)
	require.True(t, yes && known)
	yes, known = models.Supports("anthropic/claude-opus-4-7", models.Prefill)
	require.False(t, yes)
	require.True(t, known)
	yes, known = models.Supports("openai/whisper-1", models.ComputerUse)
	require.False(t, yes || known)
	yes, known = models.Supports("myhost/unknown", models.Tools)
	require.False(t, yes || known)
}

func TestList(t *testing.T) {
	var last string
	n := 0
	for m := range models.List(models.Filter{Provider: "google", Mode: models.ModeChat, Capabilities: []models.Capability{models.Tools, models.Vision}, Priced: true}) {
		require.Equal(t, "gemini", m.Provider)
		require.Less(t, last, m.ID)
		yes, _ := m.Supports(models.Vision)
		require.True(t, yes)
		require.NotEmpty(t, m.Prices)
		last = m.ID
		n++
	}
	require.Greater(t, n, 5)
}

func TestInfer(t *testing.T) {
	for name, want := range map[string]string{"gpt-4o": "openai", "claude-opus-4-7": "anthropic", "gemini-2.5-flash": "gemini", "grok-4": "xai",
		"mistral-large-latest": "mistral", "deepseek-chat": "deepseek", "command-a-03-2025": "cohere", "text-embedding-3-small": "openai",
		"glm-4.6": "zai", "sonar-pro": "perplexity", "codestral-latest": "mistral", "qwen-max": "dashscope"} {
		provider, ok := models.Infer(name)
		require.True(t, ok, name)
		require.Equal(t, want, provider, name)
	}
	for _, name := range []string{"", "gpt-9", "llama-3.3-70b-versatile", "openai/gpt-4o", "us.anthropic.claude-opus-4-7", "best"} {
		_, ok := models.Infer(name)
		require.False(t, ok, name)
	}
	// Two vendors of one name: neither.
	c, err := models.New([]*models.Model{{ID: "a/x", FirstParty: true}, {ID: "b/x", FirstParty: true}, {ID: "c/x"}, {ID: "a/y", FirstParty: true},
		{ID: "c/y"}, {ID: "c/z"}}, nil)
	require.NoError(t, err)
	_, ok := c.Infer("x")
	require.False(t, ok)
	provider, ok := c.Infer("y")
	require.True(t, ok)
	require.Equal(t, "a", provider)
	_, ok = c.Infer("z")
	require.False(t, ok)
}

// Importing the package is enough for names without a provider; an explicit default goes before it.
func TestBareNames(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Model string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		asked = append(asked, r.URL.Path+" "+body.Model)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"choices":[{"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}`)
	}))
	defer server.Close()
	client := llm.New(llm.WithoutEnv(), llm.WithAPIKey("k"), llm.WithBaseURL(server.URL))
	request := func(model string, opts ...llm.Option) (*llm.CompletionResponse, error) {
		return client.Completion(context.Background(), &llm.CompletionRequest{Model: model, Messages: []llm.Message{llm.User("hi")}}, opts...)
	}
	resp, err := request("gpt-4o")
	require.NoError(t, err)
	require.Equal(t, "openai", resp.Meta.Provider)
	resp, err = request("gpt-4o", llm.WithDefaultProvider("groq"))
	require.NoError(t, err)
	require.Equal(t, "groq", resp.Meta.Provider)
	require.Equal(t, []string{"/chat/completions gpt-4o", "/chat/completions gpt-4o"}, asked)

	_, err = request("gpt-9-that-nobody-knows")
	require.ErrorIs(t, err, llm.ErrUnknownProvider)
	// A name that is not in the catalogue goes out as it is written.
	resp, err = request("openai/gpt-9-that-nobody-knows")
	require.NoError(t, err)
	require.Equal(t, "gpt-9-that-nobody-knows", resp.Meta.Model)
}

func TestForCall(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"choices":[{"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}`)
	}))
	defer server.Close()
	var before, after *models.Model
	client := llm.New(llm.WithoutEnv(), llm.WithAPIKey("k"), llm.WithBaseURL(server.URL),
		llm.WithMiddleware(func(next llm.Handler) llm.Handler {
			return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
				before, _ = models.For(call)
				return next(ctx, call)
			}
		}),
		llm.WithCallback(llm.Callback{OnSuccess: func(_ context.Context, call *llm.Call, _ *llm.Outcome) { after, _ = models.For(call) }}))
	ask := func(model string, opts ...llm.Option) {
		_, err := client.Completion(context.Background(), &llm.CompletionRequest{Model: model, Messages: []llm.Message{llm.User("hi")}}, opts...)
		require.NoError(t, err)
	}
	for _, name := range []string{"openai/gpt-4o", "gpt-4o"} {
		ask(name)
		require.NotNil(t, before)
		require.Equal(t, "openai/gpt-4o", before.ID)
		require.Same(t, before, after)
	}
	own := &models.Model{ID: "openai/mine", MaxOutputTokens: 7}
	ask("openai/gpt-4o", models.With(own))
	require.Same(t, own, before)
	require.Same(t, own, after)
	ask("openai/gpt-4o", models.With(own), models.With(nil))
	require.Equal(t, "openai/gpt-4o", after.ID)
	ask("openai/unknown")
	require.Nil(t, before)
	require.Nil(t, after)
}

func TestOverlay(t *testing.T) {
	reset(t)
	old, _ := models.Lookup("openai/gpt-4o")
	require.NoError(t, models.Load(strings.NewReader(`{"providers": {"mine": "myhost"}, "models": {
		"openai/gpt-4o": {"max_output_tokens": 5, "supports": {"tools": false}, "aliases": ["openai/four"],
			"prices": [{"source": "the contract", "prices": [{"of": "input", "usd": 2}]}]},
		"myhost/fresh": {"mode": "chat", "context_window": 1000}}}`)))
	m, ok := models.Lookup("openai/gpt-4o")
	require.True(t, ok)
	require.NotSame(t, old, m)
	require.Equal(t, 16384, old.MaxOutputTokens, "a model that a reader holds does not change")
	require.Equal(t, 5, m.MaxOutputTokens)
	require.Equal(t, 128000, m.ContextWindow, "what the file does not give stays")
	yes, known := m.Supports(models.Tools)
	require.False(t, yes)
	require.True(t, known)
	yes, _ = m.Supports(models.Vision)
	require.True(t, yes)
	require.Len(t, m.Prices, 1, "prices are replaced as a whole")
	alias, ok := models.Lookup("openai/four")
	require.True(t, ok)
	require.Same(t, m, alias)
	_, ok = models.Lookup("mine/fresh")
	require.True(t, ok)
	provider, _ := models.Infer("four")
	require.Equal(t, "openai", provider)

	// By another name of the provider it is the same model; an alias can become a model of its own.
	require.NoError(t, models.Load(strings.NewReader(`{"models": {"google/gemini-2.5-pro": {"max_output_tokens": 9},
		"openai/four": {"max_output_tokens": 4}, "anthropic/claude-sonnet-4-5": {"prices": []}}}`)))
	m, _ = models.Lookup("gemini/gemini-2.5-pro")
	require.Equal(t, 9, m.MaxOutputTokens)
	m, _ = models.Lookup("openai/four")
	require.Equal(t, "openai/four", m.ID)
	require.Equal(t, 4, m.MaxOutputTokens)
	m, _ = models.Lookup("openai/gpt-4o")
	require.Equal(t, 5, m.MaxOutputTokens)
	m, _ = models.Lookup("anthropic/claude-sonnet-4-5")
	require.Empty(t, m.Prices)
	_, ok = m.PriceAt(now, models.Standard, "")
	require.False(t, ok)

	// Under either name of its provider a new model is the same.
	require.NoError(t, models.Load(strings.NewReader(`{"models": {"google/gemini-99": {"max_output_tokens": 9}, "gemini/gemini-98": {}}}`)))
	m, ok = models.Lookup("gemini/gemini-99")
	require.True(t, ok)
	require.Equal(t, "gemini/gemini-99", m.ID)
	require.NoError(t, models.Load(strings.NewReader(`{"models": {"google/gemini-98": {"max_output_tokens": 8}, "gemini/gemini-98": {"context_window": 7}}}`)))
	m, _ = models.Lookup("google/gemini-98")
	require.Equal(t, 8, m.MaxOutputTokens)
	require.Equal(t, 7, m.ContextWindow)

	models.SetDefault(nil)
	m, _ = models.Lookup("openai/gpt-4o")
	require.Same(t, old, m)

	only, err := models.Parse(strings.NewReader(`{"models": {"a/b": {}}}`))
	require.NoError(t, err)
	models.SetDefault(only)
	_, ok = models.Lookup("openai/gpt-4o")
	require.False(t, ok)
	require.Equal(t, 1, models.Default().Len())
}

// Readers see a catalogue from before a load or after it: both models have the mark of the same one.
func TestLoadIsAtomic(t *testing.T) {
	reset(t)
	files := [2]string{
		`{"models": {"race/a": {"max_output_tokens": 1}, "race/b": {"max_output_tokens": 1}}}`,
		`{"models": {"race/a": {"max_output_tokens": 2}, "race/b": {"max_output_tokens": 2}}}`,
	}
	require.NoError(t, models.Load(strings.NewReader(files[0])))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				c := models.Default()
				a, ok := c.Lookup("race/a")
				b, ok2 := c.Lookup("race/b")
				if !ok || !ok2 || a.MaxOutputTokens != b.MaxOutputTokens {
					t.Error("half of a load is visible")
					return
				}
			}
		})
	}
	var writers sync.WaitGroup
	for i := range 2 {
		writers.Go(func() {
			for range 4 {
				if err := models.Load(strings.NewReader(files[i])); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	_, ok := models.Lookup("openai/gpt-4o")
	require.True(t, ok)
}

func TestLoadErrorsNameTheEntry(t *testing.T) {
	reset(t)
	before := models.Default()
	for text, want := range map[string]string{
		``:                                      "EOF",
		`{}`:                                    `no "models"`,
		`{"models": {}} {}`:                     "more after the end",
		`{"modles": {}}`:                        "modles",
		`{"models": {"x": {}}}`:                 `"x": a model's name is "provider/model"`,
		`{"models": {"a/x": {"contxt": 1}}}`:    `"a/x": json: unknown field "contxt"`,
		`{"models": {"a/x": {"mode": "talk"}}}`: `"a/x": unknown mode "talk"`,
		`{"models": {"a/x": {"context_window": -1}}}`:                                                               `"a/x": a limit is negative`,
		`{"models": {"a/x": {"supports": {"telepathy": true}}}}`:                                                    `"a/x": unknown capability "telepathy"`,
		`{"models": {"a/x": {"input": ["smell"]}}}`:                                                                 `"a/x": unknown modality "smell"`,
		`{"models": {"a/x": {"aliases": ["x"]}}}`:                                                                   `"a/x": the alias "x"`,
		`{"models": {"a/x": {"aliases": ["a/y"]}, "a/y": {}}}`:                                                      `the alias "a/y" of "a/x"`,
		`{"models": {"a/x": {"released": "soon"}}}`:                                                                 `"soon" is not a date`,
		`{"models": {"a/x": {"prices": [{"prices": [{"of": "input"}]}]}}}`:                                          `prices[0].prices[0]: "of" and "usd" are needed`,
		`{"models": {"a/x": {"prices": [{"prices": [{"of": "input", "usd": "-1"}]}]}}}`:                             "negative",
		`{"models": {"a/x": {"prices": [{"prices": [{"of": "input", "usd": "1e-20"}]}]}}}`:                          `"1e-20": it has more decimal places`,
		`{"models": {"a/x": {"prices": [{"prices": [{"of": "inptu", "usd": "1"}]}]}}}`:                              `unknown dimension "inptu"`,
		`{"models": {"a/x": {"prices": [{"prices": [{"of": "input", "usd": "1", "above": 5}]}]}}}`:                  "none below",
		`{"models": {"a/x": {"prices": [{"prices": [{"of": "input", "usd": "1"}, {"of": "input", "usd": "2"}]}]}}}`: "two prices",
		`{"models": {"a/x": {"prices": [{"from": "2026-02-01", "until": "2026-02-01", "prices": []}]}}}`:            "not after",
		`{"models": {"a/x": {"prices": [{"windows": ["25:00-26:00"], "prices": []}]}}}`:                             "not a window",
		`{"models": {"a/x": {"prices": [{"windows": ["01:00-02:00 sun funday"], "prices": []}]}}}`:                  `"funday"`,
		`{"providers": {"a": "b", "b": "c"}, "models": {}}`:                                                         `alias "a"`,
	} {
		require.ErrorContains(t, models.Load(strings.NewReader(text)), want, text)
	}
	require.ErrorIs(t, models.Load(failing{}), errFailing)
	require.Same(t, before, models.Default(), "an error changes nothing")
}

var errFailing = errors.New("the disk is gone")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errFailing }

func TestPriceAt(t *testing.T) {
	c, err := models.Parse(strings.NewReader(`{"models": {"a/x": {"prices": [
		{"prices": [{"of": "input", "usd": 1}, {"of": "input", "usd": 2, "above": 200000}, {"of": "input", "usd": 4, "above": 500000}, {"of": "output", "usd": 3},
			{"of": "output_image", "per": "image", "usd": "0.04"}, {"of": "output_image", "per": "image", "usd": "0.08", "variant": "hd"}], "until": "2026-03-01"},
		{"prices": [{"of": "input", "usd": 10}], "from": "2026-03-01"},
		{"prices": [{"of": "input", "usd": 5}], "from": "2026-03-01", "windows": ["16:30-00:30"]},
		{"prices": [{"of": "input", "usd": 6}], "from": "2026-03-01", "windows": ["02:00-03:00 mon"]},
		{"prices": [{"of": "input", "usd": 11}], "regions": ["eu", "us"]},
		{"prices": [{"of": "input", "usd": 7}], "tier": "batch", "up_to": 200000},
		{"prices": [{"of": "input", "usd": 8}], "tier": "priority", "regions": ["eu"]}]}}}`))
	require.NoError(t, err)
	m, _ := c.Lookup("a/x")
	input := func(at string, tier models.Tier, region string, tokens int64) string {
		when, err := time.Parse(time.RFC3339, at)
		require.NoError(t, err)
		l, ok := m.PriceAt(when, tier, region)
		if !ok {
			return "none"
		}
		p, ok := l.Find(models.Input, "", tokens)
		if !ok {
			return "no price"
		}
		return p.Amount.String()
	}
	const early, late = "2026-02-28T23:59:59Z", "2026-03-01T12:00:00Z"
	for tokens, want := range map[int64]string{0: "1", 200000: "1", 200001: "2", 500000: "2", 500001: "4"} {
		require.Equal(t, want, input(early, "", "", tokens), tokens)
	}
	require.Equal(t, "10", input(late, "", "", 0))
	require.Equal(t, "1", input("2026-03-01T00:30:00+01:00", "", "", 0), "days are those of UTC")
	for at, want := range map[string]string{"16:29": "10", "16:30": "5", "23:59": "5"} {
		require.Equal(t, want, input("2026-03-03T"+at+":00Z", "", "", 0), at)
	}
	require.Equal(t, "5", input("2026-03-03T00:29:00Z", "", "", 0))
	require.Equal(t, "10", input("2026-03-03T00:30:00Z", "", "", 0))
	require.Equal(t, "6", input("2026-03-02T02:00:00Z", "", "", 0), "a Monday")
	require.Equal(t, "10", input("2026-03-03T02:00:00Z", "", "", 0), "a Tuesday")

	require.Equal(t, "11", input(late, "", "eu", 0))
	require.Equal(t, "10", input(late, "", "ap", 0), "a region without prices of its own")
	require.Equal(t, "7", input(late, "batch", "", 200000))
	require.Equal(t, "no price", input(late, "batch", "", 200001), "longer requests are not in the list")
	require.Equal(t, "none", input(late, "batch", "eu", 0), "a region has prices of its own, but not for this tier")
	require.Equal(t, "8", input(late, "priority", "eu", 0))
	require.Equal(t, "none", input(late, "priority", "", 0))
	require.Equal(t, "none", input(late, "flex", "", 0))
	require.Equal(t, "10", input(late, models.TierOf("default"), "", 0))
	require.Equal(t, "10", input(late, "default", "", 0))

	l, _ := m.PriceAt(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), models.Standard, "")
	p, ok := l.Find(models.OutputImage, "hd", 0)
	require.True(t, ok)
	require.Equal(t, models.PerImage, p.Unit)
	require.Equal(t, int64(1), p.Unit.Size())
	_, ok = l.Find(models.OutputImage, "ultra", 0)
	require.False(t, ok)
	_, ok = l.Find(models.CacheRead, "", 0)
	require.False(t, ok)
	base, ok := models.CacheRead.Base()
	require.True(t, ok)
	require.Equal(t, models.Input, base)
	for _, d := range []models.Dimension{models.CacheWrite, models.CacheWrite1h, models.OutputAudio, models.OutputImage, models.WebSearch, models.Input} {
		_, ok = d.Base()
		require.False(t, ok, d)
	}
	require.Len(t, l.Of(models.Input), 3)
}

func TestParseLiteLLM(t *testing.T) {
	f, err := os.Open("testdata/litellm.json")
	require.NoError(t, err)
	defer f.Close()
	c, err := models.ParseLiteLLM(f)
	require.NoError(t, err)
	got, err := json.MarshalIndent(c, "", "\t")
	require.NoError(t, err)
	want, err := os.ReadFile("testdata/litellm.golden.json")
	if os.Getenv("UPDATE") != "" {
		require.NoError(t, os.WriteFile("testdata/litellm.golden.json", append(got, '\n'), 0o644))
		return
	}
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(want)), string(got))
}

func TestLoadLiteLLM(t *testing.T) {
	reset(t)
	require.NoError(t, models.LoadLiteLLM(strings.NewReader(`{"gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1.5e-07},
		"my-deployment": {"litellm_provider": "azure", "max_input_tokens": 12}}`)))
	m, ok := models.Lookup("openai/gpt-4o")
	require.True(t, ok)
	l, ok := m.PriceAt(now, models.Standard, "")
	require.True(t, ok)
	require.Equal(t, []models.Price{{Dimension: models.Input, Amount: models.Dollar * 15 / 100}}, l.Prices)
	require.Equal(t, 16384, m.MaxOutputTokens)
	m, ok = models.Lookup("azure/my-deployment")
	require.True(t, ok)
	require.Equal(t, 12, m.MaxInputTokens)

	for text, want := range map[string]string{
		`[]`:        "cannot unmarshal",
		`{"x": 1}`:  `"x": not an object`,
		`{"x": {}}`: `"x": "litellm_provider" is missing`,
		`{"x": {"litellm_provider": "a", "input_cost_per_token": "free"}}`:     `"x": input_cost_per_token: not a decimal number`,
		`{"x": {"litellm_provider": "a", "input_cost_per_token": -1}}`:         `"x": input_cost_per_token: the price is negative`,
		`{"x": {"litellm_provider": "a", "input_cost_per_token": 1e-19}}`:      `"x": input_cost_per_token: it has more decimal places`,
		`{"x": {"litellm_provider": "a", "max_input_tokens": -3}}`:             `"x": max_input_tokens: not a number of tokens`,
		`{"x": {"litellm_provider": "a", "deprecation_date": "next year"}}`:    `"x": deprecation_date: "next year" is not a date`,
		`{"x": {"litellm_provider": "a", "tiered_pricing": [{"range": [1]}]}}`: `"x": tiered_pricing: [0]: the range is not two numbers`,
		`{"x": {"litellm_provider": "a", "search_context_cost_per_query": 1}}`: `"x": search_context_cost_per_query: not an object`,
	} {
		require.ErrorContains(t, models.LoadLiteLLM(strings.NewReader(text)), want, text)
	}
}

// Both forms hold all of a catalogue.
func TestFormats(t *testing.T) {
	c := models.Default()
	b, err := json.Marshal(c)
	require.NoError(t, err)
	fromJSON, err := models.Parse(bytes.NewReader(b))
	require.NoError(t, err)
	packed, err := fromJSON.MarshalBinary()
	require.NoError(t, err)
	var fromBinary models.Catalogue
	require.NoError(t, fromBinary.UnmarshalBinary(packed))
	want, got := slices.Collect(c.List(models.Filter{})), slices.Collect(fromBinary.List(models.Filter{}))
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, want[i], got[i])
	}
	for _, damaged := range [][]byte{nil, packed[:10], packed[:len(packed)/2], append([]byte("x"), packed...)} {
		var c models.Catalogue
		require.Error(t, c.UnmarshalBinary(damaged))
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	models.Default()
	for _, id := range []string{"openai/gpt-4o", "google/gemini-2.5-pro", "openrouter/anthropic/claude-sonnet-4.5", "nowhere/x"} {
		require.Zero(t, testing.AllocsPerRun(100, func() { models.Lookup(id) }), id)
	}
	m, _ := models.Lookup("openai/gpt-4o")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		l, _ := m.PriceAt(now, models.Priority, "")
		l.Find(models.Output, "", 1000)
	}))
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"models": {"a/x": {"aliases": ["a/y"], "mode": "chat", "supports": {"tools": true}, "prices": [{"windows": ["16:30-00:30 mon"],
		"prices": [{"of": "input", "usd": 1.5e-07}, {"of": "input", "usd": "2", "above": 5}]}]}}}`))
	f.Add([]byte(`{"providers": {"g": "a"}, "models": {}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := models.Parse(bytes.NewReader(data))
		if err != nil {
			return
		}
		b, err := json.Marshal(c)
		require.NoError(t, err)
		again, err := models.Parse(bytes.NewReader(b))
		require.NoError(t, err, "%s", b)
		second, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(b), string(second))
		_, err = models.Default().Overlay(c)
		_ = err // an alias may be taken
	})
}

func FuzzParseLiteLLM(f *testing.F) {
	text, err := os.ReadFile("testdata/litellm.json")
	require.NoError(f, err)
	var entries map[string]json.RawMessage
	require.NoError(f, json.Unmarshal(text, &entries))
	for name, entry := range entries { // small seeds are cut down faster
		f.Add([]byte(`{"` + name + `":` + string(entry) + `}`))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := models.ParseLiteLLM(bytes.NewReader(data))
		if err != nil {
			return
		}
		b, err := json.Marshal(c)
		require.NoError(t, err)
		_, err = models.Parse(bytes.NewReader(b))
		require.NoError(t, err, "%s", b)
	})
}

func FuzzUnmarshalBinary(f *testing.F) {
	c, err := models.Parse(strings.NewReader(`{"models": {"a/x": {"prices": [{"prices": [{"of": "input", "usd": 1}]}]}}}`))
	require.NoError(f, err)
	b, err := c.MarshalBinary()
	require.NoError(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, data []byte) {
		var c models.Catalogue
		_ = c.UnmarshalBinary(data)
	})
}

func BenchmarkLookup(b *testing.B) {
	models.Default()
	b.ReportAllocs()
	for b.Loop() {
		models.Lookup("openai/gpt-4o-mini")
	}
}

func BenchmarkLookupByProviderAlias(b *testing.B) {
	models.Default()
	b.ReportAllocs()
	for b.Loop() {
		models.Lookup("google/gemini-2.5-flash")
	}
}

func BenchmarkPriceAt(b *testing.B) {
	m, _ := models.Lookup("openai/gpt-5.4")
	b.ReportAllocs()
	for b.Loop() {
		l, _ := m.PriceAt(now, models.Batch, "eu")
		l.Find(models.Output, "", 1000)
	}
}

func BenchmarkUnmarshalBinary(b *testing.B) {
	packed, err := models.Default().MarshalBinary()
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		var c models.Catalogue
		if err := c.UnmarshalBinary(packed); err != nil {
			b.Fatal(err)
		}
	}
}
