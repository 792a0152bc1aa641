package llm_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-go/llm"
	"github.com/stretchr/testify/require"
)

// transport serves requests without sockets, so that tests can run on a fake clock.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	return f(r)
}

// over is a client of provider "test" whose network is f.
func over(f http.RoundTripper, opts ...llm.Option) *llm.Client {
	return llm.New(append([]llm.Option{llm.WithProvider(testProvider()), llm.WithBaseURL("https://test.invalid"), llm.WithAPIKey(testKey), llm.WithoutEnv(),
		llm.WithHTTPClient(&http.Client{Transport: f})}, opts...)...)
}

func answer(status int, contentType string, body io.Reader) *http.Response {
	rc, ok := body.(io.ReadCloser)
	if !ok {
		rc = io.NopCloser(body)
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}}, Body: rc, ContentLength: -1}
}

func events(body io.Reader) *http.Response { return answer(200, "text/event-stream", body) }

// scaled is n, or less where each step costs much more.
func scaled(n int) int {
	if raceEnabled || testing.Short() {
		return n / 10
	}
	return n
}

const recorded = ": hello\n\n" + "data: {\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n" +
	"data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grüezi \"}}]}\n\n" +
	"data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"zämme.\"}}]}\n\n" + streamEnd

// Cut at every byte offset, a stream never ends well before its terminal event, and what had come is in the error.
func TestEveryCutIsAnError(t *testing.T) {
	terminal := strings.Index(recorded, "data: [DONE]") + len("data: [DONE]")
	for _, closing := range []error{io.EOF, io.ErrUnexpectedEOF, errors.New("reset by peer")} {
		for cut := range len(recorded) + 1 {
			c := over(transport(func(*http.Request) (*http.Response, error) {
				return events(io.MultiReader(strings.NewReader(recorded[:cut]), failing{closing})), nil
			}), llm.WithMaxAttempts(1))
			s, err := c.CompletionStream(t.Context(), ask("Hi"))
			var resp *llm.CompletionResponse
			if err == nil {
				resp, err = llm.Collect(s)
			}
			if cut == len(recorded) {
				require.NoError(t, err, "a proven end is an end, however the connection goes")
			}
			if cut >= terminal && err == nil {
				require.Equal(t, "Grüezi zämme.", resp.Text())
				require.Equal(t, 5, resp.Usage.TotalTokens)
				continue
			}
			e := asError(t, err)
			require.True(t, e.Temporary)
			if e.Kind == llm.ErrProtocol && cut == 0 {
				continue // nothing came, and nothing says that it was cut
			}
			require.ErrorIs(t, err, llm.ErrTruncated, "cut at %d", cut)
			if said := strings.Index(recorded, "zämme"); cut > said+len("zämme.\"}}]}\n") {
				require.Equal(t, "Grüezi zämme.", e.Partial.Text(), "cut at %d", cut)
			}
		}
	}
	// A unary answer too.
	for cut := range len(oneReply) {
		c := over(transport(func(*http.Request) (*http.Response, error) {
			return answer(200, "application/json", strings.NewReader(oneReply[:cut])), nil
		}), llm.WithMaxAttempts(1))
		_, err := c.Completion(t.Context(), ask("Hi"))
		require.Error(t, err, "cut at %d", cut)
	}
}

// failing ends a body.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func asError(t testing.TB, err error) *llm.Error {
	t.Helper()
	var e *llm.Error
	require.ErrorAs(t, err, &e)
	return e
}

// paced is a body that waits: each piece arrives after its delay, and after the last nothing comes.
type paced struct {
	ctx    context.Context
	delay  time.Duration
	pieces []string
	buf    string
	end    bool // EOF after the last piece instead of silence
}

func (s *paced) Read(p []byte) (int, error) {
	if s.buf == "" {
		if len(s.pieces) == 0 {
			if s.end {
				return 0, io.EOF
			}
			<-s.ctx.Done()
			return 0, context.Cause(s.ctx)
		}
		select {
		case <-time.After(s.delay):
		case <-s.ctx.Done():
			return 0, context.Cause(s.ctx)
		}
		s.buf, s.pieces = s.pieces[0], s.pieces[1:]
	}
	n := copy(p, s.buf)
	s.buf = s.buf[n:]
	return n, nil
}

