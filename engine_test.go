package llm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/stream"
	"github.com/stretchr/testify/require"
)

// testProvider speaks OpenAI's chat format in its plainest form.
func testProvider() *llm.Provider {
	return &llm.Provider{
		Name: "test", BaseURL: "https://test.invalid/v1", KeyEnv: []string{"LLM_TEST_KEY"},
		Completion: &llm.Op[llm.CompletionRequest, llm.CompletionResponse, llm.CompletionChunk]{
			Encode: func(call *llm.Call, req *llm.CompletionRequest) (*http.Request, error) {
				if req.Seed != nil {
					if err := call.Unsupported("seed", "the wire has no such member"); err != nil {
						return nil, err
					}
				}
				r := *req
				r.Model, r.Seed = call.Model, nil
				body, err := r.AppendJSON(nil)
				if err != nil {
					return nil, err
				}
				return call.NewJSONRequest("/chat", body, req.Extra)
			},
			Decode: func(_ *llm.Call, _ http.Header, body []byte) (*llm.CompletionResponse, error) {
				resp := &llm.CompletionResponse{}
				if err := resp.UnmarshalJSON(body); err != nil {
					return nil, llm.Malformed("the answer is not JSON", err)
				}
				return resp, nil
			},
			Stream: func(call *llm.Call, body io.Reader) llm.Next[llm.CompletionChunk] {
				events := stream.NewSSE(body, call.MaxEventBytes())
				return func() (*llm.CompletionChunk, error) {
					ev, err := events.Next()
					if err == io.EOF {
						return nil, llm.Truncated("no [DONE]")
					}
					if err != nil {
						return nil, err
					}
					if string(ev.Data) == "[DONE]" {
						return nil, io.EOF
					}
					c := &llm.CompletionChunk{}
					if err := c.UnmarshalJSON(ev.Data); err != nil {
						if ev.Unterminated {
							return nil, llm.Truncated("cut in an event")
						}
						return nil, llm.Malformed("an event is not JSON", err)
					}
					return c, nil
				}
			},
		},
	}
}

const (
	testKey  = "sk-canary-0123456789"
	oneReply = `{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`
)

// serve starts a server and gives a client that talks to it as provider "test".
func serve(t *testing.T, h http.HandlerFunc, opts ...llm.Option) *llm.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return llm.New(append([]llm.Option{llm.WithProvider(testProvider()), llm.WithBaseURL(srv.URL), llm.WithAPIKey(testKey), llm.WithoutEnv(),
		llm.WithBackoff(llm.Backoff{Initial: time.Millisecond, Max: time.Millisecond}),
		llm.WithHTTPClient(&http.Client{Transport: &http.Transport{}})}, opts...)...)
}

func ask(text string) *llm.CompletionRequest {
	return &llm.CompletionRequest{Model: "test/m", Messages: []llm.Message{llm.User(text)}}
}

func chunk(text string) string {
	return fmt.Sprintf("data: {\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":%q}}]}\n\n", text)
}

const streamEnd = "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" +
	"data: {\"id\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\ndata: [DONE]\n\n"

func TestCompletion(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "Bearer "+testKey, r.Header.Get("Authorization"))
		b, _ := io.ReadAll(r.Body)
		require.JSONEq(t, `{"model":"m","messages":[{"role":"user","content":"Hi"}],"temperature":0,"x":{"y":1}}`, string(b))
		w.Header().Set("X-Request-Id", "req-1")
		fmt.Fprint(w, oneReply)
	})
	req := ask("Hi")
	req.Temperature, req.Extra = new(0.0), llm.Extra{"x": map[string]any{"y": 1}}
	resp, err := c.Completion(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, "Hello.", resp.Text())
	require.Equal(t, llm.FinishStop, resp.FinishReason())
	require.Equal(t, 5, resp.Usage.TotalTokens)
	require.Equal(t, "req-1", resp.Meta.RequestID)
	require.Equal(t, "test", resp.Meta.Provider)
	require.Len(t, resp.Meta.Attempts, 1)
	require.JSONEq(t, oneReply, string(resp.Meta.Raw))
}

