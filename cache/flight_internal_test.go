package cache

import (
	"context"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-go/llm"
	"github.com/stretchr/testify/require"
)

// Streams that nobody reads or closes are remembered up to a bound, and no longer than they may last.
func TestForgottenStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Config{})
		require.NoError(t, err)
		client := llm.New(llm.WithMiddleware(c.Middleware, func(llm.Handler) llm.Handler {
			return func(context.Context, *llm.Call) (*llm.Result, error) {
				return &llm.Result{Stream: llm.NewStream(func() (*llm.CompletionChunk, error) { return nil, io.EOF }, nil)}, nil
			}
		}))
		open := func(from, n int, opts ...llm.Option) {
			for i := range n {
				_, err := client.CompletionStream(t.Context(), &llm.CompletionRequest{Model: "x/m",
					Messages: []llm.Message{llm.User(fmt.Sprint(from + i))}}, opts...)
				require.NoError(t, err)
			}
		}
		time.Sleep(2 * time.Second)
		open(0, maxFlights+100, llm.WithTimeout(-1))
		require.Len(t, c.flights.calls, maxFlights)
		time.Sleep(llm.DefaultStreamTimeout + time.Second)
		open(1_000_000, 10)
		require.Len(t, c.flights.calls, 10)
	})
}
