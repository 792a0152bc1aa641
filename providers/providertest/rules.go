package providertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/casefile"
)

type rule struct {
	name, doc string
	check     func(k *kit, t *testing.T)
}

var rules = []rule{
	{"request_unchanged", "The request is not written to, at any depth.", (*kit).ruleUnchanged},
	{"model_as_written", "A model name that nobody knows is sent as written.", (*kit).ruleModel},
	{"extra", "Extra reaches the body: new members are added, objects merge.", (*kit).ruleExtra},
	{"auth", "Without a key nothing is sent, unless the provider says that the key is optional; the error names the variables.", (*kit).ruleAuth},
	{"unary_cut", "An answer cut at any byte is an error.", (*kit).ruleUnaryCut},
	{"stream_cut", "A stream cut at any byte before the end of its terminal event is an ErrTruncated with what had arrived.", (*kit).ruleStreamCut},
	{"rechunk", "However the bytes of a stream are cut into reads, the chunks are the same.", (*kit).ruleRechunk},
	{"open_end", "A stream ends with its terminal event, also if the connection stays open.", (*kit).ruleOpenEnd},
	{"released", "Break, Close, cancel and errors free the connection.", (*kit).ruleReleased},
	{"status", "HTTP statuses with nothing useful in the body are of the kind that they stand for.", (*kit).ruleStatus},
	{"key", "The key is in no error, also if the host echoes it, and in no URL.", (*kit).ruleKey},
	{"hostile", "No body makes it panic or hang: wrong types, broken UTF-8, events lost, doubled and out of order.", (*kit).ruleHostile},
}

// sends are the cases in which a request is expected to leave.
func sends(_ *golden, m *mode) bool { return len(m.requests) > 0 || len(m.responses) > 0 }

func isUnary(g *golden, m *mode) bool  { return !m.streamed && succeeds(g, m) }
func isStream(g *golden, m *mode) bool { return m.streamed && succeeds(g, m) }

func (k *kit) ruleUnchanged(t *testing.T) {
	k.each(t, "no case", func(*golden, *mode) bool { return true }, func(t *testing.T, g *golden, m *mode) {
		k.run(t, trial{g: g, m: m}) // run compares the request before and after
		k.run(t, trial{g: g, m: m, with: []llm.Option{llm.WithDropParams()}})
	})
}

func (k *kit) ruleModel(t *testing.T) {
	const model = "zz-unheard-of_9.1:beta@2031"
	k.each(t, "no case sends a model", func(g *golden, m *mode) bool { return sends(g, m) && g.model != "" }, func(t *testing.T, g *golden, m *mode) {
		out := k.run(t, trial{g: g, m: m, with: []llm.Option{llm.WithDropParams()}, change: func(req any) {
			setModel(k.p, req, k.p.Name+"/"+model)
		}})
		if len(out.sent) == 0 {
			t.Fatalf("nothing was sent: %v", out.err)
		}
		for _, s := range out.sent {
			path, _ := url.PathUnescape(s.url.EscapedPath())
			if bytes.Contains(s.body, []byte(model)) || strings.Contains(path, model) || strings.Contains(s.url.Query().Encode(), url.QueryEscape(model)) {
				return
			}
		}
		t.Errorf("the model %q is neither in the body nor in the URL of what was sent: %s\n%s", model, out.sent[0].url, casefile.Clip(out.sent[0].body))
	})
}

func (k *kit) ruleExtra(t *testing.T) {
	fits := func(g *golden, m *mode) bool { return sends(g, m) && extraOf(g.op.newRequest()) != nil }
	k.each(t, "no operation has an Extra", fits, func(t *testing.T, g *golden, m *mode) {
		base := k.run(t, trial{g: g, m: m})
		if len(base.sent) == 0 {
			t.Fatalf("nothing was sent: %v", base.err)
		}
		n := slices.IndexFunc(base.sent, (*sent).isJSON)
		if n < 0 {
			k.extraElsewhere(t, g, m)
			return
		}
		k.probe(t, trial{g: g, m: m}, base.sent[n], n, "x_probe")
		members, _ := casefile.ParseJSON(base.sent[n].body)
		body, ok := members.(map[string]any)
		if !ok {
			t.Fatalf("the body is not a JSON object: %s", casefile.Clip(base.sent[n].body))
		}
		for _, name := range casefile.SortedKeys(body) {
			if _, ok := body[name].(map[string]any); ok {
				k.probe(t, trial{g: g, m: m}, base.sent[n], n, name)
			}
		}
	})
}

