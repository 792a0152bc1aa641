package llm

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Option says how calls are sent: what is sent is a field of the request. Options given to [New] hold for all
// calls of the client; those given to a call come on top.
type Option func(*settings)

type settings struct {
	model         string // WithModel
	key           Secret
	keys          map[string]Secret // by provider
	baseURL       string
	baseURLs      map[string]string // by provider
	vars          map[string]Secret
	noEnv         bool
	httpClient    *http.Client
	headers       http.Header
	timeout       clockLimits
	maxAttempts   int
	retryLimit    int // WithMaxRetries + 1; 0: none
	backoff       Backoff
	dropAll       bool
	dropNames     []string
	metadata      map[string]any
	tags          []string
	middleware    []Middleware
	callbacks     []Callback
	providers     map[string]*Provider
	mock          *mock
	maxBody       int64
	maxEvent      int
	publicOnly    bool
	defaultPrefix string
	handler       Handler // the chain of the first composed middleware
	composed      int
	client        *Client // for the generic functions
	repairs       int
	values        *value
}

// clockLimits are the five clocks; 0 is the default, negative is off.
type clockLimits struct {
	connect, headers, firstContent, between, total time.Duration
}

// Backoff is the wait between attempts: Initial doubles each time up to Max, and each wait is spread evenly
// by ±Jitter (a share of the wait, 0 to 1).
type Backoff struct {
	Initial, Max time.Duration
	Jitter       float64
}

// Defaults of the options.
const (
	DefaultConnectTimeout      = 10 * time.Second
	DefaultHeaderTimeout       = 10 * time.Minute // unary answers send no header before they are complete
	DefaultFirstContentTimeout = 10 * time.Minute
	DefaultStallTimeout        = 5 * time.Minute
	DefaultTimeout             = 10 * time.Minute
	DefaultStreamTimeout       = time.Hour
	DefaultMaxAttempts         = 3
	DefaultMaxBodyBytes        = 256 << 20
	DefaultMaxEventBytes       = 16 << 20
)

func (s *settings) with(opts []Option) *settings {
	c := *s
	for _, o := range opts {
		if o != nil {
			o(&c)
		}
	}
	return &c
}

// WithModel replaces the request's model name. Routers use it; the request itself is not written to.
func WithModel(name string) Option { return func(s *settings) { s.model = name } }

// WithAPIKey gives the key for the call's provider, whichever it is. For a client that talks to several
// providers use [WithProviderKey]; what is given later comes on top. Without either, the provider's environment variables are read at the call.
func WithAPIKey(key string) Option {
	return func(s *settings) { s.key, s.keys = NewSecret(key), nil }
}

// WithProviderKey gives the key of one provider.
func WithProviderKey(provider, key string) Option {
	return func(s *settings) { s.keys = set(s.keys, provider, NewSecret(key)) }
}

// WithBaseURL replaces the provider's base URL: scheme, host and path up to where the provider's paths begin,
// for example "http://localhost:8000/v1". A key from the environment is never sent to a base URL given here:
// give the key beside it with [WithAPIKey].
func WithBaseURL(url string) Option {
	return func(s *settings) { s.baseURL, s.baseURLs = strings.TrimSuffix(url, "/"), nil }
}

// WithProviderBaseURL does the same for one provider.
func WithProviderBaseURL(provider, url string) Option {
	return func(s *settings) { s.baseURLs = set(s.baseURLs, provider, strings.TrimSuffix(url, "/")) }
}

// WithSetting gives a named setting that would otherwise be read from the environment variable of that name,
// such as AWS_REGION or AWS_SECRET_ACCESS_KEY. It is kept as a [Secret].
func WithSetting(name, value string) Option {
	return func(s *settings) { s.vars = set(s.vars, name, NewSecret(value)) }
}

// WithoutEnv reads nothing from the environment: keys, base URLs and settings come from options alone.
func WithoutEnv() Option { return func(s *settings) { s.noEnv = true } }

// WithHTTPClient sends requests by this client's Transport. Its Timeout and CheckRedirect are not used:
// timeouts are this package's options, and redirects are never followed. The default is a transport of this
// package, shared by all clients, with HTTP/2 and 100 idle connections per host.
func WithHTTPClient(c *http.Client) Option { return func(s *settings) { s.httpClient = c } }

// WithHeader adds a header to each request. Authorization and other headers that carry credentials, Host, and
// hop-by-hop headers cannot be set: the call fails with [ErrInvalidRequest].
func WithHeader(name, value string) Option {
	return func(s *settings) {
		s.headers = s.headers.Clone()
		if s.headers == nil {
			s.headers = make(http.Header)
		}
		s.headers.Set(name, value)
	}
}

// WithExtraHeaders adds several headers, as [WithHeader] does.
func WithExtraHeaders(h map[string]string) Option {
	return func(s *settings) {
		for _, k := range slices.Sorted(maps.Keys(h)) {
			WithHeader(k, h[k])(s)
		}
	}
}

// WithTimeout bounds the whole call: all attempts, waits and, for a stream, reading it to its end. Default
// 10 minutes, for streams one hour; the context's own deadline holds as well. Negative: no bound.
// The error is [ErrTotalTimeout].
func WithTimeout(d time.Duration) Option { return func(s *settings) { s.timeout.total = d } }

// WithConnectTimeout bounds each attempt's way to a ready connection: name look-up, dial and TLS handshake.
// Default 10 s. The error is [ErrConnectTimeout].
func WithConnectTimeout(d time.Duration) Option { return func(s *settings) { s.timeout.connect = d } }

