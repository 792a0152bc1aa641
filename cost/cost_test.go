package cost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/cost"
	"github.com/llm-go/llm/models"
	"github.com/llm-go/llm/tokens"
	"github.com/stretchr/testify/require"
)

// prices are made for these tests: each dimension has a price that tells it from the others.
const prices = `{"models": {
  "p/m": {"mode": "chat", "max_output_tokens": 1000, "context_window": 100000, "prices": [
    {"source": "test", "checked": "2026-11-01", "prices": [
      {"of": "input", "per": "million_tokens", "usd": "2"}, {"of": "input", "per": "million_tokens", "usd": "4", "above": 1000},
      {"of": "output", "per": "million_tokens", "usd": "10"}, {"of": "output", "per": "million_tokens", "usd": "15", "above": 1000},
      {"of": "cache_read", "per": "million_tokens", "usd": "0.2"}, {"of": "cache_write", "per": "million_tokens", "usd": "2.5"},
      {"of": "cache_write_1h", "per": "million_tokens", "usd": "4"}, {"of": "input_audio", "per": "million_tokens", "usd": "40"}, {"of": "output_audio", "per": "million_tokens", "usd": "80"}, {"of": "output_image", "per": "million_tokens", "usd": "30"},
      {"of": "web_search", "per": "query", "usd": "0.01"}]},
    {"tier": "batch", "source": "test", "checked": "2026-11-01", "prices": [
      {"of": "input", "per": "million_tokens", "usd": "1"}, {"of": "output", "per": "million_tokens", "usd": "5"}]}]},
  "p/nothing": {"mode": "chat"}
}}`

func pricing(t testing.TB) *cost.Pricing {
	t.Helper()
	c, err := models.Parse(strings.NewReader(prices))
	require.NoError(t, err)
	return &cost.Pricing{Catalogue: c}
}

func answer(u *llm.Usage) *llm.CompletionResponse {
	return &llm.CompletionResponse{Usage: u, Meta: llm.Meta{Provider: "p", Model: "m"},
		Choices: []llm.Choice{{Message: llm.Assistant("Hello."), FinishReason: llm.FinishStop}}}
}

func TestBuckets(t *testing.T) {
	p := pricing(t)
	for want, u := range map[string]*llm.Usage{
		"0.0003":    {PromptTokens: 100, CompletionTokens: 10},
		"0.002":     {PromptTokens: 1000},
		"0.004004":  {PromptTokens: 1001}, // one above the threshold, and the whole request costs more
		"0.00011":   {PromptTokens: 100, PromptTokensDetails: &llm.PromptTokensDetails{CachedTokens: 50}},
		"0.000225":  {PromptTokens: 100, PromptTokensDetails: &llm.PromptTokensDetails{CacheCreationTokens: 50}},
		"0.0003 1h": {PromptTokens: 100, PromptTokensDetails: &llm.PromptTokensDetails{CacheCreationTokens: 50, CacheCreation1hTokens: 50}},
		"0.00058":   {PromptTokens: 100, PromptTokensDetails: &llm.PromptTokensDetails{AudioTokens: 10}},
		"0.0001":    {CompletionTokens: 10, CompletionTokensDetails: &llm.CompletionTokensDetails{ReasoningTokens: 8}},
		"0.02":      {ServerToolUse: &llm.ServerToolUse{WebSearchRequests: 2}},
	} {
		b, err := p.Call(nil, answer(u))
		require.NoError(t, err)
		require.Equal(t, strings.Fields(want)[0], b.Total.String())
		require.Equal(t, b.Total, b.Low)
		require.Equal(t, b.Total, b.High)
	}
}

