package yaml

import (
	"slices"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/router"
	"go.yaml.in/yaml/v3"
)

// builder makes a Config.
type builder struct {
	*reader
	conf     *Config
	router   *mapping // router_settings
	module   *mapping // litellm_settings
	defaults *mapping // router_settings.default_litellm_params

	credentials map[string]*mapping
	parameters  map[string]*parameters // of requests, by deployment id
	ids         map[string]bool
	groups      []string // without wildcards
	wildcards   []string // what stands before the star
}

const noProxy = "there is no proxy here: this setting has no counterpart"

func (r *reader) config(doc *mapping) *Config {
	b := &builder{reader: r, conf: new(Config), parameters: make(map[string]*parameters), ids: make(map[string]bool),
		credentials: make(map[string]*mapping)}
	b.router, b.module = b.section(doc, "router_settings"), b.section(doc, "litellm_settings")
	b.defaults = b.section(b.router, "default_litellm_params")
	b.environment(b.section(doc, "environment_variables"))
	if list, ok := doc.get("credential_list"); ok {
		b.readCredentials(b.list(list))
	}
	b.settings()
	if list, ok := doc.get("model_list"); ok {
		for _, entry := range b.list(list) {
			b.entry(entry)
		}
	}
	if len(b.conf.Router.Deployments) == 0 && len(b.errors) == 0 {
		b.fail(doc.value, "there is no deployment: model_list is missing or empty")
	}
	b.order()
	b.names()
	b.fallbacks()
	b.routingGroups()
	b.conf.Middleware = fill(b.parameters)

	b.ignore(b.section(doc, "general_settings"), noProxy)
	b.ignore(b.router, "this setting has no counterpart")
	b.ignore(b.module, "this setting has no counterpart")
	b.ignore(doc, "this part has no counterpart")
	return b.conf
}

// section is a mapping in another one, empty if it is missing.
func (b *builder) section(in *mapping, name string) *mapping {
	if v, ok := in.get(name); ok {
		return b.mapping(v)
	}
	return &mapping{value: in.value}
}

// ignore notes what was not asked for.
func (b *builder) ignore(m *mapping, why string) {
	for _, x := range m.rest() {
		if !x.null() {
			b.note(x.value, why)
		}
	}
}

// environment takes the variables that the file sets: for references in the file, and as settings of the client. A
// variable may refer to the process's environment, and not to another one here.
func (b *builder) environment(m *mapping) {
	vars := make(map[string]string)
	for _, x := range m.members {
		x.used = true
		switch {
		case x.null():
		case !variableName.MatchString(x.name):
			b.fail(x.value, "is not the name of an environment variable")
		default:
			if text, _, ok := b.scalar(x.value); ok && x.node.Kind == yaml.ScalarNode {
				vars[x.name] = text
				b.conf.Options = append(b.conf.Options, llm.WithSetting(x.name, text))
			} else if ok {
				b.fail(x.value, "must be a text, and is "+kindOf(x.node))
			}
		}
	}
	b.vars = vars
}

func (b *builder) readCredentials(list []value) {
	for _, v := range list {
		m := b.mapping(v)
		m.get("credential_info") // a description
		name, ok := m.get("credential_name")
		if !ok {
			b.fail(v, "credential_name is missing")
			continue
		}
		if text, ok := b.text(name); ok {
			b.credentials[text] = b.section(m, "credential_values")
		}
		b.ignore(m, "this setting has no counterpart")
	}
}

// either finds a setting of the router, or of the module.
func (b *builder) either(name string) (value, bool) {
	v, ok := b.router.get(name)
	if w, found := b.module.get(name); found && !ok {
		return w, true
	}
	return v, ok
}

