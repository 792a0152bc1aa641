package llm

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/llm-go/llm/stream"
	"github.com/tidwall/gjson"
)

// attempt is one try at the network.
type attempt struct {
	call    *Call
	ctx     context.Context
	cancel  context.CancelCauseFunc
	clock   clock
	resp    *http.Response
	start   time.Time
	wait    time.Duration
	reused  bool
	wrote   atomic.Bool // set from the transport's goroutine
	counted bool
	trace   httptrace.ClientTrace
	found   attemptContext
}

func (c *Call) attempt(ctx context.Context, wait time.Duration) *attempt {
	a := &attempt{call: c, wait: wait, start: time.Now()}
	a.found.Context, a.cancel = context.WithCancelCause(ctx)
	a.clock.start(a.cancel, c.deadline)
	a.trace.GotConn = a.gotConn
	a.trace.WroteRequest = func(httptrace.WroteRequestInfo) { a.wrote.Store(true) }
	a.ctx = httptrace.WithClientTrace(&a.found, &a.trace)
	return a
}

func (a *attempt) gotConn(info httptrace.GotConnInfo) {
	if a.wrote.Swap(false) {
		a.resent()
	}
	a.reused = info.Reused
	a.clock.enter(phaseHeaders, limit(a.call.settings.timeout.headers, DefaultHeaderTimeout))
}

// resent counts what net/http does by itself: a request without a body that met a dead connection, or one of HTTP/2 that
// the host ended, goes out again, without a wait and without an end. Here it is one more attempt of the call's.
func (a *attempt) resent() {
	e := errResent()
	e.Provider, e.Model, e.PossiblyExecuted = a.call.Provider.Name, a.call.Model, true
	a.record(e)
	a.counted, a.start, a.wait = false, time.Now(), 0
	if !a.call.account.take() {
		a.cancel(e)
	}
}

// errResent is the error of what was sent before that.
func errResent() *Error {
	return &Error{Kind: ErrConnection, Scope: ScopeRoute, Temporary: true, Message: "the connection ended before the host answered"}
}

// send sends a copy of r with the given body, signed, and returns when a 2xx answer's headers are there.
func (a *attempt) send(r *http.Request, body []byte) *Error {
	a.call.sent = body
	out, err := a.prepare(r, body)
	if err != nil {
		return a.failed(err)
	}
	transport, err := a.call.settings.transport()
	if err != nil {
		return a.failed(err)
	}
	a.clock.enter(phaseConnect, limit(a.call.settings.timeout.connect, DefaultConnectTimeout))
	if a.resp, err = transport.RoundTrip(out); err != nil {
		return a.failed(err)
	}
	if a.resp.StatusCode/100 != 2 {
		return a.failed(a.refusal())
	}
	return a.checkHeaders()
}

// prepare makes the request of this attempt.
func (a *attempt) prepare(r *http.Request, body []byte) (*http.Request, error) {
	out := r.WithContext(a.ctx)
	switch {
	case r.Header == nil:
		out.Header = make(http.Header)
	case a.call.account.tries > 0: // an earlier attempt's connection may still be reading the map
		out.Header = r.Header.Clone()
	}
	if out.Header.Get("User-Agent") == "" {
		out.Header["User-Agent"] = userAgent
	}
	for name, values := range a.call.settings.headers {
		if forbiddenHeader(name) {
			return nil, InvalidRequest("headers", "the header "+name+" cannot be set by WithHeader; keys are given by WithAPIKey")
		}
		if !joined(out.Header.Get(name), values[0]) {
			out.Header[name] = values
		}
	}
	out.GetBody = nil // with it net/http would send again behind the engine's back
	setBody(out, body)
	if a.call.trusts(out.URL) {
		auth := a.call.Provider.Auth
		if auth == nil {
			auth = BearerAuth
		}
		if err := auth(a.ctx, out, a.call); err != nil {
			return nil, err
		}
	}
	if len(body) > 0 {
		// net/http knows this type as one that never blocks, and sends headers and body in one write.
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	return out, nil
}

var userAgent = []string{"llm-go"}

// joined says whether the provider has already put the caller's values into a list of its own.
func joined(list, values string) bool {
	have := strings.Split(strings.ReplaceAll(list, " ", ""), ",")
	for v := range strings.SplitSeq(strings.ReplaceAll(values, " ", ""), ",") {
		if !slices.Contains(have, v) {
			return false
		}
	}
	return true
}

// forbiddenHeader: headers that carry credentials belong to Auth, the others to net/http.
func forbiddenHeader(name string) bool {
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Authorization", "Proxy-Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Cookie", "Xi-Api-Key",
		"Host", "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length",
		"X-Amz-Security-Token", "X-Amz-Date", "X-Amz-Content-Sha256":
		return true
	}
	return false
}

