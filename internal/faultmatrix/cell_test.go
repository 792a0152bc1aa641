//go:build linux

package faultmatrix

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	"github.com/stretchr/testify/require"
)

// dialect is a column of the table.
type dialect struct {
	name  string
	model string
}

var dialects = []dialect{
	{"OpenAI chat", "openai/gpt-x"},
	{"OpenAI Responses", "openai/responses/gpt-x"},
	{"Anthropic", "anthropic/claude-x"},
	{"Gemini", "gemini/gemini-x"},
	{"Bedrock", "bedrock/vendor.model-x"},
	{"Groq", "groq/llama-x"},
}

func (d dialect) provider() string {
	name, _, _ := strings.Cut(d.model, "/")
	return name
}

// way is how the answer is asked for, and where in it the fault strikes.
type way struct {
	stream bool
	place  string // "", "before" or "after": the first content
}

func (w way) String() string {
	switch {
	case w.stream && w.place != "":
		return "stream, " + w.place + " content"
	case w.stream:
		return "stream"
	case w.place == "before":
		return "unary, before the body"
	case w.place == "after":
		return "unary, within the body"
	}
	return "unary"
}

// cell is one fault in one dialect and one way.
type cell struct {
	*recorder
	fault   *fault
	dialect dialect
	way     way

	srv       *llmtest.Server
	dials     atomic.Int64
	callbacks []llm.Option // beside the observer's
	text      string       // for the table
}

// recorder is the T of a cell: cells run beside each other in one test.
type recorder struct {
	mu       sync.Mutex
	errors   []string
	cleanups []func()
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *recorder) cleanup() {
	for _, f := range r.cleanups {
		f()
	}
}

func (r *recorder) FailNow() { runtime.Goexit() }

// run makes a cell's calls, with the fault on all attempts and then on the first only, and checks them.
func (c *cell) run() {
	if c.fault.run != nil {
		c.fault.run(c)
		return
	}
	want := c.fault.expect(c.dialect, c.way)
	lasting := c.call(func() { c.srv.FaultAlways(c.fault.at(c.way)) })
	c.check(lasting, want, want.tries(c.fault.attempts))
	c.text = want.describe(lasting)
	if c.fault.check != nil {
		c.fault.check(c, lasting)
	}
	if want.again == never && want.kind == "" || c.fault.host != nil {
		return
	}
	passing := c.call(func() { c.srv.Fault(c.fault.at(c.way)) })
	if want.again == never {
		c.check(passing, want, 1)
		return
	}
	good := want
	good.kind, good.again, good.partial = "", never, false
	c.check(passing, good, 2)
	require.ErrorIs(c, passing.resp.Meta.Attempts[0].Err, want.kind)
}

// result is what a caller saw of one call.
type result struct {
	resp   *llm.CompletionResponse
	err    *llm.Error
	took   time.Duration
	opened bool // there was a stream
	seen   *observer
	asked  int // requests, or connections, that the host saw
}

// call makes one call on a server of its own.
func (c *cell) call(prepare func()) *result {
	start := llmtest.Start
	if c.fault.tls {
		start = llmtest.StartTLS
	}
	srv, err := start()
	require.NoError(c, err)
	defer srv.Close()
	c.srv = srv
	srv.Reply(c.fault.answer())
	client := c.client()
	prepare()
	c.dials.Store(0)
	before := len(srv.Requests())

	seen := &observer{}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := &result{seen: seen}
	begin := time.Now()
	var callErr error
	opts := append(c.callbacks, llm.WithCallback(seen.callback()))
	if c.way.stream {
		callErr = c.stream(ctx, client, r, opts...)
	} else {
		r.resp, callErr = client.Completion(ctx, c.request(), opts...)
	}
	r.took = time.Since(begin)
	if callErr != nil {
		require.ErrorAs(c, callErr, &r.err, "errors are typed")
		c.quiet(callErr)
	}
	switch {
	case c.fault.host != nil:
		r.asked = seen.attempts
	case c.fault.kit:
		r.asked = int(c.dials.Load())
	case c.fault.unread:
		// A busy machine may be slow to accept what the client has given up already.
		for end := time.Now().Add(10 * time.Second); srv.Connections().Accepted < seen.attempts && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		r.asked = srv.Connections().Accepted
	default:
		r.asked = len(srv.Requests()) - before
	}
	if !c.fault.deaf {
		c.eventually("connections that are in use", func() string {
			n := srv.Connections()
			if n.Open == n.Idle && n.Idle <= 1 { // one may be kept for the next call
				return ""
			}
			return fmt.Sprintf("%+v", n)
		})
	}
	return r
}

