//go:build linux

package faultmatrix

import (
	"cmp"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	"github.com/stretchr/testify/require"
)

// row is a line of the contract's fault matrix.
type row struct {
	number string
	// expected is the contract's text.
	expected string
	faults   []*fault
}

// fault is one way to bring a row about.
type fault struct {
	name  string // for the table
	fault llmtest.Fault
	// places: it can strike before and after the first content. Without them it has the one place that it has.
	places bool
	// unary or stream leave the other one out; only leaves other dialects out.
	unary, stream bool
	only          string

	want want
	// other overrides want: by dialect ("Bedrock"), by way ("stream, after content"), or by both ("Bedrock, unary"). The
	// last that fits counts.
	other []override

	attempts int           // 0: 3
	timeout  time.Duration // of the call; 0: generous
	clocks   func(w way) []llm.Option
	tools    bool // the answer calls tools
	tls      bool
	kit      bool // it is met in the kit's transport, which counts the tries; otherwise the transport is the library's own
	unread   bool // no request is read: tries are counted by connections
	deaf     bool // the host does not hear that the client has left
	// anonymous: the host gives no id.
	anonymous bool
	heavy     bool // few at a time, and the heap is watched
	jumbled   bool // what arrives is not the beginning of the answer
	huge      bool // the request is
	// host is another address, which no request reaches.
	host  func(c *cell) string
	check func(c *cell, r *result)
	run   func(c *cell)
}

// override is another expectation for some cells.
type override struct {
	where string
	want  want
}

// want is what must come of a fault.
type want struct {
	kind      llm.ErrorKind // "": success
	scope     llm.Scope
	temporary bool
	status    int
	again     again
	// wait is what the host asks for, rounded up to the second if it is a date; tooLong says that it does not fit, so that the error
	// is returned at once.
	wait    time.Duration
	tooLong bool
	partial bool
	warned  string // code
	// text checks an answer that is not the scripted one.
	text func(c *cell, r *llm.CompletionResponse)
	says string // what the table says of it
	none bool   // this dialect or way has no room for the fault
}

// again says how often a call is sent that fails for ever.
type again int

const (
	never  again = iota
	budget       // as often as the call's budget of attempts allows
	once
)

func (a again) String() string { return [...]string{"no", "yes", "once"}[a] }

// next is who may do better: what a router tries after the error, by its scope. TestFailover asks one.
func (w want) next() string {
	switch {
	case w.kind == "":
		return ""
	case w.scope == llm.ScopeRoute, w.kind == llm.ErrNotFound: // a model that is missing here may be there
		return "another route"
	case w.scope == llm.ScopeKey:
		return "another key"
	}
	return "no"
}

// tries is how often the host is asked if the fault stays.
func (w want) tries(attempts int) int {
	switch {
	case w.again == budget && !w.tooLong:
		return attempts
	case w.again == once:
		return 2
	}
	return 1
}

// least is the shortest wait that will do: a date has no fractions.
func (w want) least() time.Duration {
	if w.wait == 2*time.Second {
		return 500 * time.Millisecond
	}
	if w.wait > time.Hour {
		return w.wait - time.Hour
	}
	return w.wait
}

// describe is the cell's text.
func (w want) describe(r *result) string {
	var parts []string
	if r.err == nil {
		parts = append(parts, "ok")
		if n := len(r.resp.Meta.Attempts); n > 1 {
			parts = append(parts, fmt.Sprintf("%d tries", n))
		}
		if r.resp.Usage == nil {
			parts = append(parts, "usage none")
		}
		for _, warning := range r.resp.Meta.Warnings {
			parts = append(parts, "warned: "+warning.Code)
		}
	} else {
		parts = append(parts, strings.ReplaceAll(string(r.err.Kind), "_", " "), string(r.err.Scope))
		if r.err.RetryAfter != 0 {
			parts = append(parts, waits(w.wait))
		}
		if r.err.Partial != nil {
			parts = append(parts, "partial")
		}
	}
	if w.says != "" {
		parts = append(parts, w.says)
	}
	return strings.Join(parts, ", ")
}