func TestStream(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, ": ping\n\n", chunk("Hel"), chunk("lo."), streamEnd)
	})
	s, err := c.CompletionStream(t.Context(), ask("Hi"))
	require.NoError(t, err)
	var text strings.Builder
	var usages int
	for c, err := range s.All() {
		require.NoError(t, err)
		text.WriteString(c.Text())
		if c.Usage != nil {
			usages++
		}
	}
	require.Equal(t, "Hello.", text.String())
	require.Equal(t, 1, usages)
	_, err = s.Next()
	require.Equal(t, io.EOF, err)

	s, err = c.CompletionStream(t.Context(), ask("Hi"))
	require.NoError(t, err)
	resp, err := llm.Collect(s)
	require.NoError(t, err)
	require.Equal(t, "Hello.", resp.Text())
	require.Equal(t, 5, resp.Usage.TotalTokens)
}

func TestStreamIsRetriedOnlyBeforeContent(t *testing.T) {
	for _, tc := range []struct {
		name     string
		first    string
		requests int32
		partial  string
	}{
		{"before content", "data: {\"id\":\"x\",\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n", 2, ""},
		{"after content", chunk("Hel"), 1, "Hel"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var n atomic.Int32
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1) == 1 {
					fmt.Fprint(w, tc.first)
					return
				}
				fmt.Fprint(w, chunk("Hello."), streamEnd)
			})
			s, err := c.CompletionStream(t.Context(), ask("Hi"))
			require.NoError(t, err)
			resp, err := llm.Collect(s)
			require.Equal(t, tc.requests, n.Load())
			if tc.partial == "" {
				require.NoError(t, err)
				require.Equal(t, "Hello.", resp.Text())
				require.Len(t, resp.Meta.Attempts, 2)
				return
			}
			require.ErrorIs(t, err, llm.ErrTruncated)
			var e *llm.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tc.partial, e.Partial.Text())
			require.True(t, e.Temporary)
		})
	}
}

func TestRetries(t *testing.T) {
	var n atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) < 3 {
			w.Header().Set("Retry-After-Ms", "2")
			w.WriteHeader(503)
			fmt.Fprint(w, `{"error":{"message":"busy"}}`)
			return
		}
		fmt.Fprint(w, oneReply)
	})
	resp, err := c.Completion(t.Context(), ask("Hi"))
	require.NoError(t, err)
	require.Len(t, resp.Meta.Attempts, 3)
	require.ErrorIs(t, resp.Meta.Attempts[0].Err, llm.ErrOverloaded)
	require.GreaterOrEqual(t, resp.Meta.Attempts[1].Wait, 2*time.Millisecond)
}

func TestWaitThatDoesNotFitIsReturned(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "31536000")
		w.WriteHeader(429)
	})
	_, err := c.Completion(t.Context(), ask("Hi"))
	require.ErrorIs(t, err, llm.ErrRateLimit)
	var e *llm.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, 365*24*time.Hour, e.RetryAfter)
	require.Equal(t, llm.ScopeKey, e.Scope)
	require.Len(t, e.Attempts, 1)
}

func TestRedirectsAreErrors(t *testing.T) {
	var hits atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer other.Close()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/x?secret=1", http.StatusTemporaryRedirect)
	})
	_, err := c.Completion(t.Context(), ask("Hi"))
	require.ErrorIs(t, err, llm.ErrRedirect)
	require.ErrorContains(t, err, other.URL+"/x")
	require.NotContains(t, err.Error(), "secret")
	require.Zero(t, hits.Load())
}

