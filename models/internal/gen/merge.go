package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/llm-go/llm/models"
)

// generate merges the sources, which are sorted by age, the oldest first.
func generate(sources []*source) (*models.Catalogue, string, error) {
	facts, err := models.New(nil, providerAliases())
	if err != nil {
		return nil, "", err
	}
	for _, s := range byFacts(sources) {
		list := make([]*models.Model, 0, len(s.models))
		for id, m := range s.models {
			fact := *m
			fact.Provider, fact.Name, fact.Prices = "", "", nil
			provider, name, _ := strings.Cut(id, "/")
			own := ownModels[provider]
			fact.FirstParty = own != nil && own.MatchString(name)
			list = append(list, &fact)
		}
		c, err := models.New(list, nil)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", s.name, err)
		}
		if facts, err = facts.Overlay(c); err != nil {
			return nil, "", fmt.Errorf("%s: %w", s.name, err)
		}
	}
	r := &report{sources: sources}
	taken := make(map[string]bool)
	for m := range facts.List(models.Filter{}) {
		taken[m.ID] = true
	}
	var list []*models.Model
	for m := range facts.List(models.Filter{}) {
		whole := *m
		for _, s := range sources {
			// Some fill in the whole window as the limit of the input, which leaves no room for an answer.
			if d := s.models[m.ID]; d != nil && d.MaxInputTokens > 0 && d.MaxInputTokens < m.ContextWindow && m.MaxInputTokens == m.ContextWindow {
				whole.MaxInputTokens = d.MaxInputTokens
			}
			for _, alias := range s.aliases[m.ID] {
				if !taken[alias] && sameName(m.ID, alias) {
					taken[alias] = true
					whole.Aliases = append(whole.Aliases, alias)
				}
			}
		}
		slices.Sort(whole.Aliases)
		whole.Prices = newMerger(r, m.ID, sources).prices()
		if len(whole.Prices) > 0 || whole.Mode != "" || whole.ContextWindow+whole.MaxInputTokens+whole.MaxOutputTokens > 0 {
			list = append(list, &whole)
		}
	}
	r.models = len(list)
	for _, m := range list {
		if len(m.Prices) > 0 {
			r.priced++
		}
	}
	c, err := models.New(list, providerAliases())
	return c, r.String(), err
}

// byFacts is the order in which facts are laid over each other. genai-prices keeps windows only beside its prices: they
// come first, so that others replace them.
func byFacts(sources []*source) []*source {
	list := slices.Clone(sources)
	slices.SortStableFunc(list, func(a, b *source) int {
		switch "genai-prices" {
		case a.name:
			return -1
		case b.name:
			return 1
		}
		return 0
	})
	return list
}

// sameName says that an alias differs from an ID by no more than punctuation, or a version behind one of them.
func sameName(id, alias string) bool {
	if strings.Count(alias, "/") > 1 {
		return false
	}
	plain := strings.NewReplacer(".", "-", "_", "-", "@", "-", ":", "-")
	a, b := plain.Replace(strings.ToLower(id)), plain.Replace(strings.ToLower(alias))
	if len(a) > len(b) {
		a, b = b, a
	}
	rest, ok := strings.CutPrefix(b, a)
	return ok && snapshot.MatchString(rest)
}

func providerAliases() map[string]string {
	aliases := make(map[string]string)
	for _, p := range providers {
		for _, alias := range strings.Fields(p.aliases) {
			aliases[alias] = p.name
		}
	}
	return aliases
}

// place is where a price stands: for one tier and region.
type place struct {
	tier   models.Tier
	region string
}

// item is what is priced there. Sources write one threshold as 272000 or 271999: near is rounded to thousands.
type item struct {
	dimension models.Dimension
	kind      int64 // of the unit: all times are one
	variant   string
	near      int64
}

// claim is what a source says of an item.
type claim struct {
	source  *source
	price   models.Price
	page    string      // that the source names; "" if it names none
	checked models.Date // when that was read, if the source tells
	dated   bool        // the source tells since when, or until when
	partial bool
	slack   int64 // how far it may be off, in picodollars: it was computed from a rounded number
}