// trusts says whether a URL is on a host that the key belongs to.
func (c *Call) trusts(u *url.URL) bool {
	if c.baseHost == "" {
		if base, err := url.Parse(c.BaseURL); err == nil {
			c.baseHost = base.Host
		}
	}
	if u.Host == c.baseHost {
		return true
	}
	for _, h := range c.Provider.Hosts {
		if strings.Contains(h, "{") {
			h, _ = c.expand(h)
		}
		if u.Host == h || strings.HasPrefix(h, "*.") && strings.HasSuffix(u.Host, h[1:]) {
			return u.Scheme == "https"
		}
	}
	return false
}

// maxErrorBody bounds what is kept of an error's body.
const maxErrorBody = 64 << 10

// refusal reads an answer that is not 2xx.
func (a *attempt) refusal() *Error {
	resp := a.resp
	if resp.StatusCode/100 == 3 {
		e := StatusError(resp.StatusCode)
		e.Message = "the host answered with a redirect, which is never followed; set the right base URL by llm.WithBaseURL"
		if target, err := url.Parse(resp.Header.Get("Location")); err == nil && target.Host != "" {
			e.Message += ". Target: " + target.Scheme + "://" + target.Host + target.EscapedPath()
		}
		return e
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	parse := a.call.Provider.Error
	if parse == nil {
		parse = openAIError
	}
	e := parse(resp.StatusCode, resp.Header, body)
	if e == nil {
		e = StatusError(resp.StatusCode)
	}
	if e.Status == 0 {
		e.Status = resp.StatusCode
	}
	e.Body = body
	if e.Message == "" {
		e.Message = http.StatusText(e.Status)
	}
	return e
}

// openAIError reads OpenAI's shape; see its API reference, "Error codes". It is for providers without an Error
// function of their own.
func openAIError(status int, _ http.Header, body []byte) *Error {
	e := StatusError(status)
	if gjson.ValidBytes(body) {
		err := gjson.GetBytes(body, "error")
		e.Message, e.Type = err.Get("message").String(), err.Get("type").String()
		e.Code, e.Param = err.Get("code").String(), err.Get("param").String()
		if e.Message == "" && err.Type == gjson.String {
			e.Message = err.String()
		}
	}
	return e
}

// checkHeaders refuses answers that no API gives.
func (a *attempt) checkHeaders() *Error {
	h := a.resp.Header
	if enc := h.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return a.failed(Malformed("the answer has a content encoding that was not asked for: "+shorten(enc, 40), nil))
	}
	if ct := h.Get("Content-Type"); strings.HasPrefix(ct, "text/html") {
		page, _ := io.ReadAll(io.LimitReader(a.resp.Body, maxStrangeBody))
		e := webPage(page)
		e.Status = a.resp.StatusCode
		return a.failed(e)
	}
	return nil
}

// webPage is the error of an answer that a proxy or portal gave, whatever its label says.
func webPage(page []byte) *Error {
	e := Malformed("the answer is a web page, not what the API promises; check the base URL (llm.WithBaseURL)", nil)
	e.Body = page
	return e
}

// unaryInstead says whether a stream was asked for and one JSON document came.
func (a *attempt) unaryInstead() bool {
	if ct := a.resp.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
		return false
	}
	// Some hosts label streams so; the first byte tells.
	var head [1]byte
	for {
		n, err := a.resp.Body.Read(head[:])
		if n == 1 && strings.IndexByte(" \t\r\n", head[0]) >= 0 {
			continue
		}
		if n == 1 {
			a.resp.Body = &prefixed{prefix: head[:1], ReadCloser: a.resp.Body}
			return head[0] == '{'
		}
		if err != nil {
			return false
		}
	}
}