// good makes a call without a fault, which leaves an idle connection behind.
func (c *cell) good() {
	client := c.client()
	_, err := client.Completion(context.Background(), c.request())
	require.NoError(c, err)
}

func (c *cell) request() *llm.CompletionRequest {
	text := prompt
	if c.fault.huge {
		text += strings.Repeat(" and again", hugePrompt/10)
	}
	return &llm.CompletionRequest{Model: c.dialect.model, Messages: []llm.Message{llm.User(text)}}
}

// hugePrompt is more than the system takes from a connection whose other end does not read.
const hugePrompt = 8 << 20 * 2 / (slow + 1)

// client is one with the fault's clocks and the canary for a key. Where the fault allows it, the transport is the
// library's own.
func (c *cell) client() *llm.Client { return llm.New(c.options()...) }

func (c *cell) options() []llm.Option {
	provider := c.dialect.provider()
	opts := append(c.srv.Options(provider), llm.WithProviderKey(provider, key), llm.WithTimeout(c.fault.timeout), llm.WithMaxAttempts(c.fault.attempts),
		llm.WithBackoff(llm.Backoff{Initial: time.Millisecond, Max: time.Millisecond}), llm.WithMaxBodyBytes(4<<20), llm.WithMaxEventBytes(2<<20))
	if c.fault.kit {
		tr := c.srv.HTTPClient().Transport.(*http.Transport).Clone()
		dial := tr.DialContext
		tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			c.dials.Add(1)
			return dial(ctx, network, address)
		}
		opts = append(opts, llm.WithHTTPClient(&http.Client{Transport: tr}))
	} else {
		opts = append(opts, llm.WithHTTPClient(nil))
	}
	if c.fault.host != nil {
		opts = append(opts, llm.WithProviderBaseURL(provider, c.fault.host(c)))
	}
	if c.fault.clocks != nil {
		opts = append(opts, c.fault.clocks(c.way)...)
	}
	return opts
}

// stream reads a stream to its end, and looks at it again after that.
func (c *cell) stream(ctx context.Context, client *llm.Client, r *result, opts ...llm.Option) error {
	s, err := client.CompletionStream(ctx, c.request(), opts...)
	if err != nil {
		return err
	}
	r.opened = true
	var acc llm.Accumulator
	for {
		chunk, err := s.Next()
		if err == nil {
			acc.Add(chunk)
			continue
		}
		for range 2 {
			_, again := s.Next()
			require.Equal(c, err, again, "a stream ends once, and then says the same")
			require.NoError(c, s.Close())
		}
		if err == io.EOF {
			r.resp = acc.Response()
			if r.resp == nil {
				r.resp = &llm.CompletionResponse{}
			}
			r.resp.Meta = *s.Meta()
			return nil
		}
		return err
	}
}

// check holds a result against what is wanted, and against the rules of every cell.
func (c *cell) check(r *result, want want, tries int) {
	note := fmt.Sprint("error: ", r.err)
	most := time.Duration(tries)*limit + time.Duration(max(tries-1, 0))*want.wait + slow*20*time.Second
	require.LessOrEqual(c, r.took, most, "in time %s", note)

	require.Equal(c, tries, r.asked, "tries that the host saw %s", note)
	require.Equal(c, 1, r.seen.starts, note)
	require.Equal(c, 1, r.seen.successes+r.seen.failures, "the call's end is told once %s", note)
	require.Equal(c, tries, r.seen.attempts, "attempts that were told %s", note)
	require.Empty(c, r.seen.leak)

	if want.kind == "" {
		require.Nil(c, r.err, note)
		require.Equal(c, 1, r.seen.successes)
		require.Len(c, r.resp.Meta.Attempts, tries)
		c.attempts(r.resp.Meta.Attempts, true)
		if want.text != nil {
			want.text(c, r.resp)
		} else {
			c.isAnswer(r.resp)
		}
		codes := make([]string, 0, len(r.resp.Meta.Warnings))
		for _, w := range r.resp.Meta.Warnings {
			codes = append(codes, w.Code)
		}
		if want.warned == "" {
			require.Empty(c, codes)
		} else {
			require.Equal(c, []string{want.warned}, codes)
		}
		return
	}
	require.NotNil(c, r.err, "an error")
	e := r.err
	require.Equal(c, want.kind, e.Kind, note)
	require.Equal(c, string(want.scope), string(e.Scope), note)
	require.Equal(c, want.temporary, e.Temporary, "temporary %s", note)
	require.Equal(c, want.status, e.Status, "status %s", note)
	require.True(c, e.Message != "" || e.Err != nil, "it says what happened")
	require.Len(c, e.Attempts, tries, "attempts of the error %s", note)
	c.attempts(e.Attempts, r.opened)
	if last := e.Attempts[tries-1]; last.Status != 0 && !c.fault.anonymous {
		require.NotEmpty(c, e.RequestID, "the host's id %s", note)
		require.Equal(c, last.RequestID, e.RequestID)
	}
	if want.wait > 0 {
		require.LessOrEqual(c, e.RetryAfter, want.wait)
		require.GreaterOrEqual(c, e.RetryAfter, want.least())
	}
	require.Equal(c, want.wait == 0, e.RetryAfter == 0, "the wait is %s", e.RetryAfter)
	for i, a := range e.Attempts[1:] {
		if want.wait > 0 && !want.tooLong {
			require.GreaterOrEqual(c, a.Wait, want.least(), "wait before attempt %d", i+2)
		}
	}
	require.Equal(c, want.partial, e.Partial != nil, "partial answer %s", note)
	require.Equal(c, want.partial, r.opened, "a stream is returned when content is there %s", note)
	if want.partial {
		text := e.Partial.Text()
		require.True(c, strings.HasPrefix(words, text) || c.fault.jumbled && strings.HasPrefix(text, "Grüße"), "%.100q", text)
		require.LessOrEqual(c, len(text), 1<<20, "what is kept of an answer is bounded")
	}
}