func waits(d time.Duration) string {
	if d > 1000*time.Hour {
		return "1 year"
	}
	return strings.Replace(strings.Replace(d.String(), "ms", " ms", 1), "0s", "0 s", 1)
}

func (f *fault) expect(d dialect, w way) want {
	want := f.want
	for _, o := range f.other {
		where := w.String()
		if o.where == d.name || where == o.where || strings.HasPrefix(where, o.where+",") || d.name+", "+where == o.where ||
			strings.HasPrefix(d.name+", "+where, o.where+",") {
			want = o.want
		}
	}
	if f.only != "" && !strings.Contains(f.only, d.name) {
		want.none = true
	}
	if want.kind != "" && w.stream && w.place == "after" { // content has been delivered: nothing is sent again
		want.again, want.partial = never, true
	}
	return want
}

// prepare fills in the defaults.
func (f *fault) prepare() {
	f.attempts, f.timeout = cmp.Or(f.attempts, 3), cmp.Or(f.timeout, generous)
}

func (f *fault) ways() []way {
	var list []way
	for _, stream := range []bool{false, true} {
		if stream && f.unary || !stream && f.stream {
			continue
		}
		if f.places {
			list = append(list, way{stream, "before"}, way{stream, "after"})
		} else {
			list = append(list, way{stream, ""})
		}
	}
	return list
}

// at is the fault in its place.
func (f *fault) at(w way) llmtest.Fault {
	if w.place == "before" {
		return f.fault.BeforeContent()
	}
	return f.fault
}

const words = "Grüße aus Köln, sagt der Fuchs."

var calls = []llm.ToolCall{
	{Type: "function", Function: llm.FunctionCall{Name: "get_weather", Arguments: `{"city":"Paris","units":"metric"}`}},
	{Type: "function", Function: llm.FunctionCall{Name: "get_time", Arguments: `{"zone":"Europe/Paris"}`}},
}

func (f *fault) answer() llmtest.Answer {
	if f.tools {
		return llmtest.Answer{ToolCalls: calls}
	}
	return llmtest.Answer{Text: words}
}

// Expectations that many rows share.
var (
	fine      = want{}
	refused   = want{kind: llm.ErrConnection, scope: llm.ScopeRoute, temporary: true, again: budget}
	truncated = want{kind: llm.ErrTruncated, scope: llm.ScopeRoute, temporary: true, again: budget}
	protocol  = want{kind: llm.ErrProtocol, scope: llm.ScopeRoute, temporary: true, again: budget}
	tooLarge  = want{kind: llm.ErrEventTooLarge, scope: llm.ScopeRequest}
	badTLS    = want{kind: llm.ErrTLS, scope: llm.ScopeRoute}
	redirect  = want{kind: llm.ErrRedirect, scope: llm.ScopeRoute, status: 307}
	total     = want{kind: llm.ErrTotalTimeout, scope: llm.ScopeLocal}
)

// clock is an attempt that takes too long.
func clock(kind llm.ErrorKind) want {
	return want{kind: kind, scope: llm.ScopeRoute, temporary: true, again: budget}
}

// status is an error that the host reports.
func status(code int, kind llm.ErrorKind, scope llm.Scope) want {
	return want{kind: kind, scope: scope, status: code}
}

func overloaded(code int) want {
	return status(code, llm.ErrOverloaded, llm.ScopeRoute).retried(budget)
}

// carried is what an error inside a 200 says of itself: OpenAI's shape has a type and no status, and Bedrock's has neither.
var carried = []override{
	{"OpenAI chat", status(0, llm.ErrServer, llm.ScopeRoute).retried(budget)},
	{"OpenAI Responses", status(0, llm.ErrServer, llm.ScopeRoute).retried(budget)},
	{"Groq", status(0, llm.ErrServer, llm.ScopeRoute).retried(budget)},
	{"Anthropic", overloaded(529)},
	{"Bedrock", protocol},
}

// retried: the same, and it may pass.
func (w want) retried(a again) want {
	w.temporary, w.again = true, a
	return w
}

func (w want) waits(d time.Duration) want {
	w.wait = d
	return w
}