// probe lays {name: {"x_probe_a": 1}} over the body of request n. Apart from that the body must be as before.
func (k *kit) probe(t *testing.T, tr trial, before *sent, n int, name string) {
	t.Helper()
	laid := map[string]any{"x_probe_a": 1}
	tr.change = func(req any) {
		extra := extraOf(req)
		all := llm.Extra{}
		for key, v := range *extra {
			all[key] = v
		}
		if old, ok := all[name]; ok {
			if v, err := casefile.ParseJSON(casefile.Compact(old)); err == nil {
				if members, ok := v.(map[string]any); ok {
					members["x_probe_a"] = 1
					all[name] = members
					*extra = all
					return
				}
			}
		}
		all[name] = laid
		*extra = all
	}
	out := k.run(t, tr)
	if len(out.sent) <= n {
		t.Errorf("with Extra %q request %d was not sent: %v", name, n+1, out.err)
		return
	}
	v, err := casefile.ParseJSON(before.body)
	want, ok := v.(map[string]any)
	if err != nil || !ok {
		return
	}
	if old, ok := want[name].(map[string]any); ok {
		old["x_probe_a"] = 1
	} else {
		want[name] = laid
	}
	if d := casefile.DiffJSON(out.sent[n].body, casefile.Compact(want)); d != "" {
		t.Errorf("Extra{%q: {\"x_probe_a\": 1}} is not laid over the body:\n%s", name, d)
	}
}

// extraElsewhere: requests without a JSON body have Extra in the query or in the form.
func (k *kit) extraElsewhere(t *testing.T, g *golden, m *mode) {
	t.Helper()
	out := k.run(t, trial{g: g, m: m, change: func(req any) {
		extra := extraOf(req)
		all := llm.Extra{"x_probe": "x-value"}
		for key, v := range *extra {
			all[key] = v
		}
		*extra = all
	}})
	for _, s := range out.sent {
		if s.url.Query().Get("x_probe") == "x-value" || bytes.Contains(s.body, []byte(`name="x_probe"`)) && bytes.Contains(s.body, []byte("x-value")) ||
			bytes.Contains(s.body, []byte("x_probe=x-value")) {
			return
		}
	}
	t.Errorf("Extra{\"x_probe\": \"x-value\"} is neither in the query nor in the form: %v", out.err)
}

func (k *kit) ruleAuth(t *testing.T) {
	if k.p.KeyOptional {
		t.Skip("the provider works without a key")
	}
	fits := func(g *golden, m *mode) bool { return sends(g, m) && !g.options.NoKey }
	k.each(t, "no case", fits, func(t *testing.T, g *golden, m *mode) {
		out := k.run(t, trial{g: g, m: m, noKey: true})
		if len(out.sent) > 0 {
			t.Errorf("without a key a request was sent to %s", out.sent[0].url)
		}
		if !errors.Is(out.err, llm.ErrAuthentication) {
			t.Fatalf("without a key the error is %v; want an ErrAuthentication", out.err)
		}
		for _, name := range k.p.KeyEnv {
			if !strings.Contains(out.err.Error(), name) {
				t.Errorf("the error does not name the variable %s: %v", name, out.err)
			}
		}
	})
}

// offsets are the places at which n bytes are cut: all of them, or for a long body those at both ends, around
// line ends, and evenly between.
func offsets(t *testing.T, data []byte) []int {
	n := len(data)
	most := 4096
	if testing.Short() {
		most = 512
	}
	step := 1
	if n > most {
		step = (n + most - 1) / most
		t.Logf("%d bytes are cut at about every %d.; at both ends and at line ends everywhere", n, step)
	}
	const close = 128
	var list []int
	for i := range n {
		if i%step == 0 || i < close || i >= n-close || data[i] == '\n' || i > 0 && data[i-1] == '\n' {
			list = append(list, i)
		}
	}
	return list
}

