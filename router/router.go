package router

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-go/llm"
)

// Router spreads calls over deployments. It is safe for use by many goroutines, and may serve several clients.
type Router struct {
	epoch
	config  Config
	health  Health
	table   atomic.Pointer[routes]
	editing sync.Mutex

	local     *Memory // of this process alone: the store, or what stands in for one that does not answer
	shared    *guard  // nil: there is none
	sessions  *sessions
	parallel  parallel
	waiting   queues
	retries   *bucket
	retryRate float64
	hedges    *bucket
}

// New makes a router. Mistakes in the configuration are errors: a cycle of fallbacks, a name that leads nowhere, two
// deployments with one id.
func New(c Config) (*Router, error) {
	rt := &Router{sessions: &sessions{seed: maphash.MakeSeed()}}
	rt.clock = c.Clock
	if rt.clock == nil {
		rt.clock = wallClock{}
	}
	rt.start = rt.clock.Now()
	if len(c.Deployments) == 0 {
		return nil, invalid("Deployments", "a router needs at least one deployment")
	}
	h := &c.Health
	h.Failures = cmp.Or(h.Failures, 3)
	h.Ratio = cmp.Or(h.Ratio, 0.5)
	h.Window = cmp.Or(h.Window, 30*time.Second)
	h.MinCalls = cmp.Or(h.MinCalls, 10)
	h.Cooldown = cmp.Or(h.Cooldown, 5*time.Second)
	h.MaxCooldown = max(cmp.Or(h.MaxCooldown, time.Minute), h.Cooldown)
	h.KeyCooldown = cmp.Or(h.KeyCooldown, 5*time.Minute)
	h.SlowStart = cmp.Or(h.SlowStart, 10*time.Second)
	h.MaxEjected = cmp.Or(h.MaxEjected, 0.5)
	if h.Window < 0 {
		return nil, invalid("Health", "Window is a time in which calls are counted; it cannot be negative")
	}
	c.SessionTTL = cmp.Or(c.SessionTTL, time.Hour)
	c.StoreTimeout = cmp.Or(c.StoreTimeout, 5*time.Millisecond)
	c.Name = cmp.Or(c.Name, "router")
	if strings.ContainsAny(c.Name, "{}") {
		return nil, invalid("Name", "the name %q must not have braces: it stands between some", c.Name)
	}
	if c.Backoff == (llm.Backoff{}) {
		c.Backoff = llm.Backoff{Initial: 500 * time.Millisecond, Max: 8 * time.Second, Jitter: 0.5}
	}
	if c.Tenant == nil {
		c.Tenant = tenant
	}
	c.Deployments = slices.Clone(c.Deployments)
	rt.health = c.Health
	rt.retryRate = cmp.Or(c.RetryBudget.Ratio, 0.1)
	rt.retries = newBucket(cmp.Or(c.RetryBudget.Reserve, 100))
	if c.Hedge != nil {
		hedge := *c.Hedge
		hedge.Quantile = cmp.Or(hedge.Quantile, 0.95)
		hedge.MinDelay = cmp.Or(hedge.MinDelay, 50*time.Millisecond)
		hedge.MaxShare = cmp.Or(hedge.MaxShare, 0.05)
		if hedge.Quantile <= 0 || hedge.Quantile >= 1 || hedge.MaxShare < 0 {
			return nil, invalid("Hedge", "Quantile must be between 0 and 1, and MaxShare not negative")
		}
		c.Hedge = &hedge
		rt.hedges = newBucket(10)
	}
	rt.local = NewMemory(MemoryConfig{Now: rt.clock.Now})
	if c.Store != nil {
		rt.shared = &guard{rt: rt, store: c.Store, timeout: c.StoreTimeout}
	}
	rt.config = c
	t, err := rt.newRoutes(&c, nil)
	if err != nil {
		return nil, err
	}
	rt.table.Store(t)
	return rt, nil
}

func invalid(param, format string, args ...any) error {
	return &llm.Error{Kind: llm.ErrInvalidRequest, Scope: llm.ScopeLocal, Param: param, Message: "router: " + fmt.Sprintf(format, args...)}
}

// tenant is the default of Config.Tenant.
func tenant(call *llm.Call) string {
	m := call.Metadata()
	if m == nil {
		return ""
	}
	for _, name := range [...]string{"tenant", "user_id", "user"} {
		if v, ok := m[name].(string); ok && v != "" {
			return v
		}
	}
	return ""
}

func (rt *Router) newDeployment(c Deployment, t *routes) (*deployment, error) {
	if c.Model == "" {
		return nil, invalid("Deployments", "a deployment of the group %q has no Model", c.Group)
	}
	c.Group = cmp.Or(c.Group, c.Model)
	if strings.Contains(c.Model, "*") && !strings.HasSuffix(c.Group, "*") {
		return nil, invalid("Deployments", "the model %q has a star, and its group %q ends in none", c.Model, c.Group)
	}
	if c.RPM < 0 || c.TPM < 0 || c.MaxParallel < 0 || c.Weight < 0 {
		return nil, invalid("Deployments", "%s: weight and limits cannot be negative", c.Model)
	}
	if c.ID == "" {
		c.ID = c.Model
		for n := 2; t.byID[c.ID] != nil; n++ {
			c.ID = c.Model + "#" + strconv.Itoa(n)
		}
	}
	if t.byID[c.ID] != nil {
		return nil, invalid("Deployments", "two deployments have the id %q", c.ID)
	}
	c.Options, c.Keys, c.Tags = slices.Clone(c.Options), slices.Clone(c.Keys), slices.Clone(c.Tags)
	d := &deployment{Deployment: c, rt: rt, storeKey: "{" + rt.config.Name + "}:d:" + c.ID}
	d.claims = [2]Claim{
		{Key: d.storeKey + ":rpm", Limit: int64(c.RPM), Amount: 1, Window: time.Minute},
		{Key: d.storeKey + ":tpm", Limit: int64(c.TPM), Window: time.Minute},
	}
	d.health.width = int64(rt.health.Window) / int64(len(d.health.slots))
	d.usage.width = int64(time.Minute) / int64(len(d.usage.slots))
	d.setKeys()
	return d, nil
}

