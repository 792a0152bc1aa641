// Package cache answers requests again that were answered before.
//
//	c, err := cache.New(cache.Config{TTL: time.Hour})
//	…
//	client := llm.New(llm.WithMiddleware(c.Middleware))
//
// # What is the same request
//
// The key of an answer covers the operation, the model's name as it was asked for, every field of the request (Extra
// and what does not change an answer, such as User, included), the tenant, the namespaces, and what of the client's
// options decides who answers: see [llm.Call.Target]. API keys are neither in keys nor in values. Behind a router the
// model's name is that of a group: caches whose routers mean different things by one name must not share a store, or
// need different [Config.Namespace]s. What is linked in only in this process (an http.Client, other middleware,
// environment variables but base URLs) is not covered either.
//
// Without a tenant, all callers of a client share their answers. See [Config.Tenant].
//
// Requests are answered from the cache whatever they wish for in randomness: the same request with a Temperature of 1,
// or with N above 1, gives the same answers again. [NoCache] asks for a fresh one, and [Config.Skip] leaves requests out.
//
// # What a hit is
//
// A hit makes no attempt and no use of the network. It has all parts of the answer: text, tool calls, thinking with its
// signatures, images, audio, log probabilities, finish reasons, usage. Streams and whole answers stand for each other:
// what was stored as the one is given as the other, a stream in few, large pieces. Meta.Cache is set, with the answer's
// age; Provider, Model, Status, RequestID and Warnings are those of the first answer; there is neither Header nor Raw.
// Usage is what the first answer used, which is what the hit has saved.
//
// # What is never stored
//
// Failures; streams that broke off, were left early, or have the words of two attempts; answers with tool calls that are
// incomplete; what a content filter stopped; answers without anything in them; answers larger than [Config.MaxBytes].
// An answer that MaxTokens has cut is stored: it is the whole answer to that request.
//
// # Identical calls in flight
//
// Of identical calls that come at once only one is made; the others wait for its answer, within their own deadlines. If
// it is cancelled, one of the others makes the call anew; if it fails, or has an answer that is not stored, each of them
// goes its own way. A stream's answer is there when its reader has read it, so calls wait for that no longer than
// [Config.StreamWait], and go their own way then.
//
// # The store
//
// A store that does not answer adds at most [Config.StoreTimeout] when a call reads and again when it writes, and is
// then left alone for a second, in which calls go on uncached.
//
// # Order
//
// Middleware outside the cache sees hits, that inside does not. Guardrails on answers, budgets and logs belong outside
// (before it in [llm.WithMiddleware]), routers inside. A cache in memory outside of one with a shared store saves that one its
// round trips: llm.WithMiddleware(near.Middleware, far.Middleware). It keeps an answer no longer than its own TTL allows
// for the answer's age.
package cache

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync/atomic"
	"time"

	"github.com/llm-go/llm"
)

// Config is a cache as data. Its zero value is a cache in memory with the defaults.
type Config struct {
	// Store keeps the answers; default [NewMemory] with its defaults.
	Store Store
	// Operations are those whose answers are kept. Default: [DefaultOperations].
	Operations []llm.Operation
	// TTL is how long an answer is kept; default one hour, negative: without end. See [WithTTL].
	TTL time.Duration
	// Namespace keeps caches apart that share a store.
	Namespace string
	// Tenant keeps the answers of tenants apart. Default: the metadata "tenant", "user_id" or "user", whichever comes
	// first, as in package router. Calls for which it is "" share their answers.
	Tenant func(call *llm.Call) string
	// Skip says that a call is to be neither answered from the cache nor stored; nil: none is.
	Skip func(call *llm.Call) bool
	// MaxBytes bounds an answer, as JSON; larger ones are not stored. Default 4 MiB.
	MaxBytes int
	// StoreTimeout bounds what a shared store may add to a call when it reads, and again when it writes; default 50 ms.
	StoreTimeout time.Duration
	// StreamWait bounds how long a call waits for the end of an identical one that is being streamed; default 10 s,
	// negative: not at all.
	StreamWait time.Duration
	// Semantic, if set, answers questions that mean the same as one that was answered.
	Semantic *Semantic
	// OnError is told when the store fails. It runs in the caller's goroutine. nil: nobody is.
	OnError func(error)
	// Now is the clock for ages; default time.Now.
	Now func() time.Time
}

