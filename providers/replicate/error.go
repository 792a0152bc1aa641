package replicate

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// readError reads an error answer, a problem document (RFC 7807): title, detail, status, type.
func readError(status int, _ http.Header, body []byte) *llm.Error {
	e := llm.StatusError(status)
	var d jsonx.Decoder
	d.Reset(body)
	if d.Kind() != jsonx.Object {
		return e
	}
	title, detail := "", ""
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "title":
			title = scalar(&d)
		case "detail":
			detail = scalar(&d)
		case "type":
			e.Type = scalar(&d)
		case "retry_after":
			if d.Kind() == jsonx.Number {
				if s := d.Float(); s > 0 && s < 1e6 {
					e.RetryAfter = time.Duration(s * float64(time.Second))
				}
			} else {
				d.Skip()
			}
		default:
			d.Skip()
		}
	}
	if d.End() != nil {
		return llm.StatusError(status)
	}
	e.Code, e.Message = title, detail
	if detail == "" {
		e.Message = title
	}
	if status == http.StatusTooManyRequests && e.RetryAfter == 0 {
		e.RetryAfter = expected(detail)
	}
	return e
}

// expected reads "Request was throttled. Expected available in 3 seconds."
func expected(text string) time.Duration {
	_, rest, ok := strings.Cut(text, "xpected available in ")
	if !ok {
		return 0
	}
	number, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n > 1e6 {
		return 0
	}
	return time.Duration(n) * time.Second
}

// scalar is a text, "" for an array or object.
func scalar(d *jsonx.Decoder) string {
	if k := d.Kind(); k == jsonx.Array || k == jsonx.Object {
		d.Skip()
		return ""
	}
	return d.Str()
}

// err is nil for a prediction that succeeded.
func (p *prediction) err() error {
	switch p.status {
	case "failed", "canceled", "aborted":
		return ended(p.status, p.problem)
	}
	return nil
}

// ended is the error of a prediction that did not succeed. Text is what its model said.
func ended(status, text string) *llm.Error {
	e := &llm.Error{Status: http.StatusOK, Code: status, Message: text}
	switch status {
	case "canceled":
		e.SetKind(llm.ErrServer)
		e.Temporary = false // somebody, or its deadline, ended it on purpose
		e.Message = "the prediction was canceled at Replicate"
	case "aborted":
		e.SetKind(llm.ErrOverloaded)
		e.Message = "the prediction did not start before its deadline"
	default:
		refine(e, text)
		if e.Message == "" || e.Message == "null" {
			e.Message = "the prediction failed"
		}
	}
	return e
}

// streamError is the error event of a stream: {"detail": …}, or a text.
func streamError(data []byte) *llm.Error {
	text := string(data)
	var d jsonx.Decoder
	d.Reset(data)
	if d.Kind() == jsonx.Object {
		detail := ""
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "detail", "error":
				detail = scalar(&d)
			default:
				d.Skip()
			}
		}
		if d.End() == nil {
			text = detail
		}
	}
	return ended("failed", text)
}

// failures are how models and Replicate itself say why a prediction failed: Replicate's reference, "Error codes"
// (E1001 …), and the texts of its safety checks. A failure of the model's own code is most often due to its
// input, and would be the same again.
var failures = []struct {
	text      string
	kind      llm.ErrorKind
	temporary bool
}{
	{"nsfw", llm.ErrContentPolicy, false},
	{"flagged as sensitive", llm.ErrContentPolicy, false},
	{"(e005)", llm.ErrContentPolicy, false},
	{"maximum context length", llm.ErrContextWindow, false},
	{"prompt is too long", llm.ErrContextWindow, false},
	{"out of memory", llm.ErrServer, false},
	{"e1001", llm.ErrServer, false},
	{"high demand", llm.ErrOverloaded, true},
	{"(e003)", llm.ErrOverloaded, true},
	{"e6716", llm.ErrOverloaded, true}, // timeout starting the prediction
	{"e8765", llm.ErrServer, true},     // health check failed
	{"e1000", llm.ErrServer, true},     // unknown
	{"interrupted; please retry", llm.ErrServer, true},
}

func refine(e *llm.Error, text string) {
	e.SetKind(llm.ErrServer)
	e.Temporary = false
	text = strings.ToLower(text)
	for _, f := range failures {
		if strings.Contains(text, f.text) {
			e.SetKind(f.kind)
			e.Temporary = f.temporary
			return
		}
	}
}
