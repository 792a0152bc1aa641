package llm_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/stretchr/testify/require"
)

// answering is a transport that answers each request by its host and path.
type answering func(r *http.Request) (int, string)

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	status, body := f(r)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func embed(t *testing.T, p *llm.Provider, rt http.RoundTripper, opts ...llm.Option) error {
	t.Helper()
	p.Name = "acme"
	if p.BaseURL == "" {
		p.BaseURL = "https://api.acme.example"
	}
	c := llm.New(append([]llm.Option{llm.WithProvider(p), llm.WithHTTPClient(&http.Client{Transport: rt}), llm.WithAPIKey("key-of-acme")}, opts...)...)
	_, err := c.Embedding(t.Context(), &llm.EmbeddingRequest{Model: "acme/m", Input: []string{"x"}})
	return err
}

type doEmbedding = func(context.Context, *llm.Call, *llm.EmbeddingRequest, llm.Send) (*llm.EmbeddingResponse, error)

func doing(f doEmbedding) *llm.Op[llm.EmbeddingRequest, llm.EmbeddingResponse, llm.None] {
	return &llm.Op[llm.EmbeddingRequest, llm.EmbeddingResponse, llm.None]{Do: f}
}

func TestOnEndRunsOnceLastFirst(t *testing.T) {
	for _, fails := range []error{nil, errors.New("boom")} {
		var order []string
		p := &llm.Provider{Embedding: doing(func(_ context.Context, call *llm.Call, _ *llm.EmbeddingRequest, _ llm.Send) (*llm.EmbeddingResponse, error) {
			call.OnEnd(func() { order = append(order, "first") })
			call.OnEnd(func() { order = append(order, "last") })
			order = append(order, "do")
			return &llm.EmbeddingResponse{}, fails
		})}
		err := embed(t, p, answering(nil))
		require.Equal(t, fails == nil, err == nil)
		require.Equal(t, []string{"do", "last", "first"}, order)
	}
}

// What is sent in parting goes out although the call's time and attempts are used up.
func TestPartingOutlivesTheCall(t *testing.T) {
	parted := 0
	p := &llm.Provider{Embedding: doing(func(ctx context.Context, call *llm.Call, _ *llm.EmbeddingRequest, send llm.Send) (*llm.EmbeddingResponse, error) {
		call.OnEnd(func() {
			ctx, done := llm.Parting(ctx, time.Second)
			defer done()
			r, err := call.NewRequest(http.MethodPost, "/cancel", "", nil)
			require.NoError(t, err)
			answer, err := send(ctx, r)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
		})
		r, err := call.NewRequest(http.MethodGet, "/work", "", nil)
		require.NoError(t, err)
		_, err = send(ctx, r)
		require.Error(t, err)
		<-ctx.Done()
		return nil, ctx.Err()
	})}
	attempts := 0
	rt := answering(func(r *http.Request) (int, string) {
		if r.URL.Path == "/cancel" {
			parted++
			require.Equal(t, "Bearer key-of-acme", r.Header.Get("Authorization"))
			return 200, "{}"
		}
		return 500, "{}"
	})
	err := embed(t, p, rt, llm.WithTimeout(50*time.Millisecond), llm.WithMaxAttempts(1),
		llm.WithCallback(llm.Callback{OnAttempt: func(context.Context, *llm.Call, llm.Attempt) { attempts++ }}))
	require.ErrorIs(t, err, llm.ErrTotalTimeout)
	require.Equal(t, 1, parted)
	require.Equal(t, 1, attempts, "the parting is in no record")
	var e *llm.Error
	require.ErrorAs(t, err, &e)
	require.Len(t, e.Attempts, 1)
}

func TestReadAllIsBounded(t *testing.T) {
	p := &llm.Provider{Embedding: doing(func(ctx context.Context, call *llm.Call, _ *llm.EmbeddingRequest, send llm.Send) (*llm.EmbeddingResponse, error) {
		r, err := call.NewRequest(http.MethodGet, "/", "", nil)
		require.NoError(t, err)
		answer, err := send(ctx, r)
		require.NoError(t, err)
		b, err := call.ReadAll(answer)
		if err != nil {
			return nil, err
		}
		return &llm.EmbeddingResponse{Object: string(b)}, nil
	})}
	rt := answering(func(*http.Request) (int, string) { return 200, string(bytes.Repeat([]byte("x"), 1000)) })
	require.NoError(t, embed(t, p, rt, llm.WithMaxBodyBytes(1000)))
	require.ErrorIs(t, embed(t, p, rt, llm.WithMaxBodyBytes(999)), llm.ErrEventTooLarge)
}

// The key goes to the hosts that the provider names, variables filled in, and to no other.
func TestHostsMayHaveVariables(t *testing.T) {
	p := &llm.Provider{BaseURL: "https://run.{ACME_REGION}.acme.example", Hosts: []string{"control.{ACME_REGION}.acme.example"},
		Embedding: doing(func(ctx context.Context, _ *llm.Call, _ *llm.EmbeddingRequest, send llm.Send) (*llm.EmbeddingResponse, error) {
			for _, host := range []string{"run.eu.acme.example", "control.eu.acme.example", "control.us.acme.example", "evil.example"} {
				r, err := llm.NewRequest(http.MethodGet, "https://"+host+"/", "", nil)
				require.NoError(t, err)
				answer, err := send(ctx, r)
				require.NoError(t, err)
				answer.Body.Close()
			}
			return &llm.EmbeddingResponse{}, nil
		})}
	got := make(map[string]bool)
	rt := answering(func(r *http.Request) (int, string) {
		got[r.URL.Host] = r.Header.Get("Authorization") != ""
		return 200, "{}"
	})
	require.NoError(t, embed(t, p, rt, llm.WithSetting("ACME_REGION", "eu")))
	require.Equal(t, map[string]bool{"run.eu.acme.example": true, "control.eu.acme.example": true, "control.us.acme.example": false, "evil.example": false}, got)
}

// A secret from the environment is bound to the provider's own host, and hidden in errors wherever it was used.
func TestSecretsAreBoundAndHidden(t *testing.T) {
	t.Setenv("ACME_SECRET", "hush-hush")
	p := &llm.Provider{
		Auth: func(_ context.Context, r *http.Request, call *llm.Call) error {
			r.Header.Set("X-Acme", call.Secret("ACME_SECRET").Reveal())
			return nil
		},
		Embedding: doing(func(ctx context.Context, call *llm.Call, _ *llm.EmbeddingRequest, send llm.Send) (*llm.EmbeddingResponse, error) {
			r, err := call.NewRequest(http.MethodGet, "/", "", nil)
			require.NoError(t, err)
			_, err = send(ctx, r)
			return nil, err
		}),
	}
	echo := answering(func(r *http.Request) (int, string) {
		return 401, `{"error":{"message":"the secret is [` + r.Header.Get("X-Acme") + `]","code":"` + r.Header.Get("X-Acme") + `"}}`
	})
	err := embed(t, p, echo)
	require.ErrorContains(t, err, "the secret is [REDACTED]")
	var e *llm.Error
	require.ErrorAs(t, err, &e)
	require.NotContains(t, e.Code+string(e.Body), "hush")
	require.ErrorContains(t, embed(t, p, echo, llm.WithBaseURL("https://proxy.example")), "the secret is []")
	require.ErrorContains(t, embed(t, p, echo, llm.WithBaseURL("https://api.acme.example")), "the secret is [REDACTED]")
}
