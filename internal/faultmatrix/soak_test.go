//go:build linux

package faultmatrix

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	"github.com/stretchr/testify/require"
)

// The load: calls begin at a fixed rate, however long those before take.
const (
	soakRate  = 200 / slow // calls a second
	faulty    = 0.15       // of the calls
	chunkPace = time.Millisecond
)

// trouble is what a call of the soak meets, and what must come of it.
type trouble struct {
	fault llmtest.Fault
	// passing: it strikes the first try alone, and the call succeeds.
	passing bool
	stream  bool // there is none for a whole answer
	kind    llm.ErrorKind
}

// The mix, of which each faulty call takes one.
var troubles = []trouble{
	{fault: llmtest.Reset, passing: true},
	{fault: llmtest.Hangup, passing: true},
	{fault: llmtest.Status(500), passing: true},
	{fault: llmtest.Status(503), passing: true},
	{fault: llmtest.Status(529), passing: true},
	{fault: llmtest.Status(408), passing: true},
	{fault: llmtest.RateLimitMillis, passing: true},
	{fault: llmtest.Empty, passing: true},
	{fault: llmtest.HTML, passing: true},
	{fault: llmtest.CutEvent.BeforeContent(), passing: true},
	{fault: llmtest.NoLastChunk.BeforeContent(), passing: true},
	{fault: llmtest.ResetBody.BeforeContent(), passing: true},
	{fault: llmtest.ErrorEvent.BeforeContent(), passing: true, stream: true},
	{fault: llmtest.Stall.BeforeContent(), passing: true, stream: true},
	{fault: llmtest.OpenEnd, stream: true},
	{fault: llmtest.AfterTerminal, stream: true},
	{fault: llmtest.SplitRunes},
	{fault: llmtest.NoUsage},
	{fault: llmtest.Status(400), kind: llm.ErrInvalidRequest},
	{fault: llmtest.Status(401), kind: llm.ErrAuthentication},
	{fault: llmtest.Status(404), kind: llm.ErrNotFound},
	{fault: llmtest.ContextWindow, kind: llm.ErrContextWindow},
	{fault: llmtest.QuotaExhausted, kind: llm.ErrBilling},
	{fault: llmtest.RateLimitYear, kind: llm.ErrRateLimit},
	{fault: llmtest.RedirectOtherHost, kind: llm.ErrRedirect},
	{fault: llmtest.CutEvent, stream: true, kind: llm.ErrTruncated},
	{fault: llmtest.NoTerminal, stream: true, kind: llm.ErrTruncated},
	{fault: llmtest.ResetBody, stream: true, kind: llm.ErrTruncated},
	{fault: llmtest.MalformedEvent, stream: true, kind: llm.ErrProtocol},
	{fault: llmtest.Stall, stream: true, kind: llm.ErrStallTimeout},
	{fault: llmtest.Pings, stream: true, kind: llm.ErrStallTimeout},
	{fault: leftEarly, stream: true, kind: llm.ErrCanceled},
	{fault: cancelled, stream: true, kind: llm.ErrCanceled},
}

// What the caller does, and not the host.
const (
	leftEarly llmtest.Fault = "the reader breaks off"
	cancelled llmtest.Fault = "the caller cancels"
)

// soaking is the state of a run.
type soaking struct {
	servers                                        []*llmtest.Server
	clients                                        []*llm.Client
	struck                                         sync.Map // by call: its first try has been struck
	begun, ended, streams, struckCalls, wrong, fit atomic.Int64
	mu                                             sync.Mutex
	first                                          []string // of what went wrong
}

// TestSoak runs a steady load with faults, for as long as -soak says. Memory, goroutines and descriptors must not grow, and
// each call must end as it should.
func TestSoak(t *testing.T) {
	debug.FreeOSMemory() // what tests before it had
	before := count()
	s := &soaking{}
	for _, start := range []func() (*llmtest.Server, error){llmtest.Start, llmtest.StartTLS} { // HTTP/1.1 and HTTP/2
		srv, err := start()
		require.NoError(t, err)
		srv.Handle(s.answer)
		s.servers = append(s.servers, srv)
		opts := append(srv.Options("openai", "anthropic", "gemini", "bedrock", "groq"), llm.WithHTTPClient(nil), llm.WithTimeout(generous), llm.WithMaxAttempts(4),
			llm.WithBackoff(llm.Backoff{Initial: 5 * time.Millisecond, Max: 20 * time.Millisecond, Jitter: 0.5}))
		s.clients = append(s.clients, llm.New(opts...))
	}
	run := s.load(t, *soak)
	for _, srv := range s.servers {
		srv.Close()
	}
	if left := settle(func() string { return count().over(before) }); left != "" {
		t.Errorf("after the soak there are more %s\n%s", left, stacks())
	}
	t.Log(run)
	for _, text := range s.first {
		t.Error(text)
	}
	require.Equal(t, s.begun.Load(), s.fit.Load(), "calls that ended as they should")
	run.check(t)
	if *update && *soak >= time.Minute {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		have, _, _ := strings.Cut(string(text), soakHeading)
		require.NoError(t, os.WriteFile(page, []byte(have+soakHeading+run.page()), 0o666))
	}
}