// DefaultOperations are those whose answers are worth keeping and stay true: "completion", "responses",
// "text_completion", "embedding", "transcription". They are those of LiteLLM. Others can be given: "translation",
// "moderation", "speech", "count_tokens", "models", "image", "image_edit", "image_variation"; pictures often come as
// URLs, which end sooner than an answer here.
func DefaultOperations() []llm.Operation {
	return []llm.Operation{"completion", "responses", "text_completion", "embedding", "transcription"}
}

// answers makes what the answer of an operation is read into.
var answers = map[llm.Operation]func() json.Unmarshaler{
	"completion":      func() json.Unmarshaler { return new(llm.CompletionResponse) },
	"responses":       func() json.Unmarshaler { return new(llm.ResponsesResponse) },
	"text_completion": func() json.Unmarshaler { return new(llm.TextCompletionResponse) },
	"embedding":       func() json.Unmarshaler { return new(llm.EmbeddingResponse) },
	"transcription":   func() json.Unmarshaler { return new(llm.TranscriptionResponse) },
	"translation":     func() json.Unmarshaler { return new(llm.TranscriptionResponse) },
	"moderation":      func() json.Unmarshaler { return new(llm.ModerationResponse) },
	"speech":          func() json.Unmarshaler { return new(llm.SpeechResponse) },
	"count_tokens":    func() json.Unmarshaler { return new(llm.CountTokensResponse) },
	"models":          func() json.Unmarshaler { return new(llm.ModelsResponse) },
	"image":           func() json.Unmarshaler { return new(llm.ImageResponse) },
	"image_edit":      func() json.Unmarshaler { return new(llm.ImageResponse) },
	"image_variation": func() json.Unmarshaler { return new(llm.ImageResponse) },
}

// Cache is a response cache; its [Cache.Middleware] is given to a client. It is safe for use by many goroutines, and may
// serve several clients.
type Cache struct {
	config     Config
	operations map[llm.Operation]bool
	store      guard
	flights    flights
	semantic   *semantic // nil: off
	counts     counts
}

type counts struct{ hits, semantic, shared, misses, stored atomic.Uint64 }

// Stats counts what a cache did since it was made.
type Stats struct {
	// Hits were answered from the store, SemanticHits of them by the answer to another question; Shared were answered
	// by an identical call in flight; Misses went on.
	Hits, SemanticHits, Shared, Misses uint64
	// Stored answers.
	Stored uint64
}

// New makes a cache. Mistakes in the configuration are errors.
func New(c Config) (*Cache, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Store == nil {
		c.Store = NewMemory(MemoryConfig{Now: c.Now})
	}
	if c.Operations == nil {
		c.Operations = DefaultOperations()
	}
	c.TTL = cmp.Or(c.TTL, time.Hour)
	c.MaxBytes = cmp.Or(c.MaxBytes, 4<<20)
	c.StoreTimeout = cmp.Or(c.StoreTimeout, 50*time.Millisecond)
	c.StreamWait = cmp.Or(c.StreamWait, 10*time.Second)
	if c.Tenant == nil {
		c.Tenant = tenant
	}
	if c.OnError == nil {
		c.OnError = func(error) {}
	}
	switch {
	case c.MaxBytes < 0 || c.MaxBytes > maxAnswer:
		return nil, invalid("MaxBytes", "it must be between 1 byte and 1 GiB")
	case c.StoreTimeout < 0:
		return nil, invalid("StoreTimeout", "it cannot be negative")
	}
	cache := &Cache{config: c, operations: make(map[llm.Operation]bool, len(c.Operations))}
	for _, op := range c.Operations {
		if answers[op] == nil {
			return nil, invalid("Operations", "\""+string(op)+"\" has no answers that can be stored")
		}
		cache.operations[op] = true
	}
	_, local := c.Store.(*Memory)
	cache.store = guard{store: c.Store, local: local, timeout: c.StoreTimeout, now: c.Now, failed: c.OnError}
	if c.Semantic != nil {
		s, err := newSemantic(*c.Semantic, c.Now)
		if err != nil {
			return nil, err
		}
		cache.semantic = s
	}
	return cache, nil
}