// Whatever a provider reports, the buckets are disjoint and sum to its totals, and the items to the total.
func TestBucketsSumToTheTotal(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	n := func() int { return r.IntN(5) * r.IntN(1000) }
	p := pricing(t)
	for range 20_000 {
		u := &llm.Usage{PromptTokens: n() + 1, CompletionTokens: n()}
		if r.IntN(4) > 0 {
			u.PromptTokensDetails = &llm.PromptTokensDetails{CachedTokens: n(), CacheCreationTokens: n(), CacheCreation1hTokens: n(), AudioTokens: n(), ImageTokens: n(), VideoTokens: -n()}
			if r.IntN(3) == 0 {
				u.PromptTokensDetails.Extra = llm.Extra{"cached_tokens_details": json.RawMessage(fmt.Sprintf(`{"audio_tokens": %d, "image_tokens": %d}`, n(), -n()))}
			}
			u.CompletionTokensDetails = &llm.CompletionTokensDetails{ReasoningTokens: n(), AudioTokens: n(), ImageTokens: n()}
		}
		in, out := 0, 0
		for _, c := range cost.Split(u) {
			require.Positive(t, c.N)
			switch c.Dimension {
			case models.Output, models.Reasoning, models.OutputAudio, models.OutputImage:
				out += int(c.N)
			default:
				in += int(c.N)
			}
		}
		require.Equal(t, u.PromptTokens, in)
		require.Equal(t, u.CompletionTokens, out)
		b, err := p.Call(nil, answer(u))
		require.NoError(t, err)
		var sum cost.Amount
		for _, i := range b.Items {
			sum += i.Amount
		}
		require.Equal(t, b.Total, sum)
	}
}

func TestNoDrift(t *testing.T) {
	p := pricing(t)
	b, err := p.Call(nil, answer(&llm.Usage{PromptTokens: 1, CompletionTokens: 1}))
	require.NoError(t, err)
	var sum cost.Amount
	for range 1_000_000 {
		sum, err = cost.Add(sum, b.Total)
		require.NoError(t, err)
	}
	require.Equal(t, "12", sum.String())
	_, err = cost.Add(1<<62, 1<<62)
	require.ErrorIs(t, err, cost.ErrOverflow)
	_, err = p.Call(nil, answer(&llm.Usage{CompletionTokens: math.MaxInt}))
	require.ErrorIs(t, err, cost.ErrOverflow)
}

// What has no price is an error that says so, and never nothing.
func TestUnknownPrices(t *testing.T) {
	p := pricing(t)
	for _, r := range []*llm.CompletionResponse{
		{Usage: &llm.Usage{PromptTokens: 1}, Meta: llm.Meta{Provider: "p", Model: "other"}},
		{Usage: &llm.Usage{PromptTokens: 1}, Meta: llm.Meta{Provider: "p", Model: "nothing"}},
		{Usage: &llm.Usage{PromptTokens: 1}, Meta: llm.Meta{Provider: "p", Model: "m"}, ServiceTier: "priority"},
		{Usage: &llm.Usage{ServerToolUse: &llm.ServerToolUse{CodeExecutionRequests: 1}}, Meta: llm.Meta{Provider: "p", Model: "m"}},
	} {
		b, err := p.Call(nil, r)
		require.ErrorIs(t, err, cost.ErrPriceUnknown)
		require.Nil(t, b)
	}
	_, err := p.Call(nil, "what")
	require.ErrorIs(t, err, llm.ErrInvalidRequest)
}

func TestTiersDiscountsAndReportedCosts(t *testing.T) {
	p := pricing(t)
	r := answer(&llm.Usage{PromptTokens: 1000, CompletionTokens: 100, Cost: "0.0042", ServerToolUse: &llm.ServerToolUse{WebSearchRequests: 1}})
	r.ServiceTier = "batch"
	b, err := p.Call(nil, r)
	require.NoError(t, err)
	require.Equal(t, "0.0115", b.Total.String(), "the tool costs what it does in the standard tier")
	require.Equal(t, "0.0042", b.Reported.String())
	p.PreferReported = true
	b, err = p.Call(nil, r)
	require.NoError(t, err)
	require.Equal(t, "0.0042", b.Total.String())
	require.NotEmpty(t, b.Items, "the buckets are there all the same")
	p.PreferReported = false
	p.Adjust = func(string) cost.Factor { return cost.Percent(-10) }
	b, err = p.Call(nil, r)
	require.NoError(t, err)
	require.Equal(t, "0.01035", b.Total.String())
	r.Meta.Model = "other"
	b, err = p.Call(nil, r)
	require.NoError(t, err, "a provider that names the sum needs no price")
	require.Equal(t, "0.0042", b.Total.String())
}