// Each clock fires at its limit, not before and not 50 ms after, and pings do not feed the content clocks.
func TestClocksFireOnTime(t *testing.T) {
	pings := func(n int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = ": ping\n\n"
		}
		return list
	}
	for _, tt := range []struct {
		name   string
		kind   llm.ErrorKind
		option llm.Option
		limit  time.Duration // from the start
		serve  func(r *http.Request) (*http.Response, error)
	}{
		{"headers", llm.ErrHeaderTimeout, llm.WithHeaderTimeout(7 * time.Second), 7 * time.Second, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}},
		{"first content, silent", llm.ErrFirstContentTimeout, llm.WithFirstContentTimeout(9 * time.Second), 9 * time.Second, func(r *http.Request) (*http.Response, error) {
			return events(&paced{ctx: r.Context()}), nil
		}},
		{"first content, pings", llm.ErrFirstContentTimeout, llm.WithFirstContentTimeout(9 * time.Second), 9 * time.Second, func(r *http.Request) (*http.Response, error) {
			return events(&paced{ctx: r.Context(), delay: time.Second, pieces: pings(1000)}), nil
		}},
		{"first content, role only", llm.ErrFirstContentTimeout, llm.WithFirstContentTimeout(9 * time.Second), 9 * time.Second, func(r *http.Request) (*http.Response, error) {
			return events(&paced{ctx: r.Context(), delay: time.Second, pieces: []string{"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"}}), nil
		}},
		{"between, pings", llm.ErrStallTimeout, llm.WithStallTimeout(20 * time.Second), 21 * time.Second, func(r *http.Request) (*http.Response, error) {
			return events(&paced{ctx: r.Context(), delay: time.Second, pieces: append([]string{chunk("Hel")}, pings(1000)...)}), nil
		}},
		{"total, unary", llm.ErrTotalTimeout, llm.WithTimeout(11 * time.Second), 11 * time.Second, func(r *http.Request) (*http.Response, error) {
			return answer(200, "application/json", &paced{ctx: r.Context(), delay: time.Second, pieces: pings(1000)}), nil
		}},
		{"total, stream", llm.ErrTotalTimeout, llm.WithTimeout(11 * time.Second), 11 * time.Second, func(r *http.Request) (*http.Response, error) {
			pieces := make([]string, 1000)
			for i := range pieces {
				pieces[i] = chunk("x")
			}
			return events(&paced{ctx: r.Context(), delay: time.Second, pieces: pieces}), nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := over(transport(tt.serve), tt.option, llm.WithMaxAttempts(1))
				start := time.Now()
				var err error
				if strings.Contains(tt.name, "unary") {
					_, err = c.Completion(t.Context(), ask("Hi"))
				} else {
					var s *llm.Stream[llm.CompletionChunk]
					if s, err = c.CompletionStream(t.Context(), ask("Hi")); err == nil {
						_, err = llm.Collect(s)
					}
				}
				took := time.Since(start)
				require.ErrorIs(t, err, tt.kind)
				require.ErrorIs(t, err, llm.ErrTimeout)
				require.GreaterOrEqual(t, took, tt.limit)
				require.LessOrEqual(t, took, tt.limit+50*time.Millisecond)
			})
		})
	}
}

// blocked never gets a connection.
type blocked struct{}

func (blocked) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestConnectClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := over(blocked{}, llm.WithConnectTimeout(3*time.Second), llm.WithMaxAttempts(1)).Completion(t.Context(), ask("Hi"))
		require.ErrorIs(t, err, llm.ErrConnectTimeout)
		require.False(t, asError(t, err).PossiblyExecuted)
		require.InDelta(t, 3, time.Since(start).Seconds(), 0.05)
	})
}

func TestSlowStreamsAreNotKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pieces []string
		for range 40 {
			pieces = append(pieces, chunk("x"))
		}
		c := over(transport(func(r *http.Request) (*http.Response, error) {
			return events(&paced{ctx: r.Context(), delay: 4*time.Minute + 59*time.Second, pieces: append(pieces, streamEnd), end: true}), nil
		}), llm.WithTimeout(-1))
		s, err := c.CompletionStream(t.Context(), ask("Hi"))
		require.NoError(t, err)
		resp, err := llm.Collect(s)
		require.NoError(t, err)
		require.Len(t, resp.Text(), 40)
	})
}