type merger struct {
	report  *report
	id      string
	sources []*source
	claims  map[place]map[item][]claim
	exact   map[int64]int64 // thresholds as the most careful source writes them
}

func newMerger(r *report, id string, sources []*source) *merger {
	g := &merger{report: r, id: id, sources: sources, claims: make(map[place]map[item][]claim), exact: make(map[int64]int64)}
	defer g.reread()
	for _, s := range sources {
		m := s.models[id]
		if m == nil {
			continue
		}
		for i := range m.Prices {
			l := &m.Prices[i]
			if len(l.Windows) == 0 && l.From <= s.date && (l.Until == 0 || l.Until > s.date) {
				g.add(s, l)
			}
		}
	}
	return g
}

func (g *merger) add(s *source, l *models.PriceList) {
	regions := l.Regions
	if len(regions) == 0 {
		regions = []string{""}
	}
	for _, region := range regions {
		at := place{l.Tier, region}
		if g.claims[at] == nil {
			g.claims[at] = make(map[item][]claim)
		}
		for _, p := range l.Prices {
			it := item{p.Dimension, kindOf(p.Unit), p.Variant, (p.Above + 500) / 1000 * 1000}
			c := claim{s, p, l.Source, l.Checked, l.From+l.Until > 0, s.partial[g.id], 0}
			if image, ok := c.perImage(); ok {
				c, it.kind = image, int64(models.PerImage)
			}
			g.claims[at][it] = append(g.claims[at][it], c)
			if it.near > 0 && (s.name == "genai-prices" || s.name == "verified") {
				g.exact[it.near] = p.Above
			}
		}
	}
}

// perImage is the price of an image of the size that the variant names, of a price by the pixel.
func (c claim) perImage() (claim, bool) {
	if c.price.Unit != models.PerMillionPixels {
		return c, false
	}
	words := strings.Fields(c.price.Variant)
	var width, height int64
	if len(words) == 0 {
		return c, false
	}
	if _, err := fmt.Sscanf(words[len(words)-1], "%dx%d", &width, &height); err != nil {
		return c, false
	}
	last := int64(1)
	for v := int64(c.price.Amount); v != 0 && v%10 == 0; v /= 10 {
		last *= 10
	}
	c.price.Amount = c.price.Amount * models.Amount(width*height) / 1_000_000
	c.price.Unit, c.slack = models.PerImage, last*width*height/1_000_000
	return c, true
}

// reread takes Portkey's price of a token for what it is where others bill by something else: of a speech the price of a
// character, of a rerank that of a query.
func (g *merger) reread() {
	for _, items := range g.claims {
		for _, c := range items[item{dimension: models.Input}] {
			if c.source.name != "Portkey" {
				continue
			}
			for _, unit := range []models.Unit{models.PerMillionCharacters, models.PerQuery} {
				it := item{dimension: models.Input, kind: int64(unit)}
				if len(items[it]) == 0 || c.price.Amount%1_000_000 != 0 {
					continue
				}
				c.price.Unit = unit
				if unit == models.PerQuery {
					c.price.Amount /= 1_000_000
				}
				items[it] = append(items[it], c)
			}
		}
	}
}

// kindOf is the unit; times are the same kind whatever their length.
func kindOf(u models.Unit) int64 {
	switch u {
	case models.PerSecond, models.PerMinute, models.PerHour:
		return int64(models.PerSecond)
	}
	return int64(u)
}

// same compares exactly. A price of a second that ends after four digits or more is one of an hour or a minute that was
// divided and cut: one in its last digit is allowed for.
func (c claim) same(d claim) bool {
	a, aSlack := perHour(c.price)
	b, bSlack := perHour(d.price)
	diff := a - b
	if diff < 0 {
		diff = -diff
	}
	return diff <= max(aSlack, bSlack, c.slack, d.slack)
}

func perHour(p models.Price) (amount, slack int64) {
	n := int64(p.Amount)
	if kindOf(p.Unit) != int64(models.PerSecond) {
		return n, 0
	}
	factor := 3600 / p.Unit.Size()
	last, digits := int64(1), 0
	for v := n; v != 0 && v%10 == 0; v /= 10 {
		last *= 10
	}
	for v := n / last; v != 0; v /= 10 {
		digits++
	}
	if p.Unit == models.PerSecond && digits >= 4 {
		slack = last * factor
	}
	return n * factor, slack
}