// replies stands in for the engine.
func replies(res *llm.Result, err error) llm.Middleware {
	return func(llm.Handler) llm.Handler {
		return func(context.Context, *llm.Call) (*llm.Result, error) { return res, err }
	}
}

func TestMiddleware(t *testing.T) {
	p := pricing(t)
	req := &llm.CompletionRequest{Model: "p/m", MaxTokens: 50, Messages: []llm.Message{llm.User("What is it?")}}
	c := llm.New(llm.WithMiddleware(p.Middleware, replies(&llm.Result{Response: answer(&llm.Usage{PromptTokens: 100, CompletionTokens: 10})}, nil)))
	r, err := c.Completion(t.Context(), req)
	require.NoError(t, err)
	b, ok := cost.Get(&r.Meta)
	require.True(t, ok)
	require.Equal(t, "0.0003", b.Total.String())

	own := &models.Model{ID: "mine", Prices: []models.PriceList{{Prices: []models.Price{{Dimension: models.Input, Amount: models.Dollar}, {Dimension: models.Output, Amount: models.Dollar}}}}}
	r, err = c.Completion(t.Context(), req, models.With(own))
	require.NoError(t, err)
	b, _ = cost.Get(&r.Meta)
	require.Equal(t, "0.00011", b.Total.String(), "prices of one's own")

	chunks := []*llm.CompletionChunk{
		{Choices: []llm.ChunkChoice{{Delta: llm.Delta{Content: "It is a fox."}}}},
		{Choices: []llm.ChunkChoice{{FinishReason: llm.FinishStop}}, Usage: &llm.Usage{PromptTokens: 100, CompletionTokens: 10}},
	}
	stream := func(cut error) *llm.Client {
		i := 0
		s := llm.NewStream(func() (*llm.CompletionChunk, error) {
			if i == len(chunks) || cut != nil && i == 1 {
				if cut != nil {
					return nil, cut
				}
				return nil, io.EOF
			}
			chunk := *chunks[i]
			i++
			return &chunk, nil
		}, nil)
		return llm.New(llm.WithMiddleware(p.Middleware, replies(&llm.Result{Stream: s}, nil)))
	}
	s, err := stream(nil).CompletionStream(t.Context(), req)
	require.NoError(t, err)
	_, err = llm.Collect(s)
	require.NoError(t, err)
	b, ok = cost.Get(s.Meta())
	require.True(t, ok)
	require.Equal(t, "0.0003", b.Total.String())

	// A stream is priced in the tier that was asked for.
	asked := *req
	asked.ServiceTier = "batch"
	s, err = stream(nil).CompletionStream(t.Context(), &asked)
	require.NoError(t, err)
	_, err = llm.Collect(s)
	require.NoError(t, err)
	b, ok = cost.Get(s.Meta())
	require.True(t, ok)
	require.Equal(t, "0.00015", b.Total.String())

	// What broke off, or was left, has bounds.
	s, err = stream(llm.Truncated("cut")).CompletionStream(t.Context(), req)
	require.NoError(t, err)
	_, err = llm.Collect(s)
	require.ErrorIs(t, err, llm.ErrTruncated)
	b, ok = cost.Get(s.Meta())
	require.True(t, ok)
	require.Less(t, b.Low, b.High)
	require.GreaterOrEqual(t, b.High.String(), "0.0005", "fifty tokens may have been made")
	s, err = stream(nil).CompletionStream(t.Context(), req)
	require.NoError(t, err)
	_, err = s.Next()
	require.NoError(t, err)
	require.NoError(t, s.Close())
	b, ok = cost.Get(s.Meta())
	require.True(t, ok)
	require.Less(t, b.Low, b.High)

	// An unknown price is a warning, and no cost.
	strange := answer(&llm.Usage{PromptTokens: 1})
	strange.Meta.Model = "other"
	r, err = llm.New(llm.WithMiddleware(p.Middleware, replies(&llm.Result{Response: strange}, nil))).Completion(t.Context(), req)
	require.NoError(t, err)
	_, ok = cost.Get(&r.Meta)
	require.False(t, ok)
	require.Equal(t, "cost", r.Meta.Warnings[0].Code)
}

