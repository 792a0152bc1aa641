package cost

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/models"
)

// Amount is money: a count of picodollars, 1e-12 US dollars. It prints as dollars.
type Amount = models.Amount

// The errors of this package, beside [llm.ErrInvalidRequest].
const (
	// ErrPriceUnknown: the model, its service tier, or something that the call has used, has no price in the catalogue.
	ErrPriceUnknown llm.ErrorKind = "price_unknown"
	// ErrOverflow: the sum is above nine million dollars.
	ErrOverflow llm.ErrorKind = "amount_overflow"
)

// Bill is what a call has cost, or may cost.
type Bill struct {
	// Model is the catalogue's ID.
	Model string
	// Total is the sum of the items, in picodollars, with the discount or margin of the pricing, or what the provider
	// itself says if that is preferred.
	Total Amount
	// Low and High bound what the call has cost. They are Total, unless the answer broke off before its usage was told:
	// then Total is High, and Low is for what is known to have been done; see [Pricing.Outcome].
	Low, High Amount
	// Items are the buckets. Before discounts and margins they sum to Total.
	Items []Item
	// Reported is what the provider itself says (OpenRouter, xAI, Perplexity); HasReported tells zero from nothing said.
	Reported    Amount
	HasReported bool
	// Prices is the list that was used, with its source and date; nil if only the provider's own sum is known.
	Prices *models.PriceList
	// Tier is the service tier that the answer names.
	Tier models.Tier
	// Factor is the discount or margin; 0 stands for none.
	Factor Factor

	array [4]Item // for Items, which seldom are more
}

// Item is one bucket of a bill.
type Item struct {
	Count
	// Price is the row that was used; its Dimension may be another one than the Count's: see [models.Dimension.Base].
	Price  models.Price
	Amount Amount
}

// Factor multiplies prices: Percent(-10) is a discount of a tenth, Percent(20) a margin of a fifth. It counts millionths.
type Factor int64

// Percent is the factor that changes a price by so many hundredths.
func Percent(p float64) Factor { return Factor(math.Round((100 + p) * 10_000)) }

// Pricing says how answers are priced. The zero value prices them by the default catalogue.
type Pricing struct {
	// Catalogue is where prices come from; nil is that of package models.
	Catalogue *models.Catalogue
	// Region is where the provider serves the calls, if it has prices of its own there, as the vendor names it.
	Region string
	// PreferReported makes Total what the provider itself says, where it says something.
	PreferReported bool
	// Adjust is the discount or margin for a model, by its ID; nil, or 0, is none. What a provider reports is not adjusted.
	Adjust func(model string) Factor
	// Now is the clock for prices that depend on the time; default time.Now.
	Now func() time.Time
}

// Of is what a whole answer has cost by the default catalogue. resp is a *llm.CompletionResponse,
// *llm.EmbeddingResponse, *llm.ImageResponse …; where the price depends on the request too, as that of speech does on
// its characters, use [Pricing.Call].
func Of(resp any) (*Bill, error) { return new(Pricing).Call(nil, resp) }

// Call is what a request and its answer have cost; req may be nil if the answer alone tells.
func (p *Pricing) Call(req, resp any) (*Bill, error) {
	var c counts
	a, ok := c.read(req, resp)
	if !ok {
		return nil, &llm.Error{Kind: llm.ErrInvalidRequest, Scope: llm.ScopeLocal, Message: fmt.Sprintf("cost: a %T has no price", resp)}
	}
	m, err := p.model(a.meta.Provider, a.meta.Model)
	if err != nil && a.usage != nil && a.usage.Cost != "" {
		return p.reported(a)
	}
	if err != nil {
		return nil, err
	}
	return p.either(m, &c, a, req, resp)
}

// either prices what an answer reports or, where the model is not sold by that, what was asked for: pictures by the
// piece though the host counts tokens, speech by the character.
func (p *Pricing) either(m *models.Model, c *counts, a answer, req, resp any) (*Bill, error) {
	b, err := p.bill(m, c, a)
	if err != nil && errors.Is(err, ErrPriceUnknown) {
		var other counts
		if other.pieces(req, resp); other.n > 0 {
			if b, otherErr := p.bill(m, &other, a); otherErr == nil {
				return b, nil
			}
		}
	}
	return b, err
}

// model finds a model by where and under which name it was called.
func (p *Pricing) model(provider, name string) (*models.Model, error) {
	c := p.Catalogue
	if c == nil {
		c = models.Default()
	}
	if m, ok := c.Lookup(provider + "/" + name); ok {
		return m, nil
	}
	return nil, unknown("the catalogue has no model %q at %s; give its prices by models.With or models.Load", name, provider)
}

func unknown(format string, args ...any) *llm.Error {
	return &llm.Error{Kind: ErrPriceUnknown, Scope: llm.ScopeLocal, Message: "cost: " + fmt.Sprintf(format, args...)}
}

