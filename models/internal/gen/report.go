package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/llm-go/llm/models"
)

// report collects what the sources disagree on.
type report struct {
	sources   []*source
	models    int
	priced    int
	counts    [unnamed + 1]int
	stale     int
	conflicts []conflict
}

// conflict is what was decided of one price, and what was said of it.
type conflict struct {
	id       string
	at       place
	item     item
	claims   []claim
	decision decision
	stale    bool
}

// add counts what was decided, and keeps it if the sources differ.
func (r *report) add(c conflict) {
	if c.stale {
		r.stale++
	} else {
		r.counts[c.decision.reason]++
	}
	groups := grouped(slices.DeleteFunc(slices.Clone(c.claims), func(c claim) bool { return c.price.Amount == 0 }))
	if len(groups) > 1 || c.stale {
		r.conflicts = append(r.conflicts, c)
	}
}

var reasons = [...]string{
	agreed: "two or more agree, and none differs", verified: "read on the vendor's page", alone: "one names the vendor's page, and none differs",
	change: "one dates the change and names its page; the others are older", majority: "two or more agree against others",
	newest: "all differ; the newest names its page", nothing: "all differ, and the newest names no page",
	unnamed: "only one has it, and it names no page or matches a pattern",
}

// shown is how many conflicts of one provider are in the table.
const shown = 12

func (r *report) String() string {
	var b strings.Builder
	b.WriteString("# Where price lists disagree\n\nMade by `models/internal/gen` with the catalogue of package models; do not edit.\n\n" +
		"A price is in the catalogue if two public price lists agree on it exactly, after the conversion of units, or if one that names the\n" +
		"vendor's page stands alone or is newer. Where none can be chosen the catalogue has no price, and a cost is an error and not zero.\n" +
		"Once a newer list has changed the price of a model, what only older lists have of it (tiers, regions, caches) is left out too.\n\n")
	b.WriteString("| Source | Date | Models |\n|---|---|---|\n")
	for _, s := range r.sources {
		date := s.date.String()
		if s.name == "verified" {
			date = "each has its own"
		}
		fmt.Fprintf(&b, "| %s | %s | %d |\n", s.name, date, len(s.models))
	}
	fmt.Fprintf(&b, "\nThe catalogue has %d models, %d of them with prices.\n\n| Prices | In the catalogue | Why |\n|---|---|---|\n", r.models, r.priced)
	for why, n := range r.counts {
		yes := "yes"
		if reason(why) == nothing || reason(why) == unnamed {
			yes = "no"
		}
		fmt.Fprintf(&b, "| %d | %s | %s |\n", n, yes, reasons[why])
	}
	fmt.Fprintf(&b, "| %d | no | only in lists that are older than a change of the model's price |\n\n", r.stale)
	r.providers(&b)
	r.table(&b)
	return b.String()
}

func providerOf(id string) string {
	p, _, _ := strings.Cut(id, "/")
	return p
}

func (r *report) providers(b *strings.Builder) {
	b.WriteString("## By provider\n\n| Provider | Prices that differ | Chosen | None chosen |\n|---|---|---|---|\n")
	counts := make(map[string][3]int)
	for _, c := range r.conflicts {
		n := counts[providerOf(c.id)]
		n[0]++
		if c.chosen() {
			n[1]++
		} else {
			n[2]++
		}
		counts[providerOf(c.id)] = n
	}
	for _, p := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(b, "| %s | %d | %d | %d |\n", p, counts[p][0], counts[p][1], counts[p][2])
	}
}

func (c *conflict) chosen() bool {
	return !c.stale && c.decision.reason != nothing && c.decision.reason != unnamed
}

// table lists the conflicts of each provider: the standard tier and the plain dimensions first, then as many as fit.
func (r *report) table(b *strings.Builder) {
	fmt.Fprintf(b, "\n## The prices\n\nIn US dollars per million tokens where nothing else is said. Of each provider at most %d are shown, those of current prices\n"+
		"for input and output first.\n\n| Model | Price | Sources | In the catalogue |\n|---|---|---|---|\n", shown)
	slices.SortStableFunc(r.conflicts, func(a, b conflict) int {
		return cmp.Or(cmp.Compare(providerOf(a.id), providerOf(b.id)), cmp.Compare(a.weight(), b.weight()), cmp.Compare(a.id, b.id))
	})
	of := make(map[string]int)
	for _, c := range r.conflicts {
		p := providerOf(c.id)
		if of[p]++; of[p] > shown {
			continue
		}
		ships := "none: " + reasons[c.decision.reason]
		switch {
		case c.stale:
			ships = "none: older than the change of the model's price"
		case c.chosen():
			ships = text(c.decision.claim.price) + ": " + reasons[c.decision.reason]
		}
		var said []string
		for _, g := range grouped(c.claims) {
			var names []string
			for _, x := range g {
				names = append(names, x.source.name)
			}
			said = append(said, text(g[0].price)+" ("+strings.Join(slices.Compact(names), ", ")+")")
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", c.id, c.what(), strings.Join(said, "; "), ships)
	}
}

func (c *conflict) weight() int {
	w := int(c.item.dimension)
	if c.at != (place{}) {
		w += 100
	}
	if c.item.near > 0 {
		w += 50
	}
	if c.stale {
		w += 200
	}
	return w
}

func (c *conflict) what() string {
	words := []string{strings.ReplaceAll(c.item.dimension.String(), "_", " ")}
	if c.item.variant != "" {
		words = append(words, c.item.variant)
	}
	if c.item.near > 0 {
		words = append(words, fmt.Sprintf("above %dk", c.item.near/1000))
	}
	if c.at.tier != "" {
		words = append(words, string(c.at.tier))
	}
	if c.at.region != "" {
		words = append(words, "in "+c.at.region)
	}
	return strings.Join(words, ", ")
}

func text(p models.Price) string {
	if p.Unit == models.PerMillionTokens {
		return p.Amount.String()
	}
	return p.Amount.String() + " per " + strings.ReplaceAll(p.Unit.String(), "_", " ")
}