// settings reads what holds for all deployments.
func (b *builder) settings() {
	c := &b.conf.Router
	if v, ok := b.router.get("routing_strategy"); ok {
		c.Strategy = b.strategy(v)
	}
	if v, ok := b.either("retry_after"); ok {
		if d, ok := b.seconds(v); ok && d > 0 {
			// It is the least wait; a provider's own replaces it.
			c.Backoff = llm.Backoff{Initial: d, Max: max(d, 8*time.Second)}
		}
	}
	b.health(&c.Health)
	if v, ok := b.router.get("enable_tag_filtering"); ok {
		if on, _ := b.switched(v); on {
			c.Tags = router.TagsAny
		}
	}
	if v, ok := b.router.get("tag_filtering_match_any"); ok {
		if any, ok := b.switched(v); ok && !any && c.Tags != router.TagsIgnored {
			c.Tags = router.TagsAll
		}
	}
	for _, name := range []string{"enable_pre_call_checks", "enable_pre_call_check"} {
		if v, ok := b.router.get(name); ok {
			if on, ok := b.switched(v); ok && !on {
				b.note(v, "windows and order are always looked at")
			}
		}
	}
	if v, ok := b.router.get("deployment_affinity_ttl_seconds"); ok {
		c.SessionTTL, _ = b.seconds(v)
	}
	if v, ok := b.module.get("drop_params"); ok {
		if on, _ := b.switched(v); on {
			b.conf.Options = append(b.conf.Options, llm.WithDropParams())
		}
	}
	b.redis()
}

// strategies by LiteLLM's names.
var strategies = map[string]router.Strategy{
	"simple-shuffle":         router.Shuffle,
	"least-busy":             router.LeastBusy,
	"latency-based-routing":  router.LowestLatency,
	"cost-based-routing":     router.LowestCost,
	"usage-based-routing":    router.LowestUsage,
	"usage-based-routing-v2": router.LowestUsage,
}

func (b *builder) strategy(v value) router.Strategy {
	name, ok := b.text(v)
	if !ok {
		return router.Strategy{}
	}
	s, ok := strategies[name]
	if !ok {
		b.note(v, "this strategy has no counterpart, the default is used; there are simple-shuffle, least-busy, "+
			"latency-based-routing, cost-based-routing, usage-based-routing and usage-based-routing-v2")
	}
	return s
}

// routingGroups are strategies for single models. Their names can be called in LiteLLM, and cannot here.
func (b *builder) routingGroups() {
	v, ok := b.router.get("routing_groups")
	if !ok {
		return
	}
	for _, item := range b.list(v) {
		m := b.mapping(item)
		if name, ok := m.get("group_name"); ok {
			b.note(name, "the name of a routing group cannot be called; its models have its strategy")
		}
		models, found := m.get("models")
		how, ok := m.get("routing_strategy")
		if !found || !ok {
			b.fail(item, "models and routing_strategy are needed")
			continue
		}
		s := b.strategy(how)
		for _, model := range b.list(models) {
			name, ok := b.text(model)
			switch {
			case !ok || s.Name() == "":
			case !b.own(name, model):
				b.fail(model, "is no model_name of model_list")
			default:
				if b.conf.Router.Strategies == nil {
					b.conf.Router.Strategies = make(map[string]router.Strategy)
				}
				b.conf.Router.Strategies[name] = s
			}
		}
		b.ignore(m, "this setting has no counterpart")
	}
}

func (b *builder) health(h *router.Health) {
	if v, ok := b.either("allowed_fails"); ok {
		if n, ok := b.whole(v); ok {
			h.Failures, h.Ratio = n+1, -1
		}
	}
	if v, ok := b.either("cooldown_time"); ok {
		if d, ok := b.seconds(v); ok && d > 0 {
			h.Cooldown, h.MaxCooldown = d, d
		}
	}
	if v, ok := b.router.get("disable_cooldowns"); ok {
		if off, _ := b.switched(v); off {
			*h = router.Health{Failures: -1, Ratio: -1, Cooldown: -1, KeyCooldown: -1}
		}
	}
	for _, name := range []string{"allowed_fails_policy", "retry_policy", "model_group_retry_policy"} {
		if v, ok := b.either(name); ok {
			b.note(v, "what is tried again and what counts follows from the kind of each error, and cannot be set")
		}
	}
}

// redis finds the server that LiteLLM's router would use: its own, or that of the response cache.
func (b *builder) redis() {
	cache := b.section(b.module, "cache_params")
	if v, ok := b.module.get("cache"); ok {
		if on, _ := b.switched(v); on {
			b.note(v, "there is no cache of answers in this file's terms")
		}
	}
	if rd := b.redisServer(b.router, "redis_"); rd != nil {
		b.conf.Redis = rd
		return
	}
	if v, ok := cache.get("type"); ok {
		if kind, _ := b.text(v); kind == "redis" {
			b.conf.Redis = b.redisServer(cache, "")
		}
	}
	b.ignore(cache, "there is no cache of answers in this file's terms")
}