func TestEstimate(t *testing.T) {
	p := pricing(t)
	req := &llm.CompletionRequest{Model: "p/m", MaxTokens: 50, Messages: []llm.Message{llm.User(strings.Repeat("What is it, and why? ", 20))}}
	r, err := p.Estimate(req)
	require.NoError(t, err)
	require.False(t, r.Open)
	require.Less(t, r.Low, r.Likely)
	require.Less(t, r.Likely, r.High)
	req.MaxTokens = 0
	more, err := p.Estimate(req)
	require.NoError(t, err)
	require.Greater(t, more.High, r.High, "the model's own bound")
	_, err = p.Estimate(&llm.CompletionRequest{Model: "p/none"})
	require.ErrorIs(t, err, cost.ErrPriceUnknown)
}

// Whatever an answer reports that keeps to what its request allows, its cost is within the estimate.
func TestEstimateBounds(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	names := []string{"openai/gpt-4.1", "openai/gpt-5.4", "openai/gpt-audio", "anthropic/claude-sonnet-4-5", "anthropic/claude-opus-5", "gemini/gemini-2.5-pro",
		"gemini/gemini-2.5-flash", "deepseek/deepseek-flash", "groq/openai/gpt-oss-120b", "perplexity/sonar-pro", "xai/grok-4.5"}
	for range 3000 {
		req := &llm.CompletionRequest{Model: names[r.IntN(len(names))], MaxTokens: 1 + r.IntN(5000),
			Messages: []llm.Message{llm.User(strings.Repeat("What is it, and why? ", r.IntN(2000)))}}
		if r.IntN(50) == 0 {
			req.Messages[0] = llm.User(strings.Repeat("What is it, and why? ", 40_000)) // about the thresholds of price
		}
		e, err := cost.Estimate(req)
		require.NoError(t, err)
		n := tokens.For(req.Model).Request(req)
		u := &llm.Usage{PromptTokens: n.Low + r.IntN(n.High-n.Low+1), CompletionTokens: r.IntN(req.MaxTokens + 1), PromptTokensDetails: &llm.PromptTokensDetails{}}
		u.CompletionTokensDetails = &llm.CompletionTokensDetails{ReasoningTokens: r.IntN(u.CompletionTokens + 1)}
		u.PromptTokensDetails.CachedTokens = r.IntN(3) * r.IntN(u.PromptTokens+1) / 2
		if strings.HasPrefix(req.Model, "anthropic/") {
			u.PromptTokensDetails.CacheCreationTokens = r.IntN(u.PromptTokens - u.PromptTokensDetails.CachedTokens + 1)
			u.PromptTokensDetails.CacheCreation1hTokens = r.IntN(2) * u.PromptTokensDetails.CacheCreationTokens
		}
		provider, name, _ := strings.Cut(req.Model, "/")
		b, err := cost.Of(&llm.CompletionResponse{Usage: u, Meta: llm.Meta{Provider: provider, Model: name}})
		require.NoError(t, err)
		require.LessOrEqual(t, e.Low, b.Total, "%s %+v", req.Model, u)
		require.GreaterOrEqual(t, e.High, b.Total, "%s %+v", req.Model, u)
		require.False(t, e.Open)
	}
}

// A price of the request itself is billed once, and estimated once.
func TestPriceOfARequest(t *testing.T) {
	c, err := models.Parse(strings.NewReader(`{"models": {"p/m": {"mode": "chat", "prices": [{"source": "test", "checked": "2026-11-01", "prices": [
	  {"of": "input", "per": "million_tokens", "usd": "1"}, {"of": "output", "per": "million_tokens", "usd": "1"}, {"of": "cache_read", "per": "million_tokens", "usd": "0.1"},
	  {"of": "cache_write", "per": "million_tokens", "usd": "2"}, {"of": "request", "per": "request", "usd": "0.5"}]}]}}}`))
	require.NoError(t, err)
	p := &cost.Pricing{Catalogue: c}
	b, err := p.Call(nil, answer(&llm.Usage{PromptTokens: 100, CompletionTokens: 10}))
	require.NoError(t, err)
	require.Equal(t, "0.50011", b.Total.String())
	r, err := p.Estimate(&llm.CompletionRequest{Model: "p/m", MaxTokens: 10, Messages: []llm.Message{llm.User("Why?")}})
	require.NoError(t, err)
	require.GreaterOrEqual(t, r.Low, models.Dollar/2)
	require.Less(t, r.High, models.Dollar/2+models.Dollar/1000)
}

