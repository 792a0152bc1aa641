package llm_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-go/llm"
	"github.com/stretchr/testify/require"
)

// A callback may end the call: nothing is sent any more, and the error says why.
func TestACancelInACallbackIsACancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		c := over(transport(func(*http.Request) (*http.Response, error) {
			n++
			return answer(503, "application/json", strings.NewReader("{}")), nil
		}), llm.WithCallback(llm.Callback{OnAttempt: func(context.Context, *llm.Call, llm.Attempt) { cancel() }}))
		_, err := c.Completion(ctx, ask("Hi"))
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 1, n)
	})
}

func TestRetryAfterForms(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		header http.Header
		want   time.Duration
	}{
		{nil, 0},
		{http.Header{"Retry-After": {"30"}}, 30 * time.Second},
		{http.Header{"Retry-After": {" 30 "}}, 30 * time.Second},
		{http.Header{"Retry-After": {"1.5"}}, 1500 * time.Millisecond},
		{http.Header{"Retry-After": {"0"}}, 0},
		{http.Header{"Retry-After": {"-5"}}, 0},
		{http.Header{"Retry-After": {"NaN"}}, 0},
		{http.Header{"Retry-After": {"Inf"}}, 1<<63 - 1},
		{http.Header{"Retry-After": {"1e300"}}, 1<<63 - 1},
		{http.Header{"Retry-After": {"soon"}}, 0},
		{http.Header{"Retry-After": {"31536000"}}, 365 * 24 * time.Hour},
		{http.Header{"Retry-After": {"Sun, 01 Mar 2026 12:01:00 GMT"}}, time.Minute},
		{http.Header{"Retry-After": {"Sunday, 01-Mar-26 12:01:00 GMT"}}, time.Minute},
		{http.Header{"Retry-After": {"Sun Mar  1 12:01:00 2026"}}, time.Minute},
		{http.Header{"Retry-After": {"Sun, 01 Mar 2026 11:00:00 GMT"}}, 0},
		{http.Header{"Retry-After-Ms": {"250"}, "Retry-After": {"30"}}, 250 * time.Millisecond},
		{http.Header{"Retry-After-Ms": {"x"}, "Retry-After": {"30"}}, 30 * time.Second},
		{http.Header{"Retry-After": {"2m"}}, 2 * time.Minute},
		{http.Header{"X-Ratelimit-Remaining-Requests": {"0"}, "X-Ratelimit-Reset-Requests": {"6m0s"}}, 6 * time.Minute},
		{http.Header{"X-Ratelimit-Remaining-Tokens": {"0"}, "X-Ratelimit-Reset-Tokens": {"120ms"}}, 120 * time.Millisecond},
		{http.Header{"X-Ratelimit-Remaining-Tokens": {"9"}, "X-Ratelimit-Reset-Tokens": {"120ms"}}, 0},
		{http.Header{"X-Ratelimit-Remaining-Tokens": {"0"}, "X-Ratelimit-Reset-Tokens": {"1767225600"}}, 0},
	} {
		require.Equal(t, tt.want, llm.RetryAfter(tt.header, now), "%v", tt.header)
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("30", "250", "0", "6m0s")
	f.Add("Sun, 01 Mar 2026 12:01:00 GMT", "", "", "")
	f.Add("-1e400", "NaN", "0", "-5s")
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, after, ms, remaining, reset string) {
		h := http.Header{"Retry-After": {after}, "Retry-After-Ms": {ms}, "X-Ratelimit-Remaining-Requests": {remaining}, "X-Ratelimit-Reset-Requests": {reset}}
		d := llm.RetryAfter(h, now)
		require.GreaterOrEqual(t, d, time.Duration(0))
		require.Equal(t, d, llm.RetryAfter(h, now))
	})
}