// WithHeaderTimeout bounds the wait from a ready connection to the answer's headers. Providers send them only
// when a unary answer is complete. Default 10 minutes. The error is [ErrHeaderTimeout].
func WithHeaderTimeout(d time.Duration) Option { return func(s *settings) { s.timeout.headers = d } }

// WithFirstContentTimeout bounds a stream's wait from its headers to the first content; comments, pings and
// events without content do not count. Default 10 minutes. The error is [ErrFirstContentTimeout].
func WithFirstContentTimeout(d time.Duration) Option {
	return func(s *settings) { s.timeout.firstContent = d }
}

// WithStallTimeout bounds the wait between two contents of a stream. Default 5 minutes. The error is
// [ErrStallTimeout].
func WithStallTimeout(d time.Duration) Option { return func(s *settings) { s.timeout.between = d } }

// WithMaxAttempts bounds how often one call is sent in all: first try, retries, and what middleware such as
// a router adds. Default 3; 1 means no retry.
func WithMaxAttempts(n int) Option { return func(s *settings) { s.maxAttempts = max(n, 1) } }

// WithMaxRetries bounds how often a call is sent again to the same place, within the attempts that it has; 0 means
// once only. Routers use it: with several places to go to, the next is better than the same again. One replay over a
// kept-alive connection that had died unnoticed is not counted.
func WithMaxRetries(n int) Option { return func(s *settings) { s.retryLimit = max(n, 0) + 1 } }

// WithBackoff sets the wait between attempts when the provider names none. Default: 0.5 s doubling up to 8 s,
// jitter 0.5.
func WithBackoff(b Backoff) Option { return func(s *settings) { s.backoff = b } }

// WithDropParams allows leaving out fields that the provider cannot carry: all of them, or only the named ones
// ("seed", "logit_bias"). Each drop is a [Warning] on the answer. Without it they are errors.
func WithDropParams(names ...string) Option {
	return func(s *settings) {
		if len(names) == 0 {
			s.dropAll = true
			return
		}
		s.dropNames = append(slices.Clip(s.dropNames), names...)
	}
}

// WithMetadata attaches labels for callbacks, logs and cost reports. They stay in this process.
func WithMetadata(m map[string]any) Option {
	return func(s *settings) {
		s.metadata = maps.Clone(s.metadata)
		if s.metadata == nil {
			s.metadata = make(map[string]any, len(m))
		}
		maps.Copy(s.metadata, m)
	}
}

// WithValue attaches a value for middleware, which reads it by [Call.Value]. key is of a type of one's own, as for
// context.WithValue; the value given last holds. Routers, caches and guardrails build their own options on it.
func WithValue(key, val any) Option {
	return func(s *settings) { s.values = &value{key, val, s.values} }
}

type value struct {
	key, value any
	next       *value
}

// WithTags attaches tags, as [WithMetadata] does labels.
func WithTags(tags ...string) Option {
	return func(s *settings) { s.tags = append(slices.Clip(s.tags), tags...) }
}

// WithMiddleware adds middleware inside what is there: the first given is the outermost.
func WithMiddleware(m ...Middleware) Option {
	return func(s *settings) { s.middleware = append(slices.Clip(s.middleware), m...) }
}

// WithCallback adds an observer.
func WithCallback(c Callback) Option {
	return func(s *settings) { s.callbacks = append(slices.Clip(s.callbacks), c) }
}

// WithProvider makes a provider known to this client or call only, before registered ones of the same name.
func WithProvider(p *Provider) Option {
	return func(s *settings) {
		for _, name := range append([]string{p.Name}, p.Aliases...) {
			s.providers = set(s.providers, name, p)
		}
	}
}

// WithDefaultProvider is used for model names without a known "provider/" in front. Without it, a program that imports
// package models finds the provider of a vendor's own model by its name alone: "gpt-4o".
func WithDefaultProvider(name string) Option { return func(s *settings) { s.defaultPrefix = name } }

// WithMaxBodyBytes bounds a unary answer, after decompression. Default 256 MiB. The error is
// [ErrEventTooLarge].
func WithMaxBodyBytes(n int64) Option { return func(s *settings) { s.maxBody = n } }

// WithMaxEventBytes bounds one event of a stream. Default 16 MiB. The error is [ErrEventTooLarge].
func WithMaxEventBytes(n int) Option { return func(s *settings) { s.maxEvent = n } }

// WithPublicOnly is for base URLs that come from strangers: each address is checked when it is dialled,
// and addresses that are private, loopback, link-local, or otherwise not public are refused, whatever the name
// resolved to before. Plain http is refused too. It uses the package's own transport: it is an error together
// with [WithHTTPClient].
func WithPublicOnly() Option { return func(s *settings) { s.publicOnly = true } }

func (s *settings) drops(param string) bool {
	return s.dropAll || slices.Contains(s.dropNames, param)
}

// set is copy on write: option values are shared between clients and calls.
func set[V any](m map[string]V, k string, v V) map[string]V {
	c := make(map[string]V, len(m)+1)
	maps.Copy(c, m)
	c[k] = v
	return c
}

func limit(d, byDefault time.Duration) time.Duration {
	switch {
	case d == 0:
		return byDefault
	case d < 0:
		return 0
	}
	return d
}

// MaxEventBytes is the call's limit for one event of a stream, for the framing reader.
func (c *Call) MaxEventBytes() int {
	if c.settings.maxEvent > 0 {
		return c.settings.maxEvent
	}
	return DefaultMaxEventBytes
}
