// Package models knows models: their windows, capabilities, dates and prices at each provider.
//
//	m, ok := models.Lookup("openai/gpt-4o")
//
// The catalogue is embedded. It is unpacked when it is first asked, and never at import. A name is looked up as it is
// written, or as an alias; nothing is guessed from how a name looks, and a model that is not in the catalogue can be
// called all the same: it is only that nothing is known of it.
//
// Importing this package lets a [llm.Client] find the provider of a name without one, such as "gpt-4o": see [Infer].
//
// # Money
//
// An [Amount] counts picodollars, and is exact: each price is the decimal number that the vendor wrote. It is for one
// [Unit], most often a million tokens. A model has a [PriceList] for each service tier, region and time that has
// prices of its own. The cost of a call is
//
//	list, ok := m.PriceAt(start, models.TierOf(resp.ServiceTier), region)
//	price, ok := list.Find(models.Output, "", promptTokens)
//	cost := int64(price.Amount) * outputTokens / price.Unit.Size() // picodollars
//
// summed over disjoint counts: fresh input, cached input, output and so on. What the product of amount and count
// divides to is exact, but it may need 128 bits: $2.50 × 4,000,000 tokens is above an int64. Where a list has no price
// for a dimension, it is billed as [Dimension.Base], with a threshold on the same number of input tokens; tools that are
// billed by the call stand in the list of the standard tier. A price that is zero says that it is free. If none is found
// the price is unknown, which is never the same as free.
//
// # Where prices come from
//
// Each list names its source and the day on which it was checked. A price is in the catalogue if two public price
// lists agree on it, or if one that names the vendor's page stands alone or is the newest; where they differ,
// docs/price-conflicts.md says what each has and which was taken. Prices change: [Load] and [LoadLiteLLM] lay newer ones over the catalogue.
package models

import (
	_ "embed"
	"fmt"
	"io"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/llm-go/llm"
)

//go:generate go run ./internal/gen

//go:embed catalogue.bin.gz
var embedded []byte

var builtin = sync.OnceValue(func() *Catalogue {
	c := &Catalogue{}
	if err := c.UnmarshalBinary(embedded); err != nil {
		panic(err) // a test unpacks what is embedded
	}
	return c
})

var (
	current atomic.Pointer[Catalogue] // nil: the embedded one
	loading sync.Mutex                // held by those who change current
)

func init() { llm.RegisterInference(Infer) }

// Default is the catalogue that the functions of this package use: the embedded one with what was loaded over it.
func Default() *Catalogue {
	if c := current.Load(); c != nil {
		return c
	}
	return builtin()
}

// SetDefault replaces the default catalogue for all readers at once; nil brings back the embedded one.
func SetDefault(c *Catalogue) {
	loading.Lock()
	defer loading.Unlock()
	current.Store(c)
}

// Load lays a catalogue in this package's JSON form over the default one; see [Parse] and [Catalogue.Overlay]. Readers
// see the one before or the one after. An error names the entry, and changes nothing.
func Load(r io.Reader) error { return overlay(r, Parse) }

// LoadLiteLLM lays a file in the form of LiteLLM's model_prices_and_context_window.json over the default catalogue;
// see [ParseLiteLLM]. An error names the entry, and changes nothing.
func LoadLiteLLM(r io.Reader) error { return overlay(r, ParseLiteLLM) }

func overlay(r io.Reader, parse func(io.Reader) (*Catalogue, error)) error {
	above, err := parse(r)
	if err != nil {
		return err
	}
	loading.Lock()
	defer loading.Unlock()
	sum, err := Default().Overlay(above)
	if err != nil {
		return err
	}
	current.Store(sum)
	return nil
}

// Lookup finds a model of the default catalogue by its ID or an alias: "openai/gpt-4o". The name must be exact.
func Lookup(id string) (*Model, bool) { return Default().Lookup(id) }

// List yields the models of the default catalogue that a filter takes, sorted by ID.
func List(f Filter) iter.Seq[*Model] { return Default().List(f) }

// Infer finds the provider of a name without one: "gpt-4o" is of "openai". It answers only when exactly one vendor has
// a model of its own, or an alias, of that name.
func Infer(name string) (provider string, ok bool) { return Default().Infer(name) }

// Supports says whether a model has a capability. known is false for models that are not in the catalogue, and where
// the catalogue does not tell.
func Supports(id string, c Capability) (yes, known bool) {
	if m, ok := Lookup(id); ok {
		return m.Supports(c)
	}
	return false, false
}

type overrideKey struct{}

// With makes [For] answer m for a client or a call, whatever model it asks for: for a deployment under a name of one's
// own, or a contract with prices of its own. nil takes back one that was given before.
func With(m *Model) llm.Option { return llm.WithValue(overrideKey{}, m) }

// For is the model of a call: what was given by [With], or what the default catalogue has for the call's provider and
// model, which are those that the engine resolved, or before that the name that was asked for.
func For(call *llm.Call) (*Model, bool) {
	if m, _ := call.Value(overrideKey{}).(*Model); m != nil {
		return m, true
	}
	c := Default()
	if call.Provider != nil {
		return c.find(call.Provider.Name, call.Model)
	}
	name := call.ModelName()
	if m, ok := c.Lookup(name); ok {
		return m, true
	}
	if provider, ok := c.Infer(name); ok {
		return c.find(provider, name)
	}
	return nil, false
}

// String is the number of models and of those with prices, for logs.
func (c *Catalogue) String() string {
	priced := 0
	for _, m := range c.models {
		if len(m.Prices) > 0 {
			priced++
		}
	}
	return fmt.Sprintf("%d models, %d with prices", len(c.models), priced)
}
