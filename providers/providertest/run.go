package providertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/casefile"
)

// Key is the key that every call of the kit is made with. Golden requests name it $KEY. It is looked for in
// every error, log line and URL.
const Key = "canary-7d1f4c0e9b2a48d6a35c"

// patience bounds each call of the kit. Time in the kit is testing/synctest's, so waiting costs nothing.
const patience = 5 * time.Minute

var (
	errNoResponse = errors.New("providertest: the case has no response")
	errTooMany    = errors.New("providertest: a request more than the case has responses")
)

// trial is one call of a case, with what is changed about it.
type trial struct {
	g *golden
	m *mode

	change    func(req any)     // changes the request before the call
	responses []*canned         // instead of those of the case
	read      func(pos int) int // how many bytes one Read may give; nil: all there are
	end       error             // of the last body instead of io.EOF
	hang      bool              // the last body does not end: it waits for Close, or for the context
	chunks    bool              // read by Next and keep the chunks, instead of folding them
	arrived   func(body int)    // called with the bytes read so far whenever a chunk was returned
	noKey     bool
	with      []llm.Option
}

// outcome is what came of a trial.
type outcome struct {
	answer   any    // folded, unless trial.chunks
	json     []byte // its JSON
	chunks   [][]byte
	warnings []llm.Warning
	err      error
	sent     []*sent
	bodies   []*body
}

// run makes one call and checks what holds for every call, whatever comes of it.
func (k *kit) run(t *testing.T, tr trial) *outcome {
	t.Helper()
	req, err := tr.g.newRequest(k.p)
	if err != nil {
		t.Fatal(err)
	}
	if tr.change != nil {
		tr.change(req)
	}
	before := clone(req)

	out := k.call(t, tr, req)

	if !reflect.DeepEqual(req, before) {
		beforeJSON, _ := json.Marshal(before)
		afterJSON, _ := json.Marshal(req)
		d := casefile.DiffJSON(afterJSON, beforeJSON)
		if d == "" {
			d = "the difference is in what JSON does not show"
		}
		t.Errorf("the request was written to; copy what you change. %s", d)
	}
	k.checkSecrets(t, tr.g, out)
	for i, b := range out.bodies {
		// A stream that is over has its context cancelled, which frees the connection as well.
		if !b.isClosed() && (!tr.m.streamed || b.ctx.Err() == nil) {
			t.Errorf("the body of answer %d was not closed", i+1)
		}
	}
	if out.err != nil {
		if _, ok := errors.AsType[*llm.Error](out.err); !ok {
			t.Errorf("the error is a %T; every error of the library is an *llm.Error: %v", out.err, out.err)
		}
	}
	return out
}

// call makes the call itself, and turns a panic into a failure of the test.
func (k *kit) call(t *testing.T, tr trial, req any) *outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	host := k.newHost(tr)
	out := new(outcome)
	defer func() {
		out.sent, out.bodies = host.result()
		if v := recover(); v != nil {
			t.Fatalf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	client, opts := k.client(t, tr, host)
	if !tr.m.streamed {
		resp, err := tr.g.op.call(ctx, client, req, opts...)
		out.set(resp, err)
		return out
	}
	s, err := tr.g.op.open(ctx, client, req, opts...)
	if err != nil {
		out.err = err
		return out
	}
	defer s.close()
	if !tr.chunks {
		resp, err := s.collect()
		out.set(resp, err)
	} else {
		for {
			chunk, err := s.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				out.err = err
				break
			}
			if tr.arrived != nil {
				tr.arrived(host.lastRead())
			}
			b, err := json.Marshal(chunk)
			if err != nil {
				t.Errorf("a chunk does not marshal: %v", err)
			}
			out.chunks = append(out.chunks, b)
		}
	}
	if m := s.meta(); m != nil {
		out.warnings = m.Warnings
	}
	return out
}

func (o *outcome) set(resp any, err error) {
	if o.err = err; err != nil {
		return
	}
	o.answer = resp
	if m := metaOf(resp); m != nil {
		o.warnings = m.Warnings
	}
	if o.json, err = json.Marshal(resp); err != nil {
		o.err = err
	}
}

