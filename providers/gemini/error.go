package gemini

import (
	"net/http"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// statusCodes are the canonical codes of google.rpc.Code and the HTTP status that belongs to each, for errors that
// come without one.
var statusCodes = map[string]int{
	"INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403,
	"NOT_FOUND": 404, "ABORTED": 409, "ALREADY_EXISTS": 409, "RESOURCE_EXHAUSTED": 429, "CANCELLED": 499, "INTERNAL": 500,
	"UNKNOWN": 500, "DATA_LOSS": 500, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504,
}

// rpcStatus is google.rpc.Status with those of its details that say something.
type rpcStatus struct {
	code            int
	status, message string
	reason, field   string // of ErrorInfo and BadRequest
	perDay, none    bool   // a daily quota, a quota of nothing
	retry           time.Duration
}

// Error reads google.rpc.Status: {"error":{"code","message","status","details"}}, which streams put into a list. status
// is 0 for an error inside a 200 answer: then the error's own code counts.
func Error(status int, _ http.Header, body []byte) *llm.Error {
	s := readStatus(body)
	if status < 400 {
		if status = s.code; status < 400 || status > 599 {
			status = statusCodes[s.status]
		}
	}
	e := llm.StatusError(status)
	e.Type, e.Code, e.Param, e.Message, e.RetryAfter = s.status, s.reason, s.field, s.message, s.retry
	if e.Code == "" {
		e.Code = s.status
	}
	s.refine(e)
	return e
}

func (s *rpcStatus) refine(e *llm.Error) {
	has := func(texts ...string) bool {
		msg := strings.ToLower(s.message)
		for _, t := range texts {
			if strings.Contains(msg, t) {
				return true
			}
		}
		return false
	}
	switch s.reason {
	case "API_KEY_INVALID", "CREDENTIALS_MISSING", "ACCESS_TOKEN_EXPIRED", "ACCESS_TOKEN_TYPE_UNSUPPORTED", "ACCOUNT_STATE_INVALID":
		e.SetKind(llm.ErrAuthentication)
		return
	case "API_KEY_SERVICE_BLOCKED", "API_KEY_HTTP_REFERRER_BLOCKED", "API_KEY_IP_ADDRESS_BLOCKED", "SERVICE_DISABLED", "CONSUMER_INVALID",
		"ACCESS_TOKEN_SCOPE_INSUFFICIENT", "IAM_PERMISSION_DENIED", "CONSUMER_SUSPENDED":
		e.SetKind(llm.ErrPermission)
		return
	case "BILLING_DISABLED":
		e.SetKind(llm.ErrBilling)
		return
	}
	switch {
	case e.Status == 429:
		if s.perDay || s.none || has("spending cap", "prepayment credits", "billing account") {
			e.SetKind(llm.ErrQuota)
		}
	case has("api key not valid", "api key not found", "api key expired", "invalid api key", "reported as leaked"):
		e.SetKind(llm.ErrAuthentication)
	case has("user location is not supported"):
		e.SetKind(llm.ErrPermission)
		e.Scope = llm.ScopeRoute // another key is at the same place
	case has("free tier is not available", "enable billing", "requires billing"):
		e.SetKind(llm.ErrBilling)
	case e.Kind != llm.ErrInvalidRequest:
	case has("exceeds the maximum number of tokens allowed", "exceeds the maximum number of input tokens", "exceeds the context window",
		"input context is too long"):
		e.SetKind(llm.ErrContextWindow)
	case has("request payload size exceeds the limit"):
		e.SetKind(llm.ErrTooLarge)
	case has("usage guidelines", "responsible ai", "prohibited use policy", "blocked by safety"):
		e.SetKind(llm.ErrContentPolicy)
	}
}

// blocked is the error of a prompt that was refused: an answer without candidates, with promptFeedback.blockReason.
func blocked(reason, message string) *llm.Error {
	e := &llm.Error{Code: reason, Message: "the prompt was blocked: " + strings.ToLower(strings.ReplaceAll(reason, "_", " "))}
	e.SetKind(llm.ErrContentPolicy)
	if message != "" {
		e.Message += ": " + message
	}
	return e
}

func readStatus(body []byte) rpcStatus {
	var s rpcStatus
	var d jsonx.Decoder
	d.Reset(body)
	if d.Kind() == jsonx.Array {
		for d.Array(); d.More(); {
			s.read(&d)
		}
	} else {
		s.read(&d)
	}
	if d.End() != nil && s.message == "" {
		return rpcStatus{}
	}
	return s
}

func (s *rpcStatus) read(d *jsonx.Decoder) {
	if d.Kind() != jsonx.Object {
		d.Skip()
		return
	}
	for d.Object(); d.More(); {
		if string(d.Key()) != "error" {
			d.Skip()
			continue
		}
		if d.Kind() == jsonx.String {
			s.message = d.Str()
			continue
		}
		if d.Kind() != jsonx.Object {
			d.Skip()
			continue
		}
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "code":
				if d.Kind() == jsonx.Number {
					s.code = int(d.Float())
				} else {
					d.Skip()
				}
			case "message":
				s.message = text(d)
			case "status":
				s.status = text(d)
			case "details":
				s.details(d)
			default:
				d.Skip()
			}
		}
	}
}

// text is a string, "" for anything else.
func text(d *jsonx.Decoder) string {
	if d.Kind() != jsonx.String {
		d.Skip()
		return ""
	}
	return d.Str()
}

func (s *rpcStatus) details(d *jsonx.Decoder) {
	if d.Kind() != jsonx.Array {
		d.Skip()
		return
	}
	for d.Array(); d.More(); {
		if d.Kind() != jsonx.Object {
			d.Skip()
			continue
		}
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "reason":
				if r := text(d); s.reason == "" {
					s.reason = r
				}
			case "retryDelay":
				if wait, err := time.ParseDuration(text(d)); err == nil && wait > 0 {
					s.retry = wait
				}
			case "fieldViolations":
				s.violations(d, func(key, value string) {
					if key == "field" && s.field == "" {
						s.field = value
					}
				})
			case "violations":
				s.violations(d, func(key, value string) {
					if key == "quotaId" && strings.Contains(value, "PerDay") {
						s.perDay = true
					}
					if key == "quotaValue" && value == "0" {
						s.none = true
					}
				})
			default:
				d.Skip()
			}
		}
	}
}

func (s *rpcStatus) violations(d *jsonx.Decoder, see func(key, value string)) {
	if d.Kind() != jsonx.Array {
		d.Skip()
		return
	}
	for d.Array(); d.More(); {
		if d.Kind() != jsonx.Object {
			d.Skip()
			continue
		}
		for d.Object(); d.More(); {
			key := string(d.Key())
			see(key, text(d))
		}
	}
}
