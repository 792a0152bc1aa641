package models

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Catalogue is a set of models. It does not change once it is made, so all its methods may be called at the same time.
type Catalogue struct {
	models    []*Model          // sorted by ID
	index     map[key]*Model    // by provider and name, aliases too
	providers map[string]string // further names of providers
	bare      map[string]string // names of first-party models; "" where two providers have one
}

type key struct{ provider, name string }

// New makes a catalogue of models. Provider and Name may be empty: they are cut from the ID. providers maps further
// names of providers to the one under which their models stand, and may be nil. Two models of the same name are an
// error, and so are prices that contradict each other.
func New(list []*Model, providers map[string]string) (*Catalogue, error) {
	c := &Catalogue{models: make([]*Model, 0, len(list)), providers: maps.Clone(providers)}
	for _, given := range list {
		m := *given
		if err := m.complete(); err != nil {
			return nil, fmt.Errorf("models: %q: %w", given.ID, err)
		}
		c.models = append(c.models, m.under(providers))
	}
	return c, c.build()
}

// complete fills in and checks a model that is not shared yet.
func (m *Model) complete() error {
	provider, name, found := strings.Cut(m.ID, "/")
	if !found || provider == "" || name == "" {
		return fmt.Errorf("a model's name is \"provider/model\"")
	}
	if m.Provider == "" && m.Name == "" {
		m.Provider, m.Name = provider, name
	}
	if m.Provider != provider || m.Name != name {
		return fmt.Errorf("provider %q and name %q do not make the ID", m.Provider, m.Name)
	}
	if !slices.Contains(modes, m.Mode) {
		return fmt.Errorf("unknown mode %q", m.Mode)
	}
	if m.ContextWindow < 0 || m.MaxInputTokens < 0 || m.MaxOutputTokens < 0 || m.Dimensions < 0 || m.MinCacheTokens < 0 ||
		m.MinReasoningTokens < 0 || m.MaxReasoningTokens < 0 {
		return fmt.Errorf("a limit is negative")
	}
	if m.Prices == nil {
		return nil
	}
	m.Prices = slices.Clone(m.Prices)
	for i := range m.Prices {
		l := &m.Prices[i]
		l.Prices = slices.Clone(l.Prices)
		slices.SortStableFunc(l.Prices, comparePrices)
		if err := l.check(); err != nil {
			return fmt.Errorf("price list %d: %w", i, err)
		}
	}
	slices.SortStableFunc(m.Prices, compareLists)
	return nil
}

// build makes the index of a catalogue that has its models.
func (c *Catalogue) build() error {
	slices.SortFunc(c.models, func(a, b *Model) int { return strings.Compare(a.ID, b.ID) })
	n := len(c.models)
	for _, m := range c.models {
		n += len(m.Aliases)
	}
	c.index, c.bare = make(map[key]*Model, n), make(map[string]string)
	for _, m := range c.models {
		k := key{m.Provider, m.Name}
		if _, taken := c.index[k]; taken {
			return fmt.Errorf("models: %q stands twice", m.ID)
		}
		c.index[k] = m
		c.addBare(m, m.Name)
	}
	for _, m := range c.models {
		for _, alias := range m.Aliases {
			provider, name, _ := strings.Cut(alias, "/")
			k := key{provider, name}
			if other := c.index[k]; other != nil && other != m {
				return fmt.Errorf("models: the alias %q of %q is that of %q too", alias, m.ID, other.ID)
			}
			c.index[k] = m
			c.addBare(m, name)
		}
	}
	for alias, provider := range c.providers {
		if alias == "" || provider == "" || c.providers[provider] != "" {
			return fmt.Errorf("models: the provider alias %q of %q leads to another alias or to none", alias, provider)
		}
	}
	return nil
}

func (c *Catalogue) addBare(m *Model, name string) {
	if !m.FirstParty {
		return
	}
	if other, found := c.bare[name]; found && other != m.Provider {
		c.bare[name] = ""
		return
	}
	c.bare[name] = m.Provider
}

// Len is the number of models.
func (c *Catalogue) Len() int { return len(c.models) }

// Lookup finds a model by its ID or an alias: "openai/gpt-4o". The name must be exact.
func (c *Catalogue) Lookup(id string) (*Model, bool) {
	provider, name, _ := strings.Cut(id, "/")
	return c.find(provider, name)
}

func (c *Catalogue) find(provider, name string) (*Model, bool) {
	if m, ok := c.index[key{provider, name}]; ok {
		return m, true
	}
	if other, ok := c.providers[provider]; ok {
		m, ok := c.index[key{other, name}]
		return m, ok
	}
	return nil, false
}

