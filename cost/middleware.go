package cost

import (
	"context"
	"errors"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/models"
)

// Middleware puts the bill of each answer into its Meta, where [Get] finds it; that of a stream is there at its end. An
// answer without a known price has none there, and a [llm.Warning] with the code "cost" says why. It belongs outside of a
// router: what counts is who has answered.
func (p *Pricing) Middleware(next llm.Handler) llm.Handler {
	return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
		res, err := next(ctx, call)
		if err != nil {
			return nil, err
		}
		call.OnDone(res, func(o *llm.Outcome) {
			if o.Meta == nil {
				return
			}
			b, err := p.Outcome(call, o)
			if b != nil {
				o.Meta.Cost = b
			}
			if err != nil {
				o.Meta.Warnings = append(o.Meta.Warnings[:len(o.Meta.Warnings):len(o.Meta.Warnings)], llm.Warning{Code: "cost", Message: err.Error()})
			}
		})
		return res, nil
	}
}

// Get is the bill that [Pricing.Middleware] has put on an answer: cost.Get(&resp.Meta), cost.Get(stream.Meta()).
func Get(m *llm.Meta) (*Bill, bool) {
	b, ok := m.Cost.(*Bill)
	return b, ok
}

// Outcome is what a call has cost, however it ended, for callbacks and middleware. A call that failed before anything was
// done has a bill of nothing. One that broke off, was left early, or whose provider said nothing of its usage, has
// bounds: Low is for what has arrived, High for all that may have been done; Total is High. A stream is priced in the
// service tier that its request asks for; if that is priority, Low is for an answer that came without.
func (p *Pricing) Outcome(call *llm.Call, o *llm.Outcome) (*Bill, error) {
	m, err := p.of(call, o.Meta)
	var c counts
	a := answer{meta: o.Meta, usage: o.Usage}
	if o.Response != nil {
		a, _ = c.read(call.Request, o.Response)
	} else {
		c.split(o.Usage)
		_, a.tier, _ = nameOf(call.Request) // which tier has served a stream is not known here
	}
	whole := o.Err == nil && (c.n > 0 || a.free)
	switch {
	case err != nil && whole && a.usage != nil && a.usage.Cost != "":
		return p.reported(a)
	case err != nil:
		return nil, err
	case whole:
		b, err := p.either(m, &c, a, call.Request, o.Response)
		if err == nil && o.Response == nil && b.Tier == models.Priority {
			a.tier = "" // as it is where the provider had no priority to give
			if plain, err := p.bill(m, &c, a); err == nil {
				b.Low = min(b.Low, plain.Total)
			}
		}
		return b, err
	}
	return p.cut(m, call, o, a)
}

// of is the model of a call: what models.With gave, or what answered.
func (p *Pricing) of(call *llm.Call, meta *llm.Meta) (*models.Model, error) {
	if m, ok := models.Given(call); ok {
		return m, nil
	}
	if meta != nil && meta.Provider != "" {
		return p.model(meta.Provider, meta.Model)
	}
	provider, name, _ := strings.Cut(call.ModelName(), "/")
	return p.model(provider, name)
}

// cut is the bill of a call that broke off, or whose usage nobody has told.
func (p *Pricing) cut(m *models.Model, call *llm.Call, o *llm.Outcome, a answer) (*Bill, error) {
	var e *llm.Error
	errors.As(o.Err, &e)
	if o.Err != nil && (e == nil || e.Partial == nil && !e.PossiblyExecuted) && o.Chunks == 0 {
		return &Bill{Model: m.ID}, nil // nothing was done
	}
	if _, _, ok := nameOf(call.Request); !ok {
		return nil, unknown("%s does not say what a %T has used", m.ID, call.Request)
	}
	r, err := p.estimate(m, call.Request, a.tier)
	if err != nil {
		return nil, err
	}
	b := &Bill{Model: m.ID, Prices: r.Prices, Tier: r.Tier, Low: r.Prompt, High: r.High, Total: r.High}
	if e != nil && e.Partial == nil {
		b.Low = 0 // it may not have begun
	}
	if u := o.Usage; u != nil { // the provider had said something of it
		var c counts
		c.split(u)
		if told, err := p.bill(m, &c, answer{meta: o.Meta, usage: u, tier: a.tier}); err == nil {
			b.Low, b.High, b.Total = max(b.Low, told.Total), max(b.High, told.Total), max(b.Total, told.Total)
		}
	}
	return b, nil
}
