package llm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/llm-go/llm/internal/jsonx"
)

// Operation names what is asked: "completion", "embedding" …, as the functions of this package are called.
type Operation string

// Call is one logical call on its way through middleware to a provider. Middleware reads it, and changes it
// only through [Call.With]; the Request is never written to.
type Call struct {
	Operation Operation
	// Request is the caller's request: *CompletionRequest, *EmbeddingRequest …
	Request any
	// Stream says that the caller wants pieces: Result.Stream will be set instead of Result.Response.
	Stream bool

	// Provider, Model and BaseURL are known once the engine has resolved the model's name: inside a
	// provider's functions and in callbacks after OnStart. Model is the name for the wire, BaseURL is without
	// a trailing slash.
	Provider *Provider
	Model    string
	BaseURL  string

	// Route is what a router decided; nil without one. Each attempt carries it.
	Route *Route

	name     string // "provider/model" as asked for
	start    time.Time
	deadline time.Time // zero: none
	settings *settings
	account  *account
	key      Secret
	runner   runner
	given    bool   // the caller gave the base URL
	baseHost string // the host that the key belongs to
	sent     []byte // the last body sent, to tell echoes of it in errors
	// viaResponses asks for the Responses operation behind a completion.
	viaResponses bool
}

// account is what a call and its copies by With share.
type account struct {
	*ledger
	tries    int // attempts on this account
	warnings []Warning
	buffer   *[]byte // of the request's body, lent by Buffer
	ends     []func()
	secrets  []Secret // that Auth was given, to be kept out of errors
}

// ledger is what all copies of a call share, forks that run beside each other too.
type ledger struct {
	mu       sync.Mutex
	left     int // attempts that may still be made
	attempts []Attempt
}

// take uses one attempt of the budget, if there is one.
func (l *ledger) take() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left <= 0 {
		return false
	}
	l.left--
	return true
}

// allow adds n attempts to the budget.
func (l *ledger) allow(n int) {
	l.mu.Lock()
	l.left += n
	l.mu.Unlock()
}

func (l *ledger) remaining() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left
}

func (l *ledger) add(a Attempt) {
	l.mu.Lock()
	l.attempts = append(l.attempts, a)
	l.mu.Unlock()
}

// made is the list of attempts so far; those that come later do not change it.
func (l *ledger) made() []Attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.attempts)
}

// Result is what a handler returns: a *CompletionResponse, *EmbeddingResponse … in Response, or, when
// call.Stream is set, a *Stream of the operation's chunk type in Stream.
type Result struct {
	Response any
	Stream   any
}

// Handler serves a call. The last one in the chain is the engine.
type Handler func(ctx context.Context, call *Call) (*Result, error)

// Middleware wraps a handler: it may change the call (by [Call.With]), refuse it, answer it, repeat it, or
// change the result. The first one given is the outermost. Copies of a call that run beside each other, or of
// which only one makes the answer, are made by [Call.Fork].
type Middleware func(next Handler) Handler

// Callback observes calls. Functions that are nil are skipped. They run in the caller's goroutine, cannot
// fail a call, and a panic in one is logged by slog and goes no further.
type Callback struct {
	// OnStart is called when a call begins, before middleware.
	OnStart func(ctx context.Context, call *Call)
	// OnAttempt is called after each try at the network.
	OnAttempt func(ctx context.Context, call *Call, a Attempt)
	// OnSuccess or OnFailure is called once, at the end of the answer: for a stream that is its terminal
	// event, its error, an early break, or Close.
	OnSuccess func(ctx context.Context, call *Call, o *Outcome)
	OnFailure func(ctx context.Context, call *Call, o *Outcome)
}

// Outcome is how a call ended.
type Outcome struct {
	// Response is the unary answer; nil for streams, whose pieces belong to their reader.
	Response any
	// Usage is what the provider reported, nil if nothing; of an answer from a cache (Meta.Cache) what it reported
	// when the answer was made.
	Usage *Usage
	// Err is the failure. For a stream that the reader left early it is an [ErrCanceled].
	Err error
	// Meta is that of the answer.
	Meta *Meta
	// Duration is the whole call's, FirstContent the time to the first content of a stream.
	Duration, FirstContent time.Duration
	// Chunks counts the pieces that were read.
	Chunks int
}