// prefixed gives back what was read ahead.
type prefixed struct {
	prefix []byte
	io.ReadCloser
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.prefix) > 0 {
		n := copy(b, p.prefix)
		p.prefix = p.prefix[n:]
		return n, nil
	}
	return p.ReadCloser.Read(b)
}

// readAll reads a unary answer within its limit.
func (a *attempt) readAll() ([]byte, error) {
	a.clock.enter(phaseRest, 0)
	most := a.call.settings.maxBody
	if most <= 0 {
		most = DefaultMaxBodyBytes
	}
	if a.resp.ContentLength > most {
		return nil, errBodyTooLarge(most)
	}
	var buf bytes.Buffer
	if n := a.resp.ContentLength; n > 0 {
		buf.Grow(int(min(n, 1<<20)) + bytes.MinRead)
	} else {
		buf.Grow(4 << 10)
	}
	if _, err := buf.ReadFrom(io.LimitReader(a.resp.Body, most+1)); err != nil {
		return nil, err
	}
	if int64(buf.Len()) > most {
		return nil, errBodyTooLarge(most)
	}
	return buf.Bytes(), nil
}

func errBodyTooLarge(limit int64) *Error {
	return &Error{Kind: ErrEventTooLarge, Scope: ScopeRequest,
		Message: fmt.Sprintf("the answer exceeds %d bytes; raise the limit by llm.WithMaxBodyBytes", limit)}
}

// drainTimeout is how long a finished stream waits for the end of its body, so that the connection can be
// used again. A host that leaves the body open costs the connection, not the answer.
const drainTimeout = 20 * time.Millisecond

func (a *attempt) drain() {
	if a.resp == nil {
		return
	}
	a.clock.enter(phaseRest, drainTimeout)
	rest, _ := io.ReadAll(io.LimitReader(a.resp.Body, 4<<10))
	a.call.WarnTrailing(rest)
}

// close frees the attempt's connection and timers.
func (a *attempt) close() {
	a.clock.stop()
	if a.resp != nil {
		_ = a.resp.Body.Close()
	}
	a.cancel(nil)
}

// record adds the attempt to the call's list, once.
func (a *attempt) record(err *Error) {
	if a.counted {
		return
	}
	a.counted = true
	rec := Attempt{Provider: a.call.Provider.Name, Model: a.call.Model, Start: a.start, Duration: time.Since(a.start),
		Wait: a.wait, Reused: a.reused, Route: a.call.Route}
	if a.resp != nil {
		rec.Status, rec.RequestID = a.resp.StatusCode, requestID(a.resp.Header)
	}
	if err != nil {
		rec.Err = err
	}
	a.call.account.tries++
	a.call.account.add(rec)
	if len(a.call.settings.callbacks) == 0 {
		return
	}
	a.call.observe(func(cb *Callback) {
		if cb.OnAttempt != nil {
			cb.OnAttempt(a.ctx, a.call, rec)
		}
	})
}

func (a *attempt) succeeded() { a.record(nil) }

// failed classifies an error and records the attempt with it.
func (a *attempt) failed(err error) *Error {
	e := a.classify(err)
	a.record(e)
	return e
}

// classify makes an error of the network, of framing or of a provider's function an *Error.
func (a *attempt) classify(err error) *Error {
	e := a.kindOf(err)
	e.Provider, e.Model = a.call.Provider.Name, a.call.Model
	if a.resp != nil {
		if e.RequestID == "" {
			e.RequestID = requestID(a.resp.Header)
		}
		if e.RetryAfter == 0 && e.Temporary {
			e.RetryAfter = RetryAfter(a.resp.Header, time.Now())
		}
		if v := a.resp.Header.Get("X-Should-Retry"); v == "false" {
			e.Temporary = false
		}
	}
	a.call.clean(e)
	return e
}