// cutLast is the case's responses with the last one cut at k.
func cutLast(m *mode, at int) []*canned {
	list := slices.Clone(m.responses)
	last := list[len(list)-1]
	list[len(list)-1] = last.with(last.body[:at:at])
	return list
}

func last(m *mode) *canned { return m.responses[len(m.responses)-1] }

func (k *kit) ruleUnaryCut(t *testing.T) {
	k.each(t, "no case with an answer", isUnary, func(t *testing.T, g *golden, m *mode) {
		whole := k.run(t, trial{g: g, m: m})
		if whole.err != nil {
			t.Fatal(whole.err)
		}
		for i, c := range m.responses {
			// JSON shows by itself that it is cut. Other bodies do not: their end is net/http's to prove.
			end := error(nil)
			if !c.isJSON() {
				end = io.ErrUnexpectedEOF
				if i < len(m.responses)-1 {
					continue
				}
			}
			for _, at := range offsets(t, c.body) {
				responses := slices.Clone(m.responses)
				responses[i] = c.with(c.body[:at:at])
				out := k.run(t, trial{g: g, m: m, responses: responses, end: end})
				switch {
				case out.err == nil && (end != nil || !g.sameAnswer(m, out.json, whole.json)):
					t.Fatalf("answer %d cut at byte %d of %d is taken for a whole one:\n%s\nwas decoded as\n%s", i+1, at, len(c.body), casefile.Clip(c.body[:at]), casefile.Clip(out.json))
				case out.err == nil || errors.Is(out.err, llm.ErrTruncated) || errors.Is(out.err, llm.ErrProtocol):
				default:
					t.Fatalf("answer %d cut at byte %d of %d: the error is %v; want ErrTruncated or ErrProtocol", i+1, at, len(c.body), out.err)
				}
			}
		}
	})
}

// sameAnswer compares two answers to one call: ids that the engine makes up differ where the case has $ANY.
func (g *golden) sameAnswer(m *mode, a, b []byte) bool {
	if casefile.SameJSON(a, b) {
		return true
	}
	want, ok := g.archive.Get(m.answer)
	return ok && bytes.Contains(want, []byte(casefile.AnyText)) && casefile.DiffJSON(a, want) == "" && casefile.DiffJSON(b, want) == ""
}

// ruleStreamCut is the contract's first line.
func (k *kit) ruleStreamCut(t *testing.T) {
	fits := func(g *golden, m *mode) bool { return m.streamed && len(m.responses) > 0 && last(m).status < 300 }
	k.each(t, "no case with a stream", fits, func(t *testing.T, g *golden, m *mode) {
		body := last(m).body
		raw := !framed(last(m))
		end := error(nil)
		if raw {
			end = io.ErrUnexpectedEOF // bytes of sound: their end is net/http's to prove
		}
		whole := k.run(t, trial{g: g, m: m})
		if whole.err != nil && m.failure == "" {
			t.Fatal(whole.err)
		}
		content := k.contentAt(t, g, m)
		// Before its last byte that says something, no stream is complete.
		complete := len(body)
		if !last(m).binary {
			complete = len(bytes.TrimRight(body, "\r\n "))
		}
		if g.options.AfterTerminal {
			complete = 0
		}
		for _, at := range offsets(t, body) {
			out := k.run(t, trial{g: g, m: m, responses: cutLast(m, at), end: end})
			if out.err == nil {
				if at < complete || raw || whole.err != nil || !g.sameAnswer(m, out.json, whole.json) {
					t.Fatalf("the stream cut at byte %d of %d is taken for a whole one, after …%s\nit folds to\n%s", at, len(body), tail(body[:at]), casefile.Clip(out.json))
				}
				continue
			}
			k.checkCutError(t, cut{at: at, body: body, content: content, whole: whole}, out.err)
		}
	})
}

// framed says that the end of the stream is said in the stream itself.
func framed(c *canned) bool {
	t := c.mediaType()
	return !strings.HasPrefix(t, "audio/") && t != "application/octet-stream"
}

// cut is what is known of a stream that was cut.
type cut struct {
	at      int
	body    []byte
	content int // offset from which content had arrived
	whole   *outcome
}