// maxAnswer is what the length in a stored value's header allows.
const maxAnswer = 1 << 30

func invalid(field, msg string) error {
	return llm.InvalidRequest(field, "cache: Config."+field+": "+msg)
}

func tenant(call *llm.Call) string {
	m := call.Metadata()
	for _, name := range [...]string{"tenant", "user_id", "user"} {
		if v, ok := m[name].(string); ok && v != "" {
			return v
		}
	}
	return ""
}

// Stats is what the cache did so far.
func (c *Cache) Stats() Stats {
	n := &c.counts
	return Stats{Hits: n.hits.Load(), SemanticHits: n.semantic.Load(), Shared: n.shared.Load(), Misses: n.misses.Load(), Stored: n.stored.Load()}
}

// The options of a call. They mean nothing without a cache.
type (
	ttlKey       struct{}
	namespaceKey struct{}
	noCacheKey   struct{}
	noStoreKey   struct{}
	maxAgeKey    struct{}
)

// WithTTL is how long the answer to this call is kept, instead of [Config.TTL]; negative: without end.
func WithTTL(d time.Duration) llm.Option { return llm.WithValue(ttlKey{}, d) }

// WithNamespace keeps this call's answer apart from those of other namespaces, within [Config.Namespace].
func WithNamespace(name string) llm.Option { return llm.WithValue(namespaceKey{}, name) }

// NoCache asks for a fresh answer, which is stored in the place of an older one.
func NoCache() llm.Option { return llm.WithValue(noCacheKey{}, true) }

// NoStore does not store the answer. With [NoCache] the call has nothing to do with the cache.
func NoStore() llm.Option { return llm.WithValue(noStoreKey{}, true) }

// MaxAge takes no answer that is older.
func MaxAge(d time.Duration) llm.Option { return llm.WithValue(maxAgeKey{}, d) }

// plan is what is to be done for a call.
type plan struct {
	key         Key
	read, store bool
	ttl         time.Duration // 0: without end
	maxAge      time.Duration // negative: any
	fresh       func() json.Unmarshaler
	scope       scope
	question    *question // of a call that has similar ones, once they were looked for
}

// plan is nil for calls that the cache has nothing to do with.
func (c *Cache) plan(call *llm.Call) *plan {
	if !c.operations[call.Operation] || !cacheable(call.Request) || c.config.Skip != nil && c.config.Skip(call) {
		return nil
	}
	p := &plan{read: call.Value(noCacheKey{}) == nil, store: call.Value(noStoreKey{}) == nil, ttl: c.config.TTL, maxAge: -1,
		fresh: answers[call.Operation]}
	if !p.read && !p.store {
		return nil
	}
	if d, ok := call.Value(ttlKey{}).(time.Duration); ok {
		p.ttl = d
	}
	p.ttl = max(p.ttl, 0)
	if d, ok := call.Value(maxAgeKey{}).(time.Duration); ok {
		p.maxAge = max(d, 0)
	}
	namespace, _ := call.Value(namespaceKey{}).(string)
	p.scope = scope{target: call.Target(), tenant: c.config.Tenant(call), namespaces: join(c.config.Namespace, namespace), purpose: "answer"}
	var err error
	if p.key, err = newKey(&p.scope, call, call.Request); err != nil {
		return nil // it cannot be sent either, and the provider's Encode says why
	}
	return p
}

// join keeps "a","bc" and "ab","c" apart.
func join(outer, inner string) string {
	if inner == "" && outer == "" {
		return ""
	}
	b, _ := json.Marshal([2]string{outer, inner}) // of strings: it does not fail
	return string(b)
}