// Attempt is one try at the network.
type Attempt struct {
	Provider string
	Model    string
	// Status is 0 if no answer came.
	Status int
	Start  time.Time
	// Duration is until the headers, or the failure; for retried bodies and streams until that failure.
	Duration time.Duration
	// Wait is how long the engine had waited before this try.
	Wait time.Duration
	// Err is nil for the successful one.
	Err error
	// Reused says that the try went over a kept-alive connection.
	Reused    bool
	RequestID string
	// Route is what a router decided for this try; nil without one.
	Route *Route
}

// Route is where a router sent an attempt, and why.
type Route struct {
	// Group is the model name under which the deployment stands, Deployment its id.
	Group, Deployment string
	// Reason is why it was chosen: the strategy's name, "affinity", "probe", "fallback", "hedge" …
	Reason string
	// Queued is how long the call had waited for a place.
	Queued time.Duration
	// Skipped are those that could not be chosen, and why; of very many only the first.
	Skipped []Skipped
}

// Skipped is a deployment that could not be chosen.
type Skipped struct{ Deployment, Reason string }

// Warning tells what was lost or changed between the caller's request and the answer.
type Warning struct {
	// Code is "dropped_param", "dropped_blob", "changed_param", "schema_constraint", "stream", "utf8" …
	Code string
	// Param names the field, as in the JSON of the request: "seed", "messages[2].content[0]".
	Param   string
	Message string
}

// Meta comes with every answer: where it came from and how.
type Meta struct {
	Provider string
	// Model is the name that was sent.
	Model     string
	Status    int
	Header    http.Header
	RequestID string
	// Raw is the provider's native body; nil for streams.
	Raw      []byte
	Warnings []Warning
	Attempts []Attempt
	// Cost is what the answer has cost, where package cost puts it: see cost.Get. Of a stream it is there at its end.
	Cost any
	// Duration is until the whole answer was decoded; for streams until the stream was opened.
	Duration time.Duration
	// Cache is set when a response cache gave the answer; nil otherwise.
	Cache *CacheInfo
}

// With returns a copy of the call with further options, for middleware that changes calls: [WithModel] picks another
// model, WithAPIKey another key. The copy stands for the call: it shares the deadline, the attempt budget and the
// records.
func (c *Call) With(opts ...Option) *Call {
	d := *c
	d.settings = c.settings.with(opts)
	if d.settings.model != "" {
		d.name = d.settings.model
	}
	return &d
}

// Fork is [Call.With] for middleware that sends a call more than once, to several places or at the same time. The
// copies share the deadline, the attempt budget and the list of attempts. Each has warnings of its own, so that an
// answer carries those of the copy that it is for.
func (c *Call) Fork(opts ...Option) *Call {
	born := &struct {
		call     Call
		settings settings
		account  account
	}{*c, *c.settings, account{ledger: c.account.ledger, warnings: slices.Clip(c.account.warnings)}}
	for _, o := range opts {
		if o != nil {
			o(&born.settings)
		}
	}
	f := &born.call
	f.settings, f.account = &born.settings, &born.account
	if f.settings.model != "" {
		f.name = f.settings.model
	}
	return f
}

// AttemptsLeft is how often the call may still be sent, over all its copies; see [WithMaxAttempts].
func (c *Call) AttemptsLeft() int { return c.account.remaining() }

// AllowAttempts makes the budget of attempts n, if that is more than the default and the caller has set none by
// [WithMaxAttempts]. Middleware that has many places to try calls it before the first try.
func (c *Call) AllowAttempts(n int) {
	if c.settings.maxAttempts == 0 && n > DefaultMaxAttempts {
		c.account.allow(n - DefaultMaxAttempts)
	}
}

// Outcome is how a whole answer ended, for middleware that needs no more than that; of a stream see [Call.OnDone].
func (c *Call) Outcome(res *Result) Outcome { return c.runner.outcome(c, res) }

// OnDone has f called once when the answer in res has ended: now, if it is whole; for a stream at its terminal event,
// its error, an early break, or Close. It is for middleware that settles afterwards what it did before. f runs in the reader's goroutine, and must not keep it.
func (c *Call) OnDone(res *Result, f func(*Outcome)) { c.runner.done(c, res, f) }

// ModelName is the "provider/model" that the call asks for.
func (c *Call) ModelName() string { return c.name }

// Metadata is the caller's labels; see [WithMetadata].
func (c *Call) Metadata() map[string]any { return c.settings.metadata }

// Tags are the caller's tags; see [WithTags].
func (c *Call) Tags() []string { return c.settings.tags }