func (b *builder) redisServer(m *mapping, prefix string) *Redis {
	rd := new(Redis)
	if v, ok := m.get(prefix + "url"); ok {
		text, _ := b.text(v)
		rd.URL = llm.NewSecret(text)
	}
	if v, ok := m.get(prefix + "host"); ok {
		rd.Host, _ = b.text(v)
	}
	if v, ok := m.get(prefix + "username"); ok {
		rd.Username, _ = b.text(v)
	}
	if v, ok := m.get(prefix + "password"); ok {
		text, _ := b.text(v)
		rd.Password = llm.NewSecret(text)
	}
	rd.Port = 6379
	if v, ok := m.get(prefix + "port"); ok {
		rd.Port = b.port(v)
	}
	if v, ok := m.get(prefix + "db"); ok {
		rd.DB, _ = b.whole(v)
	}
	if v, ok := m.get(prefix + "ssl"); ok {
		rd.TLS, _ = b.switched(v)
	}
	if rd.URL.IsZero() && rd.Host == "" {
		return nil
	}
	return rd
}

// port is a number, which LiteLLM's documentation writes as a text as well.
func (b *builder) port(v value) int {
	text, _ := b.text(v)
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' || n > 65535 {
			n = 0
			break
		}
		n = 10*n + int(c-'0')
	}
	if n < 1 || n > 65535 {
		b.fail(v, "must be a port, 1 to 65535")
	}
	return n
}

// names reads the aliases, and says what becomes of unknown names.
func (b *builder) names() {
	c := &b.conf.Router
	if v, ok := b.router.get("model_group_alias"); ok {
		for _, x := range b.mapping(v).members {
			target := x.value
			if x.node.Kind == yaml.MappingNode {
				item := b.mapping(x.value)
				if target, ok = item.get("model"); !ok {
					b.fail(x.value, "model is missing")
					continue
				}
				if hidden, ok := item.get("hidden"); ok {
					if on, _ := b.switched(hidden); on {
						b.note(hidden, "there is no list of models to hide it from")
					}
				}
				b.ignore(item, "this setting has no counterpart")
			}
			name, ok := b.text(target)
			switch {
			case !ok || name == x.name:
			case slices.Contains(b.groups, x.name):
				b.fail(x.value, "this alias is also a model_name")
			case b.own(name, target):
				if c.Aliases == nil {
					c.Aliases = make(map[string]string)
				}
				c.Aliases[x.name] = name
			default:
				b.fail(target, "is no model_name of model_list")
			}
		}
	}
	c.Strict = true
}

// isGroup says whether a name is served by model_list.
func (b *builder) isGroup(name string) bool {
	return slices.Contains(b.groups, name) || b.conf.Router.Aliases[name] != "" ||
		slices.ContainsFunc(b.wildcards, func(prefix string) bool {
			return strings.HasPrefix(name, prefix) || name == prefix+"*"
		})
}

// own makes a group of a name that only a wildcard takes, since an alias, fallbacks and a strategy belong to a group:
// the wildcard's deployments once more, for this model. It reports whether the name is one of a group now.
func (b *builder) own(name string, at value) bool {
	if slices.Contains(b.groups, name) {
		return true
	}
	wildcard := b.group(name)
	prefix, found := strings.CutSuffix(wildcard, "*")
	if !found || wildcard == name {
		return found && slices.Contains(b.wildcards, prefix)
	}
	for _, d := range slices.Clone(b.conf.Router.Deployments) {
		if d.Group != wildcard {
			continue
		}
		if d.RPM > 0 || d.TPM > 0 || d.MaxParallel > 0 {
			b.note(at, "the limits of the wildcard that takes this name hold for this name by itself")
		}
		params := b.parameters[d.ID]
		d.ID, d.Group, d.Model = "", name, strings.ReplaceAll(d.Model, "*", strings.TrimPrefix(name, prefix))
		b.add(d, params)
	}
	return true
}
