package llm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrorKind says what went wrong. It is itself an error, so that a kind can be asked for by name:
//
//	if errors.Is(err, llm.ErrRateLimit) { … }
//
// Kinds form a shallow tree: [ErrFirstContentTimeout] is also [ErrTimeout], [ErrQuota] is also [ErrBilling].
type ErrorKind string

// The kinds.
const (
	// The caller's request.
	ErrInvalidRequest   ErrorKind = "invalid_request"       // refused as malformed: 400, 404 of a sub-resource, 413, 422
	ErrUnsupported      ErrorKind = "unsupported"           // the provider does not offer this operation
	ErrUnsupportedParam ErrorKind = "unsupported_parameter" // the provider's wire cannot carry this field
	ErrContextWindow    ErrorKind = "context_window"        // the prompt, or prompt and answer, exceed the model's window
	ErrContentPolicy    ErrorKind = "content_policy"        // refused by a safety system
	ErrTooLarge         ErrorKind = "request_too_large"     // the body exceeds the provider's size limit
	ErrNotFound         ErrorKind = "not_found"             // no such model, deployment or object
	ErrUnknownProvider  ErrorKind = "unknown_provider"      // no registered provider has this name
	ErrConflict         ErrorKind = "conflict"              // 409

	// The key.
	ErrAuthentication ErrorKind = "authentication" // missing, malformed or revoked key: 401
	ErrPermission     ErrorKind = "permission"     // the key may not do this: 403
	ErrBilling        ErrorKind = "billing"        // payment is needed: 402
	ErrQuota          ErrorKind = "quota"          // the account's quota is used up; waiting seconds does not help
	ErrRateLimit      ErrorKind = "rate_limit"     // 429

	// The route to the provider, and the provider.
	ErrConnection    ErrorKind = "connection" // refused, reset, broken
	ErrDNS           ErrorKind = "dns"        // the host name does not resolve
	ErrTLS           ErrorKind = "tls"        // the certificate or the handshake failed
	ErrRedirect      ErrorKind = "redirect"   // the host answered with a redirect; redirects are not followed
	ErrServer        ErrorKind = "server"     // 500, 502, 504 and other 5xx
	ErrOverloaded    ErrorKind = "overloaded" // 503, 529
	ErrProtocol      ErrorKind = "protocol"   // the answer is not what the API promises
	ErrTruncated     ErrorKind = "truncated"  // the answer ended before its end was proven
	ErrEventTooLarge ErrorKind = "event_size" // one event or body exceeds the size limit
	ErrUnknown       ErrorKind = "unknown"    // an error that is not recognised

	// The clocks; see [WithTimeout] and its siblings.
	ErrTimeout             ErrorKind = "timeout" // any clock, and 408 from the provider
	ErrConnectTimeout      ErrorKind = "timeout_connect"
	ErrHeaderTimeout       ErrorKind = "timeout_headers"
	ErrFirstContentTimeout ErrorKind = "timeout_first_content"
	ErrStallTimeout        ErrorKind = "timeout_between_contents"
	ErrTotalTimeout        ErrorKind = "timeout_total"

	// This process.
	ErrCanceled ErrorKind = "canceled" // the caller's context was cancelled
	ErrClosed   ErrorKind = "closed"   // the stream was used after it was closed or ended
	ErrSchema   ErrorKind = "schema"   // the answer does not match the schema asked for
	ErrTool     ErrorKind = "tool"     // a tool of the caller failed, or a tool loop did not end
	ErrRefused  ErrorKind = "refused"  // middleware refused the call

	ErrNoDeployment ErrorKind = "no_deployment" // a router has no deployment that could take the call
)

// Error makes an ErrorKind usable as the target of errors.Is.
func (k ErrorKind) Error() string { return "llm: " + strings.ReplaceAll(string(k), "_", " ") }

