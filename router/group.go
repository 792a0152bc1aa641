package router

import (
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-go/llm"
)

// group is the deployments under one name.
type group struct {
	name     string
	prefix   string // of a wildcard group: what comes before the star
	strategy Strategy
	tiers    []*tier
	// The groups after this one, for each kind of failure.
	chain, contextChain, policyChain []*group
	keys                             int // of the group
	budget                           int // attempts for a call, if it sets none

	// What has to be looked at for a call. A group of deployments without limits and conditions is the fast one.
	limited, windows, capable bool
	adaptive                  atomic.Bool // a provider has told what is left of its own limits

	queue                queue
	streamTimes, answers history // latencies, for hedging
}

func (g *group) latencies(stream bool) *history {
	if stream {
		return &g.streamTimes
	}
	return &g.answers
}

// tier is the deployments of a group with one Order.
type tier struct {
	all     []*deployment
	sole    bool // there is neither another tier nor a fallback
	weights func(d *deployment) float64
	version atomic.Int64
	view    atomic.Pointer[view]
	mu      sync.Mutex
}

// view is a tier as it stands: it is made anew when a deployment goes out or comes back, and shared by all calls
// between.
type view struct {
	version int64
	until   int64 // from this instant on it is old
	ready   []*deployment
	sums    []float64 // of the weights of ready, running; nil: they are equal
	due     []*deployment
	skipped []llm.Skipped
}

// maxSkipped bounds the list in a Route.
const maxSkipped = 16

func (t *tier) current(now int64) *view {
	v := t.view.Load()
	if v != nil && v.version == t.version.Load() && now < v.until {
		return v
	}
	if v != nil {
		if !t.mu.TryLock() {
			return v // another call is making it; the old one is old by moments
		}
	} else {
		t.mu.Lock()
	}
	defer t.mu.Unlock()
	version := t.version.Load()
	if v = t.view.Load(); v != nil && v.version == version && now < v.until {
		return v
	}
	v = &view{version: version, until: now + int64(time.Minute), ready: make([]*deployment, 0, len(t.all))}
	for _, d := range t.all {
		ready, due, from, reason := d.available(now)
		switch {
		case ready:
			v.ready = append(v.ready, d)
			continue
		case due:
			v.due = append(v.due, d)
		default:
			v.until = min(v.until, from)
		}
		if len(v.skipped) < maxSkipped {
			v.skipped = append(v.skipped, llm.Skipped{Deployment: d.ID, Reason: reason})
		}
	}
	if t.weights != nil {
		v.sums = make([]float64, len(v.ready))
		sum := 0.0
		for i, d := range v.ready {
			sum += t.weights(d)
			v.sums[i] = sum
		}
	}
	t.view.Store(v)
	return v
}

// mayLose says whether one more deployment may be put out by failures.
func (t *tier) mayLose(share float64) bool {
	if !t.sole || share < 0 {
		return true
	}
	out := 1
	for _, d := range t.all {
		if d.out.Load() != 0 {
			out++
		}
	}
	return float64(out) <= share*float64(len(t.all))
}

// routes is the configuration at work. It is replaced as a whole.
type routes struct {
	groups    map[string]*group // with aliases
	wildcards []*group          // the most specific first
	byDefault *group
	byID      map[string]*deployment
	list      []*deployment // as configured
	disabled  []*deployment
}

// lookup finds the group of a name; nil: there is none.
func (t *routes) lookup(name string) *group {
	if g := t.groups[name]; g != nil {
		return g
	}
	for _, g := range t.wildcards {
		if strings.HasPrefix(name, g.prefix) {
			return g
		}
	}
	return t.byDefault
}

// newTable checks and builds. Deployments that were there before, by id, keep their state.
func (rt *Router) newRoutes(c *Config, before *routes) (*routes, error) {
	t := &routes{groups: make(map[string]*group), byID: make(map[string]*deployment)}
	var order []*group
	groupOf := func(name string) *group {
		g := t.groups[name]
		if g == nil {
			g = &group{name: name, strategy: c.Strategy}
			if s, ok := c.Strategies[name]; ok {
				g.strategy = s
			}
			if g.strategy.pick == nil && g.strategy.custom == nil {
				g.strategy = Shuffle
			}
			if prefix, ok := strings.CutSuffix(name, "*"); ok {
				g.prefix = prefix
				t.wildcards = append(t.wildcards, g)
			}
			g.queue.max = c.Queue.Max
			if c.Hedge != nil {
				g.streamTimes.q, g.answers.q = c.Hedge.Quantile, c.Hedge.Quantile
			}
			t.groups[name] = g
			order = append(order, g)
		}
		return g
	}
	add := func(cfg Deployment) error {
		d, err := rt.newDeployment(cfg, t)
		if err != nil {
			return err
		}
		if old := before.deployment(d.ID); old != nil {
			d.inherit(old)
		}
		t.byID[d.ID] = d
		t.list = append(t.list, d)
		g := groupOf(d.Group)
		d.group = g
		if d.Disabled {
			t.disabled = append(t.disabled, d)
			return nil
		}
		g.place(d)
		return nil
	}
	for i := range c.Deployments {
		if err := add(c.Deployments[i]); err != nil {
			return nil, err
		}
	}
	// Names of fallbacks that are no group are models.
	for _, m := range []map[string][]string{c.Fallbacks, c.ContextFallbacks, c.ContentPolicyFallbacks} {
		for _, from := range sortedKeys(m) {
			for _, name := range m[from] {
				if t.groups[name] != nil || c.Aliases[name] != "" || t.wildcard(name) != nil {
					continue
				}
				if !strings.Contains(name, "/") {
					return nil, invalid("Fallbacks", "the fallback %q of %q is neither a group nor \"provider/model\"", name, from)
				}
				if err := add(Deployment{Group: name, Model: name}); err != nil {
					return nil, err
				}
			}
		}
	}
	for alias, name := range c.Aliases {
		if t.groups[alias] != nil {
			return nil, invalid("Aliases", "the alias %q is also the name of a group", alias)
		}
		if c.Aliases[name] != "" || t.groups[name] == nil {
			return nil, invalid("Aliases", "the alias %q stands for %q, which is no group", alias, name)
		}
	}
	for alias, name := range c.Aliases {
		t.groups[alias] = t.groups[name]
	}
	sort.SliceStable(t.wildcards, func(i, j int) bool { return len(t.wildcards[i].prefix) > len(t.wildcards[j].prefix) })
	if c.Default != "" {
		if t.byDefault = t.groups[c.Default]; t.byDefault == nil {
			return nil, invalid("Default", "the default group %q has no deployments", c.Default)
		}
	}
	if err := t.chains(c, order); err != nil {
		return nil, err
	}
	for _, g := range order {
		g.finish()
	}
	for _, g := range order {
		g.budget = 2 + g.keys
		var counted []*group
		for _, chain := range [][]*group{g.chain, g.contextChain, g.policyChain} {
			for _, f := range chain {
				if !contains(counted, f) {
					counted = append(counted, f)
					g.budget += f.keys
				}
			}
		}
	}
	return t, nil
}