// Value is what the caller gave by [WithValue]; nil if nothing.
func (c *Call) Value(key any) any {
	for v := c.settings.values; v != nil; v = v.next {
		if v.key == key {
			return v.value
		}
	}
	return nil
}

// Deadline is when the whole call ends at the latest; ok is false if it has no end.
func (c *Call) Deadline() (t time.Time, ok bool) { return c.deadline, !c.deadline.IsZero() }

// Warn records a warning for the answer.
func (c *Call) Warn(w Warning) { c.account.warnings = append(c.account.warnings, w) }

// WarnTrailing is what a Stream calls when it has read its terminal event: rest is what the framing reader holds
// beyond it. It is ignored, with a warning, unless it is blank or the [DONE] that many hosts end every stream with.
func (c *Call) WarnTrailing(rest []byte) {
	rest = bytes.Trim(rest, " \t\r\n\x00")
	if len(rest) == 0 || string(rest) == "data: [DONE]" || string(rest) == "data:[DONE]" {
		return
	}
	c.warnOnce(Warning{Code: "stream", Message: "the host sent data after the end of the answer; it was ignored"})
}

func (c *Call) warnOnce(w Warning) {
	if !slices.Contains(c.account.warnings, w) {
		c.Warn(w)
	}
}

// Unsupported is what an Encode calls for a field that its wire cannot carry. If the caller allowed dropping
// it ([WithDropParams]), the drop is recorded as a warning and the result is nil: go on without the field.
// Otherwise the result is an [ErrUnsupportedParam] to return.
func (c *Call) Unsupported(param, why string) error {
	if c.settings.drops(param) {
		c.Warn(Warning{Code: "dropped_param", Param: param, Message: why})
		return nil
	}
	msg := param + " is not supported"
	if why != "" {
		msg += ": " + why
	}
	return &Error{Kind: ErrUnsupportedParam, Scope: ScopeRequest, Param: param,
		Message: msg + "; leave it out, or allow dropping it with llm.WithDropParams(" + fmt.Sprintf("%q", param) + ")"}
}

// Header is a header that the caller gave by [WithHeader]. It replaces one of the same name that an Encode sets,
// unless Encode sets a list (joined by commas) that has it.
func (c *Call) Header(name string) string { return c.settings.headers.Get(name) }

// Key is the provider's key: from the options, else from the first environment variable in KeyEnv that is set. In
// middleware, before the provider is known, it is what [WithAPIKey] gave.
func (c *Call) Key() Secret {
	if c.Provider == nil {
		return c.settings.key
	}
	return c.key
}

// Setting is a named setting, such as AWS_REGION: from [WithSetting], else from the environment variable of
// that name. The first of names that is set wins.
func (c *Call) Setting(names ...string) string {
	return c.setting(c.settings.noEnv, names).Reveal()
}

// Secret is like Setting for values that must not be seen, such as AWS_SECRET_ACCESS_KEY. Like a key, a secret
// from the environment belongs to the provider's own host: it is not given out for a base URL that the caller
// gave.
func (c *Call) Secret(names ...string) Secret {
	s := c.setting(c.settings.noEnv || c.given, names)
	if !s.IsZero() && !slices.Contains(c.account.secrets, s) {
		c.account.secrets = append(c.account.secrets, s)
	}
	return s
}

func (c *Call) setting(noEnv bool, names []string) Secret {
	for _, name := range names {
		if v, ok := c.settings.vars[name]; ok {
			return v
		}
	}
	if noEnv {
		return Secret{}
	}
	for _, name := range names {
		if v := os.Getenv(name); v != "" {
			return NewSecret(v)
		}
	}
	return Secret{}
}

// URL joins the base URL and a path that begins with a slash. A query in the base URL stays at the end.
func (c *Call) URL(path string) string {
	base, query, hasQuery := strings.Cut(c.BaseURL, "?")
	u := strings.TrimSuffix(base, "/") + path
	if hasQuery {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		u += sep + query
	}
	return u
}

// NewRequest makes a request to URL(path) with a body that the engine can send again.
func (c *Call) NewRequest(method, path, contentType string, body []byte) (*http.Request, error) {
	return NewRequest(method, c.URL(path), contentType, body)
}

// NewJSONRequest makes a POST to URL(path) with a JSON body, over which extra is laid.
func (c *Call) NewJSONRequest(path string, body []byte, extra Extra) (*http.Request, error) {
	if len(extra) > 0 {
		var err error
		if body, err = jsonx.Overlay(body, extra); err != nil {
			return nil, InvalidRequest("Extra", "Extra cannot be laid over the request: "+err.Error())
		}
	}
	return c.NewRequest(http.MethodPost, path, "application/json", body)
}