// A Retry-After that fits is obeyed to the moment, in seconds and as a date; backoff fills in where nothing is said.
func TestRetryAfterIsObeyed(t *testing.T) {
	for name, tt := range map[string]struct {
		header, value string
		atLeast, most time.Duration
	}{
		"seconds": {"Retry-After", "30", 30 * time.Second, 31 * time.Second},
		"ms":      {"Retry-After-Ms", "2500", 2500 * time.Millisecond, 2600 * time.Millisecond},
		"date":    {"Retry-After", time.Date(2000, 1, 1, 0, 1, 0, 0, time.UTC).Format(http.TimeFormat), 59 * time.Second, 61 * time.Second},
		"short":   {"Retry-After", "0", 250 * time.Millisecond, 750 * time.Millisecond},
		"none":    {"X-Nothing", "", 250 * time.Millisecond, 750 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // the bubble's clock starts at 2000-01-01
				n := 0
				c := over(transport(func(*http.Request) (*http.Response, error) {
					if n++; n == 1 {
						resp := answer(503, "application/json", strings.NewReader("{}"))
						resp.Header.Set(tt.header, tt.value)
						return resp, nil
					}
					return answer(200, "application/json", strings.NewReader(oneReply)), nil
				}))
				start := time.Now()
				_, err := c.Completion(t.Context(), ask("Hi"))
				require.NoError(t, err)
				require.GreaterOrEqual(t, time.Since(start), tt.atLeast)
				require.LessOrEqual(t, time.Since(start), tt.most)
			})
		})
	}
}

// Whatever repeats a call, transport or middleware, it has one budget of attempts and one deadline.
func TestOneBudgetAndOneDeadline(t *testing.T) {
	repeat := func(next llm.Handler) llm.Handler {
		return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
			var err error
			for i := range 5 { // another key, another model, the same again
				var res *llm.Result
				if res, err = next(ctx, call.With(llm.WithAPIKey("key-"+strconv.Itoa(i)))); err == nil {
					return res, nil
				}
			}
			return nil, err
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var n int
		c := over(transport(func(*http.Request) (*http.Response, error) {
			n++
			return answer(503, "application/json", strings.NewReader("{}")), nil
		}), llm.WithMiddleware(repeat, repeat), llm.WithMaxAttempts(4))
		_, err := c.Completion(t.Context(), ask("Hi"))
		require.Error(t, err)
		require.Equal(t, 4, n)
		require.Len(t, asError(t, err).Attempts, 4)
	})
	synctest.Test(t, func(t *testing.T) {
		c := over(transport(func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(3 * time.Second):
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
			return answer(503, "application/json", strings.NewReader("{}")), nil
		}), llm.WithMiddleware(repeat, repeat), llm.WithMaxAttempts(100), llm.WithTimeout(10*time.Second))
		start := time.Now()
		_, err := c.Completion(t.Context(), ask("Hi"))
		require.Error(t, err)
		require.LessOrEqual(t, time.Since(start), 10*time.Second+50*time.Millisecond)
	})
}

// After the context has ended nothing is sent any more, and the error says so.
func TestNothingIsSentAfterTheEnd(t *testing.T) {
	for _, stage := range []string{"before", "in flight", "between"} {
		t.Run(stage, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if stage == "before" {
					cancel()
				}
				var n int
				c := over(transport(func(r *http.Request) (*http.Response, error) {
					n++
					switch stage {
					case "in flight":
						cancel()
						<-r.Context().Done()
						return nil, r.Context().Err()
					case "between":
						time.AfterFunc(100*time.Millisecond, cancel) // while it waits
					}
					return answer(503, "application/json", strings.NewReader("{}")), nil
				}))
				_, err := c.Completion(ctx, ask("Hi"))
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, llm.ErrCanceled)
				require.LessOrEqual(t, n, 1)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := over(blocked{}).Completion(ctx, ask("Hi"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// generated is a long body that is made while it is read.
type generated struct {
	next func(i int) string // "" ends it
	i    int
	buf  string
}

func (g *generated) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if g.buf == "" {
			if g.buf = g.next(g.i); g.buf == "" {
				if n == 0 {
					return 0, io.EOF
				}
				break
			}
			g.i++
		}
		k := copy(p[n:], g.buf)
		g.buf = g.buf[k:]
		n += k
	}
	return n, nil
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A million chunks, read without keeping them, grow the heap by less than 5 MB. Under -race or -short it is a tenth.
func TestLongStreamsInConstantMemory(t *testing.T) {
	chunks := scaled(1_000_000)
	for name, delta := range map[string]string{"text": `{"content":"some words "}`, "thinking": `{"reasoning_content":"hm "}`, "empty": `{}`} {
		t.Run(name, func(t *testing.T) {
			n := chunks
			if name != "text" {
				n /= 10
			}
			line := "data: {\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":" + delta + "}]}\n\n"
			c := over(transport(func(*http.Request) (*http.Response, error) {
				return events(&generated{next: func(i int) string {
					switch {
					case i == 0:
						return chunk("x")
					case i < n:
						return line
					case i == n:
						return streamEnd
					}
					return ""
				}}), nil
			}))
			s, err := c.CompletionStream(t.Context(), ask("Hi"))
			require.NoError(t, err)
			before, worst, read := heap(), uint64(0), 0
			for _, err := range s.All() {
				require.NoError(t, err)
				if read++; read%(n/5) == 0 {
					worst = max(worst, heap())
				}
			}
			require.Greater(t, read, n)
			require.Less(t, int64(worst)-int64(before), int64(5<<20))
		})
	}
}