// Infer finds the provider of a name without one: "gpt-4o" is of "openai". It answers only when exactly one vendor
// has a model of its own, or an alias, of that name; hosts of others' models do not count.
func (c *Catalogue) Infer(name string) (provider string, ok bool) {
	provider = c.bare[name]
	return provider, provider != ""
}

// Filter says which models a list has. What is zero does not restrict it.
type Filter struct {
	Provider     string // or an alias of it
	Mode         Mode
	Capabilities []Capability // all of which the model is known to have
	Priced       bool         // only models with prices
}

// List yields models, sorted by ID.
func (c *Catalogue) List(f Filter) iter.Seq[*Model] {
	if other, ok := c.providers[f.Provider]; ok {
		f.Provider = other
	}
	return func(yield func(*Model) bool) {
		for _, m := range c.models {
			if f.matches(m) && !yield(m) {
				return
			}
		}
	}
}

func (f Filter) matches(m *Model) bool {
	if f.Provider != "" && f.Provider != m.Provider || f.Mode != "" && f.Mode != m.Mode || f.Priced && len(m.Prices) == 0 {
		return false
	}
	for _, c := range f.Capabilities {
		if !m.supported.has(c) {
			return false
		}
	}
	return true
}

// Overlay is this catalogue with another laid over it. A model that both have takes each value that the one above
// gives, and keeps the others; its prices are replaced as a whole, or kept as a whole. Aliases are joined.
func (c *Catalogue) Overlay(above *Catalogue) (*Catalogue, error) {
	sum := &Catalogue{models: make([]*Model, 0, len(c.models)), providers: maps.Clone(c.providers)}
	if sum.providers == nil {
		sum.providers = make(map[string]string)
	}
	maps.Copy(sum.providers, above.providers)
	over := make(map[*Model]*Model)
	for _, m := range above.models {
		m = m.under(sum.providers)
		below, found := c.find(m.Provider, m.Name)
		switch {
		case !found:
			sum.models = append(sum.models, m)
		case below.ID != m.ID: // what was an alias becomes a model of its own
			own := below.with(m)
			own.ID, own.Provider, own.Name, own.Aliases = m.ID, m.Provider, m.Name, m.Aliases
			sum.models = append(sum.models, own)
		case over[below] != nil: // under two names of the provider
			over[below] = over[below].with(m)
		default:
			over[below] = m
		}
	}
	own := make(map[string]bool, len(sum.models))
	for _, m := range sum.models {
		own[m.ID] = true
		for _, alias := range m.Aliases {
			own[alias] = true
		}
	}
	for _, m := range c.models {
		if o := over[m]; o != nil {
			m = m.with(o)
		}
		if slices.ContainsFunc(m.Aliases, func(a string) bool { return own[a] }) {
			trimmed := *m
			trimmed.Aliases = slices.DeleteFunc(slices.Clone(m.Aliases), func(a string) bool { return own[a] })
			m = &trimmed
		}
		sum.models = append(sum.models, m)
	}
	if err := sum.build(); err != nil {
		return nil, err
	}
	return sum, nil
}

// under is the model under the own name of its provider.
func (m *Model) under(providers map[string]string) *Model {
	provider, ok := providers[m.Provider]
	if !ok {
		return m
	}
	own := *m
	own.Provider, own.ID = provider, provider+"/"+m.Name
	return &own
}

// with is m with what o gives laid over it.
func (m *Model) with(o *Model) *Model {
	sum := *m
	for _, alias := range o.Aliases {
		if !slices.Contains(sum.Aliases, alias) {
			sum.Aliases = append(slices.Clip(sum.Aliases), alias)
		}
	}
	give(&sum.Mode, o.Mode)
	give(&sum.Status, o.Status)
	give(&sum.ContextWindow, o.ContextWindow)
	give(&sum.MaxInputTokens, o.MaxInputTokens)
	give(&sum.MaxOutputTokens, o.MaxOutputTokens)
	give(&sum.Dimensions, o.Dimensions)
	give(&sum.MinCacheTokens, o.MinCacheTokens)
	give(&sum.Input, o.Input)
	give(&sum.Output, o.Output)
	give(&sum.MinReasoningTokens, o.MinReasoningTokens)
	give(&sum.MaxReasoningTokens, o.MaxReasoningTokens)
	give(&sum.FirstParty, o.FirstParty)
	give(&sum.Released, o.Released)
	give(&sum.Deprecated, o.Deprecated)
	give(&sum.Retired, o.Retired)
	if o.ReasoningEfforts != nil {
		sum.ReasoningEfforts = o.ReasoningEfforts
	}
	if o.Prices != nil {
		sum.Prices = o.Prices
	}
	sum.known |= o.known
	sum.supported = sum.supported&^o.known | o.supported
	return &sum
}

func give[T comparable](to *T, v T) {
	var zero T
	if v != zero {
		*to = v
	}
}
