package llm

import (
	"context"
	"io"
	"iter"
	"maps"
	"net/http"
	"slices"
	"sync"
)

// Provider is one host of models, as data: what it is called, where it is, how a request is signed, and one
// [Op] per operation. A nil Op means that the provider does not offer the operation.
//
// A provider of one's own is a value of this type, given to [Register] from an init function or to a client by
// [WithProvider]. The providers of this library are all such values; providers/providertest checks one against
// the rules that the engine relies on.
type Provider struct {
	// Name is the part before the slash in "provider/model": lower case letters, digits, '_', '-' and '.'.
	Name string
	// Aliases are further names for the same provider.
	Aliases []string
	// Dialect names the family whose signed or encrypted blobs this provider makes and accepts ("anthropic",
	// "gemini", "openai-responses"); "" means Name. It is compared with the Origin of thinking blocks.
	Dialect string

	// BaseURL is the root of the API without a trailing slash. It may hold variables in braces, filled from
	// [WithSetting] or the environment variable of that name: "https://{AWS_REGION}.example.com";
	// several names in order, and a default after a bar: "{AWS_REGION,AWS_DEFAULT_REGION|us-east-1}". "" means that the caller must give one.
	BaseURL string
	// BaseURLEnv names environment variables that replace BaseURL, first set one wins.
	BaseURLEnv []string
	// KeyEnv names the environment variables that hold the key, first set one wins: the vendor's own
	// SDK's name first. They are read at the call, never before.
	KeyEnv []string
	// KeyOptional is set for hosts that work without a key, such as servers on this machine.
	KeyOptional bool
	// Hosts are further host names that the key may be sent to, beside that of the base URL: "*.example.com"
	// matches any name below example.com, and variables are filled in as in BaseURL. A request that an Op makes
	// to any other host goes without a key.
	Hosts []string
	// Doc is the URL of the API reference.
	Doc string

	// Auth signs each attempt, last. nil: [BearerAuth].
	Auth Auth
	// Error reads an error answer: status 400 and above, or an error carried by a 200. nil: OpenAI's
	// shape. Provider, Model, Body, RequestID and Retry-After headers are filled in by the engine.
	Error func(status int, h http.Header, body []byte) *Error
	// ResponsesOnly says that a model is served by the Responses operation only; completions of it are
	// translated. nil: none is.
	ResponsesOnly func(model string) bool

	Completion     *Op[CompletionRequest, CompletionResponse, CompletionChunk]
	Responses      *Op[ResponsesRequest, ResponsesResponse, ResponsesChunk]
	TextCompletion *Op[TextCompletionRequest, TextCompletionResponse, TextCompletionChunk]
	Embedding      *Op[EmbeddingRequest, EmbeddingResponse, None]
	Image          *Op[ImageRequest, ImageResponse, None]
	ImageEdit      *Op[ImageEditRequest, ImageResponse, None]
	ImageVariation *Op[ImageVariationRequest, ImageResponse, None]
	Speech         *Op[SpeechRequest, SpeechResponse, SpeechChunk]
	Transcription  *Op[TranscriptionRequest, TranscriptionResponse, TranscriptionChunk]
	Translation    *Op[TranslationRequest, TranscriptionResponse, None]
	Moderation     *Op[ModerationRequest, ModerationResponse, None]
	CountTokens    *Op[CountTokensRequest, CountTokensResponse, None]
	Models         *Op[ModelsRequest, ModelsResponse, None]
}

