package llmtest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Fault is one way in which a host, or the way to it, fails, by a name that stays. A fault in the answer's body comes after
// the first content, unless [Fault.BeforeContent] moves it.
type Fault string

// Faults of the way to the host. They strike the next new connection of a client that [Server.Client] made, or whose
// transport is that of [Server.HTTPClient]: no server can do them by itself.
const (
	// Refused refuses the connection: nobody listens at the port.
	Refused Fault = "refused"
	// NameNotFound has a resolver say that the host's name does not exist (NXDOMAIN), NameTimeout has it say nothing:
	// the look-up is given up after some tries of 100 ms each.
	NameNotFound Fault = "name-not-found"
	NameTimeout  Fault = "name-timeout"
	// ConnectStall lets the attempt to connect go unanswered, as behind a firewall that drops packets; see [BlackHole].
	ConnectStall Fault = "connect-stall"
)

// Faults of TLS and HTTP/2. They strike the next new connection of any client, and need a server with TLS: see
// [NewTLSServer] and [StartTLS].
const (
	// TLSExpired shows a certificate that ended an hour ago, TLSWrongHost one of another host, TLSUnknownCA one of an
	// authority that nobody trusts.
	TLSExpired   Fault = "tls-expired"
	TLSWrongHost Fault = "tls-wrong-host"
	TLSUnknownCA Fault = "tls-unknown-ca"
	// TLSStall takes the connection and never answers in the handshake.
	TLSStall Fault = "tls-stall"
	// GoAway ends a connection of HTTP/2 when its first request comes, and says that the request was not taken (RFC
	// 9113, section 6.8). RefusedStream refuses the request itself (section 8.7), and the connection takes no other. Such
	// requests are not read, and so not in [Server.Requests]. For clients without HTTP/2 the fault waits.
	GoAway        Fault = "http2-goaway"
	RefusedStream Fault = "http2-refused-stream"
)

// Faults of the request's way. They strike before the body of a request is read.
const (
	// UploadStall leaves the body unread and keeps silent, so that a large one cannot be sent.
	UploadStall Fault = "upload-stall"
	// UploadRefused answers 413 without reading the body.
	UploadRefused Fault = "upload-refused"
)

// Faults of the connection.
const (
	// Reset resets the connection when the request has been read, before any header.
	Reset Fault = "reset"
	// Hangup closes the connection instead, in good order.
	Hangup Fault = "hangup"
	// ResetBody resets the connection within the answer. Over HTTP/2, it and Reset reset the stream alone.
	ResetBody Fault = "reset-body"
	// Stale answers well and keeps the connection, until the next request comes on it: then it is closed, and the
	// request is not read.
	Stale Fault = "stale"
	// HeadersNever keeps silent until the client leaves.
	HeadersNever Fault = "headers-never"
	// SlowHeaders sends the headers a byte at a time, ten a second, and never all of them.
	SlowHeaders Fault = "slow-headers"
	// HugeHeaders sends 2 MB of headers.
	HugeHeaders Fault = "huge-headers"
	// Stall goes silent within the answer, the connection open.
	Stall Fault = "stall"
	// Pings goes silent but for pings or comments, for ever.
	Pings Fault = "pings"
	// Drip sends the whole answer, slowly and in small pieces: living, and not to be killed.
	Drip Fault = "drip"
	// CutEvent closes the connection in good order in the middle of an event, or of the body: net/http reports no
	// error, as the length was not said.
	CutEvent Fault = "cut-event"
	// NoTerminal ends a stream in good order after its last content, without the events that close it. A whole
	// answer loses its last byte.
	NoTerminal Fault = "no-terminal"
	// NoLastChunk breaks the connection within a chunked body.
	NoLastChunk Fault = "no-last-chunk"
	// LengthTooLong says a Content-Length and closes before it.
	LengthTooLong Fault = "length-too-long"
	// OpenEnd sends the whole answer and leaves the connection open.
	OpenEnd Fault = "open-end"
)