// Nothing is priced by guess: what a tier, a region or an answer does not tell is unknown.
func TestNothingIsGuessed(t *testing.T) {
	meta := func(id string) llm.Meta {
		provider, name, _ := strings.Cut(id, "/")
		return llm.Meta{Provider: provider, Model: name}
	}
	for name, resp := range map[string]any{
		"a cache written in a batch, of which the catalogue has no price": &llm.CompletionResponse{ServiceTier: "batch", Meta: meta("anthropic/claude-opus-4-1"),
			Usage: &llm.Usage{PromptTokens: 100, PromptTokensDetails: &llm.PromptTokensDetails{CacheCreationTokens: 50}}},
		"no usage":                     &llm.CompletionResponse{Meta: meta("openai/gpt-4o")},
		"usage of nothing":             &llm.CompletionResponse{Meta: meta("openai/gpt-4o"), Usage: &llm.Usage{}},
		"pictures of unknown size":     &llm.ImageResponse{Meta: meta("openai/dall-e-3"), Data: make([]llm.ImageData, 1)},
		"hd in a size that has none":   &llm.ImageResponse{Meta: meta("openai/dall-e-3"), Data: make([]llm.ImageData, 1), Quality: "hd", Size: "512x512"},
		"speech without its request":   &llm.SpeechResponse{Meta: meta("openai/tts-1")},
		"a transcript of unknown time": &llm.TranscriptionResponse{Meta: meta("openai/whisper-1")},
		"longer than is sold in batches": &llm.CompletionResponse{ServiceTier: "batch", Meta: meta("openai/gpt-5.4"),
			Usage: &llm.Usage{PromptTokens: 300_000}},
	} {
		b, err := cost.Of(resp)
		require.ErrorIs(t, err, cost.ErrPriceUnknown, name)
		require.Nil(t, b, name)
	}
	b, err := cost.Of(&llm.CountTokensResponse{Meta: meta("anthropic/claude-opus-5")})
	require.NoError(t, err, "no vendor bills a count")
	require.Zero(t, b.Total)
	hosted := &llm.ImageResponse{Meta: meta("gemini/imagen-4.0-generate-001"), Data: make([]llm.ImageData, 2), Usage: &llm.Usage{PromptTokens: 5, CompletionTokens: 5}}
	b, err = cost.Of(hosted)
	require.NoError(t, err, "sold by the piece, though tokens are told")
	require.Equal(t, "0.08", b.Total.String())
}

func TestEstimateKnowsWhatIsDear(t *testing.T) {
	req := &llm.CompletionRequest{Model: "openai/gpt-audio", MaxTokens: 100, Messages: []llm.Message{llm.User("Say hello.")}}
	silent, err := cost.Estimate(req)
	require.NoError(t, err)
	req.Modalities, req.Audio = []string{"text", "audio"}, &llm.AudioOutput{Voice: "alloy", Format: "wav"}
	spoken, err := cost.Estimate(req)
	require.NoError(t, err)
	require.Greater(t, spoken.High, 6*silent.High, "sound costs $64 and not $10")

	req = &llm.CompletionRequest{Model: "anthropic/claude-haiku-4-5", MaxTokens: 100, Messages: []llm.Message{llm.User("Who won?")}, WebSearchOptions: &llm.WebSearchOptions{}}
	searching, err := cost.Estimate(req)
	require.NoError(t, err)
	require.True(t, searching.Open, "how often it will search is not known")

	req = &llm.CompletionRequest{Model: "openai/gpt-4.1", ServiceTier: "priority", MaxTokens: 1, Messages: []llm.Message{llm.User("Who won?")}}
	first, err := cost.Estimate(req)
	require.NoError(t, err)
	req.ServiceTier = ""
	plain, err := cost.Estimate(req)
	require.NoError(t, err)
	require.Equal(t, plain.Low, first.Low, "an answer may come without the priority that was asked for")
	require.Greater(t, first.High, plain.High)
}