// Op is one operation of one provider: functions between this package's types and the wire. Encode, Decode and
// Stream are pure: no network, clock, environment or globals, and they never write to the request. They take
// the model's name from call.Model, the URL from [Call.URL], and may add warnings to the call.
type Op[Req, Resp, Chunk any] struct {
	// Encode makes the HTTP request, without credentials and without a context. call.Stream says which kind of
	// answer is wanted. Use [Call.NewRequest] or [Call.NewJSONRequest]. The request and its header belong to the
	// engine from then on, which adds to them: neither may be shared between calls.
	Encode func(call *Call, req *Req) (*http.Request, error)
	// Decode reads a complete 2xx answer. An error that arrives inside a 200 is returned as an error.
	Decode func(call *Call, h http.Header, body []byte) (*Resp, error)
	// Stream reads a streamed 2xx answer piece by piece. nil: the provider cannot stream this operation, and
	// the engine replays the unary answer as a stream where the operation has one.
	Stream func(call *Call, body io.Reader) Next[Chunk]

	// Do, instead of Encode and Decode, serves operations that are not one exchange: upload and create, poll
	// until done, or no HTTP at all. Each request made through send is signed, timed, retried and counted
	// by the engine. DoStream is the same for streams; the Next that it returns is called until it errs, or
	// ctx is cancelled when the reader stops early.
	Do       func(ctx context.Context, call *Call, req *Req, send Send) (*Resp, error)
	DoStream func(ctx context.Context, call *Call, req *Req, send Send) (Next[Chunk], error)
}

// Next returns the next piece of a stream: a fresh value that the caller owns. After the last it returns
// io.EOF, and only once the dialect's terminal event was read: a body that ends before it is [Truncated].
type Next[Chunk any] func() (*Chunk, error)

// None is the chunk type of operations that do not stream.
type None struct{}

// Send sends one request with the call's credentials, clocks, retries and accounting, and returns an answer
// with a 2xx status or an error. The caller closes the body.
type Send func(ctx context.Context, r *http.Request) (*http.Response, error)

// Auth signs a request just before it is sent, each attempt anew. The key comes from [Call.Key], further
// settings from [Call.Secret] and [Call.Setting]; the body from [RequestBody]. Credentials travel in headers
// only, never in the URL.
type Auth func(ctx context.Context, r *http.Request, call *Call) error

// BearerAuth sends "Authorization: Bearer KEY", or nothing if there is no key.
func BearerAuth(_ context.Context, r *http.Request, call *Call) error {
	if key := call.Key(); !key.IsZero() {
		r.Header.Set("Authorization", "Bearer "+key.Reveal())
	}
	return nil
}

// HeaderAuth sends the key alone in the named header.
func HeaderAuth(name string) Auth {
	return func(_ context.Context, r *http.Request, call *Call) error {
		if key := call.Key(); !key.IsZero() {
			r.Header.Set(name, key.Reveal())
		}
		return nil
	}
}

var registry = struct {
	sync.RWMutex
	byName map[string]*Provider // names and aliases
}{byName: make(map[string]*Provider)}

// Register makes a provider known to all clients by its Name and Aliases. It is called from init functions of
// provider packages, and panics when a name is empty or taken.
func Register(p *Provider) {
	registry.Lock()
	defer registry.Unlock()
	for _, name := range append([]string{p.Name}, p.Aliases...) {
		if name == "" {
			panic("llm: Register of a provider without a name")
		}
		if _, taken := registry.byName[name]; taken {
			panic("llm: Register called twice for provider " + name)
		}
		registry.byName[name] = p
	}
}

// LookupProvider finds a registered provider by name or alias.
func LookupProvider(name string) (*Provider, bool) {
	registry.RLock()
	defer registry.RUnlock()
	p, ok := registry.byName[name]
	return p, ok
}

// Providers yields the registered providers sorted by name, each once.
func Providers() iter.Seq[*Provider] {
	registry.RLock()
	defer registry.RUnlock()
	names := slices.Sorted(maps.Keys(registry.byName))
	list := make([]*Provider, 0, len(names))
	for _, name := range names {
		if p := registry.byName[name]; p.Name == name {
			list = append(list, p)
		}
	}
	return slices.Values(list)
}

// DialectName is Dialect, or Name if that is empty.
func (p *Provider) DialectName() string {
	if p.Dialect != "" {
		return p.Dialect
	}
	return p.Name
}