// setKeys makes the options of each key beforehand, so that a call copies none.
func (d *deployment) setKeys() {
	base := append([]llm.Option{llm.WithModel(d.Model), llm.WithMaxRetries(d.MaxRetries)}, d.Options...)
	keys := d.Keys
	if len(keys) == 0 {
		keys = []string{""}
	}
	d.keys = nil
	for _, text := range keys {
		opts := slices.Clip(base)
		if text != "" {
			opts = slices.Clip(append(opts, llm.WithAPIKey(text)))
		}
		k := &key{options: opts, streamOptions: opts}
		if d.StreamTimeout > 0 {
			k.streamOptions = slices.Clip(append(opts, llm.WithHeaderTimeout(d.StreamTimeout), llm.WithFirstContentTimeout(d.StreamTimeout)))
		}
		d.keys = append(d.keys, k)
	}
}

// inherit takes over what was learnt of the deployment with the same id.
func (d *deployment) inherit(old *deployment) {
	if old.Model != d.Model {
		return
	}
	old.mu.Lock()
	defer old.mu.Unlock()
	d.out.Store(old.out.Load())
	d.warm.Store(old.warm.Load())
	d.firstContent.Store(old.firstContent.Load())
	d.perToken.Store(old.perToken.Load())
	d.firstDoubt.Store(old.firstDoubt.Load())
	d.tokenDoubt.Store(old.tokenDoubt.Load())
	d.sampled.Store(old.sampled.Load())
	d.typical.Store(old.typical.Load())
	d.peak.value.Store(old.peak.value.Load())
	d.peak.stamp.Store(old.peak.stamp.Load())
	d.failures, d.ejected, d.reason = old.failures, old.ejected, old.reason
	d.health, d.usage, d.first, d.token, d.totals = old.health, old.usage, old.first, old.token, old.totals
	if slices.Equal(d.Keys, old.Keys) {
		for i, k := range old.keys {
			d.keys[i].out.Store(k.out.Load())
			d.keys[i].reason.Store(k.reason.Load())
			d.keys[i].misses = k.misses
		}
	}
}

// SetDeployments replaces the deployments while calls are under way: those go on as they began. What is known of a
// deployment with the same id and model stays: cooldowns, latencies, counts. The rest of the configuration holds.
func (rt *Router) SetDeployments(list ...Deployment) error {
	rt.editing.Lock()
	defer rt.editing.Unlock()
	return rt.setDeployments(list)
}

func (rt *Router) setDeployments(list []Deployment) error {
	c := rt.config
	c.Deployments = slices.Clone(list)
	if len(list) == 0 {
		return invalid("Deployments", "a router needs at least one deployment")
	}
	t, err := rt.newRoutes(&c, rt.table.Load())
	if err != nil {
		return err
	}
	rt.config.Deployments = c.Deployments
	rt.table.Store(t)
	return nil
}

// SetDisabled takes the deployment with this id out of use, or back into it: a disabled one gets no request.
func (rt *Router) SetDisabled(id string, disabled bool) error {
	rt.editing.Lock()
	defer rt.editing.Unlock()
	d := rt.table.Load().byID[id]
	if d == nil {
		return invalid("Deployments", "there is no deployment %q", id)
	}
	var list []Deployment
	for _, d := range rt.table.Load().list {
		c := d.Deployment
		if c.ID == id {
			c.Disabled = disabled
		}
		list = append(list, c)
	}
	return rt.setDeployments(list)
}

func (rt *Router) event(e Event) {
	if rt.config.OnEvent == nil {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			slog.Error("llm/router: OnEvent panicked", "panic", fmt.Sprintf("%T", r))
		}
	}()
	rt.config.OnEvent(e)
}

// Middleware routes the calls of a client; give it to [llm.WithMiddleware]. Middleware outside of it sees one call, and
// inside of it each try.
func (rt *Router) Middleware(next llm.Handler) llm.Handler {
	return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
		var t *trip
		if !call.Stream && rt.hedges == nil { // nothing outlives the call
			t = trips.Get().(*trip)
			defer t.giveBack()
		} else {
			t = new(trip)
		}
		t.rt, t.call, t.next, t.table, t.name = rt, call, next, rt.table.Load(), call.ModelName()
		if id, ok := call.Value(deploymentKey{}).(string); ok {
			return t.pinned(ctx, id)
		}
		if t.group = t.table.lookup(t.name); t.group == nil {
			if rt.config.Strict {
				return nil, &llm.Error{Kind: llm.ErrNoDeployment, Scope: llm.ScopeLocal, Param: "model",
					Message: fmt.Sprintf("the router has no group %q; it has %s", t.name, rt.names(t.table))}
			}
			return next(ctx, call)
		}
		return t.run(ctx)
	}
}

func (rt *Router) names(t *routes) string {
	names := slices.Sorted(maps.Keys(t.groups))
	if len(names) > 20 {
		names = append(names[:20], "…")
	}
	return strings.Join(names, ", ")
}