func TestEstimateOfPictures(t *testing.T) {
	r, err := cost.Estimate(&llm.ImageRequest{Model: "openai/dall-e-3", N: 2, Quality: "hd", Size: "1024x1792"})
	require.NoError(t, err)
	require.Equal(t, "0.24", r.Low.String())
	require.Equal(t, r.Low, r.High)
	require.False(t, r.Open)
	r, err = cost.Estimate(&llm.ImageRequest{Model: "openai/dall-e-3", Quality: "hd"})
	require.NoError(t, err)
	require.Equal(t, "0.08", r.Low.String())
	require.Equal(t, "0.12", r.High.String())
	r, err = cost.Estimate(&llm.ImageRequest{Model: "openai/gpt-image-1"})
	require.NoError(t, err)
	require.Equal(t, "0.011", r.Low.String())
	require.Equal(t, "0.25", r.High.String())
	require.True(t, r.Open, "the prompt is billed too")
	_, err = cost.Estimate(&llm.ImageRequest{Model: "openai/dall-e-3", Quality: "ultra"})
	require.ErrorIs(t, err, cost.ErrPriceUnknown)
	_, err = cost.Estimate(&llm.ImageRequest{Model: "openai/gpt-4.1"})
	require.ErrorIs(t, err, cost.ErrPriceUnknown)
}

// What recorded answers of providers report costs what is within the estimate of their requests.
func TestEstimateOfRecordedAnswers(t *testing.T) {
	files, err := filepath.Glob("../providers/*/testdata/completion_*.txtar")
	require.NoError(t, err)
	hosts, err := filepath.Glob("../providers/compat/testdata/*/completion_*.txtar")
	require.NoError(t, err)
	files = append(files, hosts...)
	within, reported := 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var call struct {
			Operation, Model string
			Request          json.RawMessage
		}
		var answer llm.CompletionResponse
		if json.Unmarshal(section(string(text), "call.json"), &call) != nil || call.Operation != "completion" || json.Unmarshal(section(string(text), "answer.json"), &answer) != nil || answer.Usage == nil {
			continue
		}
		provider, name, _ := strings.Cut(call.Model, "/")
		answer.Meta = llm.Meta{Provider: provider, Model: name}
		var req llm.CompletionRequest
		require.NoError(t, json.Unmarshal(call.Request, &req))
		req.Model = call.Model
		b, err := cost.Of(&answer)
		if err != nil {
			require.ErrorIs(t, err, cost.ErrPriceUnknown, file)
			continue
		}
		if b.HasReported && provider == "perplexity" {
			reported++
			require.Equal(t, b.Reported, b.Total, "what the provider says is what its prices make: %s", file)
		}
		sum := 0
		for _, c := range cost.Split(answer.Usage) {
			if c.Kind == cost.Tokens {
				sum += int(c.N)
			}
		}
		require.Equal(t, answer.Usage.PromptTokens+answer.Usage.CompletionTokens, sum, file)
		e, err := cost.Estimate(&req)
		if err != nil { // a tier that this provider does not sell
			require.ErrorIs(t, err, cost.ErrPriceUnknown, file)
			continue
		}
		// Many recordings have counts that were made up, or that a request alone does not tell.
		n := tokens.For(req.Model).Request(&req)
		if e.Open || answer.Usage.PromptTokens < n.Low || answer.Usage.PromptTokens > n.High || req.MaxTokens > 0 && answer.Usage.CompletionTokens > req.MaxTokens {
			continue
		}
		within++
		require.LessOrEqual(t, e.Low, b.Total, file)
		require.GreaterOrEqual(t, e.High, b.Total, file)
	}
	t.Logf("%d of %d recordings", within, len(files))
	require.Greater(t, within, 10)
	require.Positive(t, reported)
}

// section is a file of a txtar archive.
func section(archive, name string) []byte {
	_, text, _ := strings.Cut(archive, "\n-- "+name+" --\n")
	text, _, _ = strings.Cut(text, "\n-- ")
	return []byte(text)
}