// Faults of what is said.
const (
	// AfterTerminal sends more after the terminal event.
	AfterTerminal Fault = "after-terminal"
	// Empty is a 200 with an empty body, or a stream without an event.
	Empty Fault = "empty"
	// ErrorBody is a 200 whose body is an error.
	ErrorBody Fault = "error-body"
	// ErrorEvent is an error (overloaded) as an event of the stream; for a whole answer it is [ErrorBody].
	ErrorEvent Fault = "error-event"
	// HTML is a 200 with a web page, as captive portals and proxies send it. HTMLAsJSON says that the page is what
	// was asked for.
	HTML       Fault = "html"
	HTMLAsJSON Fault = "html-as-json"
	// CutJSON is a 200 with a body of JSON that is cut, of the length that was said.
	CutJSON Fault = "cut-json"
	// NoChoices is an answer without choices, candidates or content.
	NoChoices Fault = "no-choices"
	// NoUsage is an answer without usage.
	NoUsage Fault = "no-usage"
	// MalformedEvent is one event that is no JSON among good ones; a whole answer is malformed as such.
	MalformedEvent Fault = "malformed-event"
	// Doubled sends each event of content twice.
	Doubled Fault = "doubled"
	// OutOfOrder swaps the second and third event of content.
	OutOfOrder Fault = "out-of-order"
	// ZeroToolIndexes gives every streamed tool call the index 0, NoToolIndexes none at all, and LateToolName sends a
	// call's id and name only after the beginning of its arguments: as some hosts of OpenAI's chat completions do. The
	// other dialects have no room for it.
	ZeroToolIndexes Fault = "zero-tool-indexes"
	NoToolIndexes   Fault = "no-tool-indexes"
	LateToolName    Fault = "late-tool-name"
	// InvalidUTF8 puts bytes into the text that are no UTF-8.
	InvalidUTF8 Fault = "invalid-utf8"
	// SplitRunes sends every byte of the body by itself, so that runes are split.
	SplitRunes Fault = "split-runes"
	// LoneSurrogate puts half of a surrogate pair into the text, as a JSON escape.
	LoneSurrogate Fault = "lone-surrogate"
	// HugeLine is a line of 100 MB.
	HugeLine Fault = "huge-line"
	// Endless repeats the content of the answer until the client leaves. A whole answer never ends.
	Endless Fault = "endless"
	// EmptyDeltas puts a million events without content before the first content.
	EmptyDeltas Fault = "empty-deltas"
	// GzipBomb is 300 kB of gzip that inflates to 300 MB.
	GzipBomb Fault = "gzip-bomb"
	// BadGzip says gzip and is none; UnknownEncoding says an encoding that does not exist.
	BadGzip         Fault = "bad-gzip"
	UnknownEncoding Fault = "unknown-encoding"
	// DeepJSON nests a million lists; HugeNumber has a number beyond every type, DoubledKeys each member twice.
	DeepJSON    Fault = "deep-json"
	HugeNumber  Fault = "huge-number"
	DoubledKeys Fault = "doubled-keys"
	// LongBody is a whole answer of 300 MB, or a stream with an event of that size.
	LongBody Fault = "long-body"
)