func sortedKeys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (t *routes) wildcard(name string) *group {
	for _, g := range t.wildcards {
		if strings.HasPrefix(name, g.prefix) {
			return g
		}
	}
	return nil
}

func (t *routes) deployment(id string) *deployment {
	if t == nil {
		return nil
	}
	return t.byID[id]
}

// place puts a deployment into the tier of its Order.
func (g *group) place(d *deployment) {
	g.keys += len(d.keys)
	i, found := slices.BinarySearchFunc(g.tiers, d.Order, func(t *tier, order int) int { return t.all[0].Order - order })
	if !found {
		g.tiers = slices.Insert(g.tiers, i, &tier{})
	}
	d.tier = g.tiers[i]
	d.tier.all = append(d.tier.all, d)
	g.limited = g.limited || d.RPM > 0 || d.TPM > 0 || d.MaxParallel > 0
	g.windows = g.windows || d.ContextWindow > 0
	g.capable = g.capable || d.Capabilities != nil
}

// finish decides what weighs in each tier.
func (g *group) finish() {
	var weight, rpm, tpm bool
	for _, t := range g.tiers {
		for _, d := range t.all {
			weight, rpm, tpm = weight || d.Weight > 0, rpm || d.RPM > 0, tpm || d.TPM > 0
		}
	}
	for _, t := range g.tiers {
		t.sole = len(g.tiers) == 1 && len(g.chain) == 0
		switch {
		case weight:
			t.weights = func(d *deployment) float64 { return d.Weight }
		case rpm:
			t.weights = func(d *deployment) float64 { return float64(d.RPM) }
		case tpm:
			t.weights = func(d *deployment) float64 { return float64(d.TPM) }
		}
	}
}

// chains lays each group's fallbacks out in the order in which they are tried, and refuses cycles.
func (t *routes) chains(c *Config, order []*group) error {
	for _, kind := range []struct {
		name  string
		edges map[string][]string
		chain func(*group) *[]*group
	}{
		{"Fallbacks", c.Fallbacks, func(g *group) *[]*group { return &g.chain }},
		{"ContextFallbacks", c.ContextFallbacks, func(g *group) *[]*group { return &g.contextChain }},
		{"ContentPolicyFallbacks", c.ContentPolicyFallbacks, func(g *group) *[]*group { return &g.policyChain }},
	} {
		for from := range kind.edges {
			if from != "*" && t.groups[from] == nil {
				return invalid(kind.name, "the group %q, whose fallbacks are given, has no deployments", from)
			}
		}
		named := make(map[*group]bool) // that are fallbacks: the default fallbacks are not for them
		for _, names := range kind.edges {
			for _, name := range names {
				named[t.find(name)] = true
			}
		}
		next := func(g *group) (list []*group) {
			names, ok := kind.edges[g.name]
			if !ok && !named[g] {
				names = kind.edges["*"]
			}
			for _, name := range names {
				list = append(list, t.find(name))
			}
			return list
		}
		for _, g := range order {
			var path, chain []*group
			var visit func(*group) error
			visit = func(from *group) error {
				if contains(path, from) {
					var names []string
					for _, p := range append(path, from) {
						names = append(names, p.name)
					}
					return invalid(kind.name, "the fallbacks go in a circle: %s", strings.Join(names, " -> "))
				}
				path = append(path, from)
				defer func() { path = path[:len(path)-1] }()
				for _, to := range next(from) {
					if to != g && !contains(chain, to) {
						chain = append(chain, to)
					}
					if err := visit(to); err != nil {
						return err
					}
				}
				return nil
			}
			if err := visit(g); err != nil {
				return err
			}
			*kind.chain(g) = chain
		}
	}
	return nil
}

func (t *routes) find(name string) *group {
	if g := t.groups[name]; g != nil {
		return g
	}
	return t.wildcard(name)
}