// No token is lost, and none is billed twice, whatever a provider reports.
func FuzzSplit(f *testing.F) {
	f.Add(100, 50, 60, 70, 10, 20, 30, 40, 50, 60)
	f.Add(0, 0, -1, 0, 0, 0, 0, 0, 0, 0)
	f.Add(10, math.MaxInt, math.MaxInt, 10, math.MaxInt, 1, 1, math.MinInt, math.MaxInt, math.MaxInt)
	f.Fuzz(func(t *testing.T, prompt, completion, cached, written, hour, audio, image, thought, outAudio, outImage int) {
		u := &llm.Usage{PromptTokens: prompt, CompletionTokens: completion,
			PromptTokensDetails:     &llm.PromptTokensDetails{CachedTokens: cached, CacheCreationTokens: written, CacheCreation1hTokens: hour, AudioTokens: audio, ImageTokens: image},
			CompletionTokensDetails: &llm.CompletionTokensDetails{ReasoningTokens: thought, AudioTokens: outAudio, ImageTokens: outImage}}
		in, out := 0, 0
		seen := make(map[models.Dimension]bool)
		for _, c := range cost.Split(u) {
			require.Positive(t, c.N)
			require.False(t, seen[c.Dimension], "%s stands twice", c.Dimension)
			seen[c.Dimension] = true
			switch c.Dimension {
			case models.Output, models.Reasoning, models.OutputAudio, models.OutputImage:
				out += int(c.N)
			default:
				in += int(c.N)
			}
		}
		require.Equal(t, max(prompt, 0), in)
		require.Equal(t, max(completion, 0), out)
	})
}

// An answer is priced on every call: it may cost a program no more than the bill itself.
func TestAllocations(t *testing.T) {
	p := new(cost.Pricing)
	r := &llm.CompletionResponse{Meta: llm.Meta{Provider: "openai", Model: "gpt-4.1"},
		Usage: &llm.Usage{PromptTokens: 1000, CompletionTokens: 100, PromptTokensDetails: &llm.PromptTokensDetails{CachedTokens: 500}}}
	var err error
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, err = p.Call(nil, r) }), 2.0)
	require.NoError(t, err)
}

func BenchmarkCall(b *testing.B) {
	for name, r := range map[string]*llm.CompletionResponse{
		"gpt-4.1": {Meta: llm.Meta{Provider: "openai", Model: "gpt-4.1"},
			Usage: &llm.Usage{PromptTokens: 1000, CompletionTokens: 100, PromptTokensDetails: &llm.PromptTokensDetails{CachedTokens: 500}}},
		"claude-sonnet-4-5": {Meta: llm.Meta{Provider: "anthropic", Model: "claude-sonnet-4-5"},
			Usage: &llm.Usage{PromptTokens: 210_000, CompletionTokens: 1000, PromptTokensDetails: &llm.PromptTokensDetails{CachedTokens: 200_000,
				CacheCreationTokens: 5000, CacheCreation1hTokens: 3000}, ServerToolUse: &llm.ServerToolUse{WebSearchRequests: 2}}},
		"deepseek-flash": {Meta: llm.Meta{Provider: "deepseek", Model: "deepseek-flash"}, Usage: &llm.Usage{PromptTokens: 1000, CompletionTokens: 100}},
	} {
		b.Run(name, func(b *testing.B) {
			p := new(cost.Pricing)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Call(nil, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// An answer from a cache was paid for when it was made.
func TestCachedAnswers(t *testing.T) {
	p := pricing(t)
	hit := answer(&llm.Usage{PromptTokens: 100, CompletionTokens: 10})
	hit.Meta.Cache = &llm.CacheInfo{}
	c := llm.New(llm.WithMiddleware(p.Middleware, replies(&llm.Result{Response: hit}, nil)))
	r, err := c.Completion(t.Context(), &llm.CompletionRequest{Model: "p/m", Messages: []llm.Message{llm.User("What is it?")}})
	require.NoError(t, err)
	b, ok := cost.Get(&r.Meta)
	require.True(t, ok)
	require.Zero(t, b.Total)
	require.Zero(t, b.High)
	require.Equal(t, "0.0003", b.Saved.String())
	hit.Meta.Model = "other"
	r, err = c.Completion(t.Context(), &llm.CompletionRequest{Model: "p/m", Messages: []llm.Message{llm.User("What is it?")}})
	require.NoError(t, err)
	b, ok = cost.Get(&r.Meta)
	require.True(t, ok, "nothing was spent, whatever it would have cost")
	require.Zero(t, b.Total)
}
