package llm_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	"github.com/stretchr/testify/require"
)

// A host that takes the connection and never answers the handshake sees it closed when the attempt is over, whether its
// time has passed or its caller has left: nothing goes on dialling.
func TestAbandonedDialsEnd(t *testing.T) {
	for name, call := range map[string]func(ctx context.Context, cancel func(), c *llm.Client) error{
		"connect clock": func(ctx context.Context, _ func(), c *llm.Client) error {
			_, err := c.Completion(ctx, ask("Hi"), llm.WithConnectTimeout(50*time.Millisecond))
			require.ErrorIs(t, err, llm.ErrConnectTimeout)
			return err
		},
		"cancelled": func(ctx context.Context, cancel func(), c *llm.Client) error {
			time.AfterFunc(50*time.Millisecond, cancel)
			_, err := c.CompletionStream(ctx, ask("Hi"))
			require.ErrorIs(t, err, llm.ErrCanceled)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			closed := make(chan time.Time, 1)
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				io.Copy(io.Discard, conn)
				closed <- time.Now()
			}()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			require.Error(t, call(ctx, cancel, llm.New(llm.WithProvider(testProvider()), llm.WithBaseURL("https://"+l.Addr().String()),
				llm.WithAPIKey(testKey), llm.WithoutEnv(), llm.WithMaxAttempts(1))))
			select {
			case <-closed:
			case <-time.After(5 * time.Second):
				t.Fatal("the connection is still there")
			}
		})
	}
}

// Requests without a body are sent again by net/http itself, over HTTP/2 as often as the host refuses them. Here each is an
// attempt, and there are no more of them than the call has.
func TestResentRequestsAreAttempts(t *testing.T) {
	models := func(srv *llmtest.Server) (*llm.ModelsResponse, error) {
		return srv.Client(llm.WithMaxAttempts(3), llm.WithTimeout(20*time.Second)).Models(t.Context(), &llm.ModelsRequest{Provider: "openai"})
	}
	for _, f := range []llmtest.Fault{llmtest.GoAway, llmtest.RefusedStream} {
		srv := llmtest.NewTLSServer(t)
		srv.FaultAlways(f)
		_, err := models(srv)
		require.ErrorIs(t, err, llm.ErrConnection, f)
		e := asError(t, err)
		require.Len(t, e.Attempts, 3, f)
		require.LessOrEqual(t, srv.Connections().Accepted, 4, "%s: the last may be on its way when the call ends", f)
		for _, a := range e.Attempts {
			require.ErrorIs(t, a.Err, llm.ErrConnection)
		}

		srv = llmtest.NewTLSServer(t)
		srv.Fault(f)
		r, err := models(srv)
		require.NoError(t, err, f)
		require.Len(t, r.Meta.Attempts, 2, f)
	}
	srv := llmtest.NewServer(t)
	srv.Fault(llmtest.Stale)
	_, err := models(srv)
	require.NoError(t, err)
	r, err := models(srv)
	require.NoError(t, err)
	require.Len(t, r.Meta.Attempts, 2)
	require.True(t, r.Meta.Attempts[0].Reused)
	require.ErrorIs(t, r.Meta.Attempts[0].Err, llm.ErrConnection)
	require.NoError(t, r.Meta.Attempts[1].Err)
	require.Len(t, srv.Requests(), 2)
}
