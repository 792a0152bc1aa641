package cost

import (
	"fmt"
	"unicode/utf8"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/models"
	"github.com/llm-go/llm/tokens"
)

// Range is what a request may cost before it is sent.
type Range struct {
	Model string
	// Likely is a guess: the tokens of the input by estimate, and an answer as long as the request allows or, if it sets no
	// bound, of 500 tokens.
	Likely Amount
	// Low and High are what it costs at least and at most. High has the whole answer that the request, or else the model,
	// allows, and no cached input.
	Low, High Amount
	// Prompt is the least that the input costs.
	Prompt Amount
	// Open says that High is no bound: the request and the catalogue set none to the answer, or the input has parts whose
	// size is not known before (pictures by URL, files).
	Open   bool
	Prices *models.PriceList
	Tier   models.Tier
}

// Estimate is what a request may cost, by the default catalogue; see [Pricing.Estimate].
func Estimate(req any) (*Range, error) { return new(Pricing).Estimate(req) }

// Estimate is what a request may cost. req is a *llm.CompletionRequest, *llm.ResponsesRequest, *llm.TextCompletionRequest,
// *llm.EmbeddingRequest, *llm.SpeechRequest or *llm.ImageRequest, whose Model is "provider/model".
func (p *Pricing) Estimate(req any) (*Range, error) {
	name, tier, ok := nameOf(req)
	if !ok {
		return nil, &llm.Error{Kind: llm.ErrInvalidRequest, Scope: llm.ScopeLocal, Message: fmt.Sprintf("cost: a %T cannot be estimated", req)}
	}
	c := p.Catalogue
	if c == nil {
		c = models.Default()
	}
	m, ok := c.Lookup(name)
	if !ok {
		return nil, unknown("the catalogue has no model %q; give its prices by models.With or models.Load", name)
	}
	return p.estimate(m, req, tier)
}

func nameOf(req any) (name, tier string, ok bool) {
	switch r := req.(type) {
	case *llm.CompletionRequest:
		return r.Model, r.ServiceTier, true
	case *llm.ResponsesRequest:
		return r.Model, r.ServiceTier, true
	case *llm.TextCompletionRequest:
		return r.Model, "", true
	case *llm.EmbeddingRequest:
		return r.Model, "", true
	case *llm.SpeechRequest:
		return r.Model, "", true
	case *llm.ImageRequest:
		return r.Model, "", true
	}
	return "", "", false
}

const likelyAnswer = 500

// estimate prices the least, the likely and the most.
func (p *Pricing) estimate(m *models.Model, req any, tier string) (*Range, error) {
	r := &Range{Model: m.ID, Tier: models.TierOf(tier)}
	var in tokens.Count
	most, answers := 0, 1
	text := true
	var low, likely, high counts
	counter := tokens.For(m.ID)
	switch q := req.(type) {
	case *llm.CompletionRequest:
		in, most, answers = counter.Request(q), q.MaxTokens, max(q.N, 1)
	case *llm.ResponsesRequest:
		in, most = counter.ResponsesRequest(q), q.MaxOutputTokens
	case *llm.TextCompletionRequest:
		in, most, answers = counter.TextCompletionRequest(q), q.MaxTokens, max(q.N, q.BestOf, 1)
		if most == 0 {
			most = 16 // OpenAI's default; API reference, "Completions"
		}
	case *llm.EmbeddingRequest:
		in = counter.EmbeddingRequest(q)
		text = false
	case *llm.SpeechRequest:
		n := int64(utf8.RuneCountInString(q.Input))
		for _, c := range []*counts{&low, &likely, &high} {
			c.add(models.Input, n, Characters)
		}
		text = false
	case *llm.ImageRequest:
		for _, c := range []*counts{&low, &likely, &high} {
			c.pictures(q, &llm.ImageResponse{Data: make([]llm.ImageData, max(q.N, 1))})
		}
		text = false
	default:
		return nil, &llm.Error{Kind: llm.ErrInvalidRequest, Scope: llm.ScopeLocal, Message: fmt.Sprintf("cost: a %T cannot be estimated", req)}
	}
	if text && most == 0 {
		if most = m.MaxOutputTokens; most == 0 && m.ContextWindow > 0 {
			most = max(m.ContextWindow-in.Low, 0)
		}
		if most == 0 {
			r.Open, most = true, likelyAnswer
		}
	}
	r.Open = r.Open || in.Unsized > 0
	low.add(models.Input, int64(in.Low), Tokens)
	likely.add(models.Input, int64(in.Tokens), Tokens)
	high.add(models.Input, int64(in.High), Tokens)
	if text {
		likely.add(models.Output, int64(min(most, likelyAnswer)*answers), Tokens)
		if bound, ok := boundOf(req); ok {
			likely.list[likely.n-1].N = int64(bound * answers)
		}
		high.add(models.Output, int64(most*answers), Tokens)
	}
	for _, x := range []struct {
		c  *counts
		to *Amount
	}{{&low, &r.Low}, {&likely, &r.Likely}, {&high, &r.High}} {
		b, err := p.bill(m, x.c, answer{tier: tier})
		if err != nil {
			return nil, err
		}
		*x.to, r.Prices = b.Total, b.Prices
	}
	// The least is with the whole input from the cache, where that is cheaper.
	r.Prompt = r.Low
	if _, ok := r.Prices.Find(models.CacheRead, "", int64(in.Low)); ok && low.n > 0 && low.list[0].Dimension == models.Input {
		low.list[0].Dimension = models.CacheRead
		if b, err := p.bill(m, &low, answer{tier: tier}); err == nil && b.Total < r.Low {
			r.Low, r.Prompt = b.Total, b.Total
		}
	}
	// The most is with the whole input written to the cache, where that costs more.
	if high.n > 0 && high.list[0].Dimension == models.Input {
		for _, d := range []models.Dimension{models.CacheWrite, models.CacheWrite1h} {
			if _, ok := r.Prices.Find(d, "", int64(in.High)); !ok {
				continue
			}
			high.list[0].Dimension = d
			if b, err := p.bill(m, &high, answer{tier: tier}); err == nil && b.Total > r.High {
				r.High = b.Total
			}
		}
	}
	return r, nil
}

// boundOf is the bound that a request sets to its answer.
func boundOf(req any) (int, bool) {
	switch q := req.(type) {
	case *llm.CompletionRequest:
		return q.MaxTokens, q.MaxTokens > 0
	case *llm.ResponsesRequest:
		return q.MaxOutputTokens, q.MaxOutputTokens > 0
	}
	return 0, false
}
