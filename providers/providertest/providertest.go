// Package providertest checks a provider: it replays golden cases through the real engine, and then holds the
// provider to the rules that the engine, and everything above it, relies on. It is what this library's own
// providers are tested with, and is meant for those of others as much.
//
//	func TestConformance(t *testing.T) {
//		providertest.Run(t, acme.Provider(), "testdata")
//	}
//
// # Golden cases
//
// A case is one file testdata/<operation>_<what>.txtar, written by hand from the vendor's API reference: a
// comment that says what it shows and where its facts come from, and sections, each begun by a line
// "-- name --":
//
//	A plain answer. Acme API reference, "Create message".
//	-- call.json --
//	{"operation": "completion", "model": "acme/rocket-2", "request": {"messages": [{"role": "user", "content": "Hello?"}]}}
//	-- request.http --
//	POST /v1/chat
//	Authorization: Bearer $KEY
//	!X-Debug
//
//	{"model": "rocket-2", "input": [{"from": "user", "text": "Hello?"}]}
//	-- response.http --
//	HTTP/1.1 200
//	Content-Type: application/json
//
//	{"id": "m1", "text": "Hi.", "why": "done", "tokens": {"in": 3, "out": 2}}
//	-- answer.json --
//	{"id": "m1", "object": "chat.completion", "choices": […], "usage": {…}}
//	-- stream.http --
//	HTTP/1.1 200
//	Content-Type: text/event-stream
//
//	data: {"id": "m1", "text": "H"}
//
//	data: {"text": "i."}
//
//	data: {"why": "done", "tokens": {"in": 3, "out": 2}}
//
// The sections:
//
//   - call.json: the operation ("completion", "responses", "text_completion", "embedding", "image", "image_edit",
//     "image_variation", "speech", "transcription", "translation", "moderation", "count_tokens", "models"), the
//     model as "provider/model", the request in this library's JSON form without its model, and optionally
//     "options": {"drop_params": true or ["seed"], "settings": {"AWS_REGION": "us-east-1"}, "headers": {…},
//     "base_url": "…", "no_key": true, "after_terminal": true,
//     "ends_by_close": true (the host closes the connection instead of sending a terminal event)}. With "stream" true or false only that way of
//     calling is tried.
//   - request.http: what must be sent: method and target (path and query; a full URL where the host matters);
//     headers that must be there, with * for any text and $KEY for the key; "!Name" for a header that must not
//     be; a blank line, and the body. JSON is compared by meaning, a multipart body by text whatever its boundary.
//   - response.http: the canned answer: status line, headers, blank line, body. With the header
//     "X-Golden-Encoding: base64" the body is the base64 text of the real one.
//   - answer.json: what must be returned, or error.json: how it must fail, by those of kind, scope, temporary,
//     status, type, code, param, retry_after and message_contains that are given. The text "$ANY" in an answer
//     matches any text that is not empty, such as an id that was made up.
//   - warnings.json: the warnings that come with the answer, as [{"code": "dropped_param", "param": "seed"}]. A
//     warning that it does not have is a failure: what is lost between request and wire is part of the behaviour.
//   - stream.http: the same answer streamed. Folded, it must equal answer.json to the last token of usage; if the
//     wire cannot say all of it in a stream, stream_answer.json has what it does say. stream.aws instead has a JSON
//     line {"headers": {":event-type": "…"}, "payload": {…}} for each frame, after status line, headers and blank line.
//   - stream_request.http, stream_warnings.json: as above, for the streamed call. stream_error.json, and
//     partial.json for what had arrived: how a stream must fail. chunks.json: the list of chunks, where not only
//     their sum matters.
//   - Where an operation takes several exchanges: request.1.http, response.1.http, request.2.http …, and for
//     the ones before a stream stream_response.1.http …, stream_request.1.http ….
//
// A case with call.json and error.json alone says that Encode fails and nothing is sent; one with a request and no
// response checks what is sent, and nothing else.
//
// "go test -update" rewrites the sections with answers and errors, and no other, by what the provider makes of
// the case. Read the difference before you believe it.
//
// # Rules
//
// Each rule is a subtest, run over every case that fits: "go test -run 'Conformance/stream_cut'". See [Rules] for
// the list. A provider that offers an operation without a case for it fails, and so does one that streams without
// a case with a stream: no rule passes by having nothing to look at.
//
// All calls run in a bubble of testing/synctest, in which time passes only when everybody waits. A provider that
// polls costs no time here, and one that leaves a goroutine behind is found out. Cases run in parallel, as calls do:
// with -race the kit finds what a provider shares between them.
package providertest