func (k *kit) client(t *testing.T, tr trial, host *host) (*llm.Client, []llm.Option) {
	opts, err := tr.g.options.list()
	if err != nil {
		t.Fatal(err)
	}
	base := []llm.Option{llm.WithProvider(k.p), llm.WithHTTPClient(&http.Client{Transport: host}), llm.WithoutEnv(), llm.WithMaxAttempts(1)}
	if !tr.noKey && !tr.g.options.NoKey {
		base = append(base, llm.WithAPIKey(Key))
	}
	return llm.New(base...), append(opts, tr.with...)
}

// checkSecrets looks for the key, and for settings that are secrets, in errors, warnings and URLs, and in the headers
// of requests to another host than the first.
func (k *kit) checkSecrets(t *testing.T, g *golden, out *outcome) {
	t.Helper()
	secrets := g.secrets()
	if out.err != nil {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			text := fmt.Sprintf(verb, out.err)
			for name, s := range secrets {
				if strings.Contains(text, s) {
					t.Errorf("%s is in the error printed with %s: %s", name, verb, strings.ReplaceAll(text, s, "█"))
				}
			}
		}
	}
	for _, w := range out.warnings {
		for name, s := range secrets {
			if strings.Contains(w.Message+w.Param+w.Code, s) {
				t.Errorf("%s is in a warning", name)
			}
		}
	}
	for i, r := range out.sent {
		for name, s := range secrets {
			if strings.Contains(r.url.String(), s) {
				t.Errorf("%s is in the URL of request %d; credentials travel in headers only", name, i+1)
			}
			if r.host == out.sent[0].host || k.trusted(r) {
				continue
			}
			for h, v := range r.header {
				if strings.Contains(strings.Join(v, "\n"), s) {
					t.Errorf("%s is in header %s of request %d, which goes to another host (%s)", name, h, i+1, r.host)
				}
			}
		}
	}
}

// trusted hosts are those that the provider shares its key with.
func (k *kit) trusted(r *sent) bool {
	return slices.ContainsFunc(k.p.Hosts, func(h string) bool {
		suffix, wild := strings.CutPrefix(h, "*")
		return r.host == h || wild && strings.HasSuffix(r.host, suffix)
	})
}

// secrets are the values that must not be seen, by what to call them.
func (g *golden) secrets() map[string]string {
	m := make(map[string]string)
	if !g.options.NoKey { // a key that was not given is nobody's to hide
		m["the key"] = Key
	}
	for name, v := range g.options.Settings {
		for _, word := range []string{"SECRET", "TOKEN", "PASSWORD"} {
			if len(v) >= 8 && strings.Contains(strings.ToUpper(name), word) {
				m["the setting "+name] = v
			}
		}
	}
	return m
}

// host is the other side: an http.RoundTripper that keeps what arrives and answers what the case says.
type host struct {
	tr        trial
	responses []*canned

	mu     sync.Mutex
	sent   []*sent
	bodies []*body
}

func (k *kit) newHost(tr trial) *host {
	h := &host{tr: tr, responses: tr.m.responses}
	if tr.responses != nil {
		h.responses = tr.responses
	}
	return h
}

func (h *host) RoundTrip(r *http.Request) (*http.Response, error) {
	s := &sent{method: r.Method, url: r.URL, host: r.URL.Host, header: r.Header.Clone()}
	if r.Body != nil {
		data, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
		s.body = data
	}
	if r.GetBody != nil {
		return nil, errors.New("providertest: the request has GetBody, by which net/http resends behind the engine's back")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.sent)
	h.sent = append(h.sent, s)
	switch {
	case len(h.responses) == 0:
		return nil, errNoResponse
	case n >= len(h.responses):
		return nil, errTooMany
	}
	c := h.responses[n]
	b := &body{data: c.body, end: io.EOF, ctx: r.Context(), closed: make(chan struct{})}
	if n == len(h.responses)-1 {
		b.read, b.hang = h.tr.read, h.tr.hang
		if h.tr.end != nil {
			b.end = h.tr.end
		}
	}
	h.bodies = append(h.bodies, b)
	resp := &http.Response{
		Status: fmt.Sprintf("%d %s", c.status, http.StatusText(c.status)), StatusCode: c.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: c.header.Clone(), Body: b, ContentLength: -1, Request: r,
	}
	return resp, nil
}