func (k *kit) checkCutError(t *testing.T, c cut, err error) {
	t.Helper()
	where := fmt.Sprintf("the stream cut at byte %d of %d, after …%s", c.at, len(c.body), tail(c.body[:c.at]))
	e, ok := errors.AsType[*llm.Error](err)
	if !ok {
		t.Fatalf("%s: the error is a %T: %v", where, err, err)
	}
	empty := len(bytes.TrimSpace(c.body[:c.at])) == 0
	carried, _ := errors.AsType[*llm.Error](c.whole.err)
	switch {
	case errors.Is(e, llm.ErrTruncated), empty && errors.Is(e, llm.ErrProtocol):
	case carried != nil && e.Kind == carried.Kind:
	default:
		t.Fatalf("%s: the error is %v (kind %q); want ErrTruncated", where, err, string(e.Kind))
	}
	if !c.isCompletion() {
		return
	}
	if c.at >= c.content && e.Partial == nil {
		t.Fatalf("%s: content had arrived at byte %d, but the error has no Partial", where, c.content)
	}
	full, _ := c.whole.answer.(*llm.CompletionResponse)
	if full == nil && carried != nil {
		full = carried.Partial
	}
	if full != nil && e.Partial != nil && !strings.HasPrefix(full.Text(), e.Partial.Text()) {
		t.Fatalf("%s: the partial text %q is not a beginning of the whole one", where, e.Partial.Text())
	}
}

// isCompletion: only completions have a form for what is partial.
func (c *cut) isCompletion() bool {
	_, ok := c.whole.answer.(*llm.CompletionResponse)
	return ok
}

// contentAt is how many bytes have to arrive until a chunk has content.
func (k *kit) contentAt(t *testing.T, g *golden, m *mode) int {
	t.Helper()
	first := len(last(m).body) + 1
	var reads []int
	out := k.run(t, trial{g: g, m: m, chunks: true, read: func(int) int { return 1 }, arrived: func(n int) { reads = append(reads, n) }})
	for i, c := range out.chunks {
		var chunk llm.CompletionChunk
		if g.op.name != "completion" || chunk.UnmarshalJSON(c) != nil {
			break
		}
		for _, ch := range chunk.Choices {
			d := ch.Delta
			// What else may count as content is the engine's to say.
			if d.Content != "" || d.ReasoningContent != "" {
				return reads[i]
			}
		}
	}
	return first
}

func tail(b []byte) string {
	const most = 120
	if len(b) > most {
		b = b[len(b)-most:]
	}
	return fmt.Sprintf("%q", b)
}

func (k *kit) ruleRechunk(t *testing.T) {
	k.each(t, "no case with a stream", isStream, func(t *testing.T, g *golden, m *mode) {
		raw := !framed(last(m))
		base := k.run(t, trial{g: g, m: m, chunks: !raw})
		if base.err != nil {
			t.Fatal(base.err)
		}
		same := func(what string, read func(int) int) {
			t.Helper()
			out := k.run(t, trial{g: g, m: m, chunks: !raw, read: read})
			if out.err != nil {
				t.Fatalf("%s: %v", what, out.err)
			}
			if raw && bytes.Equal(base.json, out.json) {
				return // sound comes in whatever pieces it is read in; only the sum counts
			}
			if raw || !slices.EqualFunc(base.chunks, out.chunks, bytes.Equal) {
				t.Fatalf("%s the chunks differ:\n%s", what, casefile.DiffJSON(joinJSON(out.chunks), joinJSON(base.chunks)))
			}
		}
		same("read byte by byte", func(int) int { return 1 })
		for _, at := range offsets(t, last(m).body) {
			same(fmt.Sprintf("read in two parts, cut at byte %d after …%s", at, tail(last(m).body[:at])), func(pos int) int {
				if pos < at {
					return at - pos
				}
				return len(last(m).body)
			})
		}
	})
}

// ruleOpenEnd: what comes after the terminal event is nobody's to wait for.
func (k *kit) ruleOpenEnd(t *testing.T) {
	fits := func(g *golden, m *mode) bool {
		return isStream(g, m) && framed(last(m)) && !last(m).isJSON() && !g.options.EndsByClose
	}
	k.each(t, "no case with a framed stream", fits, func(t *testing.T, g *golden, m *mode) {
		start := time.Now()
		out := k.run(t, trial{g: g, m: m, hang: true})
		const soon = 10 * time.Second
		if d := time.Since(start); out.err != nil || d > soon {
			t.Fatalf("the connection stays open after the last event: the stream ended after %s with %v", d, out.err)
		}
	})
}