func (w want) warns(code string) want {
	w.warned = code
	return w
}

func (w want) with(text func(c *cell, r *llm.CompletionResponse), says string) want {
	w.text, w.says = text, says
	return w
}

// Clocks that are short, each where it is meant to fire.
func connectClock(way) []llm.Option { return []llm.Option{llm.WithConnectTimeout(limit)} }
func headerClock(way) []llm.Option  { return []llm.Option{llm.WithHeaderTimeout(limit)} }
func totalClock(way) []llm.Option   { return []llm.Option{llm.WithTimeout(limit)} }

// streamTotalClock leaves a whole answer the time that it takes to become too long.
func streamTotalClock(w way) []llm.Option {
	if w.stream {
		return totalClock(w)
	}
	return nil
}

// contentClock: a whole answer has no clock of its own once its headers are there, but the total one.
func contentClock(w way) []llm.Option {
	switch {
	case !w.stream:
		return []llm.Option{llm.WithTimeout(limit)}
	case w.place == "before":
		return []llm.Option{llm.WithFirstContentTimeout(limit)}
	}
	return []llm.Option{llm.WithStallTimeout(limit)}
}

// hasText takes any answer with text.
func hasText(c *cell, r *llm.CompletionResponse) { require.NotEmpty(c, r.Text()) }