// Faults that the host reports. See also [Status].
const (
	// RateLimitSeconds to RateLimitYear are 429, with Retry-After as seconds (1), as an HTTP date (2 s from now),
	// in milliseconds (retry-after-ms: 100), in the body as the API words it (1 s), and as a year. RateLimitPast is a
	// date of yesterday, as from a host whose clock is wrong.
	RateLimitSeconds Fault = "rate-limit-seconds"
	RateLimitDate    Fault = "rate-limit-date"
	RateLimitPast    Fault = "rate-limit-past"
	RateLimitMillis  Fault = "rate-limit-millis"
	RateLimitBody    Fault = "rate-limit-body"
	RateLimitYear    Fault = "rate-limit-year"
	// QuotaExhausted is a 429 of an account that has nothing left.
	QuotaExhausted Fault = "quota-exhausted"
	// ContextWindow is a 400 for a prompt that is too long, ContentPolicy one that the safety system refused.
	ContextWindow Fault = "context-window"
	ContentPolicy Fault = "content-policy"
	// InvalidField is a 400 that names the field that is wrong: the temperature.
	InvalidField Fault = "invalid-field"
	// BadKey is a 401 that repeats the key that was sent.
	BadKey Fault = "bad-key"
	// EchoPrompt is a 400 that repeats the prompt in its message.
	EchoPrompt Fault = "echo-prompt"
	// RedirectSameHost, RedirectOtherHost and RedirectLoop are 307 to another path of this host, to another host
	// (the server under another name; see [Request] Redirected), and to itself. RedirectDowngrade is one from https to
	// http, and needs a server with TLS.
	RedirectSameHost  Fault = "redirect-same-host"
	RedirectOtherHost Fault = "redirect-other-host"
	RedirectDowngrade Fault = "redirect-downgrade"
	RedirectLoop      Fault = "redirect-loop"
	// Flapping fails every second request with a 503.
	Flapping Fault = "flapping"
)

// Status is the fault of an answer with an HTTP status of 400 or above, as the API words it.
func Status(code int) Fault { return Fault("status-" + strconv.Itoa(code)) }

const beforeContent = "@before"

// BeforeContent is the same fault before the first content: for a stream before the first event that adds to the
// answer, for a whole answer before the first byte of its body.
func (f Fault) BeforeContent() Fault {
	if strings.HasSuffix(string(f), beforeContent) {
		return f
	}
	return f + beforeContent
}

// name is the fault without its place.
func (f Fault) name() Fault { return Fault(strings.TrimSuffix(string(f), beforeContent)) }

func (f Fault) before() bool { return strings.HasSuffix(string(f), beforeContent) }

// Faults lists every fault, with Status of each code that providers use. Some say when they can come before the
// content as well: those are listed both ways.
func Faults() []Fault {
	list := []Fault{
		Refused, NameNotFound, NameTimeout, ConnectStall, TLSExpired, TLSWrongHost, TLSUnknownCA, TLSStall, GoAway, RefusedStream, UploadStall, UploadRefused,
		Reset, Hangup, ResetBody, Stale, HeadersNever, SlowHeaders, HugeHeaders, Stall, Pings, Drip, CutEvent, NoTerminal, NoLastChunk, LengthTooLong, OpenEnd,
		AfterTerminal, Empty, ErrorBody, ErrorEvent, HTML, HTMLAsJSON, CutJSON, NoChoices, NoUsage, MalformedEvent, Doubled, OutOfOrder, ZeroToolIndexes, NoToolIndexes, LateToolName,
		InvalidUTF8, SplitRunes,
		LoneSurrogate, HugeLine, Endless, EmptyDeltas, GzipBomb, BadGzip, UnknownEncoding, DeepJSON, HugeNumber, DoubledKeys, LongBody,
		RateLimitSeconds, RateLimitDate, RateLimitPast, RateLimitMillis, RateLimitBody, RateLimitYear, QuotaExhausted, ContextWindow, ContentPolicy,
		InvalidField, BadKey, EchoPrompt, RedirectSameHost, RedirectOtherHost, RedirectDowngrade, RedirectLoop, Flapping,
	}
	for _, f := range []Fault{Stall, Pings, CutEvent, NoLastChunk, ResetBody, LengthTooLong, ErrorEvent, MalformedEvent} {
		list = append(list, f.BeforeContent())
	}
	for _, code := range []int{400, 401, 402, 403, 404, 408, 409, 413, 422, 425, 429, 500, 502, 503, 504, 529} {
		list = append(list, Status(code))
	}
	return list
}

// known tells a typing error from a fault.
func (f Fault) known() bool {
	if _, ok := f.status(); ok {
		return true
	}
	for _, k := range Faults() {
		if k == f.name() {
			return true
		}
	}
	return f == ""
}