// decision is what ships of an item, and why.
type decision struct {
	claim   claim
	agreed  []string // the sources that say the same
	reason  reason
	newer   bool // it goes against sources that are older than a change
	checked models.Date
}

type reason int

const (
	agreed   reason = iota // two or more say the same, and none anything else
	verified               // read on the vendor's page
	alone                  // one, which names its page, and none else
	change                 // dated by one that names its page; the others are older
	majority               // two or more say the same against others
	newest                 // each says something else: the newest that names its page
	nothing                // none can be chosen
	unnamed                // one, which names no page
)

func decide(claims []claim) decision {
	if slices.ContainsFunc(claims, func(c claim) bool { return c.price.Amount != 0 }) {
		// Beside a price, zero is a blank that was filled in.
		claims = slices.DeleteFunc(slices.Clone(claims), func(c claim) bool { return c.price.Amount == 0 })
	}
	groups := grouped(claims)
	for _, group := range groups {
		if i := slices.IndexFunc(group, func(c claim) bool { return c.source.name == "verified" }); i >= 0 {
			d := newDecision(group[i], group, verified)
			d.newer = len(groups) > 1
			return d
		}
	}
	if len(groups) == 1 {
		best := bestOf(groups[0])
		switch {
		case sourcesOf(claims) > 1:
			return newDecision(best, claims, agreed)
		case best.page != "" && !best.partial && best.price.Amount > 0:
			return newDecision(best, claims, alone)
		}
		return decision{reason: unnamed}
	}
	for _, group := range groups {
		for _, c := range group {
			if c.dated && c.page != "" && !c.partial {
				return newDecision(c, group, change)
			}
		}
	}
	slices.SortStableFunc(groups, func(a, b []claim) int {
		return cmp.Or(cmp.Compare(sourcesOf(b), sourcesOf(a)), cmp.Compare(b[len(b)-1].source.date, a[len(a)-1].source.date))
	})
	if sourcesOf(groups[0]) > 1 {
		return newDecision(bestOf(groups[0]), groups[0], majority)
	}
	if c := claims[len(claims)-1]; c.page != "" && !c.partial {
		return newDecision(c, []claim{c}, newest)
	}
	return decision{reason: nothing}
}

// grouped puts the claims that agree together; within a group they keep their order by age.
func grouped(claims []claim) (groups [][]claim) {
	for _, c := range claims {
		i := slices.IndexFunc(groups, func(g []claim) bool { return g[0].same(c) })
		if i < 0 {
			groups = append(groups, nil)
			i = len(groups) - 1
		}
		groups[i] = append(groups[i], c)
	}
	return groups
}

func sourcesOf(claims []claim) int {
	names := make(map[string]bool)
	for _, c := range claims {
		names[c.source.name] = true
	}
	return len(names)
}

// bestOf is the claim of a group that is written most exactly: the newest with a page, and a time that is not cut.
func bestOf(group []claim) claim {
	best := group[0]
	for _, c := range group[1:] {
		_, a := perHour(best.price)
		_, b := perHour(c.price)
		a, b = max(a, best.slack), max(b, c.slack)
		if b < a || b == a && (c.page != "" || best.page == "") {
			best = c
		}
	}
	return best
}

func newDecision(c claim, group []claim, why reason) decision {
	d := decision{claim: c, reason: why, newer: why == change || why == newest}
	for _, g := range group {
		if !slices.Contains(d.agreed, g.source.name) {
			d.agreed = append(d.agreed, g.source.name)
		}
		if g.source.name != "verified" {
			d.checked = max(d.checked, g.source.date)
		}
	}
	return d
}

