package llm

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// RetryAfter reads how long a provider asks to wait, in all forms in use: retry-after-ms (milliseconds),
// Retry-After in seconds (also with a fraction) or as an HTTP date (RFC 9110, section 10.2.3), and, where
// neither is given, the reset times of exhausted x-ratelimit-* headers in Go-like ("6m0s", "120ms") or
// second form. 0 means that nothing was said. Dates in the past give 0.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	if d, ok := parseMillis(h.Get("Retry-After-Ms")); ok {
		return d
	}
	if v := strings.TrimSpace(h.Get("Retry-After")); v != "" {
		if d, ok := parseSeconds(v); ok {
			return d
		}
		if t, err := http.ParseTime(v); err == nil {
			return max(t.Sub(now), 0)
		}
		if d, err := time.ParseDuration(v); err == nil {
			return max(d, 0)
		}
	}
	var wait time.Duration
	for _, kind := range [...]string{"Requests", "Tokens"} {
		if strings.TrimSpace(h.Get("X-Ratelimit-Remaining-"+kind)) != "0" {
			continue
		}
		v := strings.TrimSpace(h.Get("X-Ratelimit-Reset-" + kind))
		if d, err := time.ParseDuration(v); err == nil {
			wait = max(wait, d)
		} else if d, ok := parseSeconds(v); ok && d < 366*24*time.Hour { // beyond that it is a point in time
			wait = max(wait, d)
		}
	}
	return wait
}

func parseMillis(v string) (time.Duration, bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
	return durationOf(f, time.Millisecond), err == nil && f >= 0
}

func parseSeconds(v string) (time.Duration, bool) {
	f, err := strconv.ParseFloat(v, 64)
	return durationOf(f, time.Second), err == nil && f >= 0
}

// durationOf saturates instead of overflowing; NaN is 0.
func durationOf(f float64, unit time.Duration) time.Duration {
	const limit = float64(1<<63 - 1)
	switch f *= float64(unit); {
	case f >= limit:
		return 1<<63 - 1
	case f > 0:
		return time.Duration(f)
	}
	return 0
}

// retry runs try until it succeeds, fails for good, or the call's attempts or time are used up. try makes one
// attempt and returns what became of it; content that reached the caller is never followed by a retry, since
// try returns only before that.
func (c *Call) retry(ctx context.Context, try func(wait time.Duration) *Error) *Error {
	var (
		waits   *backoff.ExponentialBackOff
		wait    time.Duration
		singles int
		stales  int
		tries   int
	)
	for {
		if err := contextError(ctx); err != nil {
			return err
		}
		if !c.account.take() {
			return &Error{Kind: ErrUnknown, Scope: ScopeLocal, Message: "the call's attempts are used up; see llm.WithMaxAttempts"}
		}
		err := try(wait)
		if err == nil {
			return nil
		}
		if !err.Temporary || c.account.remaining() <= 0 {
			return err
		}
		if err.stale && stales == 0 {
			stales++ // a kept-alive connection had died before it was used: the host is not to blame
		} else if tries++; c.settings.retryLimit > 0 && tries >= c.settings.retryLimit {
			return err
		}
		if err := contextError(ctx); err != nil {
			return err // a callback may have ended it
		}
		if err.Status == http.StatusRequestTimeout || err.Status == http.StatusConflict || err.Status == http.StatusTooEarly {
			if singles++; singles > 1 {
				return err
			}
		}
		if waits == nil {
			waits = c.settings.newBackoff()
		}
		wait = waits.NextBackOff()
		if err.stale {
			wait = 0
		}
		wait = max(wait, err.RetryAfter)
		deadline := c.deadline
		if d, ok := ctx.Deadline(); ok && (deadline.IsZero() || d.Before(deadline)) {
			deadline = d
		}
		if !deadline.IsZero() && time.Until(deadline) <= wait {
			return err // the wait is on the error; the caller may know a better use of the time
		}
		if wait > 0 {
			t := time.NewTimer(wait)
			select {
			case <-ctx.Done():
				t.Stop()
				return contextError(ctx)
			case <-t.C:
			}
		}
	}
}

func (s *settings) newBackoff() *backoff.ExponentialBackOff {
	b := s.backoff
	if b == (Backoff{}) {
		b = Backoff{Initial: 500 * time.Millisecond, Max: 8 * time.Second, Jitter: 0.5}
	}
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(b.Initial),
		backoff.WithMaxInterval(b.Max),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(b.Jitter),
		backoff.WithMaxElapsedTime(0))
}