func TestClocks(t *testing.T) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	hang := func(first string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // the server sees a client leave only when the body is read
			if first != "" {
				fmt.Fprint(w, first)
				w.(http.Flusher).Flush()
			}
			select {
			case <-r.Context().Done():
			case <-release:
			}
		}
	}
	const d = 30 * time.Millisecond
	for _, tc := range []struct {
		kind   llm.ErrorKind
		first  string
		option llm.Option
	}{
		{llm.ErrHeaderTimeout, "", llm.WithHeaderTimeout(d)},
		{llm.ErrFirstContentTimeout, ": ping\n\n", llm.WithFirstContentTimeout(d)},
		{llm.ErrStallTimeout, chunk("Hel"), llm.WithStallTimeout(d)},
		{llm.ErrTotalTimeout, chunk("Hel"), llm.WithTimeout(d)},
		{llm.ErrTotalTimeout, "", llm.WithTimeout(d)},
	} {
		t.Run(string(tc.kind), func(t *testing.T) {
			c := serve(t, hang(tc.first), tc.option, llm.WithMaxAttempts(1))
			start := time.Now()
			s, err := c.CompletionStream(t.Context(), ask("Hi"))
			if err == nil {
				_, err = llm.Collect(s)
			}
			require.ErrorIs(t, err, tc.kind)
			require.ErrorIs(t, err, llm.ErrTimeout)
			require.Less(t, time.Since(start), 5*time.Second)
		})
	}
}

func TestCancel(t *testing.T) {
	gone := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, chunk("Hel"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(gone)
	})
	ctx, cancel := context.WithCancel(t.Context())
	s, err := c.CompletionStream(ctx, ask("Hi"))
	require.NoError(t, err)
	_, err = s.Next()
	require.NoError(t, err)
	cancel()
	_, err = s.Next()
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, llm.ErrCanceled)
	<-gone
}

func TestCloseBesideNext(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, chunk("Hel"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	var failed atomic.Int32
	s, err := c.CompletionStream(t.Context(), ask("Hi"), llm.WithCallback(llm.Callback{
		OnFailure: func(_ context.Context, _ *llm.Call, o *llm.Outcome) { failed.Add(1) },
	}))
	require.NoError(t, err)
	_, err = s.Next()
	require.NoError(t, err)
	done := make(chan error)
	go func() {
		_, err := s.Next()
		done <- err
	}()
	time.AfterFunc(10*time.Millisecond, func() { s.Close() })
	require.ErrorIs(t, <-done, llm.ErrCanceled)
	require.Equal(t, int32(1), failed.Load())
	require.NoError(t, s.Close())
}

func TestUnsupportedParameter(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, oneReply) })
	req := ask("Hi")
	req.Seed = new(int64(1))
	_, err := c.Completion(t.Context(), req)
	require.ErrorIs(t, err, llm.ErrUnsupportedParam)
	require.ErrorIs(t, err, llm.ErrInvalidRequest)
	require.ErrorContains(t, err, "seed")
	for _, o := range []llm.Option{llm.WithDropParams(), llm.WithDropParams("seed")} {
		resp, err := c.Completion(t.Context(), req, o)
		require.NoError(t, err)
		require.Equal(t, "seed", resp.Meta.Warnings[0].Param)
	}
}