// prices decides on all that the sources say of the model.
func (g *merger) prices() []models.PriceList {
	decisions := make(map[place]map[item]decision)
	for at, items := range g.claims {
		decisions[at] = make(map[item]decision)
		for it, claims := range items {
			decisions[at][it] = decide(claims)
		}
	}
	winner := ""
	for it, d := range decisions[place{}] {
		if it.near == 0 && it.variant == "" && (it.dimension == models.Input || it.dimension == models.Output) && d.newer {
			winner = d.claim.source.name
		}
	}
	var lists []models.PriceList
	for _, at := range sortedPlaces(decisions) {
		l := models.PriceList{Tier: at.tier}
		if at.region != "" {
			l.Regions = []string{at.region}
		}
		for _, it := range sortedItems(decisions[at]) {
			d := decisions[at][it]
			stale := winner != "" && d.reason != nothing && d.reason != unnamed && !slices.Contains(d.agreed, winner) &&
				it.kind == int64(models.PerMillionTokens)
			g.report.add(conflict{g.id, at, it, g.claims[at][it], d, stale})
			if d.reason == nothing || d.reason == unnamed || stale {
				continue
			}
			g.ship(&l, it, d)
		}
		if complete(&l) {
			lists = append(lists, l)
		}
	}
	bound(lists)
	return tidy(g.withHistory(lists))
}

// bound keeps lists that do not know the thresholds of the standard one to what is below the first of them.
func bound(lists []models.PriceList) {
	i := slices.IndexFunc(lists, func(l models.PriceList) bool { return l.Tier == models.Standard && len(l.Regions) == 0 })
	if i < 0 {
		return
	}
	for k := range lists {
		for _, d := range []models.Dimension{models.Input, models.Output} {
			all, own := lists[i].Of(d), lists[k].Of(d)
			if len(all) > 1 && all[1].Above > 0 && len(own) == 1 {
				lists[k].UpTo = all[1].Above
			}
		}
	}
}

// ship adds the price to the list.
func (g *merger) ship(l *models.PriceList, it item, d decision) {
	p := d.claim.price
	if p.Amount == 0 && p.Dimension == models.Output && len(l.Prices) > 0 && l.Prices[0].Amount != 0 {
		return // embeddings have no output
	}
	if exact, ok := g.exact[it.near]; ok {
		p.Above = exact
	}
	p = perSecond(p)
	for i, q := range l.Prices { // of two units the one for tokens is the rule
		if q.Dimension == p.Dimension && q.Variant == p.Variant && q.Above == p.Above {
			if q.Unit > p.Unit {
				l.Prices[i] = p
			}
			return
		}
	}
	if it.near > 0 && !slices.ContainsFunc(l.Prices, func(q models.Price) bool {
		return q.Dimension == p.Dimension && q.Variant == p.Variant && q.Above == 0
	}) {
		return // what it costs below is not known
	}
	l.Prices = append(l.Prices, p)
	if d.claim.page != "" && (l.Source == "" || !strings.HasPrefix(l.Source, "https://")) {
		l.Source = d.claim.page
	}
	if l.Source == "" {
		l.Source = strings.Join(d.agreed, ", ")
	}
	l.Checked = max(l.Checked, d.checked)
	if d.reason == verified {
		l.Source, l.Checked = d.claim.page, d.claim.checked
	}
}

// perSecond is a price of time by the second, where that is a whole number of picodollars.
func perSecond(p models.Price) models.Price {
	if size := p.Unit.Size(); (p.Unit == models.PerHour || p.Unit == models.PerMinute) && int64(p.Amount)%size == 0 {
		p.Amount, p.Unit = p.Amount/models.Amount(size), models.PerSecond
	}
	return p
}

// complete says that a list can price a call: one of a tier, or of a region, has the price of the input.
func complete(l *models.PriceList) bool {
	if len(l.Prices) == 0 {
		return false
	}
	return l.Tier == models.Standard && len(l.Regions) == 0 || len(l.Of(models.Input)) > 0 || l.Prices[0].Dimension > models.Reasoning
}