func (k *kit) ruleReleased(t *testing.T) {
	k.each(t, "no case with a stream", isStream, func(t *testing.T, g *golden, m *mode) {
		body := last(m).body
		start := func(ctx context.Context, tr trial) (*host, *reader, error) {
			tr.g, tr.m = g, m
			req, err := g.newRequest(k.p)
			if err != nil {
				t.Fatal(err)
			}
			h := k.newHost(tr)
			client, opts := k.client(t, tr, h)
			s, err := g.op.open(ctx, client, req, opts...)
			return h, s, err
		}
		freed := func(what string, h *host) {
			t.Helper()
			synctest.Wait()
			for _, b := range h.bodies {
				if !b.isClosed() && b.ctx.Err() == nil {
					t.Errorf("%s: the connection is still taken", what)
				}
			}
		}

		h, s, err := start(t.Context(), trial{})
		if err != nil {
			t.Fatal(err)
		}
		for range s.each {
			break
		}
		freed("break after the first chunk", h)
		if err := s.close(); err != nil {
			t.Errorf("Close after the end: %v", err)
		}

		if h, s, err = start(t.Context(), trial{}); err != nil {
			t.Fatal(err)
		}
		s.close()
		freed("Close of an unread stream", h)
		if chunk, err := s.next(); err == nil {
			t.Errorf("Next after Close gives a chunk: %s", casefile.Short(chunk))
		}

		// Cancelled at several places, while the host is silent.
		for i := range 8 {
			at := len(body) * i / 8
			what := fmt.Sprintf("cancelled while the host is silent after byte %d of %d", at, len(body))
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Minute, cancel)
			began := time.Now()
			h, s, err := start(ctx, trial{responses: cutLast(m, at), hang: true})
			for err == nil {
				_, err = s.next()
			}
			if d := time.Since(began); d > time.Minute+100*time.Millisecond {
				t.Errorf("%s: it took %s to return", what, d-time.Minute)
			}
			if at < len(body)/2 && err == io.EOF {
				t.Errorf("%s: the stream ended as if it were whole", what)
			} else if err != io.EOF && (!errors.Is(err, context.Canceled) || !errors.Is(err, llm.ErrCanceled)) {
				t.Errorf("%s: the error is %v; want ErrCanceled", what, err)
			}
			freed(what, h)
			if s != nil {
				s.close()
			}
			cancel()
		}
	})
}

// statusKinds are the kinds that a status may stand for when the body says nothing. The first is
// llm.StatusError's.
var statusKinds = map[int][]llm.ErrorKind{
	400: {llm.ErrInvalidRequest, llm.ErrUnknown},
	401: {llm.ErrAuthentication},
	402: {llm.ErrBilling, llm.ErrQuota},
	403: {llm.ErrPermission, llm.ErrAuthentication},
	404: {llm.ErrNotFound, llm.ErrInvalidRequest},
	408: {llm.ErrTimeout},
	409: {llm.ErrConflict},
	413: {llm.ErrTooLarge, llm.ErrInvalidRequest},
	422: {llm.ErrInvalidRequest},
	429: {llm.ErrRateLimit},
	500: {llm.ErrServer},
	502: {llm.ErrServer},
	503: {llm.ErrOverloaded, llm.ErrServer},
	504: {llm.ErrServer, llm.ErrTimeout},
	529: {llm.ErrOverloaded, llm.ErrServer},
}