// parent is the more general kind, "" at the root.
func (k ErrorKind) parent() ErrorKind {
	switch k {
	case ErrConnectTimeout, ErrHeaderTimeout, ErrFirstContentTimeout, ErrStallTimeout, ErrTotalTimeout:
		return ErrTimeout
	case ErrQuota:
		return ErrBilling
	case ErrContextWindow, ErrContentPolicy, ErrTooLarge, ErrUnsupportedParam:
		return ErrInvalidRequest
	}
	return ""
}

// Scope says what an error speaks about: whether another request, another key or another route could do
// better. Retries, key rotation and health counts follow it.
type Scope string

// The scopes.
const (
	ScopeRequest Scope = "request" // this request fails wherever it is sent
	ScopeKey     Scope = "key"     // another key may work
	ScopeRoute   Scope = "route"   // the connection, host or deployment; another may work
	ScopeLocal   Scope = "local"   // nothing was decided by a provider
)

// Error is every error of this package. It wraps its cause; errors.Is works with an [ErrorKind], with
// context.Canceled and with context.DeadlineExceeded. Error() never holds a key or the prompt: provider texts
// are shortened and cleaned, and what a provider said in full is in Body.
type Error struct {
	Kind     ErrorKind
	Scope    Scope
	Provider string
	Model    string
	// Status is the HTTP status, or that which an error inside a 200 answer carried; 0 if there was none.
	Status int
	// Type, Code and Param are the provider's own words.
	Type, Code, Param string
	// Message says what happened, and for errors made here, what to do.
	Message   string
	RequestID string
	// Temporary says whether the same request may work later. PossiblyExecuted warns that the provider may
	// have done, and billed, the work although no answer came.
	Temporary        bool
	PossiblyExecuted bool
	// RetryAfter is the wait the provider asked for, 0 if it said nothing.
	RetryAfter time.Duration
	// Body is the provider's answer, up to 64 KiB. It may echo the prompt: do not log it blindly.
	Body []byte
	// Partial is what a stream had delivered. It is set only if content had arrived.
	Partial *CompletionResponse
	// Attempts are all the tries of this call.
	Attempts []Attempt
	Err      error

	stale bool // the connection had been closed by the host before it was used
}

// Error is one line: provider, kind, status, the message, and the request id.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("llm: ")
	if e.Provider != "" {
		b.WriteString(e.Provider)
		if e.Model != "" {
			b.WriteByte('/')
			b.WriteString(e.Model)
		}
		b.WriteString(": ")
	}
	b.WriteString(strings.ReplaceAll(string(e.Kind), "_", " "))
	if e.Status != 0 {
		b.WriteString(" (HTTP ")
		b.WriteString(strconv.Itoa(e.Status))
		b.WriteByte(')')
	}
	switch {
	case e.Message != "":
		b.WriteString(": ")
		b.WriteString(e.Message)
	case e.Err != nil:
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, " [retry after %s]", e.RetryAfter)
	}
	if e.RequestID != "" {
		b.WriteString(" [request ")
		b.WriteString(e.RequestID)
		b.WriteByte(']')
	}
	return b.String()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is matches an [ErrorKind], also a more general one; context.DeadlineExceeded for the total clock, and
// context.Canceled for a call that its caller ended.
func (e *Error) Is(target error) bool {
	if kind, ok := target.(ErrorKind); ok {
		for k := e.Kind; k != ""; k = k.parent() {
			if k == kind {
				return true
			}
		}
		return false
	}
	switch target {
	case context.DeadlineExceeded:
		return e.Kind == ErrTotalTimeout
	case context.Canceled:
		return e.Kind == ErrCanceled
	}
	return false
}

// GoString keeps %#v as harmless as %v.
func (e *Error) GoString() string { return "&" + strconv.Quote(e.Error()) }