var rows = []row{
	{"1", "route; retry or fail over at once", []*fault{
		{name: "connection refused", fault: llmtest.Refused, kit: true, want: refused},
		{name: "connection refused, in the library's own transport", host: nobody, want: refused},
	}},
	{"2", "no retry of the same name; fail over", []*fault{
		{name: "NXDOMAIN", fault: llmtest.NameNotFound, kit: true, want: want{kind: llm.ErrDNS, scope: llm.ScopeRoute}},
	}},
	{"3", "retry within budget", []*fault{
		{name: "DNS timeout", fault: llmtest.NameTimeout, kit: true,
			want: want{kind: llm.ErrDNS, scope: llm.ScopeRoute, temporary: true, again: budget}},
	}},
	{"4", "connect clock", []*fault{
		{name: "connect blackhole", fault: llmtest.ConnectStall, kit: true, attempts: 2, clocks: connectClock, want: clock(llm.ErrConnectTimeout)},
		{name: "connect blackhole, in the library's own transport", host: blackHole, attempts: 2, clocks: connectClock, want: clock(llm.ErrConnectTimeout)},
	}},
	{"5", "never retried, never downgraded", []*fault{
		{name: "TLS certificate expired", fault: llmtest.TLSExpired, tls: true, unread: true, want: badTLS},
		{name: "TLS certificate of another host", fault: llmtest.TLSWrongHost, tls: true, unread: true, want: badTLS},
		{name: "TLS certificate of an unknown authority", fault: llmtest.TLSUnknownCA, tls: true, unread: true, want: badTLS},
	}},
	{"6", "connect clock", []*fault{
		{name: "TLS handshake stalls", fault: llmtest.TLSStall, tls: true, unread: true, attempts: 2, clocks: connectClock,
			want: clock(llm.ErrConnectTimeout)},
	}},
	{"7", `retry; marked "possibly executed"`, []*fault{
		{name: "reset before headers", fault: llmtest.Reset, want: refused, check: possiblyExecuted},
		{name: "closed before headers", fault: llmtest.Hangup, want: refused, check: possiblyExecuted},
	}},
	{"8", "one replay, counted", []*fault{
		{name: "stale keep-alive closed", fault: llmtest.Stale, run: stale, want: fine},
	}},
	{"9", "retry on a new connection", []*fault{
		{name: "HTTP/2 GOAWAY", fault: llmtest.GoAway, tls: true, unread: true, want: refused},
		{name: "HTTP/2 REFUSED_STREAM", fault: llmtest.RefusedStream, tls: true, unread: true, want: refused},
	}},
	{"10", "truncated; before content: retry; after: error + partial", []*fault{
		{name: "HTTP/2 reset mid body", fault: llmtest.ResetBody, places: true, tls: true, want: truncated},
	}},
	{"11-13", "header clock; bounded memory", []*fault{
		{name: "headers never", fault: llmtest.HeadersNever, attempts: 2, clocks: headerClock, want: clock(llm.ErrHeaderTimeout)},
		{name: "headers byte by byte", fault: llmtest.SlowHeaders, attempts: 2, clocks: headerClock, want: clock(llm.ErrHeaderTimeout)},
		{name: "headers of 2 MB", fault: llmtest.HugeHeaders, heavy: true, want: refused},
	}},
	{"14", "first-content clock; fail over", []*fault{
		{name: "stall before the first event", fault: llmtest.Stall.BeforeContent(), attempts: 2, clocks: firstClock, want: clock(llm.ErrFirstContentTimeout),
			other: []override{{"unary", total}}},
	}},
	{"15", "content clock", []*fault{
		{name: "pings for ever", fault: llmtest.Pings, places: true, attempts: 2, clocks: contentClock, want: clock(llm.ErrStallTimeout),
			other: []override{{"unary", total}, {"stream, before content", clock(llm.ErrFirstContentTimeout)}}},
	}},
	{"16", "between-contents clock; error + partial", []*fault{
		{name: "stall mid stream", fault: llmtest.Stall, stream: true, attempts: 2, clocks: contentClock,
			want: want{kind: llm.ErrStallTimeout, scope: llm.ScopeRoute, temporary: true, partial: true}},
	}},
	{"17", "not killed", []*fault{
		{name: "slow drip", fault: llmtest.Drip, want: fine},
	}},
	{"18-21", "truncated", []*fault{
		{name: "FIN mid event", fault: llmtest.CutEvent, places: true, want: truncated},
		{name: "FIN without terminal event", fault: llmtest.NoTerminal, want: truncated,
			other: []override{{"stream", want{kind: llm.ErrTruncated, scope: llm.ScopeRoute, temporary: true, partial: true}}}},
		{name: "chunked without last chunk", fault: llmtest.NoLastChunk, places: true, want: truncated},
		{name: "Content-Length too long", fault: llmtest.LengthTooLong, places: true, want: truncated,
			other: []override{{"stream, after content", fine.with(nil, "the terminal event had come")}}},
		{name: "reset within the body", fault: llmtest.ResetBody, places: true, want: truncated},
	}},
	{"22", "success now; connection reaped", []*fault{
		{name: "terminal event, socket left open", fault: llmtest.OpenEnd, stream: true, want: fine},
		{name: "whole answer, socket left open", fault: llmtest.OpenEnd, unary: true, deaf: true, want: fine},
	}},
	{"23", "ignored, warned", []*fault{
		{name: "data after the terminal event", fault: llmtest.AfterTerminal,
			want: protocol, other: []override{{"stream", fine.warns("stream")}}},
	}},
	{"24", "temporary protocol error; fail over", []*fault{
		{name: "empty 200", fault: llmtest.Empty, want: protocol},
	}},
	{"25", "as the status it carries", []*fault{
		{name: "200 with an error body", fault: llmtest.ErrorBody, want: overloaded(503), other: carried},
	}},
	{"26", "protocol error; the first 1 kB kept, redacted", []*fault{
		{name: "200 with a web page", fault: llmtest.HTML, want: status(200, llm.ErrProtocol, llm.ScopeRoute).retried(budget), check: keepsPage},
		{name: "200 with a web page, said to be JSON or events", fault: llmtest.HTMLAsJSON, want: protocol, check: keepsPage},
	}},
	{"27", "retry before content", []*fault{
		{name: "200, truncated JSON", fault: llmtest.CutJSON, unary: true, want: truncated},
		{name: "200, an event with truncated JSON", fault: llmtest.CutJSON, stream: true, places: true, want: protocol},
	}},
	{"28", "error; success with usage none", []*fault{
		{name: "200, no choices", fault: llmtest.NoChoices, want: protocol, other: []override{
			{"Gemini, stream", truncated}, {"Bedrock, stream", truncated},
			{"OpenAI Responses, stream", fine.with(isEmpty, "an empty turn")}, {"Anthropic, stream", fine.with(isEmpty, "an empty turn")}}},
		{name: "200, no usage", fault: llmtest.NoUsage, want: fine.with(noUsage, "")},
	}},
	{"29", "as the status it carries: before / after", []*fault{
		{name: "error event", fault: llmtest.ErrorEvent, places: true, want: overloaded(503), other: append(carried,
			override{"OpenAI Responses, stream", status(500, llm.ErrServer, llm.ScopeRoute).retried(budget)},
			override{"Bedrock, stream", overloaded(503)})},
	}},
	{"30", "error + partial; or, where allowed, counted and warned: never silent", []*fault{
		{name: "one malformed event", fault: llmtest.MalformedEvent, places: true, want: protocol},
	}},
	{"31-32", "no double text where ids exist; rebuilt or error, never mixed calls", []*fault{
		{name: "duplicated chunks", fault: llmtest.Doubled, stream: true, want: fine.with(hasText, "as sent"),
			other: []override{{"OpenAI Responses", fine.warns("stream")}}},
		{name: "chunks out of order", fault: llmtest.OutOfOrder, stream: true, jumbled: true, want: fine.with(hasText, "as sent"),
			other: []override{{"OpenAI Responses", partially(want{kind: llm.ErrProtocol, scope: llm.ScopeRoute, temporary: true})}}},
		{name: "late tool name", fault: llmtest.LateToolName, stream: true, tools: true, only: "OpenAI chat, Groq",
			want: fine.with(hasCalls, "calls rebuilt")},
		{name: "tool calls all at index 0", fault: llmtest.ZeroToolIndexes, stream: true, tools: true, only: "OpenAI chat, Groq",
			want: fine.with(hasCalls, "calls rebuilt")},
		{name: "tool calls without index", fault: llmtest.NoToolIndexes, stream: true, tools: true, only: "OpenAI chat, Groq",
			want: fine.with(hasCalls, "calls rebuilt")},
	}},
	{"33", "splits healed; invalid becomes U+FFFD + warning", []*fault{
		{name: "split runes", fault: llmtest.SplitRunes, want: fine},
		{name: "invalid UTF-8", fault: llmtest.InvalidUTF8, want: fine.warns("utf8").with(replaced, "U+FFFD")},
		{name: "lone surrogate", fault: llmtest.LoneSurrogate, want: fine.warns("utf8").with(replaced, "U+FFFD")},
	}},
	{"34", "`ErrEventTooLarge`, memory bounded", []*fault{
		{name: "100 MB line", fault: llmtest.HugeLine, heavy: true, want: tooLarge, other: []override{{"stream", partially(tooLarge)}}},
		{name: "300 MB body", fault: llmtest.LongBody, heavy: true, want: tooLarge, other: []override{{"stream", partially(tooLarge)}}},
	}},
	{"35-36", "caps; constant memory", []*fault{
		{name: "infinite stream", fault: llmtest.Endless, heavy: true, jumbled: true, clocks: streamTotalClock,
			want: tooLarge, other: []override{{"stream", partially(total)}}},
		{name: "a million empty deltas", fault: llmtest.EmptyDeltas, heavy: true, stream: true,
			want: fine, other: []override{{"OpenAI chat", protocol}, {"Groq", protocol}}},
	}},
	{"37", "decoded-size cap; protocol error", []*fault{
		{name: "gzip bomb", fault: llmtest.GzipBomb, heavy: true, want: tooLarge, other: []override{{"Bedrock, stream", protocol}}},
		{name: "bad gzip", fault: llmtest.BadGzip, want: protocol},
		{name: "unknown encoding", fault: llmtest.UnknownEncoding, want: protocol},
	}},
	{"38", "bounded; error", []*fault{
		{name: "JSON a million deep", fault: llmtest.DeepJSON, heavy: true, want: protocol, other: []override{{"stream", partially(protocol)}}},
		{name: "huge numbers", fault: llmtest.HugeNumber, want: fine},
		{name: "duplicate keys", fault: llmtest.DoubledKeys, want: fine},
	}},
	{"39", "obeyed if it fits; key-scoped; not a health failure", []*fault{
		{name: "429, Retry-After: seconds", fault: llmtest.RateLimitSeconds, attempts: 2, want: limited(time.Second)},
		{name: "429, Retry-After: date", fault: llmtest.RateLimitDate, attempts: 2, want: limited(2 * time.Second)},
		{name: "429, retry-after-ms", fault: llmtest.RateLimitMillis, attempts: 2, want: limited(100 * time.Millisecond)},
		{name: "429, the wait in the body", fault: llmtest.RateLimitBody, attempts: 2, only: "OpenAI chat, OpenAI Responses, Gemini, Groq",
			want: limited(time.Second)},
		{name: "429, a year", fault: llmtest.RateLimitYear, want: tooLong(365 * 24 * time.Hour)},
		{name: "429, 1 s, and less is left", fault: llmtest.RateLimitSeconds, timeout: 900 * time.Millisecond, want: tooLong(time.Second)},
	}},
	{"40", "no retry on that key", []*fault{
		{name: "429, quota exhausted", fault: llmtest.QuotaExhausted, want: status(429, llm.ErrQuota, llm.ScopeKey),
			other: []override{{"Anthropic", status(429, llm.ErrBilling, llm.ScopeKey)}}},
	}},
	{"41", "retry in budget; counts against health", []*fault{
		{name: "500", fault: llmtest.Status(500), want: status(500, llm.ErrServer, llm.ScopeRoute).retried(budget)},
		{name: "502", fault: llmtest.Status(502), want: status(502, llm.ErrServer, llm.ScopeRoute).retried(budget)},
		{name: "503", fault: llmtest.Status(503),
			want: overloaded(503), other: []override{{"Anthropic", status(503, llm.ErrServer, llm.ScopeRoute).retried(budget)}}},
		{name: "504", fault: llmtest.Status(504), want: status(504, llm.ErrServer, llm.ScopeRoute).retried(budget),
			other: []override{{"Anthropic", status(504, llm.ErrTimeout, llm.ScopeRoute).retried(budget)}}},
		{name: "529", fault: llmtest.Status(529), want: overloaded(529)},
	}},
	{"42", "retry once", []*fault{
		{name: "408", fault: llmtest.Status(408), want: status(408, llm.ErrTimeout, llm.ScopeRoute).retried(once)},
		{name: "409", fault: llmtest.Status(409), want: status(409, llm.ErrConflict, llm.ScopeRoute).retried(once)},
		{name: "425", fault: llmtest.Status(425), want: status(425, llm.ErrServer, llm.ScopeRoute).retried(once)},
	}},
	{"43", "no retry; request-scoped; names the field", []*fault{
		{name: "400", fault: llmtest.Status(400), want: status(400, llm.ErrInvalidRequest, llm.ScopeRequest)},
		{name: "400, a field", fault: llmtest.InvalidField, want: status(400, llm.ErrInvalidRequest, llm.ScopeRequest), check: namesField},
		{name: "400, repeats the prompt", fault: llmtest.EchoPrompt, want: status(400, llm.ErrInvalidRequest, llm.ScopeRequest)},
		{name: "400, context window", fault: llmtest.ContextWindow, want: status(400, llm.ErrContextWindow, llm.ScopeRequest)},
		{name: "400, content policy", fault: llmtest.ContentPolicy, want: status(400, llm.ErrContentPolicy, llm.ScopeRequest)},
		{name: "404", fault: llmtest.Status(404), want: status(404, llm.ErrNotFound, llm.ScopeRequest)},
		{name: "413", fault: llmtest.Status(413), want: status(413, llm.ErrTooLarge, llm.ScopeRequest)},
		{name: "422", fault: llmtest.Status(422), want: status(422, llm.ErrInvalidRequest, llm.ScopeRequest)},
	}},
	{"44", "key-scoped; other keys tried; the route not punished", []*fault{
		{name: "401", fault: llmtest.Status(401), want: status(401, llm.ErrAuthentication, llm.ScopeKey)},
		{name: "401, repeats the key", fault: llmtest.BadKey, want: status(401, llm.ErrAuthentication, llm.ScopeKey)},
		{name: "402", fault: llmtest.Status(402), want: status(402, llm.ErrBilling, llm.ScopeKey)},
		{name: "403", fault: llmtest.Status(403), want: status(403, llm.ErrPermission, llm.ScopeKey)},
	}},
	{"45", "error; nothing sent to the target", []*fault{
		{name: "307 same host", fault: llmtest.RedirectSameHost, anonymous: true, want: redirect, check: notFollowed},
		{name: "307 other host", fault: llmtest.RedirectOtherHost, anonymous: true, want: redirect, check: notFollowed},
		{name: "307 from https to http", fault: llmtest.RedirectDowngrade, anonymous: true, tls: true, want: redirect, check: notFollowed},
		{name: "307 to itself", fault: llmtest.RedirectLoop, anonymous: true, want: redirect, check: notFollowed},
	}},
}