func (k *kit) ruleStatus(t *testing.T) {
	bodies := map[string]*canned{
		"no body":   {header: http.Header{}},
		"HTML":      {header: http.Header{"Content-Type": {"text/html"}}, body: []byte("<html><head><title>Error</title></head><body><h1>Something is wrong</h1></body></html>")},
		"odd JSON":  {header: http.Header{"Content-Type": {"application/json"}}, body: []byte(`{"error":[{"message":{"code":["x"]},"type":17}],"message":{}}`)},
		"a list":    {header: http.Header{"Content-Type": {"application/json"}}, body: []byte(`[[],{"error":null}]`)},
		"cut JSON":  {header: http.Header{"Content-Type": {"application/json"}}, body: []byte(`{"error":{"message":"Some`)},
		"bare text": {header: http.Header{"Content-Type": {"text/plain"}}, body: []byte("upstream connect error")},
	}
	k.eachFirst(t, func(t *testing.T, g *golden, m *mode) {
		for _, status := range sortedInts(statusKinds) {
			for _, name := range casefile.SortedKeys(bodies) {
				c := *bodies[name]
				c.status = status
				out := k.run(t, trial{g: g, m: m, responses: []*canned{&c}})
				where := fmt.Sprintf("status %d with %s", status, name)
				e, ok := errors.AsType[*llm.Error](out.err)
				if !ok {
					t.Errorf("%s: the error is %v", where, out.err)
					continue
				}
				kinds := statusKinds[status]
				if !slices.Contains(kinds, e.Kind) {
					t.Errorf("%s: the kind is %q; want one of %q", where, string(e.Kind), kindNames(kinds))
					continue
				}
				if e.Status != status {
					t.Errorf("%s: Error.Status is %d", where, e.Status)
				}
				byStatus, byKind := llm.StatusError(status), new(llm.Error)
				byKind.SetKind(e.Kind)
				if e.Scope != byStatus.Scope && e.Scope != byKind.Scope {
					t.Errorf("%s: the scope is %q; want %q", where, e.Scope, byStatus.Scope)
				}
				if e.Temporary != byStatus.Temporary && e.Temporary != byKind.Temporary {
					t.Errorf("%s: Temporary is %v; want %v", where, e.Temporary, byStatus.Temporary)
				}
				if len(c.body) > 0 && !bytes.Equal(e.Body, c.body) {
					t.Errorf("%s: the body is not on the error", where)
				}
			}
		}
	})
}

func kindNames(kinds []llm.ErrorKind) []string {
	var list []string
	for _, k := range kinds {
		list = append(list, string(k))
	}
	return list
}

// eachFirst runs check on one case of each operation and way to call it.
func (k *kit) eachFirst(t *testing.T, check func(*testing.T, *golden, *mode)) {
	seen := make(map[string]bool)
	k.each(t, "no case", func(g *golden, m *mode) bool {
		key := g.op.name + m.name()
		if seen[key] || !succeeds(g, m) {
			return false
		}
		seen[key] = true
		return true
	}, check)
}

// ruleKey: run looks for the key in all that comes out; here the host echoes it.
func (k *kit) ruleKey(t *testing.T) {
	bodies := []string{
		`{"error":{"message":"Incorrect API key provided: KEY. You can find your API key at …","type":"invalid_request_error","param":"KEY","code":"KEY"}}`,
		`{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key KEY"},"request_id":"KEY"}`,
		`{"error":{"code":400,"message":"API key not valid: KEY","status":"INVALID_ARGUMENT","details":[{"reason":"KEY","metadata":{"key":"KEY"}}]}}`,
		`{"message":"The security token KEY is invalid","__type":"KEY"}`,
		`{"detail":"KEY"}`, `{"title":"KEY","detail":"KEY"}`, `"KEY"`, `KEY`,
	}
	k.each(t, "no case", succeeds, func(t *testing.T, g *golden, m *mode) {
		for _, s := range g.secrets() {
			for _, status := range []int{400, 401, 429, 500} {
				for i, b := range bodies {
					c := &canned{status: status, body: []byte(strings.ReplaceAll(b, "KEY", s)), header: http.Header{
						"Content-Type": {"application/json"}, "X-Request-Id": {s}, "Www-Authenticate": {`Bearer error="` + s + `"`}}}
					out := k.run(t, trial{g: g, m: m, responses: []*canned{c}})
					if out.err == nil {
						t.Errorf("status %d with body %d is no error", status, i)
					}
				}
			}
			// The same inside a 200, in whatever the canned answer says.
			for _, c := range echoes(last(m), s) {
				responses := slices.Clone(m.responses)
				responses[len(responses)-1] = c
				k.run(t, trial{g: g, m: m, responses: responses})
			}
		}
	})
}

func sortedInts[V any](m map[int]V) []int {
	var list []int
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}