// reported is the bill of a model that has no price here, but whose provider says what it took.
func (p *Pricing) reported(a answer) (*Bill, error) {
	v, err := models.ParseAmount(a.usage.Cost)
	if err != nil {
		return nil, unknown("what the provider says it took, %q, is no amount: %v", a.usage.Cost, err)
	}
	return &Bill{Model: a.meta.Provider + "/" + a.meta.Model, Total: v, Low: v, High: v, Reported: v, HasReported: true}, nil
}

// bill prices the counts.
func (p *Pricing) bill(m *models.Model, c *counts, a answer) (*Bill, error) {
	b := &Bill{Model: m.ID, Tier: models.TierOf(a.tier)}
	b.Items = b.array[:0]
	if a.usage != nil && a.usage.Cost != "" {
		if v, err := models.ParseAmount(a.usage.Cost); err == nil {
			b.Reported, b.HasReported = v, true
		}
	}
	if a.free {
		return b, nil
	}
	err := p.price(b, m, c, a)
	if b.HasReported && (p.PreferReported || err != nil) {
		b.Total, b.Low, b.High = b.Reported, b.Reported, b.Reported
		return b, nil
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (p *Pricing) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

func (p *Pricing) price(b *Bill, m *models.Model, c *counts, a answer) error {
	now := p.now()
	list, ok := m.PriceAt(now, b.Tier, p.Region)
	if !ok {
		return unknown("%s has no prices for %s in the catalogue", m.ID, where(b.Tier, p.Region))
	}
	b.Prices = list
	if c.n == 0 && a.meta != nil && !free(list) {
		return unknown("the answer of %s does not say what it has used", m.ID)
	}
	input := c.input()
	told := c.n
	c.perRequest(list, a, input)
	defer func() { c.n = told }() // the counts may be priced again, in another tier
	if c.n > len(b.array) {
		b.Items = make([]Item, 0, c.n)
	}
	for i := range c.n {
		count := &c.list[i]
		from := list
		price, ok := find(m, list, count, input)
		if !ok && count.Dimension >= models.WebSearch {
			// Tools cost the same in all tiers and regions, unless it is said otherwise.
			if from, _ = m.PriceAt(now, models.Standard, ""); from != nil {
				price, ok = find(m, from, count, input)
			}
		}
		if !ok {
			return unknown("%s has no price for %s%s in the catalogue, for %s", m.ID, count.Dimension, variantText(count.Variant), where(b.Tier, p.Region))
		}
		amount, err := charge(from, price, count.N)
		if err != nil {
			return err
		}
		b.Items = append(b.Items, Item{Count: *count, Price: *price, Amount: amount})
		if b.Total, err = Add(b.Total, amount); err != nil {
			return err
		}
	}
	if p.Adjust != nil {
		if b.Factor = p.Adjust(m.ID); b.Factor != 0 {
			total, err := mulDiv(int64(b.Total), int64(b.Factor), 1_000_000)
			if err != nil {
				return err
			}
			b.Total = total
		}
	}
	b.Low, b.High = b.Total, b.Total
	return nil
}

// free says that a vendor takes nothing at all for a model: each price is zero.
func free(list *models.PriceList) bool {
	return len(list.Prices) > 0 && !slices.ContainsFunc(list.Prices, func(p models.Price) bool { return p.Amount != 0 })
}

func where(tier models.Tier, region string) string {
	s := "the tier " + cmp.Or(string(tier), "standard")
	if region != "" {
		s += " in " + region
	}
	return s
}

func variantText(v string) string {
	if v == "" {
		return ""
	}
	return " (" + v + ")"
}

// input is the number of input tokens, which tiers go by.
func (c *counts) input() (n int64) {
	for _, x := range c.list[:c.n] {
		switch x.Dimension {
		case models.Input, models.CacheRead, models.CacheWrite, models.CacheWrite1h, models.CacheReadAudio, models.CacheReadImage,
			models.InputAudio, models.InputImage, models.InputVideo:
			if x.Kind == Tokens {
				n += x.N
			}
		}
	}
	return n
}

// find is the price of a count: of its own dimension, or of the one that it is billed as. A dimension that the model has
// a price for in another tier or region is not billed as another one: what it costs here is not known.
func find(m *models.Model, list *models.PriceList, c *Count, input int64) (*models.Price, bool) {
	for d := c.Dimension; ; {
		prices := of(list, d)
		if c.Variant == "" {
			if price := best(list, prices, c, "", input); price != nil {
				return price, true
			}
		} else if price := variant(list, prices, c, input); price != nil {
			return price, true
		}
		base, ok := d.Base()
		if !ok || base == d || len(prices) == 0 && elsewhere(m, d) {
			return nil, false
		}
		d = base
	}
}

// of is [models.PriceList.Of] for lists as short as they are.
func of(list *models.PriceList, d models.Dimension) []models.Price {
	prices := list.Prices
	from := 0
	for from < len(prices) && prices[from].Dimension < d {
		from++
	}
	to := from
	for to < len(prices) && prices[to].Dimension == d {
		to++
	}
	return prices[from:to]
}

// best is the price of the highest threshold that is passed; see [models.PriceList.Find].
func best(list *models.PriceList, prices []models.Price, c *Count, variant string, input int64) (found *models.Price) {
	if list.UpTo > 0 && input > list.UpTo {
		return nil
	}
	for i := range prices {
		if p := &prices[i]; p.Variant == variant && (p.Above == 0 || input > p.Above) && kindOf(p.Unit) == c.Kind {
			found = p
		}
	}
	return found
}

// variant is the price of a picture by quality and size ("hd 1024x1024"), or by the one of them that the price depends
// on. What is priced by quality is never billed without it.
func variant(list *models.PriceList, prices []models.Price, c *Count, input int64) *models.Price {
	if price := best(list, prices, c, c.Variant, input); price != nil {
		return price
	}
	quality, size, both := strings.Cut(c.Variant, " ")
	if both {
		if price := best(list, prices, c, quality, input); price != nil {
			return price
		}
		if slices.ContainsFunc(prices, func(p models.Price) bool {
			rest, found := strings.CutPrefix(p.Variant, quality)
			return found && strings.HasPrefix(rest, " ")
		}) {
			return nil // not in this size
		}
		if price := best(list, prices, c, size, input); price != nil {
			return price
		}
	}
	return best(list, prices, c, "", input)
}

func elsewhere(m *models.Model, d models.Dimension) bool {
	for i := range m.Prices {
		if len(of(&m.Prices[i], d)) > 0 {
			return true
		}
	}
	return false
}

// charge is a price times a count.
func charge(list *models.PriceList, p *models.Price, n int64) (Amount, error) {
	if p.Excess && n > p.Above { // only what is above the threshold costs this
		below := new(models.Price)
		prices := of(list, p.Dimension)
		for i := range prices {
			if q := &prices[i]; q.Variant == p.Variant && q.Above < p.Above {
				below = q
			}
		}
		first, err := charge(list, below, p.Above)
		if err != nil {
			return 0, err
		}
		rest, err := mulDiv(int64(p.Amount), n-p.Above, size(p.Unit))
		if err != nil {
			return 0, err
		}
		return Add(first, rest)
	}
	return mulDiv(int64(p.Amount), n, size(p.Unit))
}

// size is how many of a count a price is for; of time that is milliseconds.
func size(u models.Unit) int64 {
	if kindOf(u) == Milliseconds {
		return u.Size() * 1000
	}
	return u.Size()
}

// mulDiv is a × n / d, rounded half away from zero. None may be negative.
func mulDiv(a, n, d int64) (Amount, error) {
	if a < 0 || n < 0 || d <= 0 {
		return 0, &llm.Error{Kind: llm.ErrInvalidRequest, Scope: llm.ScopeLocal, Message: "cost: a price or count is negative"}
	}
	hi, lo := bits.Mul64(uint64(a), uint64(n))
	lo, carry := bits.Add64(lo, uint64(d)/2, 0)
	hi += carry
	if hi >= uint64(d) {
		return 0, errOverflow()
	}
	q, _ := bits.Div64(hi, lo, uint64(d))
	if q > math.MaxInt64 {
		return 0, errOverflow()
	}
	return Amount(q), nil
}

// Add is a + b, or [ErrOverflow].
func Add(a, b Amount) (Amount, error) {
	s := a + b
	if (a > 0 && b > 0 && s < 0) || (a < 0 && b < 0 && s >= 0) {
		return 0, errOverflow()
	}
	return s, nil
}

func errOverflow() error {
	return &llm.Error{Kind: ErrOverflow, Scope: llm.ScopeLocal, Message: "cost: the amount is above nine million dollars"}
}

// String is a table: a line for each bucket, and the sum.
func (b *Bill) String() string {
	var s strings.Builder
	w := tabwriter.NewWriter(&s, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, i := range b.Items {
		n := fmt.Sprint(i.N)
		if i.Kind == Milliseconds {
			n = fmt.Sprintf("%g s", float64(i.N)/1000)
		}
		fmt.Fprintf(w, "%s%s\t%s\t× $%s per %s\t$%s\t\n", i.Dimension, variantText(i.Variant), n, i.Price.Amount, strings.ReplaceAll(i.Price.Unit.String(), "_", " "), i.Amount)
	}
	if b.Factor != 0 {
		fmt.Fprintf(w, "factor\t\t%g\t\t\n", float64(b.Factor)/1e6)
	}
	fmt.Fprintf(w, "%s\t\t\t$%s\t\n", b.Model, b.Total)
	_ = w.Flush()
	return s.String()
}

// Of is the sum of one dimension in the bill.
func (b *Bill) Of(d models.Dimension) (sum Amount) {
	for i := range b.Items {
		if b.Items[i].Dimension == d {
			sum += b.Items[i].Amount
		}
	}
	return sum
}