// MarshalJSON keeps what logs make of an error, and of an [Attempt] or [Outcome] that holds one, as harmless: it is the
// line of Error, and not Body, in which a provider may repeat the prompt.
func (e *Error) MarshalJSON() ([]byte, error) { return json.Marshal(e.Error()) }

// StatusError classifies an HTTP status when nothing more is known. Providers start from it and then refine
// Kind by their own codes. It never returns nil.
func StatusError(status int) *Error {
	e := &Error{Status: status, Kind: ErrUnknown, Scope: ScopeRoute}
	switch {
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity, status == http.StatusMethodNotAllowed,
		status == http.StatusUnsupportedMediaType, status == http.StatusNotAcceptable:
		e.Kind, e.Scope = ErrInvalidRequest, ScopeRequest
	case status == http.StatusUnauthorized:
		e.Kind, e.Scope = ErrAuthentication, ScopeKey
	case status == http.StatusPaymentRequired:
		e.Kind, e.Scope = ErrBilling, ScopeKey
	case status == http.StatusForbidden:
		e.Kind, e.Scope = ErrPermission, ScopeKey
	case status == http.StatusNotFound, status == http.StatusGone:
		e.Kind, e.Scope = ErrNotFound, ScopeRequest
	case status == http.StatusRequestTimeout:
		e.Kind, e.Temporary = ErrTimeout, true
	case status == http.StatusConflict:
		e.Kind, e.Temporary = ErrConflict, true
	case status == http.StatusTooEarly:
		e.Kind, e.Temporary = ErrServer, true
	case status == http.StatusRequestEntityTooLarge:
		e.Kind, e.Scope = ErrTooLarge, ScopeRequest
	case status == http.StatusTooManyRequests:
		e.Kind, e.Scope, e.Temporary = ErrRateLimit, ScopeKey, true
	case status == http.StatusServiceUnavailable, status == 529:
		e.Kind, e.Temporary = ErrOverloaded, true
	case status >= 500 && status <= 599:
		e.Kind, e.Temporary = ErrServer, status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported
	case status >= 300 && status <= 399:
		e.Kind = ErrRedirect
	case status >= 400 && status <= 499:
		e.Kind, e.Scope = ErrInvalidRequest, ScopeRequest
	}
	return e
}

// SetKind changes the kind and gives Scope and Temporary the values that belong to it.
func (e *Error) SetKind(k ErrorKind) {
	e.Kind = k
	switch k {
	case ErrInvalidRequest, ErrUnsupported, ErrUnsupportedParam, ErrContextWindow, ErrContentPolicy, ErrTooLarge, ErrNotFound:
		e.Scope, e.Temporary = ScopeRequest, false
	case ErrAuthentication, ErrPermission, ErrBilling, ErrQuota:
		e.Scope, e.Temporary = ScopeKey, false
	case ErrRateLimit:
		e.Scope, e.Temporary = ScopeKey, true
	case ErrServer, ErrOverloaded, ErrTruncated, ErrConnection:
		e.Scope, e.Temporary = ScopeRoute, true
	case ErrTLS, ErrRedirect, ErrUnknown:
		e.Scope, e.Temporary = ScopeRoute, false
	case ErrProtocol:
		e.Scope, e.Temporary = ScopeRoute, true
	}
}

// Truncated is the error of an answer that stopped short. Providers' streams return it when the body ends
// before their terminal event.
func Truncated(what string) *Error {
	return &Error{Kind: ErrTruncated, Scope: ScopeRoute, Temporary: true, Message: what}
}

// Malformed is the error of an answer that is not what the API promises.
func Malformed(what string, err error) *Error {
	return &Error{Kind: ErrProtocol, Scope: ScopeRoute, Temporary: true, Message: what, Err: err}
}

// InvalidRequest is the error of a request that cannot be sent as it is; param names the field.
func InvalidRequest(param, message string) *Error {
	return &Error{Kind: ErrInvalidRequest, Scope: ScopeRequest, Param: param, Message: message}
}

func asError(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}
