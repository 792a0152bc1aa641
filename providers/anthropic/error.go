package anthropic

import (
	"net/http"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// Sources: Anthropic's API reference, "Errors", sections "HTTP errors", "Error shapes" and "Common validation
// errors"; the texts of limits that have no type of their own are those that users report.

// apiError is the object in "error".
type apiError struct {
	typ, message, code string
	requestID          string
}

// Error reads an error answer. Hosts of Anthropic's messages that answer in its shape use it too.
func Error(status int, _ http.Header, body []byte) *llm.Error {
	var a apiError
	var d jsonx.Decoder
	d.Reset(body)
	if d.Kind() != jsonx.Object {
		return llm.StatusError(status)
	}
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "error":
			a.decode(&d)
		case "request_id":
			a.requestID = d.Str()
		case "message": // hosts in front of the API
			if d.Kind() == jsonx.String && a.message == "" {
				a.message = d.Str()
			} else {
				d.Skip()
			}
		default:
			d.Skip()
		}
	}
	return a.error(status)
}

func (a *apiError) decode(d *jsonx.Decoder) {
	if d.Kind() != jsonx.Object {
		a.message = text(d)
		return
	}
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "type":
			a.typ = text(d)
		case "message":
			a.message = text(d)
		case "details":
			if d.Kind() != jsonx.Object {
				d.Skip()
				continue
			}
			for d.Object(); d.More(); {
				if string(d.Key()) == "error_code" {
					a.code = text(d)
				} else {
					d.Skip()
				}
			}
		default:
			d.Skip()
		}
	}
}

// text reads a string and passes over any other value: an error is read for what it has.
func text(d *jsonx.Decoder) string {
	if d.Kind() != jsonx.String {
		d.Skip()
		return ""
	}
	return d.Str()
}

// errorStatus is the status that an error type comes with; it is that of errors inside a stream.
var errorStatus = map[string]int{
	"invalid_request_error": http.StatusBadRequest,
	"authentication_error":  http.StatusUnauthorized,
	"billing_error":         http.StatusPaymentRequired,
	"permission_error":      http.StatusForbidden,
	"not_found_error":       http.StatusNotFound,
	"conflict_error":        http.StatusConflict,
	"request_too_large":     http.StatusRequestEntityTooLarge,
	"rate_limit_error":      http.StatusTooManyRequests,
	"api_error":             http.StatusInternalServerError,
	"timeout_error":         http.StatusGatewayTimeout,
	"overloaded_error":      529,
}

// error classifies. A status below 400 is that of an answer which carried an error inside.
func (a *apiError) error(status int) *llm.Error {
	if status < http.StatusBadRequest {
		status = errorStatus[a.typ]
		if status == 0 {
			status = http.StatusInternalServerError
		}
	}
	e := llm.StatusError(status)
	e.Type, e.Code, e.Message, e.RequestID = a.typ, a.code, a.message, a.requestID
	if e.Code == "" {
		e.Code = a.typ
	}
	switch a.typ {
	case "authentication_error":
		e.SetKind(llm.ErrAuthentication)
	case "billing_error":
		e.SetKind(llm.ErrBilling)
	case "permission_error":
		e.SetKind(llm.ErrPermission)
	case "not_found_error":
		e.SetKind(llm.ErrNotFound)
	case "request_too_large":
		e.SetKind(llm.ErrTooLarge)
	case "rate_limit_error":
		e.SetKind(llm.ErrRateLimit)
	case "timeout_error":
		e.Kind, e.Scope, e.Temporary = llm.ErrTimeout, llm.ScopeRoute, true
	case "api_error":
		e.SetKind(llm.ErrServer)
	case "overloaded_error":
		e.SetKind(llm.ErrOverloaded)
	}
	if kind := messageKind(a.message); kind == llm.ErrQuota || kind != "" && !e.Temporary {
		e.SetKind(kind)
	}
	if e.Scope == llm.ScopeRequest {
		e.Param = param(a.message)
	}
	return e
}

// messageKind knows the texts of conditions that share the type of a malformed request.
func messageKind(message string) llm.ErrorKind {
	m := strings.ToLower(message)
	for _, t := range messageKinds {
		if strings.Contains(m, t.text) {
			return t.kind
		}
	}
	return ""
}

var messageKinds = []struct {
	text string
	kind llm.ErrorKind
}{
	{"prompt is too long", llm.ErrContextWindow},
	{"exceed context limit", llm.ErrContextWindow}, // "input length and `max_tokens` exceed context limit: …"
	{"exceeds the context window", llm.ErrContextWindow},
	{"credit balance is too low", llm.ErrBilling},
	{"specified api usage limits", llm.ErrQuota}, // "You have reached your specified API usage limits. …"
	{"blocked by content filtering policy", llm.ErrContentPolicy},
	{"organization has been disabled", llm.ErrPermission},
}

// param is the field that a validation message begins with: "messages.0.content.1.text: must not be empty".
func param(message string) string {
	name, _, ok := strings.Cut(message, ": ")
	if !ok || name == "" {
		return ""
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '.' {
			return ""
		}
	}
	return name
}