func (a *attempt) kindOf(err error) *Error {
	// A clock that fired, or a context that ended, is the cause of whatever else is seen.
	if cause := context.Cause(a.ctx); cause != nil && cause != errClosed {
		if kind, ok := cause.(ErrorKind); ok {
			return a.clockError(kind)
		}
		if e, ok := cause.(*Error); ok { // no attempt is left for what net/http sends again
			a.counted = true
			return e
		}
		if e := contextError(a.ctx); e != nil {
			e.PossiblyExecuted = a.wrote.Load()
			if errors.Is(cause, context.DeadlineExceeded) {
				e.Kind = ErrTotalTimeout
			}
			return e
		}
	}
	if e, ok := asError(err); ok {
		if e == errClosed {
			d := *e
			return &d
		}
		return e
	}
	e := &Error{Kind: ErrConnection, Scope: ScopeRoute, Temporary: true, Err: err, PossiblyExecuted: a.wrote.Load()}
	var dns *net.DNSError
	var opErr *net.OpError
	switch {
	case errors.Is(err, stream.ErrEventTooLarge):
		e.Kind, e.Scope, e.Temporary = ErrEventTooLarge, ScopeRequest, false
		e.Message = "one event exceeds the limit; raise it by llm.WithMaxEventBytes"
	case errors.Is(err, io.ErrUnexpectedEOF) && a.resp != nil:
		e.Kind, e.Message = ErrTruncated, "the connection ended in the middle of the answer"
	case a.resp != nil && isDecodeError(err):
		e.Kind, e.Message = ErrProtocol, "the answer cannot be read"
	case a.resp != nil:
		e.Kind, e.Message = ErrTruncated, "the connection broke in the middle of the answer"
	case errors.Is(err, errNotPublic):
		e.Kind, e.Scope, e.Temporary, e.Message = ErrInvalidRequest, ScopeRequest, false, errNotPublic.Error()
	case errors.As(err, &dns):
		e.Kind, e.Temporary, e.PossiblyExecuted = ErrDNS, !dns.IsNotFound, false
		e.Message = "the host name does not resolve: " + dns.Name
	case isTLS(err):
		e.Kind, e.Temporary, e.PossiblyExecuted = ErrTLS, false, false
	case errors.Is(err, syscall.ECONNREFUSED):
		e.PossiblyExecuted, e.Message = false, "connection refused"
	case errors.As(err, &opErr) && opErr.Op == "dial":
		e.PossiblyExecuted = false
	default:
		e.stale = a.reused
	}
	return e
}

func (a *attempt) clockError(kind ErrorKind) *Error {
	e := &Error{Kind: kind, Scope: ScopeRoute, Temporary: true, PossiblyExecuted: a.wrote.Load()}
	t := a.call.settings.timeout
	switch kind {
	case ErrConnectTimeout:
		e.PossiblyExecuted = false
		e.Message = fmt.Sprintf("no connection within %s; see llm.WithConnectTimeout", limit(t.connect, DefaultConnectTimeout))
	case ErrHeaderTimeout:
		e.Message = fmt.Sprintf("no answer within %s; see llm.WithHeaderTimeout", limit(t.headers, DefaultHeaderTimeout))
	case ErrFirstContentTimeout:
		e.Message = fmt.Sprintf("no content within %s; see llm.WithFirstContentTimeout", limit(t.firstContent, DefaultFirstContentTimeout))
	case ErrStallTimeout:
		e.Message = fmt.Sprintf("no further content within %s; see llm.WithStallTimeout", limit(t.between, DefaultStallTimeout))
	case ErrTotalTimeout:
		e.Temporary, e.Scope = false, ScopeLocal
		e.Message = fmt.Sprintf("the call did not end within %s; see llm.WithTimeout", time.Since(a.call.start).Round(time.Millisecond))
		e.Err = context.DeadlineExceeded
	default:
		e.Message = "the attempt was ended"
	}
	return e
}

// isDecodeError: gzip and chunked encodings that do not parse.
func isDecodeError(err error) bool {
	s := err.Error()
	return strings.HasPrefix(s, "gzip:") || strings.HasPrefix(s, "flate:") || strings.Contains(s, "chunked")
}

func isTLS(err error) bool {
	var (
		record   tls.RecordHeaderError
		alert    tls.AlertError
		verify   *tls.CertificateVerificationError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
	)
	return errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &verify) ||
		errors.As(err, &unknown) || errors.As(err, &hostname) || errors.As(err, &invalid)
}

// requestID finds the id that support desks ask for.
func requestID(h http.Header) string {
	for _, name := range [...]string{"X-Request-Id", "Request-Id", "X-Amzn-Requestid", "Apim-Request-Id", "X-Goog-Request-Id", "Cf-Ray"} {
		if v := h[name]; len(v) > 0 {
			return shorten(v[0], 200)
		}
	}
	return ""
}