// An event of 16 MiB passes; one byte more is refused, and what is held meanwhile is at most twice the limit.
func TestEventLimit(t *testing.T) {
	const limit = llm.DefaultMaxEventBytes
	const head, tail = `{"id":"x","choices":[{"index":0,"delta":{"content":"`, `"}}]}`
	event := func(size int) []string {
		fill := size - len("data: ") - len(head) - len(tail)
		const piece = 64 << 10
		list := []string{"data: " + head}
		for ; fill > piece; fill -= piece {
			list = append(list, strings.Repeat("x", piece))
		}
		return append(list, strings.Repeat("x", fill), tail+"\n\n"+streamEnd)
	}
	for _, over1 := range []int{0, 1} {
		pieces := event(limit + over1)
		base, worst := heap(), uint64(0)
		c := over(transport(func(*http.Request) (*http.Response, error) {
			return events(&generated{next: func(i int) string {
				if i%16 == 0 {
					worst = max(worst, heap())
				}
				if i == len(pieces) {
					return ""
				}
				return pieces[i]
			}}), nil
		}))
		s, err := c.CompletionStream(t.Context(), ask("Hi"))
		if over1 == 0 {
			require.NoError(t, err)
			resp, err := llm.Collect(s)
			require.NoError(t, err)
			require.Greater(t, len(resp.Text()), limit-200)
			continue
		}
		require.ErrorIs(t, err, llm.ErrEventTooLarge)
		require.False(t, asError(t, err).Temporary, "the same again would be as large")
		require.Less(t, int64(worst)-int64(base), int64(2*limit+1<<20))
	}
}

// A small body that inflates to much is cut at the limit for bodies, unary and streamed.
func TestCompressedBombs(t *testing.T) {
	var bomb bytes.Buffer
	z, _ := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	zeros := make([]byte, 1<<20)
	for range scaled(400) {
		z.Write(zeros)
	}
	z.Close()
	require.Less(t, bomb.Len(), 3<<20)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		require.Contains(t, r.Header.Get("Accept-Encoding"), "gzip")
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "text/event-stream")
		w.Write(bomb.Bytes())
	}, llm.WithMaxBodyBytes(1<<20), llm.WithMaxEventBytes(1<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := c.Completion(t.Context(), ask("Hi"))
	require.ErrorIs(t, err, llm.ErrEventTooLarge)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20))
	_, err = c.CompletionStream(t.Context(), ask("Hi"))
	require.ErrorIs(t, err, llm.ErrEventTooLarge)

	for _, encoding := range []string{"gzip", "br", "zstd"} { // not gzip, and never asked for
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", encoding)
			fmt.Fprint(w, oneReply)
		}, llm.WithMaxAttempts(1))
		_, err := c.Completion(t.Context(), ask("Hi"))
		require.ErrorIs(t, err, llm.ErrProtocol, encoding)
	}
}