// Middleware answers calls from the cache, and stores the answers of those that go on. It is given to a client by
// [llm.WithMiddleware].
func (c *Cache) Middleware(next llm.Handler) llm.Handler {
	return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
		p := c.plan(call)
		if p == nil {
			return next(ctx, call)
		}
		t := &trip{cache: c, call: call, plan: p, next: next}
		switch {
		case !p.read:
			return t.alone(ctx)
		case !p.store:
			if f := t.find(ctx); f != nil {
				return f.result, nil
			}
			return t.alone(ctx)
		case c.store.local:
			if f := t.exact(ctx); f != nil { // a shared store is asked by one of identical calls
				return f.result, nil
			}
		}
		return t.share(ctx)
	}
}

// trip is a call on its way through the cache.
type trip struct {
	cache *Cache
	call  *llm.Call
	*plan
	next llm.Handler
}

// found is a stored answer, and the result that it makes of the call.
type found struct {
	key        Key
	value      []byte
	similarity float64
	result     *llm.Result
}

// find looks for an answer to the same request, and for one that means the same.
func (t *trip) find(ctx context.Context) *found {
	f := t.exact(ctx)
	if f == nil && t.cache.semantic != nil {
		if t.question = t.cache.semantic.question(&t.scope, t.call); t.question != nil {
			f = t.similar(ctx)
		}
	}
	return f
}

func (t *trip) exact(ctx context.Context) *found {
	return t.stored(ctx, t.key, 1)
}

func (t *trip) stored(ctx context.Context, key Key, similarity float64) *found {
	f := &found{key: key, similarity: similarity}
	if f.value = t.cache.store.get(ctx, key); f.value == nil {
		return nil
	}
	if f.result = t.answer(f); f.result == nil {
		return nil
	}
	t.cache.counts.hits.Add(1)
	return f
}

// answer makes a stored value the result of the call; nil if it is none, or not one that the call takes.
func (t *trip) answer(f *found) *llm.Result {
	e, err := decode(f.key, f.value, t.cache.config.MaxBytes)
	if err != nil {
		return nil
	}
	now := t.cache.config.Now()
	age := max(now.Sub(e.created), 0)
	if !e.expires.IsZero() && !now.Before(e.expires) || t.maxAge >= 0 && age > t.maxAge {
		return nil
	}
	resp := t.fresh()
	if resp.UnmarshalJSON(e.answer) != nil || t.call.Stream && !streamable(resp) {
		return nil
	}
	m := &e.meta
	res, err := t.call.Answer(resp, llm.Meta{Provider: m.Provider, Model: m.Model, Status: m.Status, RequestID: m.RequestID,
		Warnings: m.Warnings, Cache: &llm.CacheInfo{Age: age, Similarity: f.similarity}})
	if err != nil {
		return nil
	}
	return res
}

// alone makes the call without others waiting for it.
func (t *trip) alone(ctx context.Context) (*llm.Result, error) {
	return t.ask(ctx, func(*found, bool) {})
}

// ask makes the call and stores its answer. ended is called once when that is done, with the answer, or nil if there is
// none to be stored; left says that the caller has left it.
func (t *trip) ask(ctx context.Context, ended func(f *found, left bool)) (res *llm.Result, err error) {
	over := false
	end := func(f *found, left bool) {
		if !over {
			over = true
			ended(f, left)
		}
	}
	defer func() {
		if over || err == nil && t.call.Stream && res != nil && res.Stream != nil {
			return
		}
		end(nil, err != nil && gone(ctx, err)) // an answer that is not kept, or a panic, too
	}()
	t.cache.counts.misses.Add(1)
	if res, err = t.next(ctx, t.call); err != nil || res == nil {
		return res, err
	}
	var kept *found
	if t.store {
		t.call.OnAnswer(res, t.cache.config.MaxBytes, func(resp any, m *llm.Meta) { kept = t.keep(ctx, resp, m) })
	}
	if !t.call.Stream {
		end(kept, false)
		return res, nil
	}
	t.call.OnDone(res, func(o *llm.Outcome) { end(kept, o.Err != nil && gone(ctx, o.Err)) })
	return res, nil
}