func (h *host) result() ([]*sent, []*body) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sent, h.bodies
}

// lastRead is how much was read of the body of the last answer.
func (h *host) lastRead() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.bodies) == 0 {
		return 0
	}
	b := h.bodies[len(h.bodies)-1]
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pos
}

// body is the body of an answer, as net/http would give it: a read waits for bytes, and ends early when the
// context is done or the body is closed.
type body struct {
	data []byte
	end  error
	read func(pos int) int
	hang bool
	ctx  context.Context

	mu     sync.Mutex
	pos    int
	once   sync.Once
	closed chan struct{}
}

func (b *body) Read(p []byte) (int, error) {
	if b.isClosed() {
		return 0, http.ErrBodyReadAfterClose
	}
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	b.mu.Lock()
	rest := b.data[b.pos:]
	if len(rest) > 0 {
		n := len(rest)
		if b.read != nil {
			n = min(n, max(b.read(b.pos), 1))
		}
		n = copy(p, rest[:n])
		b.pos += n
		b.mu.Unlock()
		return n, nil
	}
	b.mu.Unlock()
	if !b.hang {
		return 0, b.end
	}
	select {
	case <-b.closed:
		return 0, http.ErrBodyReadAfterClose
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
}

func (b *body) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

func (b *body) isClosed() bool {
	select {
	case <-b.closed:
		return true
	default:
		return false
	}
}

// checkGolden replays a case and compares everything that it says.
func (k *kit) checkGolden(t *testing.T, g *golden, m *mode) {
	out := k.run(t, trial{g: g, m: m})
	k.checkRequests(t, m, out)
	if *update {
		g.updateAnswer(t, m, out)
		return
	}
	switch {
	case len(m.responses) == 0 && m.failure == "":
		if !errors.Is(out.err, errNoResponse) && len(out.sent) == 0 {
			t.Errorf("no request was sent: %v", out.err)
		}
		return
	case m.failure != "":
		k.checkFailure(t, g, m, out)
	case out.err != nil:
		t.Errorf("the call failed: %v", out.err)
		return
	default:
		want, _ := g.archive.Get(m.answer)
		if d := g.diffAnswer(m, out.json, want); d != "" {
			t.Errorf("the answer differs from %s:\n%s", m.answer, d)
		}
	}
	k.checkWarnings(t, g, m, out)
	if m.chunks != "" {
		want, _ := g.archive.Get(m.chunks)
		got := k.run(t, trial{g: g, m: m, chunks: true})
		if d := casefile.DiffJSON(joinJSON(got.chunks), want); d != "" {
			t.Errorf("the chunks differ from %s:\n%s", m.chunks, d)
		}
	}
}

func (k *kit) checkRequests(t *testing.T, m *mode, out *outcome) {
	t.Helper()
	if len(m.requests) == 0 {
		if len(m.responses) == 0 && m.failure != "" && len(out.sent) > 0 {
			t.Errorf("a request was sent, although the case has none: Encode must fail before anything is sent")
		}
		return
	}
	for i, w := range m.requests {
		if i >= len(out.sent) {
			t.Errorf("request %d was not sent: %v", i+1, out.err)
			continue
		}
		if d := w.diff(out.sent[i]); d != "" {
			t.Errorf("request %d differs:\n%s", i+1, d)
		}
	}
	if n := len(out.sent); n > len(m.requests) {
		s := out.sent[len(m.requests)]
		t.Errorf("%d requests were sent, the case has %d; the next is %s %s", n, len(m.requests), s.method, s.url)
	}
}

// diffAnswer leaves out what the streamed form of an answer cannot have.
func (g *golden) diffAnswer(m *mode, got, want []byte) string {
	if m.streamed && g.op.name == "speech" {
		got, want = without(got, "MediaType", "media_type"), without(want, "MediaType", "media_type")
	}
	return casefile.DiffJSON(got, want)
}

func without(data []byte, names ...string) []byte {
	v, err := casefile.ParseJSON(data)
	members, ok := v.(map[string]any)
	if err != nil || !ok {
		return data
	}
	for _, n := range names {
		delete(members, n)
	}
	return casefile.Compact(members)
}

type wantError struct {
	Kind            *string `json:"kind,omitempty"`
	Scope           *string `json:"scope,omitempty"`
	Temporary       *bool   `json:"temporary,omitempty"`
	Status          *int    `json:"status,omitempty"`
	Type            *string `json:"type,omitempty"`
	Code            *string `json:"code,omitempty"`
	Param           *string `json:"param,omitempty"`
	RetryAfter      *string `json:"retry_after,omitempty"`
	MessageContains *string `json:"message_contains,omitempty"`
}

func (k *kit) checkFailure(t *testing.T, g *golden, m *mode, out *outcome) {
	t.Helper()
	text, _ := g.archive.Get(m.failure)
	var want wantError
	if err := casefile.StrictJSON(text, &want); err != nil {
		t.Errorf("%s: %v", m.failure, err)
		return
	}
	if out.err == nil {
		t.Errorf("the call succeeded, although %s wants an error; it answered\n%s", m.failure, casefile.Clip(out.json))
		return
	}
	e, ok := errors.AsType[*llm.Error](out.err)
	if !ok {
		return // run has said so
	}
	compareField(t, "kind", want.Kind, string(e.Kind))
	compareField(t, "scope", want.Scope, string(e.Scope))
	compareField(t, "temporary", want.Temporary, e.Temporary)
	compareField(t, "status", want.Status, e.Status)
	compareField(t, "type", want.Type, e.Type)
	compareField(t, "code", want.Code, e.Code)
	compareField(t, "param", want.Param, e.Param)
	if want.RetryAfter != nil {
		d, err := time.ParseDuration(*want.RetryAfter)
		if err != nil {
			t.Errorf("%s: retry_after: %v", m.failure, err)
		}
		compareField(t, "retry_after", &d, e.RetryAfter)
	}
	if want.MessageContains != nil && !strings.Contains(e.Error(), *want.MessageContains) {
		t.Errorf("error: message %q does not contain %q", e.Error(), *want.MessageContains)
	}
	if m.partial != "" {
		wantPartial, _ := g.archive.Get(m.partial)
		got, _ := json.Marshal(e.Partial)
		if d := casefile.DiffJSON(got, wantPartial); d != "" {
			t.Errorf("the partial answer differs from %s:\n%s", m.partial, d)
		}
	}
}

func compareField[T comparable](t *testing.T, name string, want *T, got T) {
	t.Helper()
	if want != nil && *want != got {
		t.Errorf("error: %s is %v, want %v", name, got, *want)
	}
}

type wantWarning struct {
	Code  string `json:"code"`
	Param string `json:"param,omitempty"`
}

// checkWarnings: every warning is expected, and every expected one is there. A drop that nobody wrote down
// would otherwise go unseen.
func (k *kit) checkWarnings(t *testing.T, g *golden, m *mode, out *outcome) {
	t.Helper()
	if out.err != nil {
		return // warnings come with answers
	}
	want := map[wantWarning]int{}
	if m.warnings != "" {
		text, _ := g.archive.Get(m.warnings)
		var list []wantWarning
		if err := casefile.StrictJSON(text, &list); err != nil {
			t.Errorf("%s: %v", m.warnings, err)
			return
		}
		for _, w := range list {
			want[w]++
		}
	}
	for _, w := range out.warnings {
		key := wantWarning{w.Code, w.Param}
		if want[key]--; want[key] < 0 {
			t.Errorf("a warning that warnings.json does not have: code %q, param %q: %s", w.Code, w.Param, w.Message)
		}
	}
	for w, n := range want {
		if n > 0 {
			t.Errorf("the warning with code %q, param %q did not come", w.Code, w.Param)
		}
	}
}

func joinJSON(list [][]byte) []byte {
	return append(append([]byte{'['}, bytes.Join(list, []byte{','})...), ']')
}