// An endless unary answer, and endless headers, are cut off.
func TestEndlessAnswersAreCut(t *testing.T) {
	c := over(transport(func(*http.Request) (*http.Response, error) {
		return answer(200, "application/json", &generated{next: func(int) string { return `{"a":` }}), nil
	}), llm.WithMaxBodyBytes(1<<20))
	_, err := c.Completion(t.Context(), ask("Hi"))
	require.ErrorIs(t, err, llm.ErrEventTooLarge)
	c = over(transport(func(*http.Request) (*http.Response, error) {
		return answer(500, "application/json", &generated{next: func(int) string { return "sorry " }}), nil
	}), llm.WithMaxAttempts(1))
	_, err = c.Completion(t.Context(), ask("Hi"))
	require.ErrorIs(t, err, llm.ErrServer)
	require.LessOrEqual(t, len(asError(t, err).Body), 64<<10)
	require.LessOrEqual(t, len(err.Error()), 2000)
	c = serve(t, func(w http.ResponseWriter, r *http.Request) {
		for i := range 40 {
			w.Header().Set("X-"+strconv.Itoa(i), strings.Repeat("x", 100<<10))
		}
		fmt.Fprint(w, oneReply)
	}, llm.WithMaxAttempts(1))
	_, err = c.Completion(t.Context(), ask("Hi"), llm.WithHTTPClient(nil))
	require.Error(t, err)
}

// descriptors counts this process's open files, -1 where it cannot be told.
func descriptors() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(list)
}

// 10,000 streams that are broken off, closed, cancelled, abandoned or timed out at random leave no goroutine, file or
// connection. Under -race or -short it is a tenth.
func TestAbandonedStreamsLeaveNothing(t *testing.T) {
	var active atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, ": hello\n\n")
		if r.Header.Get("X-Mode") == "silent" {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		for range 3 {
			fmt.Fprint(w, chunk("some words "))
		}
		w.(http.Flusher).Flush()
		switch r.Header.Get("X-Mode") {
		case "cut":
			panic(http.ErrAbortHandler)
		case "end":
			fmt.Fprint(w, streamEnd)
		default:
			<-r.Context().Done()
		}
	}))
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			active.Add(1)
		case http.StateClosed, http.StateHijacked:
			active.Add(-1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	tr := &http.Transport{MaxIdleConnsPerHost: 4}
	var started, ended atomic.Int64
	c := llm.New(llm.WithProvider(testProvider()), llm.WithBaseURL(srv.URL), llm.WithAPIKey(testKey), llm.WithoutEnv(), llm.WithMaxAttempts(1),
		llm.WithHTTPClient(&http.Client{Transport: tr}), llm.WithCallback(llm.Callback{
			OnStart:   func(context.Context, *llm.Call) { started.Add(1) },
			OnSuccess: func(context.Context, *llm.Call, *llm.Outcome) { ended.Add(1) },
			OnFailure: func(context.Context, *llm.Call, *llm.Outcome) { ended.Add(1) },
		}))
	one := func(r *rand.Rand, id int) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		modes := []string{"hang", "hang", "hang", "cut", "end", "silent"}
		opts := []llm.Option{llm.WithHeader("X-Mode", modes[r.IntN(len(modes))])}
		way := r.IntN(8)
		switch way {
		case 0:
			opts = append(opts, llm.WithStallTimeout(time.Duration(1+r.IntN(3))*time.Millisecond), llm.WithFirstContentTimeout(2*time.Millisecond))
		case 1:
			opts = append(opts, llm.WithTimeout(time.Duration(r.IntN(4000))*time.Microsecond+1))
		case 2:
			time.AfterFunc(time.Duration(r.IntN(2000))*time.Microsecond, cancel)
		default:
			opts = append(opts, llm.WithFirstContentTimeout(50*time.Millisecond), llm.WithStallTimeout(50*time.Millisecond))
		}
		s, err := c.CompletionStream(ctx, ask("Hi"), opts...)
		if err != nil {
			return
		}
		switch way {
		case 3:
			for range s.All() {
				break
			}
		case 4:
			s.Close()
		case 5:
			s.Next()
			go s.Close()
			s.Next()
		case 6: // neither read nor closed: freed when the context ends
			cancel()
			if id%2 == 0 {
				s.Next()
			}
		case 7:
			func() {
				defer func() { recover() }()
				for range s.All() {
					panic("in the loop's body")
				}
			}()
		default:
			llm.Collect(s)
		}
	}
	one(rand.New(rand.NewPCG(0, 0)), 1) // what is made once is made now
	tr.CloseIdleConnections()
	require.Eventually(t, func() bool { return active.Load() == 0 }, time.Second, time.Millisecond)
	goroutines, files := runtime.NumGoroutine(), descriptors()

	var wg sync.WaitGroup
	for worker := range 50 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(worker)))
			for i := range scaled(10_000) / 50 {
				one(r, i)
			}
		})
	}
	wg.Wait()
	settled := time.Now()
	require.Eventually(t, func() bool { return active.Load() <= 4 }, time.Second, time.Millisecond, "idle connections beyond the transport's own limit")
	tr.CloseIdleConnections()
	require.Eventually(t, func() bool {
		return active.Load() == 0 && runtime.NumGoroutine() <= goroutines+2 && descriptors() <= files+2
	}, 2*time.Second, 5*time.Millisecond, "goroutines: %d before", goroutines)
	require.Less(t, time.Since(settled), 2*time.Second)
	require.GreaterOrEqual(t, started.Load(), int64(scaled(10_000)))
}