// keep stores an answer, and returns it for those who wait; nil if it is not to be stored.
func (t *trip) keep(ctx context.Context, resp any, m *llm.Meta) *found {
	if !storable(resp) {
		return nil
	}
	now := t.cache.config.Now()
	made := now
	if m.Cache != nil { // by a cache inside of this one, whose answer is as old as it is
		if m.Cache.Similarity != 1 {
			return nil
		}
		made = now.Add(-m.Cache.Age)
	}
	ttl := t.ttl
	if ttl > 0 {
		if ttl -= now.Sub(made); ttl <= 0 {
			return nil
		}
	}
	body, err := resp.(json.Marshaler).MarshalJSON()
	if err != nil || len(body) > t.cache.config.MaxBytes {
		return nil
	}
	e := &entry{created: made, answer: body,
		meta: meta{Provider: m.Provider, Model: m.Model, Status: m.Status, RequestID: m.RequestID,
			Warnings: slices.DeleteFunc(slices.Clone(m.Warnings), func(w llm.Warning) bool { return w.Code == warningCode })}}
	if ttl > 0 {
		e.expires = now.Add(ttl)
	}
	value := e.encode(t.key, !t.cache.store.local)
	if t.cache.store.set(ctx, t.key, value, ttl) {
		t.cache.counts.stored.Add(1)
		t.index(ctx)
	}
	return &found{key: t.key, value: value, similarity: 1}
}

// warningCode is of what concerned one call alone.
const warningCode = "cache"

// cacheable says whether the request alone decides the answer.
func cacheable(request any) bool {
	if r, ok := request.(*llm.ResponsesRequest); ok && r != nil {
		_, grows := r.Extra["conversation"] // kept by the provider, and longer at each call
		return !grows && (r.Background == nil || !*r.Background)
	}
	return request != nil
}

// storable says whether an answer is whole, and worth keeping.
func storable(resp any) bool {
	switch r := resp.(type) {
	case *llm.CompletionResponse:
		return len(r.Choices) > 0 && !slices.ContainsFunc(r.Choices, func(c llm.Choice) bool { return !storableChoice(&c) })
	case *llm.ResponsesResponse:
		return storableResponse(r)
	case *llm.TextCompletionResponse:
		return len(r.Choices) > 0 && !slices.ContainsFunc(r.Choices, func(c llm.TextChoice) bool {
			return c.Text == "" || !ended(c.FinishReason)
		})
	case *llm.EmbeddingResponse:
		return len(r.Data) > 0
	case *llm.ModerationResponse:
		return len(r.Results) > 0
	case *llm.ImageResponse:
		return len(r.Data) > 0
	case *llm.SpeechResponse:
		return len(r.Audio) > 0
	}
	return true
}

func ended(reason llm.FinishReason) bool {
	return reason == llm.FinishStop || reason == llm.FinishLength || reason == llm.FinishToolCalls
}

func storableChoice(c *llm.Choice) bool {
	m := &c.Message
	empty := len(m.Content) == 0 && len(m.ToolCalls) == 0 && len(m.Images) == 0 && m.Audio == nil && m.Refusal == "" &&
		m.ReasoningContent == "" && len(m.ThinkingBlocks) == 0 && m.Native == nil && len(m.Extra) == 0
	return ended(c.FinishReason) && len(m.IncompleteToolCalls) == 0 && !empty
}

func storableResponse(r *llm.ResponsesResponse) bool {
	cut := r.Status == "incomplete" && r.IncompleteReason == "max_output_tokens"
	if len(r.Output) == 0 || r.Status != "completed" && !cut {
		return false
	}
	return !slices.ContainsFunc(r.Output, func(it llm.ResponsesItem) bool {
		switch it.Type {
		case "function_call":
			return !json.Valid([]byte(it.Arguments))
		case "custom_tool_call":
			return cut && it.Status != "completed" // nothing else tells
		}
		return false
	})
}

// streamable says whether all of an answer can be said in a stream: deltas have one text, not parts of other kinds.
func streamable(resp any) bool {
	r, ok := resp.(*llm.CompletionResponse)
	return !ok || !slices.ContainsFunc(r.Choices, func(c llm.Choice) bool {
		return c.Message.Name != "" || slices.ContainsFunc(c.Message.Content, func(p llm.Part) bool {
			return p.Type != "text" || p.CacheControl != nil || len(p.Extra) > 0
		})
	})
}