func (f Fault) status() (int, bool) {
	digits, ok := strings.CutPrefix(string(f.name()), "status-")
	if !ok {
		return 0, false
	}
	code, err := strconv.Atoi(digits)
	return code, err == nil && code >= 400 && code <= 599
}

// reported is the failure that the fault makes the host report; ok is false for other faults.
func (f Fault) reported(r *Request, key string) (fail failure, header http.Header, ok bool) {
	header = http.Header{}
	limited := func(name, value string) (failure, http.Header, bool) {
		if name != "" {
			header.Set(name, value)
		}
		return failure{status: 429, message: "Rate limit reached."}, header, true
	}
	switch f.name() {
	case RateLimitSeconds:
		return limited("Retry-After", "1")
	case RateLimitDate:
		return limited("Retry-After", time.Now().Add(2*time.Second).UTC().Format(http.TimeFormat))
	case RateLimitPast:
		return limited("Retry-After", time.Now().Add(-24*time.Hour).UTC().Format(http.TimeFormat))
	case RateLimitMillis:
		return limited("Retry-After-Ms", "100")
	case RateLimitYear:
		return limited("Retry-After", "31536000")
	case RateLimitBody:
		fail, header, ok = limited("", "")
		fail.wait = time.Second
		return fail, header, ok
	case QuotaExhausted:
		return failure{status: 429, reason: "quota", message: "You exceeded your current quota, please check your plan and billing details."}, header, true
	case ContextWindow:
		return failure{status: 400, reason: "context_window", message: contextWindowText[r.Dialect]}, header, true
	case ContentPolicy:
		return failure{status: 400, reason: "content_policy", message: contentPolicyText[r.Dialect]}, header, true
	case InvalidField:
		return failure{status: 400, reason: "field", message: invalidFieldText[r.Dialect]}, header, true
	case BadKey:
		return failure{status: 401, message: "Incorrect API key provided: " + key + "."}, header, true
	case EchoPrompt:
		return failure{status: 400, message: "Invalid input: " + r.LastUserText() + " " + strings.Join(r.Input, " ")}, header, true
	case Flapping:
		return failure{status: 503, message: "The service is unavailable."}, header, true
	}
	if code, ok := f.status(); ok {
		text := http.StatusText(code)
		if text == "" {
			text = "Overloaded"
		}
		return failure{status: code, message: text + "."}, header, true
	}
	return failure{}, nil, false
}

// contextWindowText is how the vendors word it: where they have no code for it, the text is all there is.
var contextWindowText = map[Dialect]string{
	OpenAI:    "This model's maximum context length is 128000 tokens. However, your messages resulted in 200000 tokens. Please reduce the length of the messages.",
	Responses: "Your input exceeds the context window of this model. Please adjust your input and try again.",
	Anthropic: "prompt is too long: 204568 tokens > 200000 maximum",
	Gemini:    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
	Bedrock:   "The model returned the following errors: Input is too long for requested model.",
}

// contentPolicyText is how the vendors word it, or their models do.
var contentPolicyText = map[Dialect]string{
	OpenAI:    "Your request was rejected by our safety system.",
	Responses: "Your request was rejected by our safety system.",
	Anthropic: "Output blocked by content filtering policy",
	Gemini:    "The prompt could not be submitted. This prompt contains sensitive words that violate Google's Responsible AI practices.",
	Bedrock:   "The model returned the following errors: Output blocked by content filtering policy",
}

// invalidFieldText is how the vendors name a field: Anthropic and Bedrock in the text alone.
var invalidFieldText = map[Dialect]string{
	OpenAI:    "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 9 instead.",
	Responses: "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 9 instead.",
	Anthropic: "temperature: Input should be less than or equal to 1",
	Gemini:    "* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0].",
	Bedrock: "1 validation error detected: Value '9.0' at 'inferenceConfig.temperature' failed to satisfy constraint: " +
		"Member must have value less than or equal to 1",
}