import (
	"bytes"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/llm-go/llm"
)

// kit is one Run.
type kit struct {
	p       *llm.Provider
	goldens []*golden
}

// Run replays the golden cases in dir through the engine with provider p, and checks the [Rules].
func Run(t *testing.T, p *llm.Provider, dir string) {
	t.Helper()
	k := &kit{p: p}
	logs := captureLogs(t)
	var errs []error
	k.goldens, errs = loadGoldens(p, dir)
	for _, err := range errs {
		t.Error(err)
	}
	if len(k.goldens) == 0 {
		t.Fatal("there is no case to run")
	}
	t.Run("golden", func(t *testing.T) {
		k.each(t, "no case", func(*golden, *mode) bool { return true }, k.checkGolden)
	})
	if *update {
		return // rules are for cases that are right
	}
	t.Run("coverage", k.checkCoverage)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) { r.check(k, t) })
	}
	for _, secret := range k.secrets() {
		if strings.Contains(logs.String(), secret) {
			t.Errorf("a key or secret was logged: %s", strings.ReplaceAll(logs.String(), secret, "█"))
		}
	}
}

// Rule is one thing that every provider must hold to. Name is the subtest's.
type Rule struct{ Name, Doc string }

// Rules lists the rules in the order in which they are checked.
func Rules() []Rule {
	var list []Rule
	for _, r := range rules {
		list = append(list, Rule{r.name, r.doc})
	}
	return list
}

// each runs check as a subtest, in a bubble of its own, for every case and way to call it that fits.
func (k *kit) each(t *testing.T, none string, fits func(*golden, *mode) bool, check func(*testing.T, *golden, *mode)) {
	n := 0
	for _, g := range k.goldens {
		for _, m := range []*mode{g.unary, g.stream} {
			if m == nil || !fits(g, m) {
				continue
			}
			n++
			t.Run(g.name+"/"+m.name(), func(t *testing.T) {
				if !*update { // that writes the file of the case
					t.Parallel()
				}
				synctest.Test(t, func(t *testing.T) { check(t, g, m) })
			})
		}
	}
	if n == 0 {
		t.Skip(none)
	}
}

// checkCoverage holds that no operation, and no stream, goes without a case.
func (k *kit) checkCoverage(t *testing.T) {
	for _, op := range operations(k.p) {
		if !op.offered || op.bridged {
			continue
		}
		var unary, stream bool
		for _, g := range k.goldens {
			if g.op.name == op.name {
				unary = unary || succeeds(g, g.unary)
				stream = stream || succeeds(g, g.stream)
			}
		}
		if op.unary && !unary {
			t.Errorf("provider %q offers %s, but testdata has no case of it with response.http and answer.json", k.p.Name, op.name)
		}
		if op.streams && !stream {
			t.Errorf("provider %q streams %s, but testdata has no case of it with stream.http (or stream.aws) and an answer", k.p.Name, op.name)
		}
		if !op.unary && !op.streams {
			t.Errorf("provider %q offers %s with neither Decode, Stream nor Do", k.p.Name, op.name)
		}
	}
}

// succeeds says that the case has a whole exchange that ends well.
func succeeds(_ *golden, m *mode) bool { return m != nil && len(m.responses) > 0 && m.answer != "" }

func (k *kit) secrets() map[string]string {
	all := make(map[string]string)
	for _, g := range k.goldens {
		for name, s := range g.secrets() {
			all[name+" of "+g.name] = s
		}
	}
	return all
}

// captureLogs takes what the standard loggers are given while the test runs.
func captureLogs(t *testing.T) fmt.Stringer {
	out := new(logBuffer)
	logger, writer, flags := slog.Default(), log.Writer(), log.Flags()
	slog.SetDefault(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() {
		slog.SetDefault(logger)
		log.SetOutput(writer) // SetDefault has pointed it at slog
		log.SetFlags(flags)
	})
	return out
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
