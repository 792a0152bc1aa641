package cost

import (
	"fmt"
	"slices"
	"strings"
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
	// allows, and the input written to the cache. Low has the whole input from the cache, and no answer.
	Low, High Amount
	// Prompt is the least that the input costs.
	Prompt Amount
	// Open says that High is no bound: the request and the catalogue set none to the answer, the input has parts whose
	// size is not known before (pictures by URL, files), or the model may use tools of the provider as often as it likes.
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
		return p.estimateImages(m, q, r)
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
	r.Open = r.Open || in.Unsized > 0 || usesTools(req)
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
	size := searchSize(req)
	price := func(c *counts, tier string) (*Bill, error) { return p.bill(m, c, answer{tier: tier, context: size}) }
	for _, x := range []struct {
		c  *counts
		to *Amount
	}{{&low, &r.Low}, {&likely, &r.Likely}, {&high, &r.High}} {
		b, err := price(x.c, tier)
		if err != nil {
			return nil, err
		}
		*x.to, r.Prices = b.Total, b.Prices
	}
	// The least is with the whole input from the cache, and without priority if the provider had none to give, where
	// that is cheaper; the most with all of it written to the cache, or of the dearest kind that the request has.
	vary(&low, models.Input, []models.Dimension{models.CacheRead}, func() {
		if b, err := price(&low, tier); err == nil {
			r.Low = min(r.Low, b.Total)
		}
		if b, err := price(&low, ""); err == nil && r.Tier == models.Priority {
			r.Low = min(r.Low, b.Total)
		}
	})
	r.Prompt = r.Low
	input, output := dearer(req)
	vary(&high, models.Input, input, func() {
		vary(&high, models.Output, output, func() {
			if b, err := price(&high, tier); err == nil {
				r.High = max(r.High, b.Total)
			}
		})
	})
	return r, nil
}

// estimateImages prices pictures of the quality and size that are asked for, or of all that there are where the request
// leaves the choice to the provider.
func (p *Pricing) estimateImages(m *models.Model, q *llm.ImageRequest, r *Range) (*Range, error) {
	var c counts
	c.pictures(q, &llm.ImageResponse{Data: make([]llm.ImageData, max(q.N, 1))})
	b, err := p.bill(m, &c, answer{})
	if err == nil {
		r.Low, r.Likely, r.High, r.Prompt, r.Prices = b.Total, b.Total, b.Total, 0, b.Prices
	} else {
		list, _ := m.PriceAt(p.now(), models.Standard, p.Region)
		if list == nil {
			return nil, err
		}
		asked := strings.Fields(c.list[0].Variant)
		for _, price := range of(list, models.OutputImage) {
			words := strings.Fields(price.Variant)
			if kindOf(price.Unit) != Pieces || slices.ContainsFunc(asked, func(w string) bool { return !slices.Contains(words, w) }) {
				continue
			}
			c.list[0].Variant = price.Variant
			b, priceErr := p.bill(m, &c, answer{})
			if priceErr != nil {
				return nil, priceErr
			}
			if r.Prices == nil || b.Total < r.Low {
				r.Low = b.Total
			}
			r.High, r.Prices = max(r.High, b.Total), list
		}
		if r.Prices == nil {
			return nil, err
		}
		r.Likely = r.Low + (r.High-r.Low)/2
	}
	// Where pictures are billed by their tokens after all, those of the prompt come on top.
	r.Open = slices.ContainsFunc(r.Prices.Prices, func(p models.Price) bool { return kindOf(p.Unit) == Tokens && p.Amount > 0 })
	return r, nil
}

// vary calls try with a count as it is and as each of some other dimensions.
func vary(c *counts, of models.Dimension, others []models.Dimension, try func()) {
	try()
	for i := range c.n {
		if count := &c.list[i]; count.Dimension == of && count.Kind == Tokens {
			for _, count.Dimension = range others {
				try()
			}
			count.Dimension = of
			return
		}
	}
}

// dearer are the dimensions that the input and output of a request may be billed as, beside the plain ones.
func dearer(req any) (input, output []models.Dimension) {
	input = []models.Dimension{models.CacheWrite, models.CacheWrite1h}
	output = []models.Dimension{models.Reasoning}
	q, ok := req.(*llm.CompletionRequest)
	if !ok {
		return input, output
	}
	for i := range q.Messages {
		for j := range q.Messages[i].Content {
			if d, other := mediaOf[q.Messages[i].Content[j].Type]; other && !slices.Contains(input, d) {
				input = append(input, d)
			}
		}
	}
	if slices.Contains(q.Modalities, "audio") {
		output = append(output, models.OutputAudio)
	}
	if slices.Contains(q.Modalities, "image") {
		output = append(output, models.OutputImage)
	}
	return input, output
}

var mediaOf = map[string]models.Dimension{"input_audio": models.InputAudio, "image_url": models.InputImage, "video_url": models.InputVideo}

// searchSize is how much context of a search a request asks for; see Perplexity's price of a request.
func searchSize(req any) string {
	if q, ok := req.(*llm.CompletionRequest); ok && q.WebSearchOptions != nil {
		return q.WebSearchOptions.SearchContextSize
	}
	return ""
}

// usesTools says that a request gives the model tools of the provider, which are billed for each use.
func usesTools(req any) bool {
	switch q := req.(type) {
	case *llm.CompletionRequest:
		return q.WebSearchOptions != nil || slices.ContainsFunc(q.Tools, func(t llm.Tool) bool { return t.Function == nil && t.Custom == nil })
	case *llm.ResponsesRequest:
		return slices.ContainsFunc(q.Tools, func(t llm.ResponsesTool) bool { return t.Type != "function" && t.Type != "custom" })
	}
	return false
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