// load begins calls at the rate, for d, and samples the process meanwhile.
func (s *soaking) load(t *testing.T, d time.Duration) *soakRun {
	run := &soakRun{s: s, took: d}
	start := time.Now()
	tick := time.NewTicker(time.Second / soakRate)
	defer tick.Stop()
	var wg sync.WaitGroup
	random := rand.New(rand.NewPCG(uint64(d), 47))
	sampled, told := start, start
	for now := start; now.Sub(start) < d; now = <-tick.C {
		// A tick that was missed is made up for.
		for due := int64(now.Sub(start).Seconds() * soakRate); s.begun.Load() < due; {
			n := s.begun.Add(1)
			seed := random.Uint64()
			wg.Go(func() { s.call(n, rand.New(rand.NewPCG(seed, 1))) })
		}
		if now.Sub(sampled) >= max(d/100, 20*time.Millisecond) {
			sampled = now
			run.samples = append(run.samples, sample(now.Sub(start)))
			for _, srv := range s.servers {
				srv.TakeRequests()
			}
		}
		if now.Sub(told) >= 5*time.Second {
			told = now
			last := sample(now.Sub(start))
			t.Logf("%4.0f s: %d calls, %d open, %d wrong, RSS %.0f MB, %.0f goroutines, %.0f descriptors", now.Sub(start).Seconds(), s.begun.Load(),
				s.begun.Load()-s.ended.Load(), s.wrong.Load(), last.rss/(1<<20), last.goroutines, last.descriptors)
		}
	}
	wg.Wait()
	return run
}

// call makes one call, and judges its end.
func (s *soaking) call(n int64, random *rand.Rand) {
	defer s.ended.Add(1)
	d := dialects[random.IntN(len(dialects))]
	stream := random.IntN(2) == 0
	if stream {
		s.streams.Add(1)
	}
	var tr trouble
	if random.Float64() < faulty {
		for tr = troubles[random.IntN(len(troubles))]; tr.stream && !stream; tr = troubles[random.IntN(len(troubles))] {
		}
		s.struckCalls.Add(1)
	}
	name := string(tr.fault)
	if tr.fault == leftEarly || tr.fault == cancelled {
		name = ""
	}
	if tr.passing {
		name = "passing " + name
	}
	// The request says what shall become of it: the host reads it in answer.
	req := &llm.CompletionRequest{Model: d.model, Messages: []llm.Message{llm.User(fmt.Sprintf("%d %s", n, name))}}
	var opts []llm.Option
	if tr.fault.BeforeContent() == llmtest.Stall.BeforeContent() || tr.fault == llmtest.Pings {
		opts = append(opts, llm.WithFirstContentTimeout(limit), llm.WithStallTimeout(limit))
	}
	err := s.exchange(random.IntN(len(s.clients)), req, stream, tr, opts)
	s.struck.Delete(strconv.FormatInt(n, 10))
	var e *llm.Error
	switch {
	case tr.kind == "" && err == nil, tr.kind != "" && errors.Is(err, tr.kind) && errors.As(err, &e):
		s.fit.Add(1)
		return
	}
	s.wrong.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.first) < 10 {
		s.first = append(s.first, fmt.Sprintf("%s, stream %v, fault %q: wanted %q, got %v", d.name, stream, tr.fault, tr.kind, err))
	}
}

var errText = errors.New("the answer is not the one that was asked for")

func (s *soaking) exchange(client int, req *llm.CompletionRequest, stream bool, tr trouble, opts []llm.Option) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := s.clients[client]
	if !stream {
		r, err := c.Completion(ctx, req, opts...)
		if err == nil && r.Text() != words {
			return errText
		}
		return err
	}
	var failure error
	if tr.fault == leftEarly { // how such a call ends is told to callbacks alone
		opts = append(opts, llm.WithCallback(llm.Callback{OnFailure: func(_ context.Context, _ *llm.Call, o *llm.Outcome) { failure = o.Err }}))
	}
	st, err := c.CompletionStream(ctx, req, opts...)
	if err != nil {
		return err
	}
	text := ""
	for chunk, err := range st.All() {
		if err != nil {
			return err
		}
		if text += chunk.Text(); text == "" {
			continue
		}
		switch tr.fault {
		case cancelled:
			cancel()
		case leftEarly:
			st.Close()
			return failure
		}
	}
	if tr.fault == cancelled && text == words {
		return &llm.Error{Kind: llm.ErrCanceled} // it was all there before the cancel
	}
	if text != words {
		return errText
	}
	return nil
}

// answer does what the request asks for.
func (s *soaking) answer(r llmtest.Request) llmtest.Answer {
	a := llmtest.Answer{Text: words, ChunkDelay: chunkPace}
	n, name, _ := strings.Cut(r.LastUserText(), " ")
	name, passing := strings.CutPrefix(name, "passing ")
	if passing {
		if _, again := s.struck.LoadOrStore(n, true); again {
			return a
		}
	}
	a.Fault = llmtest.Fault(name)
	return a
}