func firstClock(w way) []llm.Option { return contentClock(way{w.stream, "before"}) }

func partially(w want) want {
	w.again, w.partial = never, true
	return w
}

func limited(d time.Duration) want {
	return status(429, llm.ErrRateLimit, llm.ScopeKey).retried(budget).waits(d)
}

// tooLong is a wait that does not fit into the call's time, and is returned.
func tooLong(d time.Duration) want {
	w := limited(d)
	w.again, w.tooLong = never, true
	return w
}

// nobody is a port that is taken and on which nobody listens, so that no other test's server comes to be there.
func nobody(c *cell) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(c, err)
	c.Cleanup(func() { _ = syscall.Close(fd) })
	require.NoError(c, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	addr, err := syscall.Getsockname(fd)
	require.NoError(c, err)
	return fmt.Sprintf("http://127.0.0.1:%d", addr.(*syscall.SockaddrInet4).Port)
}

func blackHole(c *cell) string {
	hole, err := llmtest.BlackHole()
	require.NoError(c, err)
	c.Cleanup(func() { hole.Close() })
	return "http://" + hole.Addr().String()
}

func possiblyExecuted(c *cell, r *result) {
	require.True(c, r.err.PossiblyExecuted, "the request had been sent")
}

func keepsPage(c *cell, r *result) {
	require.Contains(c, string(r.err.Body), "Please sign in")
	require.LessOrEqual(c, len(r.err.Body), 1024)
}