// withHistory adds the lists that a source dates or bounds to hours, if its present prices are those that ship.
func (g *merger) withHistory(lists []models.PriceList) []models.PriceList {
	i := slices.IndexFunc(lists, func(l models.PriceList) bool { return l.Tier == models.Standard && len(l.Regions) == 0 })
	if i < 0 {
		return lists
	}
	for _, s := range slices.Backward(g.sources) {
		m := s.models[g.id]
		if m == nil || len(m.Prices) < 2 || s.partial[g.id] || s.name != "genai-prices" && s.name != "verified" {
			continue
		}
		now := slices.IndexFunc(m.Prices, func(l models.PriceList) bool {
			return l.Tier == models.Standard && len(l.Regions) == 0 && len(l.Windows) == 0 && l.From <= s.date && (l.Until == 0 || l.Until > s.date)
		})
		if now < 0 || !sameBase(&lists[i], &m.Prices[now]) {
			continue
		}
		for k := range lists {
			lists[k].From, lists[k].Until = m.Prices[now].From, m.Prices[now].Until
		}
		for k, l := range m.Prices {
			if k == now || l.Tier != models.Standard || len(l.Regions) > 0 {
				continue
			}
			if l.Checked == 0 {
				l.Checked = s.date
			}
			l.Prices = slices.Clone(l.Prices)
			for j := range l.Prices {
				l.Prices[j] = perSecond(l.Prices[j])
			}
			lists = append(lists, l)
		}
		return lists
	}
	return lists
}

func sameBase(a, b *models.PriceList) bool {
	for _, d := range []models.Dimension{models.Input, models.Output, models.InputAudio} {
		x, ok := a.Find(d, "", 0)
		y, ok2 := b.Find(d, "", 0)
		if ok != ok2 || ok && !(claim{price: x}).same(claim{price: y}) {
			return false
		}
	}
	return true
}

// tidy joins the regions that have the same prices, and drops those that have the prices of everywhere.
func tidy(lists []models.PriceList) []models.PriceList {
	var out []models.PriceList
	for _, l := range lists {
		if len(l.Regions) == 0 && !filler(lists, &l) {
			out = append(out, l)
		}
	}
	general := len(out)
	for _, l := range lists {
		if len(l.Regions) == 0 {
			continue
		}
		same := func(o models.PriceList) bool {
			return o.Tier == l.Tier && o.From == l.From && o.Until == l.Until && len(o.Windows) == 0 && slices.Equal(tokensOf(o), tokensOf(l))
		}
		if slices.ContainsFunc(out[:general], same) && !elsewhere(lists, l.Regions[0], l.Tier) {
			continue
		}
		if i := slices.IndexFunc(out[general:], same); i >= 0 {
			out[general+i].Regions = append(out[general+i].Regions, l.Regions...)
			continue
		}
		out = append(out, l)
	}
	return out
}

// filler says that a tier has the prices of the standard one: a list has filled in what it does not know.
func filler(lists []models.PriceList, l *models.PriceList) bool {
	if l.Tier == models.Standard {
		return false
	}
	return slices.ContainsFunc(lists, func(o models.PriceList) bool {
		if o.Tier != models.Standard || len(o.Regions) > 0 || len(o.Windows) > 0 || o.From != l.From {
			return false
		}
		return !slices.ContainsFunc(l.Prices, func(p models.Price) bool {
			q, ok := o.Find(p.Dimension, p.Variant, p.Above+1)
			return !ok || q.Amount != p.Amount
		})
	})
}

// elsewhere says that a region has a list of another tier, which makes its list of this one needed.
func elsewhere(lists []models.PriceList, region string, tier models.Tier) bool {
	return slices.ContainsFunc(lists, func(l models.PriceList) bool { return l.Tier != tier && slices.Contains(l.Regions, region) })
}

func tokensOf(l models.PriceList) []models.Price {
	list := slices.DeleteFunc(slices.Clone(l.Prices), func(p models.Price) bool { return p.Dimension >= models.WebSearch })
	models.SortPrices(list)
	return list
}

func sortedPlaces[V any](m map[place]V) []place {
	return slices.SortedFunc(maps.Keys(m), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.tier, b.tier), cmp.Compare(a.region, b.region))
	})
}

func sortedItems[V any](m map[item]V) []item {
	return slices.SortedFunc(maps.Keys(m), func(a, b item) int {
		return cmp.Or(cmp.Compare(a.dimension, b.dimension), cmp.Compare(a.variant, b.variant), cmp.Compare(a.near, b.near), cmp.Compare(a.kind, b.kind))
	})
}