// soakSample is the process at a point in time, in seconds and bytes.
type soakSample struct{ at, rss, goroutines, descriptors float64 }

func sample(at time.Duration) soakSample {
	n := count()
	text, _ := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(text))
	pages := 0
	if len(fields) > 1 {
		pages, _ = strconv.Atoi(fields[1])
	}
	return soakSample{at.Seconds(), float64(pages * os.Getpagesize()), float64(n.goroutines), float64(n.descriptors)}
}

// soakRun is what a soak measured.
type soakRun struct {
	s       *soaking
	took    time.Duration
	samples []soakSample
}

// steady are the samples after the warm-up, which is the first quarter.
func (r *soakRun) steady() []soakSample { return r.samples[len(r.samples)/4:] }

// slope is the least squares' growth a minute.
func (r *soakRun) slope(of func(soakSample) float64) float64 {
	var n, sx, sy, sxx, sxy float64
	for _, s := range r.steady() {
		x, y := s.at/60, of(s)
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}

func (r *soakRun) most(of func(soakSample) float64) float64 {
	most := 0.0
	for _, s := range r.steady() {
		most = max(most, of(s))
	}
	return most
}

func rss(s soakSample) float64         { return s.rss / (1 << 20) }
func goroutines(s soakSample) float64  { return s.goroutines }
func descriptors(s soakSample) float64 { return s.descriptors }

// check bounds the growth: over the run, by what the collector may make of it, and a hundred idle connections that a busy
// moment leaves behind; in a long one by what they cannot.
func (r *soakRun) check(t *testing.T) {
	window := (r.took * 3 / 4).Minutes()
	for _, c := range []struct {
		what         string
		of           func(soakSample) float64
		most, minute float64
	}{{"MB of RSS", rss, 48, 1}, {"goroutines", goroutines, 600, 10}, {"descriptors", descriptors, 300, 10}} {
		require.Less(t, r.slope(c.of)*window, c.most, "growth of %s", c.what)
		if r.took >= 10*time.Minute {
			require.Less(t, r.slope(c.of), c.minute, "growth of %s a minute", c.what)
		}
	}
}

func (r *soakRun) String() string {
	s := r.s
	return fmt.Sprintf("%d calls in %s, %d streams, %d with a fault; %d (%.3f %%) ended as they should\n"+
		"RSS at most %.0f MB, %+.2f MB a minute; goroutines at most %.0f, %+.1f a minute; descriptors at most %.0f, %+.1f a minute",
		s.begun.Load(), r.took, s.streams.Load(), s.struckCalls.Load(), s.fit.Load(), 100*float64(s.fit.Load())/float64(s.begun.Load()),
		r.most(rss), r.slope(rss), r.most(goroutines), r.slope(goroutines), r.most(descriptors), r.slope(descriptors))
}

// page is the part of docs/faults.md about it.
func (r *soakRun) page() string {
	s := r.s
	return fmt.Sprintf(`
Calls begin at a fixed rate, %d a second, however long those before take: unary and streamed, in all dialects, half of them over HTTP/1.1
and half over TLS and HTTP/2. Of the calls %.0f %% meet trouble, of %d kinds: a fault of the table, or a caller who leaves or cancels. Each knows
how it must end: with the whole answer, at the second try where the fault passes, or with the kind of error that the fault has. The hosts
run in the same process, so the figures are of both sides.

    go test ./internal/faultmatrix -run TestSoak -soak 2m -v    with -update it writes this part; hours are as good

It fails if one call ends otherwise, if RSS, goroutines or descriptors grow (the slope of a least-squares line through 100 samples, without
the first quarter), or if anything is left after it. A short one runs with the tests.

This one ran for %s on %s: %s, %d cores, %s, %s/%s.

| | |
|---|---:|
| calls | %d |
| of which streams | %d |
| of which with a fault | %d |
| ended as they should | %.3f %% |
| RSS, at most | %.0f MB |
| RSS, growth a minute | %s MB |
| goroutines, at most | %.0f |
| goroutines, growth a minute | %s |
| descriptors, at most | %.0f |
| descriptors, growth a minute | %s |
| left after it | nothing |
`, soakRate, 100*faulty, len(troubles), minutes(r.took), time.Now().Format("2 January 2006"), processor(), runtime.NumCPU(), runtime.Version(),
		runtime.GOOS, runtime.GOARCH, s.begun.Load(), s.streams.Load(), s.struckCalls.Load(), 100*float64(s.fit.Load())/float64(s.begun.Load()),
		r.most(rss), signed(r.slope(rss)), r.most(goroutines), signed(r.slope(goroutines)), r.most(descriptors), signed(r.slope(descriptors)))
}

// signed is a growth, to a tenth.
func signed(x float64) string {
	text := fmt.Sprintf("%+.1f", x)
	if text == "-0.0" || text == "+0.0" {
		return "0.0"
	}
	return text
}

func minutes(d time.Duration) string {
	if d == time.Minute {
		return "a minute"
	}
	return strconv.FormatFloat(d.Minutes(), 'f', -1, 64) + " minutes"
}

// processor is the model's name.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
