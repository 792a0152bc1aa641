package llmtest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	"github.com/stretchr/testify/require"
)

// soon is a client's option for tests in which a retry is not what is tested.
var soon = llm.WithBackoff(llm.Backoff{Initial: time.Millisecond, Max: time.Millisecond})

func TestTLSServerSpeaksHTTP2(t *testing.T) {
	srv := llmtest.NewTLSServer(t)
	require.True(t, strings.HasPrefix(srv.URL, "https://127.0.0.1:"))
	resp, err := srv.HTTPClient().Get(srv.URL + "/v1/models")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 2, resp.ProtoMajor)
	io.Copy(io.Discard, resp.Body)

	eachChat(t, func(t *testing.T, _ *llmtest.Server, _ *llm.Client, model string) {
		c := srv.Client()
		r, err := c.Completion(t.Context(), ask(model, "hi"))
		require.NoError(t, err)
		require.Equal(t, "You said: hi", r.Text())
		r, err = collect(t.Context(), c, ask(model, "hi"))
		require.NoError(t, err)
		require.Equal(t, "You said: hi", r.Text())
	})
	require.Equal(t, 1, srv.Connections().Accepted, "HTTP/2 needs one")
	require.Eventually(t, func() bool { return srv.Connections() == llmtest.Connections{Accepted: 1, Open: 1, Idle: 1} }, time.Second, time.Millisecond)

	// Other clients need the authority; with it they may speak HTTP/1.1.
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(llmtest.CA()))
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer tr.CloseIdleConnections()
	resp, err = (&http.Client{Transport: tr}).Get(strings.Replace(srv.URL, "127.0.0.1", "localhost", 1) + "/v1/models")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 1, resp.ProtoMajor)
	_, err = http.Get(srv.URL + "/v1/models")
	require.ErrorContains(t, err, "certificate signed by unknown authority")
}

// What strikes a connection strikes the next new one: what is idle is closed, so that it is the next request's.
func TestFaultsOfConnectionsComeOnce(t *testing.T) {
	srv := llmtest.NewTLSServer(t)
	c := srv.Client(soon, llm.WithConnectTimeout(300*time.Millisecond))
	call := func() *llm.CompletionResponse {
		t.Helper()
		r, err := c.Completion(t.Context(), ask(chatModels[0], "hi"))
		require.NoError(t, err)
		return r
	}
	call()
	for f, kind := range map[llmtest.Fault]llm.ErrorKind{llmtest.Refused: llm.ErrConnection, llmtest.NameTimeout: llm.ErrDNS,
		llmtest.ConnectStall: llm.ErrConnectTimeout, llmtest.TLSStall: llm.ErrConnectTimeout, llmtest.GoAway: llm.ErrConnection,
		llmtest.RefusedStream: llm.ErrConnection} {
		srv.Fault(f)
		r := call()
		require.Len(t, r.Meta.Attempts, 2, f)
		require.ErrorIs(t, r.Meta.Attempts[0].Err, kind, f)
		require.Len(t, call().Meta.Attempts, 1, "%s comes once", f)
	}
	for f, kind := range map[llmtest.Fault]llm.ErrorKind{llmtest.NameNotFound: llm.ErrDNS, llmtest.TLSExpired: llm.ErrTLS,
		llmtest.TLSWrongHost: llm.ErrTLS, llmtest.TLSUnknownCA: llm.ErrTLS} {
		srv.Fault(f)
		_, err := c.Completion(t.Context(), ask(chatModels[0], "hi"))
		require.ErrorIs(t, err, kind, f)
		require.Len(t, call().Meta.Attempts, 1, "%s comes once", f)
	}
	// In order, with those of requests between them.
	srv.Reset()
	srv.Fault(llmtest.Refused, llmtest.Status(503))
	r := call()
	require.Len(t, r.Meta.Attempts, 3)
	require.Len(t, srv.Requests(), 2)
}

// HTTP/2 resets a stream and keeps the connection.
func TestResetsOverHTTP2(t *testing.T) {
	srv := llmtest.NewTLSServer(t)
	srv.Reply(llmtest.Answer{Chunks: []string{"One, ", "two."}})
	c := srv.Client(soon)
	srv.Fault(llmtest.Reset, llmtest.ResetBody.BeforeContent(), llmtest.ResetBody)
	s, err := c.CompletionStream(t.Context(), ask(chatModels[0], "?"))
	require.NoError(t, err, "both before the content are retried")
	require.Len(t, s.Meta().Attempts, 3)
	_, err = llm.Collect(s)
	require.ErrorIs(t, err, llm.ErrTruncated)
	var e *llm.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "One, ", e.Partial.Text())
	require.Equal(t, 1, srv.Connections().Accepted)
}