// attempts are recorded with all that is known of them.
func (c *cell) attempts(list []llm.Attempt, good bool) {
	for i, a := range list {
		require.NotEmpty(c, a.Provider)
		require.NotEmpty(c, a.Model)
		require.False(c, a.Start.IsZero())
		if good && i == len(list)-1 {
			require.NoError(c, a.Err)
			continue
		}
		var e *llm.Error
		require.ErrorAs(c, a.Err, &e)
		require.NotEmpty(c, e.Kind)
		require.NotEmpty(c, e.Scope)
	}
}

// isAnswer: the answer is the scripted one.
func (c *cell) isAnswer(r *llm.CompletionResponse) {
	require.Equal(c, words, r.Text())
	require.Equal(c, llm.FinishStop, r.FinishReason())
	require.NotNil(c, r.Usage)
}

// quiet looks for canaries in an error, however it is printed.
func (c *cell) quiet(err error) {
	var e *llm.Error
	require.ErrorAs(c, err, &e)
	for _, text := range printed(err, e, e.Attempts, fmt.Errorf("wrapped: %w", err)) {
		require.Empty(c, leaked(text), "%s", text)
	}
	if what := leaked(e.Body); what != "" {
		require.Equal(c, "the prompt", what, "the body of an error has no key")
	}
}

// printed is each value in each form.
func printed(values ...any) [][]byte {
	var list [][]byte
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			list = append(list, fmt.Appendf(nil, verb, v))
		}
	}
	return list
}

// eventually waits up to a second for a state to come back.
func (c *cell) eventually(what string, state func() string) {
	if wrong := settle(state); wrong != "" {
		c.Errorf("%s: %s", what, wrong)
	}
}

// settle asks until the answer is "", for a second.
func settle(state func() string) string {
	end := time.Now().Add(slow * time.Second)
	for {
		wrong := state()
		if wrong == "" || time.Now().After(end) {
			return wrong
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// observer counts what callbacks are told, and looks for canaries in it.
type observer struct {
	mu                                    sync.Mutex
	starts, attempts, successes, failures int
	leak                                  string
	outcome                               *llm.Outcome
}

func (o *observer) callback() llm.Callback {
	see := func(n *int, values ...any) {
		o.mu.Lock()
		defer o.mu.Unlock()
		*n++
		for _, text := range printed(values...) {
			if what := leaked(text); what != "" {
				o.leak = fmt.Sprintf("%s is in %s", what, text)
			}
		}
		for _, v := range values {
			slog.Info("seen", "value", v)
		}
	}
	return llm.Callback{
		OnStart:   func(_ context.Context, _ *llm.Call) { see(&o.starts) },
		OnAttempt: func(_ context.Context, _ *llm.Call, a llm.Attempt) { see(&o.attempts, a, &a, a.Err) },
		OnSuccess: func(_ context.Context, _ *llm.Call, out *llm.Outcome) {
			o.outcome = out
			see(&o.successes, out.Usage, out.Duration)
		},
		OnFailure: func(_ context.Context, _ *llm.Call, out *llm.Outcome) {
			o.outcome = out
			see(&o.failures, out, out.Err, out.Meta)
		},
	}
}