// However a stream is left, its connection is free within 100 ms and the callbacks hear of it once.
func TestLeavingAStreamFreesIt(t *testing.T) {
	for name, leave := range map[string]func(s *llm.Stream[llm.CompletionChunk], cancel func()){
		"break": func(s *llm.Stream[llm.CompletionChunk], _ func()) {
			for range s.All() {
				break
			}
		},
		"close": func(s *llm.Stream[llm.CompletionChunk], _ func()) { s.Close(); s.Close() },
		"cancel": func(s *llm.Stream[llm.CompletionChunk], cancel func()) {
			cancel()
			for {
				if _, err := s.Next(); err != nil {
					break
				}
			}
		},
		"panic": func(s *llm.Stream[llm.CompletionChunk], _ func()) {
			defer func() { recover() }()
			for range s.All() {
				panic("in the loop's body")
			}
		},
		"abandon": func(_ *llm.Stream[llm.CompletionChunk], cancel func()) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			best := time.Hour
			for range 3 { // a busy machine may take its time once
				gone := make(chan time.Time, 1)
				c := serve(t, func(w http.ResponseWriter, r *http.Request) {
					io.Copy(io.Discard, r.Body)
					fmt.Fprint(w, chunk("Hel"))
					w.(http.Flusher).Flush()
					<-r.Context().Done()
					gone <- time.Now()
				})
				var ends atomic.Int64
				end := func(context.Context, *llm.Call, *llm.Outcome) { ends.Add(1) }
				ctx, cancel := context.WithCancel(t.Context())
				s, err := c.CompletionStream(ctx, ask("Hi"), llm.WithCallback(llm.Callback{OnSuccess: end, OnFailure: end}))
				require.NoError(t, err)
				left := time.Now()
				leave(s, cancel)
				select {
				case at := <-gone:
					best = min(best, at.Sub(left))
				case <-time.After(5 * time.Second):
					t.Fatal("the host still sees the stream")
				}
				s.Close()
				cancel()
				require.EqualValues(t, 1, ends.Load())
			}
			require.Less(t, best, 100*time.Millisecond)
		})
	}
}

// What a callback or a provider's function panics with stays inside; what the loop's body panics with passes.
func TestPanicsStayWhereTheyBelong(t *testing.T) {
	boom := func() { panic("boom") }
	c := over(transport(func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.Header.Get("X-Mode"), "stream") {
			return events(strings.NewReader(recorded)), nil
		}
		return answer(200, "application/json", strings.NewReader(oneReply)), nil
	}), llm.WithCallback(llm.Callback{
		OnStart:   func(context.Context, *llm.Call) { boom() },
		OnAttempt: func(context.Context, *llm.Call, llm.Attempt) { boom() },
		OnSuccess: func(context.Context, *llm.Call, *llm.Outcome) { boom() },
		OnFailure: func(context.Context, *llm.Call, *llm.Outcome) { boom() },
	}))
	logged := captureLog(t)
	resp, err := c.Completion(t.Context(), ask("Hi"))
	require.NoError(t, err)
	require.Equal(t, "Hello.", resp.Text())
	s, err := c.CompletionStream(t.Context(), ask("Hi"), llm.WithHeader("X-Mode", "stream"))
	require.NoError(t, err)
	resp, err = llm.Collect(s)
	require.NoError(t, err)
	require.Equal(t, "Grüezi zämme.", resp.Text())
	_, err = c.Completion(t.Context(), &llm.CompletionRequest{Model: "nobody/m"})
	require.ErrorIs(t, err, llm.ErrUnknownProvider)
	require.Equal(t, 8, strings.Count(logged(), "a callback panicked"))
	s, err = c.CompletionStream(t.Context(), ask("Hi"), llm.WithHeader("X-Mode", "stream"))
	require.NoError(t, err)
	require.PanicsWithValue(t, "mine", func() {
		for range s.All() {
			panic("mine")
		}
	})
}

