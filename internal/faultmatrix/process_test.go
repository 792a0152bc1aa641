//go:build linux

package faultmatrix

import (
	"context"
	"errors"
	"net/http/httptrace"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	"github.com/stretchr/testify/require"
)

// promptly is how soon the host sees that a call was left. A busy machine has three tries.
const promptly = slow * 100 * time.Millisecond

var canceled = want{kind: llm.ErrCanceled, scope: llm.ScopeLocal}

// The rows about this process.
var processRows = []row{
	{"47", "closed <= 100 ms; nothing leaked", []*fault{
		{name: "cancel in the TLS handshake", fault: llmtest.TLSStall, tls: true, want: canceled, run: cancelAt(handshake)},
		{name: "cancel before the headers", fault: llmtest.HeadersNever, want: canceled, run: cancelAt(requestWritten)},
		{name: "cancel before the first content", fault: llmtest.Stall.BeforeContent(), want: canceled, run: cancelAt(headersRead)},
		{name: "cancel in the answer", fault: llmtest.Stall, want: canceled, run: cancelAt(contentRead)},
		{name: "cancel in the wait for a retry", fault: llmtest.RateLimitSeconds, want: canceled, run: cancelAt(waiting)},
		{name: "cancel in a callback", fault: llmtest.Status(503), want: canceled, run: cancelAt(inCallback)},
		{name: "the reader breaks off", fault: llmtest.Stall, stream: true, want: canceled, run: leave(breakOff)},
		{name: "the reader panics", fault: llmtest.Stall, stream: true, want: canceled, run: leave(panicOff)},
		{name: "the reader closes beside Next", fault: llmtest.Stall, stream: true, want: canceled, run: leave(closeBeside)},
		{name: "the reader stops, and the host does not", fault: llmtest.Endless, stream: true, want: canceled, run: leave(abandon)},
		{name: "callbacks panic", want: fine, run: panickingCallbacks},
	}},
	{"48", "degrade as configured; monotonic time", []*fault{
		{name: "callbacks panic, and the log's disk is full", want: fine, run: fullSink},
		{name: "request of 8 MB", huge: true, want: fine},
		{name: "request of 8 MB, never read", fault: llmtest.UploadStall, huge: true, deaf: true, attempts: 1, clocks: headerClock,
			want: want{kind: llm.ErrHeaderTimeout, scope: llm.ScopeRoute, temporary: true}},
		{name: "request of 8 MB, refused before it is read", fault: llmtest.UploadRefused, huge: true,
			want: status(413, llm.ErrTooLarge, llm.ScopeRequest)},
		{name: "429, and the host's clock is a day behind", fault: llmtest.RateLimitPast,
			want: status(429, llm.ErrRateLimit, llm.ScopeKey).retried(budget)},
	}},
}

// stage is where a call is when it is cancelled.
type stage int

const (
	handshake stage = iota
	requestWritten
	headersRead
	contentRead
	waiting
	inCallback
)

// cancelAt cancels a call in a stage.
func cancelAt(at stage) func(c *cell) {
	return func(c *cell) {
		c.best(func() time.Duration {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			reached := make(chan struct{}, 10)
			reach := func() { reached <- struct{}{} }
			trace := &httptrace.ClientTrace{}
			callback := llm.Callback{}
			switch at {
			case requestWritten:
				trace.WroteRequest = func(httptrace.WroteRequestInfo) { reach() }
			case headersRead, contentRead:
				trace.GotFirstResponseByte = reach
			case waiting:
				callback.OnAttempt = func(context.Context, *llm.Call, llm.Attempt) { reach() }
			case inCallback:
				callback.OnAttempt = func(context.Context, *llm.Call, llm.Attempt) { cancel(); reach() }
			case handshake:
				go func() {
					for c.srv.Connections().Accepted == 0 && ctx.Err() == nil {
						time.Sleep(time.Millisecond)
					}
					reach()
				}()
			}
			var err error
			seen := &observer{}
			opts := []llm.Option{llm.WithCallback(seen.callback()), llm.WithCallback(callback)}
			left := make(chan time.Time, 1)
			go func() {
				<-reached
				if !c.way.stream || at != contentRead {
					time.Sleep(5 * time.Millisecond) // the call has settled in this stage
					left <- time.Now()
					cancel()
				}
			}()
			client := c.client()
			if c.way.stream {
				var s *llm.Stream[llm.CompletionChunk]
				if s, err = client.CompletionStream(httptrace.WithClientTrace(ctx, trace), c.request(), opts...); err == nil {
					c.toContent(s)
					left <- time.Now()
					cancel()
					for err == nil {
						_, err = s.Next()
					}
				}
			} else {
				_, err = client.Completion(httptrace.WithClientTrace(ctx, trace), c.request(), opts...)
			}
			took := c.freed(<-left)
			e := c.leftOff(err, seen)
			c.text = c.fault.want.describe(&result{err: e})
			return took
		})
	}
}