// NewRequest makes a request to a full URL with a body that the engine can send again; contentType may be
// empty when there is no body.
func NewRequest(method, rawURL, contentType string, body []byte) (*http.Request, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, InvalidRequest("base_url", "the URL does not parse; check WithBaseURL")
	}
	r := &http.Request{Method: method, URL: u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, 8)}
	if contentType != "" {
		r.Header["Content-Type"] = []string{contentType}
	}
	setBody(r, body)
	return r, nil
}

// Buffer is an empty slice with room for size bytes, for the body that an Encode writes: the engine lends the same
// memory to other calls later. Nothing but the request may keep it.
func (c *Call) Buffer(size int) []byte {
	if c.Stream || c.account.buffer != nil { // a stream may be open for long, and must not hold a large buffer so long
		return make([]byte, 0, size)
	}
	b := bodies.Get().(*[]byte)
	if cap(*b) < size {
		*b = make([]byte, 0, size)
	}
	c.account.buffer = b
	return (*b)[:0]
}

// bodies are buffers for requests: prompts are long, and fresh memory of that size costs as much as filling it.
var bodies = sync.Pool{New: func() any { return new([]byte) }}

// maxPooledBody keeps rare giants out of the pool.
const maxPooledBody = 1 << 20

// release gives the buffer back, if it is certain that no transport reads it any more: there was one attempt, and
// its request was written to the end. An earlier attempt's connection may still be sending.
func (c *Call) release(a *attempt) {
	b := c.account.buffer
	c.account.buffer = nil
	if b != nil && cap(*b) <= maxPooledBody && c.account.tries == 1 && a.wrote.Load() {
		c.sent = nil
		bodies.Put(b)
	}
}

// payload is a request body that knows its bytes.
type payload struct {
	bytes.Reader
	data []byte
}

func (*payload) Close() error { return nil }

// setBody gives r a body and, on purpose, no GetBody: with it net/http would resend behind the engine's back.
func setBody(r *http.Request, data []byte) {
	r.ContentLength = int64(len(data))
	if len(data) == 0 {
		r.Body = http.NoBody
		return
	}
	p := &payload{data: data}
	p.Reset(data)
	r.Body = p
}

// ReadAll reads and closes the body of an answer that a [Send] returned, within the call's limit
// ([WithMaxBodyBytes]).
func (c *Call) ReadAll(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	if b, ok := resp.Body.(*attemptBody); ok {
		data, err := b.a.readAll()
		if err != nil {
			return nil, b.a.classify(err)
		}
		return data, nil
	}
	return io.ReadAll(resp.Body)
}

// OnEnd has f called once when the exchange ends, however it ends: an answer, an error, the last piece of a
// stream, or a reader who leaves early. It is for a Do or DoStream that has something to tidy up at the
// provider, in the time that [Parting] gives. The last one registered is called first.
func (c *Call) OnEnd(f func()) { c.account.ends = append(c.account.ends, f) }

// end calls what OnEnd registered.
func (c *Call) end() {
	ends := c.account.ends
	c.account.ends = nil
	for _, f := range slices.Backward(ends) {
		f()
	}
}

type partingKey struct{}

// Parting is a context for what an Op has still to send when its call is over, such as the cancelling of work
// that it began: it does not end with ctx, but after d. What a [Send] sends with it is one attempt outside the
// call's budget and its clocks, and is in no record.
func Parting(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithValue(context.WithoutCancel(ctx), partingKey{}, true), d)
}

// parting is a copy of the call for what is sent with a [Parting] context.
func (c *Call) parting(ctx context.Context) *Call {
	d, s := *c, *c.settings
	s.callbacks = nil
	d.settings, d.account = &s, &account{ledger: &ledger{left: 1}}
	d.deadline, _ = ctx.Deadline()
	return &d
}

// RequestBody is the body of a request made by [NewRequest], for an [Auth] that signs it. It must not be
// changed.
func RequestBody(r *http.Request) []byte {
	if p, ok := r.Body.(*payload); ok {
		return p.data
	}
	return nil
}

// bodyBytes takes the bytes out of a request that an Encode made by whatever means.
func bodyBytes(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if p, ok := r.Body.(*payload); ok {
		return p.data, nil
	}
	defer r.Body.Close()
	return io.ReadAll(r.Body)
}