// net/http resends a request by itself when a kept-alive connection turns out to be dead. Here it must not: each
// request that a host sees is an attempt that the call counts.
func TestTransportDoesNotResend(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	var seen atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // answers one request on each connection, then reads the next and hangs up
				defer conn.Close()
				buf := make([]byte, 64<<10)
				for i := range 2 {
					n, _ := conn.Read(buf)
					if n == 0 {
						return
					}
					seen.Add(1)
					if i == 0 {
						fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(oneReply), oneReply)
					}
				}
			}()
		}
	}()
	c := llm.New(llm.WithProvider(testProvider()), llm.WithBaseURL("http://"+l.Addr().String()), llm.WithAPIKey(testKey), llm.WithoutEnv(),
		llm.WithHeader("Idempotency-Key", "k"), llm.WithHTTPClient(&http.Client{Transport: &http.Transport{}}))
	attempts := 0
	for range 6 {
		resp, err := c.Completion(t.Context(), ask("Hi"))
		require.NoError(t, err)
		attempts += len(resp.Meta.Attempts)
	}
	require.Greater(t, attempts, 6, "the dead connections must have been met")
	require.EqualValues(t, attempts, seen.Load())
}

// One record of usage, at the end, whatever the host sends meanwhile; none is nil; zeros stay.
func TestOneUsageRecord(t *testing.T) {
	usage := func(n int) string {
		return fmt.Sprintf(`"usage":{"prompt_tokens":%d,"completion_tokens":0,"total_tokens":%d}`, n, n)
	}
	piece := `data: {"choices":[{"index":0,"delta":{"content":"x"}}],%s}` + "\n\n"
	end := `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	for name, tt := range map[string]struct {
		body string
		want int // -1: none
	}{
		"none":    {fmt.Sprintf(piece, `"x":0`) + end, -1},
		"running": {fmt.Sprintf(piece, usage(1)) + fmt.Sprintf(piece, usage(2)) + fmt.Sprintf(piece, usage(3)) + end, 3},
		"null":    {fmt.Sprintf(piece, `"usage":null`) + end + `data: {"choices":[],` + usage(4) + "}\n\n", 4},
		"zeros":   {fmt.Sprintf(piece, `"x":0`) + end + `data: {"choices":[],` + usage(0) + "}\n\n", 0},
		"twice":   {fmt.Sprintf(piece, `"x":0`) + end + strings.Repeat(`data: {"choices":[],`+usage(5)+"}\n\n", 2), 5},
	} {
		t.Run(name, func(t *testing.T) {
			var outcome *llm.Usage
			c := over(transport(func(*http.Request) (*http.Response, error) {
				return events(strings.NewReader(tt.body + "data: [DONE]\n\n")), nil
			}), llm.WithCallback(llm.Callback{OnSuccess: func(_ context.Context, _ *llm.Call, o *llm.Outcome) { outcome = o.Usage }}))
			s, err := c.CompletionStream(t.Context(), ask("Hi"))
			require.NoError(t, err)
			var records []*llm.Usage
			last := false
			for c, err := range s.All() {
				require.NoError(t, err)
				require.False(t, last, "nothing follows the record")
				if c.Usage != nil {
					records, last = append(records, c.Usage), true
				}
			}
			if tt.want < 0 {
				require.Empty(t, records)
				require.Nil(t, outcome)
				return
			}
			require.Len(t, records, 1)
			require.Equal(t, tt.want, records[0].TotalTokens)
			require.Equal(t, tt.want, outcome.TotalTokens)
		})
	}
}

// A model that nobody has heard of is the provider's business.
func TestUnknownModelNames(t *testing.T) {
	for _, name := range []string{"m-9000-ultra:free@2031", "vendor/model", "vendor/sub/model", "ünïcode", "with space"} {
		var sent string
		c := over(transport(func(r *http.Request) (*http.Response, error) {
			b, _ := io.ReadAll(r.Body)
			sent = string(b)
			return answer(200, "application/json", strings.NewReader(oneReply)), nil
		}))
		resp, err := c.Completion(t.Context(), &llm.CompletionRequest{Model: "test/" + name, Messages: []llm.Message{llm.User("Hi")}})
		require.NoError(t, err)
		require.JSONEq(t, `{"model":`+strconv.Quote(name)+`,"messages":[{"role":"user","content":"Hi"}]}`, sent)
		require.Equal(t, name, resp.Meta.Model)
	}
}

// Every status has a kind and a scope; what is not known is unknown, and never a failed connection.
func TestStatusKinds(t *testing.T) {
	want := map[int]struct {
		kind      llm.ErrorKind
		scope     llm.Scope
		temporary bool
	}{
		400: {llm.ErrInvalidRequest, llm.ScopeRequest, false}, 401: {llm.ErrAuthentication, llm.ScopeKey, false},
		402: {llm.ErrBilling, llm.ScopeKey, false}, 403: {llm.ErrPermission, llm.ScopeKey, false},
		404: {llm.ErrNotFound, llm.ScopeRequest, false}, 408: {llm.ErrTimeout, llm.ScopeRoute, true},
		409: {llm.ErrConflict, llm.ScopeRoute, true}, 413: {llm.ErrTooLarge, llm.ScopeRequest, false},
		422: {llm.ErrInvalidRequest, llm.ScopeRequest, false}, 425: {llm.ErrServer, llm.ScopeRoute, true},
		429: {llm.ErrRateLimit, llm.ScopeKey, true}, 500: {llm.ErrServer, llm.ScopeRoute, true},
		502: {llm.ErrServer, llm.ScopeRoute, true}, 503: {llm.ErrOverloaded, llm.ScopeRoute, true},
		504: {llm.ErrServer, llm.ScopeRoute, true}, 529: {llm.ErrOverloaded, llm.ScopeRoute, true},
		307: {llm.ErrRedirect, llm.ScopeRoute, false}, 999: {llm.ErrUnknown, llm.ScopeRoute, false},
	}
	for status := 300; status < 1000; status++ {
		body := []byte(`{"odd":["` + strconv.Itoa(status) + `"]}`)
		requests := 0
		c := over(transport(func(*http.Request) (*http.Response, error) {
			requests++
			return answer(status, "application/json", bytes.NewReader(body)), nil
		}), llm.WithBackoff(llm.Backoff{Initial: time.Microsecond, Max: time.Microsecond}))
		_, err := c.Completion(t.Context(), ask("Hi"))
		e := asError(t, err)
		require.Equal(t, status, e.Status)
		require.NotErrorIs(t, err, llm.ErrConnection)
		require.Len(t, e.Attempts, requests)
		if status >= 400 {
			require.Equal(t, string(body), string(e.Body))
		}
		if w, ok := want[status]; ok {
			require.Equal(t, w.kind, e.Kind, status)
			require.Equal(t, w.scope, e.Scope, status)
			require.Equal(t, w.temporary, e.Temporary, status)
		}
		most := 1
		switch {
		case status == 408 || status == 409 || status == 425:
			most = 2
		case e.Temporary:
			most = 3
		}
		require.Equal(t, most, requests, status)
	}
}

// The memory that a request's body borrows is lent to no other call while a transport may still read it: after an
// answer that came before the request was written, or when an earlier attempt was given up.
func TestBodiesAreNotLentTwice(t *testing.T) {
	const size = 100_000
	var kept []io.ReadCloser
	c := llm.New(llm.WithBaseURL("https://test.invalid"), llm.WithAPIKey(testKey), llm.WithoutEnv(), llm.WithMaxAttempts(2),
		llm.WithBackoff(llm.Backoff{Initial: time.Microsecond, Max: time.Microsecond}),
		llm.WithHTTPClient(&http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			written := func() { httptrace.ContextClientTrace(r.Context()).WroteRequest(httptrace.WroteRequestInfo{}) }
			switch r.Header.Get("X-Mode") {
			case "early": // answered, and still being written
				kept = append(kept, r.Body)
			case "again": // broken off, and still being written; then sent again
				if kept == nil {
					kept = append(kept, r.Body)
					return nil, errors.New("reset by peer")
				}
				written()
			default:
				written()
			}
			return answer(200, "application/json", strings.NewReader(oneReply)), nil
		})}))
	say := func(letter, mode string) {
		_, err := c.Completion(t.Context(), &llm.CompletionRequest{Model: "openai/m", Messages: []llm.Message{llm.User(strings.Repeat(letter, size))}}, llm.WithHeader("X-Mode", mode))
		require.NoError(t, err)
	}
	for _, mode := range []string{"early", "again"} {
		kept = nil
		say("a", mode)
		for range 20 {
			say("b", "")
		}
		require.NotEmpty(t, kept)
		body, err := io.ReadAll(kept[0])
		require.NoError(t, err)
		require.Equal(t, size, strings.Count(string(body), "aa")*2, "the body of the %s call has changed", mode)
	}
}