func TestErrorsHideKeysAndPrompts(t *testing.T) {
	prompt := "the patient's name is Ada Lovelace and her secret is 42"
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"error":{"message":"invalid input %s for key %s"}}`, prompt, testKey)
	})
	_, err := c.Completion(t.Context(), ask(prompt))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		text := fmt.Sprintf(verb, err)
		require.NotContains(t, text, testKey)
		require.NotContains(t, text, "Lovelace")
	}
	var e *llm.Error
	require.ErrorAs(t, err, &e)
	require.NotContains(t, string(e.Body), testKey)
	require.Contains(t, string(e.Body), "Lovelace", "the raw body stays reachable")
}

func TestMock(t *testing.T) {
	resp, err := llm.Completion(t.Context(), ask("Hi"), llm.WithMock("mocked"))
	require.NoError(t, err)
	require.Equal(t, "mocked", resp.Text())
	s, err := llm.CompletionStream(t.Context(), ask("Hi"), llm.WithMock("mocked"))
	require.NoError(t, err)
	resp, err = llm.Collect(s)
	require.NoError(t, err)
	require.Equal(t, "mocked", resp.Text())
	boom := errors.New("boom")
	_, err = llm.Completion(t.Context(), ask("Hi"), llm.WithMock(boom))
	require.ErrorIs(t, err, boom)
}

func TestMiddlewareAndCallbacks(t *testing.T) {
	var order []string
	note := func(name string) llm.Middleware {
		return func(next llm.Handler) llm.Handler {
			return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
				order = append(order, name)
				return next(ctx, call.With(llm.WithTags(name)))
			}
		}
	}
	var done, panics int
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, oneReply) },
		llm.WithMiddleware(note("outer"), note("inner")),
		llm.WithCallback(llm.Callback{OnStart: func(context.Context, *llm.Call) { panics++; panic("boom") }}),
		llm.WithCallback(llm.Callback{OnSuccess: func(_ context.Context, _ *llm.Call, o *llm.Outcome) {
			done++
			require.Equal(t, 5, o.Usage.TotalTokens)
		}}))
	_, err := c.Completion(t.Context(), ask("Hi"))
	require.NoError(t, err)
	require.Equal(t, []string{"outer", "inner"}, order)
	require.Equal(t, 1, done)
	require.Equal(t, 1, panics)
}

func TestNoKey(t *testing.T) {
	_, err := llm.Completion(t.Context(), ask("Hi"), llm.WithProvider(testProvider()))
	require.ErrorIs(t, err, llm.ErrAuthentication)
	require.ErrorContains(t, err, "LLM_TEST_KEY")
	_, err = llm.Completion(t.Context(), &llm.CompletionRequest{Model: "nobody/m"})
	require.ErrorIs(t, err, llm.ErrUnknownProvider)
	require.ErrorContains(t, err, "forgotten import")
}

func TestForbiddenHeaders(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, oneReply, r.Header.Get("X-Team")) })
	for _, h := range []string{"authorization", "Host", "x-api-key", "Transfer-Encoding"} {
		_, err := c.Completion(t.Context(), ask("Hi"), llm.WithHeader(h, "x"))
		require.ErrorIs(t, err, llm.ErrInvalidRequest, h)
	}
}

// piped is a transport whose answers are written by the test: it works in a synctest bubble, where sockets do not.
type piped func(w *io.PipeWriter)

func (f piped) RoundTrip(r *http.Request) (*http.Response, error) {
	pr, pw := io.Pipe()
	context.AfterFunc(r.Context(), func() { pr.CloseWithError(r.Context().Err()) })
	go f(pw)
	return &http.Response{StatusCode: 200, Header: make(http.Header), Body: pr, Request: r}, nil
}

func TestSlowReadersAreNotStalls(t *testing.T) {
	for name, first := range map[string]string{
		"after content":    chunk("Hel"),
		"after no content": chunk("Hel") + "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{}}]}\n\n",
	} {
		for rest, want := range map[string]error{chunk("lo.") + streamEnd: nil, "": llm.ErrStallTimeout} {
			t.Run(fmt.Sprintf("%s/%v", name, want), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const d = time.Minute
					goOn := make(chan struct{})
					c := llm.New(llm.WithProvider(testProvider()), llm.WithAPIKey(testKey), llm.WithStallTimeout(d), llm.WithMaxAttempts(1),
						llm.WithHTTPClient(&http.Client{Transport: piped(func(w *io.PipeWriter) {
							fmt.Fprint(w, first)
							<-goOn
							fmt.Fprint(w, rest)
							if rest != "" {
								w.Close()
							}
						})}))
					s, err := c.CompletionStream(t.Context(), ask("Hi"))
					require.NoError(t, err)
					for range strings.Count(first, "data:") {
						_, err = s.Next()
						require.NoError(t, err)
					}
					time.Sleep(10 * d) // the reader thinks, on the bubble's clock
					close(goOn)
					start := time.Now()
					resp, err := llm.Collect(s)
					if want != nil {
						require.ErrorIs(t, err, want)
						require.Equal(t, d, time.Since(start))
						return
					}
					require.NoError(t, err)
					require.Equal(t, "lo.", resp.Text())
				})
			})
		}
	}
}