func noUsage(c *cell, r *llm.CompletionResponse) {
	require.Equal(c, words, r.Text())
	require.Nil(c, r.Usage)
}

func isEmpty(c *cell, r *llm.CompletionResponse) { require.Empty(c, r.Text()) }

func hasCalls(c *cell, r *llm.CompletionResponse) {
	require.Len(c, r.ToolCalls(), len(calls))
	for i, call := range r.ToolCalls() {
		require.Equal(c, calls[i].Function, call.Function)
		require.NotEmpty(c, call.ID)
	}
}

func replaced(c *cell, r *llm.CompletionResponse) {
	require.Contains(c, r.Text(), "\uFFFD")
	require.Equal(c, words, strings.ReplaceAll(r.Text(), "\uFFFD", ""))
}

func namesField(c *cell, r *result) {
	require.Contains(c, r.err.Param+r.err.Message, "temperature")
}

func notFollowed(c *cell, _ *result) {
	for _, r := range c.srv.Requests() {
		require.False(c, r.Redirected)
	}
}

// stale makes two calls. The host answers the first and closes the connection under the second.
func stale(c *cell) {
	r := c.call(func() {
		c.srv.Fault(llmtest.Stale)
		c.good()
	})
	require.Nil(c, r.err)
	c.isAnswer(r.resp)
	require.Equal(c, 1, r.asked, "requests that the host has read")
	require.Equal(c, 2, r.seen.attempts, "each try is told")
	attempts := r.resp.Meta.Attempts
	require.Len(c, attempts, 2)
	require.ErrorIs(c, attempts[0].Err, llm.ErrConnection)
	require.True(c, attempts[0].Reused)
	require.False(c, attempts[1].Reused)
	require.Zero(c, attempts[1].Wait, "at once")
	c.text = fine.describe(r)
}