// The ways to leave a stream.
type leaving func(c *cell, s *llm.Stream[llm.CompletionChunk], cancel func()) time.Time

func breakOff(_ *cell, s *llm.Stream[llm.CompletionChunk], _ func()) time.Time {
	for range s.All() {
		break
	}
	return time.Now()
}

func panicOff(c *cell, s *llm.Stream[llm.CompletionChunk], _ func()) time.Time {
	require.PanicsWithValue(c, "the reader's own", func() {
		for range s.All() {
			panic("the reader's own")
		}
	})
	return time.Now()
}

func closeBeside(c *cell, s *llm.Stream[llm.CompletionChunk], _ func()) time.Time {
	c.toContent(s)
	left := make(chan time.Time, 1)
	time.AfterFunc(20*time.Millisecond, func() {
		left <- time.Now()
		s.Close()
	})
	_, err := s.Next()
	require.ErrorIs(c, err, llm.ErrCanceled)
	return <-left
}

// toContent reads up to the first content.
func (c *cell) toContent(s *llm.Stream[llm.CompletionChunk]) {
	for {
		chunk, err := s.Next()
		require.NoError(c, err)
		if chunk.Text() != "" {
			return
		}
	}
}

func abandon(c *cell, s *llm.Stream[llm.CompletionChunk], cancel func()) time.Time {
	time.Sleep(20 * time.Millisecond)
	left := time.Now()
	cancel()
	c.freed(left)
	s.Close()
	return left
}

// leave opens a stream and leaves it.
func leave(how leaving) func(c *cell) {
	return func(c *cell) {
		c.best(func() time.Duration {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			seen := &observer{}
			s, err := c.client().CompletionStream(ctx, c.request(), llm.WithCallback(seen.callback()))
			require.NoError(c, err)
			left := how(c, s, cancel)
			took := c.freed(left)
			_, err = s.Next()
			require.Error(c, err, "a stream that was left gives nothing more")
			c.quiet(err)
			e := c.leftOff(seen.outcome.Err, seen)
			require.NotNil(c, e.Partial)
			require.True(c, strings.HasPrefix(e.Partial.Text(), "Grüße"))
			c.text = c.fault.want.describe(&result{err: e})
			return took
		})
	}
}

// best runs a call on a server of its own, and again if the host saw its end too late.
func (c *cell) best(run func() time.Duration) {
	var took time.Duration
	for range 3 {
		func() {
			start := llmtest.Start
			if c.fault.tls {
				start = llmtest.StartTLS
			}
			srv, err := start()
			require.NoError(c, err)
			defer srv.Close()
			c.srv = srv
			srv.Reply(c.fault.answer())
			srv.FaultAlways(c.fault.fault)
			took = run()
		}()
		if took <= promptly {
			return
		}
	}
	c.Errorf("the host saw the end after %s", took)
}

// freed waits until the host has no connection in use, and says how long that took.
func (c *cell) freed(left time.Time) time.Duration {
	for {
		n := c.srv.Connections()
		if took := time.Since(left); n.Open == n.Idle || took > 10*promptly {
			return took
		}
		time.Sleep(time.Millisecond)
	}
}

// leftOff checks the error of a call that its caller left.
func (c *cell) leftOff(err error, seen *observer) *llm.Error {
	var e *llm.Error
	require.ErrorAs(c, err, &e)
	require.Equal(c, llm.ErrCanceled, e.Kind)
	require.Equal(c, llm.ScopeLocal, e.Scope)
	require.False(c, e.Temporary)
	require.ErrorIs(c, err, context.Canceled)
	c.quiet(err)
	require.Equal(c, 0, seen.successes)
	require.Equal(c, 1, seen.failures)
	require.Empty(c, seen.leak)
	return e
}

var errPanic = errors.New("a callback's panic: " + key + ", " + prompt)

// panickingCallbacks: a callback that panics is logged by its type, and goes no further.
func panickingCallbacks(c *cell) {
	boom := llm.Callback{
		OnStart:   func(context.Context, *llm.Call) { panic(errPanic) },
		OnAttempt: func(context.Context, *llm.Call, llm.Attempt) { panic(errPanic) },
		OnSuccess: func(context.Context, *llm.Call, *llm.Outcome) { panic(errPanic) },
		OnFailure: func(context.Context, *llm.Call, *llm.Outcome) { panic(errPanic) },
	}
	c.callbacks = []llm.Option{llm.WithCallback(boom)}
	r := c.call(func() {})
	c.check(r, fine, 1)
	c.text = fine.describe(r)
	// An error passes as well as an answer.
	r = c.call(func() { c.srv.Fault(llmtest.Status(400)) })
	c.check(r, status(400, llm.ErrInvalidRequest, llm.ScopeRequest), 1)
}

// fullSink: what is logged of it fails too.
func fullSink(c *cell) {
	log.full.Add(1)
	defer log.full.Add(-1)
	panickingCallbacks(c)
}
