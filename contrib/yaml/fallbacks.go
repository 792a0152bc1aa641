package yaml

import (
	"maps"
	"slices"
	"strings"

	"github.com/llm-go/llm"
	"go.yaml.in/yaml/v3"
)

// edge says that calls of a group go to another when it has failed.
type edge struct {
	from, to string
	at       value
}

// fallbacks reads the lists, and what depends on them.
func (b *builder) fallbacks() {
	c := &b.conf.Router
	edges := b.edges("fallbacks")
	if v, ok := b.either("default_fallbacks"); ok {
		edges = slices.DeleteFunc(edges, func(e edge) bool { return e.from == "*" })
		edges = append(edges, b.targets("*", v)...)
	}
	c.Fallbacks = b.acyclic(edges)
	if list := c.Fallbacks["*"]; len(list) > 0 && slices.Contains(b.groups, list[0]) {
		c.Default, c.Strict = list[0], false
	}
	c.ContextFallbacks, c.ContentPolicyFallbacks = maps.Clone(c.Fallbacks), maps.Clone(c.Fallbacks)
	if edges := b.edges("context_window_fallbacks"); len(edges) > 0 {
		c.ContextFallbacks = b.acyclic(edges)
	}
	if edges := b.edges("content_policy_fallbacks"); len(edges) > 0 {
		c.ContentPolicyFallbacks = b.acyclic(edges)
	}
	b.attempts()
}

// edges reads a list of mappings from one group to others. The first that names a group holds.
func (b *builder) edges(setting string) (list []edge) {
	v, ok := b.either(setting)
	if !ok {
		return nil
	}
	items := []value{v}
	if v.node.Kind != yaml.MappingNode {
		items = b.list(v)
	}
	for _, item := range items {
		for _, x := range b.mapping(item).members {
			from, ok := b.source(x)
			switch {
			case !ok:
				b.note(x.value, "there is no such model_name, so these fallbacks are never used")
			case slices.ContainsFunc(list, func(e edge) bool { return e.from == from }):
				b.note(x.value, "this model has fallbacks already; the first hold")
			default:
				list = append(list, b.targets(from, x.value)...)
			}
		}
	}
	return list
}

// source is the group that a name in front of fallbacks means. LiteLLM takes "gpt-4o" for "openai/gpt-4o" as well.
func (b *builder) source(x *member) (string, bool) {
	name := x.name
	if name == "*" {
		return name, true
	}
	if group := b.conf.Router.Aliases[name]; group != "" {
		return group, true
	}
	if !slices.Contains(b.groups, name) {
		for _, group := range b.groups {
			if _, model, found := strings.Cut(group, "/"); found && model == name {
				return group, true
			}
		}
	}
	return name, b.own(name, x.value)
}

// targets reads a list of fallbacks.
func (b *builder) targets(from string, v value) (list []edge) {
	for _, item := range b.list(v) {
		at := item
		if item.node.Kind == yaml.MappingNode {
			m := b.mapping(item)
			model, ok := m.get("model")
			if !ok {
				b.fail(item, "model is missing")
				continue
			}
			at = model
			b.ignore(m, "a fallback cannot change the request")
		}
		name, ok := b.text(at)
		if group := b.conf.Router.Aliases[name]; group != "" {
			name = group
		}
		provider, _, isModel := strings.Cut(name, "/")
		switch {
		case !ok || name == from:
		case b.isGroup(name):
			list = append(list, edge{from, name, at})
		case b.ids[name]:
			b.note(at, "a fallback to one deployment by its id is left out: give the deployment a model_name of its own")
		case isModel:
			b.known(provider, at)
			list = append(list, edge{from, name, at})
		default:
			b.fail(at, "is no model_name of model_list, and no provider/model")
		}
	}
	return list
}

// acyclic leaves out what would close a circle: LiteLLM goes round no more than its bound, a router refuses it.
func (b *builder) acyclic(edges []edge) map[string][]string {
	var m map[string][]string
	for _, e := range edges {
		if e.from != "*" && b.reaches(m, e.to, e.from) {
			b.note(e.at, "this fallback closes a circle and is left out: write the chain without it")
			continue
		}
		if m == nil {
			m = make(map[string][]string)
		}
		m[e.from] = append(m[e.from], e.to)
	}
	return m
}

func (b *builder) reaches(m map[string][]string, from, to string) bool {
	return slices.Contains(b.reachable(m, from), b.group(to))
}

// reachable are the groups that a call can come to, the first one included.
func (b *builder) reachable(m map[string][]string, from string) []string {
	list := []string{b.group(from)}
	for i := 0; i < len(list); i++ {
		for _, name := range m[list[i]] {
			if g := b.group(name); !slices.Contains(list, g) {
				list = append(list, g)
			}
		}
	}
	return list
}

// group is the group that serves a name: the most specific wildcard if there is none of that name.
func (b *builder) group(name string) string {
	best := name
	if !slices.Contains(b.groups, name) {
		for _, prefix := range b.wildcards {
			if strings.HasPrefix(name, prefix) && (best == name || len(prefix) >= len(best)) {
				best = prefix + "*"
			}
		}
	}
	return best
}

// maxFallbacks is LiteLLM's default.
const maxFallbacks = 5

// attempts bounds how often a call is sent: LiteLLM tries num_retries more times in each group that it comes to.
func (b *builder) attempts() {
	most := maxFallbacks
	bound, bounded := b.router.get("max_fallbacks")
	if bounded {
		if n, ok := b.whole(bound); ok {
			most = n
		}
	}
	v, ok := b.either("num_retries")
	if !ok {
		if bounded {
			b.note(bound, "the number of fallbacks is bounded by num_retries only")
		}
		return
	}
	retries, ok := b.whole(v)
	if !ok {
		return
	}
	c, longest := &b.conf.Router, 0
	groups := slices.Clone(b.groups)
	for _, prefix := range b.wildcards {
		groups = append(groups, prefix+"*")
	}
	for _, m := range []map[string][]string{c.Fallbacks, c.ContextFallbacks, c.ContentPolicyFallbacks} {
		for _, g := range groups {
			longest = max(longest, len(b.reachable(m, g))-1)
			if len(m[g]) == 0 {
				longest = max(longest, len(b.reachable(m, "*"))-1)
			}
		}
	}
	b.conf.Options = append(b.conf.Options, llm.WithMaxAttempts((1+retries)*(1+min(longest, most))))
}