// A client of several servers meets the faults of each.
func TestSeveralServers(t *testing.T) {
	plain, secure := llmtest.NewServer(t), llmtest.NewTLSServer(t)
	c := llm.New(append(append(secure.Options("anthropic"), plain.Options("openai")...), soon)...)
	plain.FaultAlways(llmtest.Refused)
	_, err := c.Completion(t.Context(), ask("openai/m", "hi"))
	require.ErrorIs(t, err, llm.ErrConnection)
	require.ErrorContains(t, err, "refused")
	r, err := c.Completion(t.Context(), ask("anthropic/m", "hi"))
	require.NoError(t, err)
	require.Equal(t, "You said: hi", r.Text())
	secure.FaultAlways(llmtest.TLSExpired)
	_, err = c.Completion(t.Context(), ask("anthropic/m", "hi"))
	require.ErrorIs(t, err, llm.ErrTLS)
	require.ErrorContains(t, err, "expired")
	plain.FaultAlways("")
	_, err = c.Completion(t.Context(), ask("openai/m", "hi"))
	require.NoError(t, err)
}

func TestFaultsThatCannotBe(t *testing.T) {
	srv := llmtest.NewServer(t)
	require.PanicsWithValue(t, `llmtest: the fault "tls-expired" needs a server with TLS: use NewTLSServer or StartTLS`, func() { srv.Fault(llmtest.TLSExpired) })
	require.Panics(t, func() { srv.FaultAlways(llmtest.GoAway) })
	require.Panics(t, func() { srv.FaultAlways(llmtest.RedirectDowngrade) })
	require.PanicsWithValue(t, `llmtest: the fault "refused" comes before any answer: set it by Server.Fault`, func() {
		srv.Reply(llmtest.Answer{Fault: llmtest.Refused})
	})
	for _, f := range []llmtest.Fault{llmtest.UploadStall, "stal"} {
		srv.Handle(func(llmtest.Request) llmtest.Answer { return llmtest.Answer{Fault: f} })
		_, err := srv.Client(llm.WithMaxAttempts(1)).Completion(t.Context(), ask(chatModels[0], "hi"))
		require.ErrorIs(t, err, llm.ErrServer)
		require.ErrorContains(t, err, "no answer can have the fault \""+string(f)+"\"")
	}
}

func TestBlackHole(t *testing.T) {
	hole, err := llmtest.BlackHole()
	if errors.Is(err, errors.ErrUnsupported) {
		require.NotEqual(t, "linux", runtime.GOOS)
		return
	}
	require.NoError(t, err)
	defer hole.Close()
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := new(net.Dialer).DialContext(ctx, "tcp", hole.Addr().String())
		cancel()
		var e net.Error
		require.ErrorAs(t, err, &e)
		require.True(t, e.Timeout(), err)
	}
}

// A body that the host does not read: its client must not wait for ever to send it, and must read an early answer.
func TestUploads(t *testing.T) {
	for _, srv := range []*llmtest.Server{llmtest.NewServer(t), llmtest.NewTLSServer(t)} {
		body, err := json.Marshal(map[string]any{"model": "m", "messages": []any{map[string]any{"role": "user", "content": strings.Repeat("x", 16<<20)}}})
		require.NoError(t, err)
		post := func() (*http.Response, error) {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.BaseURL("openai")+"/chat/completions", bytes.NewReader(body))
			require.NoError(t, err)
			return srv.HTTPClient().Do(r)
		}
		srv.Fault(llmtest.UploadStall)
		_, err = post()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		srv.Fault(llmtest.UploadRefused)
		resp, err := post()
		require.NoError(t, err)
		require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
		resp.Body.Close()
		require.Len(t, srv.Requests(), 2)
		require.Equal(t, llm.Operation("completion"), srv.Requests()[0].Operation)
	}
}

// A server that is closed ends what its faults had begun.
func TestNothingIsLeftOfConnections(t *testing.T) {
	trusted := llmtest.NewTLSServer(t) // what is made once is made now
	_, err := trusted.Client().Completion(t.Context(), ask(chatModels[0], "hi"))
	require.NoError(t, err)
	trusted.Close()
	before := runtime.NumGoroutine()
	for _, f := range []llmtest.Fault{llmtest.Refused, llmtest.NameNotFound, llmtest.NameTimeout, llmtest.ConnectStall, llmtest.TLSExpired,
		llmtest.TLSStall, llmtest.GoAway, llmtest.RefusedStream, llmtest.UploadStall, llmtest.ResetBody} {
		srv, err := llmtest.StartTLS()
		require.NoError(t, err)
		srv.FaultAlways(f)
		_, err = srv.Client().Completion(t.Context(), ask(chatModels[0], "hi"), llm.WithTimeout(100*time.Millisecond))
		require.Error(t, err, f)
		srv.Close()
		require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 3*time.Second, 5*time.Millisecond, "%s", f)
	}
}
