package cost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/cost"
	"github.com/llm-go/llm/models"
	"github.com/llm-go/llm/providers/openai"
	"github.com/stretchr/testify/require"
)

// upstream is a provider that fails in every way, and knows what it really bills: $2 for a million tokens of input, $10
// of output, as openai/m costs.
type upstream struct {
	t     *testing.T
	limit cost.Amount
	rnd   func(n int) int
	spent atomic.Int64
	calls atomic.Int64
	// fault replaces chance.
	fault func(call int64) string
}

var faults = []string{"", "", "", "", "500", "refused", "reset", "truncated", "empty", "page", "hang", "cut", "early"}

func (u *upstream) spend(in, out int) {
	v := cost.Amount(in)*2_000_000 + cost.Amount(out)*10_000_000
	if sum := u.spent.Add(int64(v)); u.limit > 0 && cost.Amount(sum) > u.limit {
		u.t.Errorf("%s is spent of %s", cost.Amount(sum), u.limit)
	}
}

func (u *upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	n := u.calls.Add(1)
	var ask struct {
		Stream    bool
		MaxTokens int `json:"max_completion_tokens"`
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, &ask); err != nil || ask.MaxTokens == 0 {
		u.t.Errorf("the request has no bound: %s", body)
	}
	fault := faults[u.rnd(len(faults))]
	if u.fault != nil {
		fault = u.fault(n)
	}
	if fault == "refused" {
		return nil, errors.New("dial: refused")
	}
	httptrace.ContextClientTrace(r.Context()).WroteRequest(httptrace.WroteRequestInfo{})
	in, out := 5, 1+u.rnd(ask.MaxTokens)
	usage := fmt.Sprintf(`"usage":{"prompt_tokens":%d,"completion_tokens":%d}`, in, out)
	answer := func(status int, kind, text string) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(text))}, nil
	}
	if fault == "500" {
		return answer(500, "application/json", `{"error":{"message":"sorry"}}`)
	}
	u.spend(in, out)
	switch fault {
	case "reset":
		return nil, errors.New("connection reset by peer")
	case "hang":
		<-r.Context().Done()
		return nil, r.Context().Err()
	case "page":
		return answer(200, "text/html", "<html>proxy")
	case "empty":
		return answer(200, "application/json", "")
	}
	if !ask.Stream {
		text := `{"id":"x","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],` + usage + `}`
		if fault != "" {
			text = text[:len(text)/2]
		}
		return answer(200, "application/json", text)
	}
	chunk := func(s string) string { return "data: " + s + "\n\n" }
	text := chunk(`{"id":"x","choices":[{"index":0,"delta":{"content":"o"}}]}`)
	if fault == "early" {
		text = ""
	}
	if fault == "" {
		text += chunk(`{"id":"x","choices":[{"index":0,"delta":{"content":"k"},"finish_reason":"stop"}]}`) +
			chunk(`{"id":"x","choices":[],`+usage+`}`) + chunk("[DONE]")
	}
	return answer(200, "text/event-stream", text)
}

// ledger sums up records.
type ledger struct {
	mu      sync.Mutex
	records []*cost.Record
	sums    map[cost.Charge]cost.Amount
	ids     map[string]bool
	twice   bool
}

func (l *ledger) add(r *cost.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sums == nil {
		l.sums, l.ids = make(map[cost.Charge]cost.Amount), make(map[string]bool)
	}
	l.twice = l.twice || l.ids[r.ID]
	l.ids[r.ID] = true
	l.records = append(l.records, r)
	for _, c := range r.Charges {
		l.sums[c] += r.Amount
	}
}

func (l *ledger) only(t *testing.T) *cost.Record {
	t.Helper()
	require.Len(t, l.records, 1)
	return l.records[0]
}

const openaiPrices = `{"models": {"openai/m": {"mode": "chat", "max_output_tokens": 1000, "context_window": 100000, "prices": [
    {"source": "test", "checked": "2026-11-01", "prices": [
      {"of": "input", "per": "million_tokens", "usd": "2"}, {"of": "output", "per": "million_tokens", "usd": "10"}]}]},
  "openai/endless": {"mode": "chat", "prices": [{"source": "test", "checked": "2026-11-01", "prices": [
      {"of": "input", "per": "million_tokens", "usd": "2"}, {"of": "output", "per": "million_tokens", "usd": "10"}]}]}}}`

func openaiPricing(t testing.TB) *cost.Pricing {
	c, err := models.Parse(strings.NewReader(openaiPrices))
	require.NoError(t, err)
	return &cost.Pricing{Catalogue: c}
}

func ask(max int) *llm.CompletionRequest {
	return &llm.CompletionRequest{Model: "openai/m", MaxTokens: max, Messages: []llm.Message{llm.User("What is it?")}}
}

// highOf is what is reserved for a request.
func highOf(t testing.TB, p *cost.Pricing, req *llm.CompletionRequest) cost.Amount {
	r, err := p.Estimate(req)
	require.NoError(t, err)
	require.False(t, r.Open)
	return r.High
}

func client(t testing.TB, u http.RoundTripper, c cost.BudgetConfig, opts ...llm.Option) (*llm.Client, *cost.Budgets) {
	if c.Pricing == nil {
		c.Pricing = openaiPricing(t)
	}
	b, err := cost.NewBudgets(c)
	require.NoError(t, err)
	return llm.New(append([]llm.Option{llm.WithProvider(openai.Provider()), llm.WithAPIKey("k"), llm.WithHTTPClient(&http.Client{Transport: u}),
		llm.WithMiddleware(b.Middleware), llm.WithBackoff(llm.Backoff{Initial: time.Microsecond, Max: time.Microsecond})}, opts...)...), b
}

// The proof: whatever fails, what the provider bills never exceeds a limit, at any moment, by anything. Afterwards
// nothing is reserved, and what is spent is the sum of the ledger.
func TestBudgetsHoldUnderFaults(t *testing.T) {
	log := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // callbacks panic here on purpose
	defer slog.SetDefault(log)
	calls := 10_000
	if raceEnabled {
		calls = 1500
	}
	const top = 100
	p := openaiPricing(t)
	high := highOf(t, p, ask(top))
	limit := high*cost.Amount(calls)/8 + 1
	u := &upstream{t: t, limit: limit, rnd: rand.IntN}
	var l ledger
	var events atomic.Int64
	users := 10
	c, b := client(t, u, cost.BudgetConfig{
		Pricing: p,
		Budgets: []cost.Budget{
			{Name: "all", Limit: limit, Warn: limit / 2, Period: cost.Daily(nil)},
			{Name: "user", Limit: limit / 9, Key: cost.ByMetadata("user")},
			{Name: "hour", Limit: limit - 1, Period: cost.Rolling(time.Hour), Key: cost.ByModel},
		},
		OnRecord: func(r *cost.Record) { l.add(r); panic("a callback") },
		OnEvent:  func(cost.BudgetEvent) { events.Add(1); panic("a callback") },
	}, llm.WithMiddleware(func(next llm.Handler) llm.Handler { // application code that panics after the answer
		return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
			res, err := next(ctx, call)
			if rand.IntN(50) == 0 && !call.Stream {
				panic("middleware")
			}
			if rand.IntN(50) == 0 && !call.Stream && err == nil {
				return nil, &llm.Error{Kind: llm.ErrContentPolicy, Scope: llm.ScopeLocal, Message: "refused by a guardrail"}
			}
			return res, err
		}
	}))
	var refused, answered, panicked atomic.Int64
	one := func(i int) {
		defer func() {
			if recover() != nil {
				panicked.Add(1)
			}
		}()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		patience := 1500 * time.Millisecond // then even the last that hangs is cancelled
		if rand.IntN(4) == 0 {
			patience = time.Duration(rand.IntN(400)) * time.Millisecond
		}
		defer time.AfterFunc(patience, cancel).Stop()
		opt := llm.WithMetadata(map[string]any{"user": i % users})
		var err error
		if rand.IntN(2) == 0 {
			_, err = c.Completion(ctx, ask(1+rand.IntN(top)), opt)
		} else {
			var s *llm.Stream[llm.CompletionChunk]
			if s, err = c.CompletionStream(ctx, ask(1+rand.IntN(top)), opt); err == nil {
				if rand.IntN(3) > 0 {
					_, err = llm.Collect(s)
				}
				s.Close()
			}
		}
		switch {
		case errors.Is(err, cost.ErrBudgetExceeded):
			refused.Add(1)
		case err == nil:
			answered.Add(1)
		}
	}
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() { one(i) })
	}
	wg.Wait()
	require.Positive(t, refused.Load())
	require.Greater(t, answered.Load(), int64(calls)/100)
	require.Positive(t, panicked.Load())
	require.Positive(t, events.Load())
	require.Greater(t, cost.Amount(u.spent.Load()), limit/4, "too little was spent to prove anything")
	check := func(budget, key string, most cost.Amount) cost.Balance {
		has, err := b.Balance(t.Context(), budget, key)
		require.NoError(t, err)
		require.Zero(t, has.Reserved, "%s %s", budget, key)
		require.LessOrEqual(t, has.Spent, most)
		require.Equal(t, l.sums[cost.Charge{Budget: budget, Key: key}], has.Spent)
		return has
	}
	all := check("all", "", limit)
	require.GreaterOrEqual(t, all.Spent, cost.Amount(u.spent.Load()), "the provider has billed more than was counted")
	require.Equal(t, all, check("hour", "openai/m", limit-1))
	var sum cost.Amount
	for i := range users {
		sum += check("user", fmt.Sprint(i), limit/9).Spent
	}
	require.Equal(t, all.Spent, sum)
	require.False(t, l.twice, "two records have one ID")
	t.Logf("%d calls, %d requests: %d answered, %d refused; $%s counted, $%s billed, limit $%s",
		calls, u.calls.Load(), answered.Load(), refused.Load(), all.Spent, cost.Amount(u.spent.Load()), limit)
}

// How each way to end is settled.
func TestSettlement(t *testing.T) {
	p := openaiPricing(t)
	high := highOf(t, p, ask(100))
	for _, test := range []struct {
		fault    string
		stream   bool
		attempts int
		spent    cost.Amount // in units of high; -1: the bill
		status   cost.Status
	}{
		{"", false, 1, -1, cost.StatusOK},
		{"", true, 1, -1, cost.StatusOK},
		{"500", false, 3, 0, cost.StatusFailed},
		{"500", true, 3, 0, cost.StatusFailed},
		{"refused", false, 3, 0, cost.StatusFailed},
		{"reset", false, 1, 1, cost.StatusCut},
		{"reset", false, 3, 3, cost.StatusCut},
		{"reset", true, 2, 2, cost.StatusCut},
		{"truncated", false, 2, 2, cost.StatusCut},
		{"empty", false, 2, 2, cost.StatusCut},
		{"page", false, 1, 1, cost.StatusCut},
		{"cut", true, 3, 1, cost.StatusCut}, // after content there is no second try
		{"early", true, 2, 2, cost.StatusCut},
	} {
		t.Run(fmt.Sprint(test.fault, test.stream, test.attempts), func(t *testing.T) {
			u := &upstream{t: t, rnd: func(n int) int { return n / 2 }, fault: func(int64) string { return test.fault }}
			if test.fault == "refused" { // what net/http says of it
				u.fault = func(int64) string { return "refused" }
			}
			var l ledger
			c, b := client(t, u, cost.BudgetConfig{Pricing: p, OnRecord: l.add,
				Budgets: []cost.Budget{{Name: "all", Limit: 100 * high}}}, llm.WithMaxAttempts(test.attempts))
			var err error
			var meta *llm.Meta
			if test.stream {
				var s *llm.Stream[llm.CompletionChunk]
				if s, err = c.CompletionStream(t.Context(), ask(100)); err == nil {
					_, err = llm.Collect(s)
					meta = s.Meta()
				}
			} else {
				var r *llm.CompletionResponse
				if r, err = c.Completion(t.Context(), ask(100)); err == nil {
					meta = &r.Meta
				}
			}
			require.Equal(t, test.fault == "", err == nil, "%v", err)
			want := test.spent * high
			if test.spent < 0 {
				want = cost.Amount(u.spent.Load())
				bill, ok := cost.Get(meta)
				require.True(t, ok)
				require.Equal(t, want, bill.Total)
			}
			has, err := b.Balance(t.Context(), "all", "")
			require.NoError(t, err)
			require.Equal(t, cost.Balance{Spent: want}, has)
			require.Equal(t, want, l.sums[cost.Charge{Budget: "all"}])
			require.Equal(t, test.status, l.records[0].Status)
			require.Equal(t, high, l.records[0].Reserved)
		})
	}
}

// What was answered has been spent, even if middleware then throws it away.
func TestAnsweredInVain(t *testing.T) {
	p := openaiPricing(t)
	high := highOf(t, p, ask(100))
	for name, after := range map[string]func() (*llm.Result, error){
		"refused":    func() (*llm.Result, error) { return nil, &llm.Error{Kind: llm.ErrContentPolicy, Scope: llm.ScopeLocal} },
		"own error":  func() (*llm.Result, error) { return nil, errors.New("no") },
		"no answer":  func() (*llm.Result, error) { return nil, nil },
		"panic":      func() (*llm.Result, error) { panic("a bug") },
		"other type": func() (*llm.Result, error) { return &llm.Result{}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			u := &upstream{t: t, rnd: func(n int) int { return n / 2 }, fault: func(int64) string { return "" }}
			c, b := client(t, u, cost.BudgetConfig{Pricing: p, Budgets: []cost.Budget{{Name: "all", Limit: models.Dollar}}},
				llm.WithMiddleware(func(next llm.Handler) llm.Handler {
					return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
						_, err := next(ctx, call)
						require.NoError(t, err)
						return after()
					}
				}))
			call := func() { _, _ = c.Completion(t.Context(), ask(100)) }
			if name == "panic" {
				require.PanicsWithValue(t, "a bug", call)
			} else {
				call()
			}
			has, err := b.Balance(t.Context(), "all", "")
			require.NoError(t, err)
			require.Equal(t, cost.Balance{Spent: high}, has)
		})
	}
}

// What does not fit fails before anything is sent, and says why.
func TestExceeded(t *testing.T) {
	p := openaiPricing(t)
	high := highOf(t, p, ask(100))
	now := time.Date(2026, 3, 28, 22, 0, 0, 0, time.UTC)
	zurich, err := time.LoadLocation("Europe/Zurich")
	require.NoError(t, err)
	u := &upstream{t: t, rnd: func(n int) int { return n / 2 }, fault: func(int64) string { return "" }}
	var l ledger
	var events []cost.BudgetEvent
	c, b := client(t, u, cost.BudgetConfig{Pricing: p, Now: func() time.Time { return now }, OnRecord: l.add,
		OnEvent: func(e cost.BudgetEvent) { events = append(events, e) },
		Budgets: []cost.Budget{
			{Name: "wide", Limit: 100 * high, Warn: high / 3},
			{Name: "team", Limit: high + 1, Period: cost.Daily(zurich), Key: cost.ByMetadata("team")},
			{Name: "prod", Limit: 0, Key: cost.ByTag("prod")},
		}})
	red := llm.WithMetadata(map[string]any{"team": "red"})
	first, err := c.Completion(t.Context(), ask(100), red)
	require.NoError(t, err)
	bill, _ := cost.Get(&first.Meta)
	require.NotEmpty(t, first.Meta.Warnings)
	require.Equal(t, "budget", first.Meta.Warnings[0].Code)
	require.Len(t, events, 1)
	require.Equal(t, "warning", events[0].Kind)

	sent := u.calls.Load()
	_, err = c.Completion(t.Context(), ask(100), red)
	require.ErrorIs(t, err, cost.ErrBudgetExceeded)
	require.Equal(t, sent, u.calls.Load())
	var e *llm.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, llm.ScopeLocal, e.Scope)
	require.False(t, e.Temporary)
	require.Equal(t, time.Hour, e.RetryAfter, "midnight in Zurich")
	var x *cost.Exceeded
	require.ErrorAs(t, err, &x)
	require.Equal(t, cost.Exceeded{Budget: "team", Key: "red", Limit: high + 1, Balance: cost.Balance{Spent: bill.Total},
		Left: high + 1 - bill.Total, Needed: high, Resets: x.Resets}, *x)
	require.True(t, x.Resets.Equal(now.Add(time.Hour)))
	require.Contains(t, err.Error(), `the budget "team" of "red" has $`)
	require.Equal(t, "exceeded", events[1].Kind)
	require.Equal(t, cost.StatusRefused, l.records[1].Status)
	has, err := b.Balance(t.Context(), "wide", "")
	require.NoError(t, err)
	require.Equal(t, cost.Balance{Spent: bill.Total}, has, "all or nothing")

	_, err = c.Completion(t.Context(), ask(100), llm.WithMetadata(map[string]any{"team": "blue"}))
	require.NoError(t, err, "another key has a limit of its own")
	require.Len(t, events, 2, "the warning's event comes once")
	_, err = c.Completion(t.Context(), ask(100))
	require.NoError(t, err, "without a team")
	_, err = c.Completion(t.Context(), ask(100), llm.WithTags("prod"))
	require.ErrorAs(t, err, &x)
	require.Equal(t, "prod", x.Budget)
	require.ErrorAs(t, err, &e)
	require.Zero(t, e.RetryAfter)
	require.ErrorContains(t, err, "more than the whole limit")

	now = now.Add(time.Hour)
	_, err = c.Completion(t.Context(), ask(100), red)
	require.NoError(t, err, "a new day")
	now = now.Add(22*time.Hour + 59*time.Minute)
	_, err = c.Completion(t.Context(), ask(100), red)
	require.ErrorIs(t, err, cost.ErrBudgetExceeded)
	now = now.Add(time.Minute)
	_, err = c.Completion(t.Context(), ask(100), red)
	require.NoError(t, err, "the day had 23 hours")
}

// A second try needs room of its own: if there is none the call ends, and not by trying.
func TestNoSecondTryWithoutRoom(t *testing.T) {
	p := openaiPricing(t)
	high := highOf(t, p, ask(100))
	u := &upstream{t: t, limit: 2*high + 1, rnd: func(n int) int { return n - 1 }, fault: func(int64) string { return "reset" }}
	var l ledger
	c, b := client(t, u, cost.BudgetConfig{Pricing: p, OnRecord: l.add, Budgets: []cost.Budget{{Name: "all", Limit: 2*high + 1}}}, llm.WithMaxAttempts(9))
	_, err := c.Completion(t.Context(), ask(100))
	require.ErrorIs(t, err, cost.ErrBudgetExceeded)
	require.Equal(t, int64(2), u.calls.Load())
	var e *llm.Error
	require.ErrorAs(t, err, &e)
	require.Len(t, e.Attempts, 2)
	has, err := b.Balance(t.Context(), "all", "")
	require.NoError(t, err)
	require.Equal(t, cost.Balance{Spent: 2 * high}, has)
	require.Equal(t, 2*high, l.sums[cost.Charge{Budget: "all"}])
	require.Equal(t, cost.StatusRefused, l.records[2].Status)
}

func TestRollingBudget(t *testing.T) {
	p := openaiPricing(t)
	high := highOf(t, p, ask(100))
	now := time.Unix(1_800_000_000, 0)
	u := &upstream{t: t, rnd: func(n int) int { return n - 1 }, fault: func(int64) string { return "" }}
	c, _ := client(t, u, cost.BudgetConfig{Pricing: p, Now: func() time.Time { return now },
		Budgets: []cost.Budget{{Name: "hour", Limit: 2 * high, Period: cost.Rolling(time.Hour)}}})
	_, err := c.Completion(t.Context(), ask(100))
	require.NoError(t, err)
	now = now.Add(30 * time.Minute)
	_, err = c.Completion(t.Context(), ask(100))
	require.NoError(t, err)
	_, err = c.Completion(t.Context(), ask(100))
	var e *llm.Error
	require.ErrorAs(t, err, &e)
	require.InDelta(t, 30*time.Minute, e.RetryAfter, float64(time.Minute))
	now = now.Add(e.RetryAfter - time.Second)
	_, err = c.Completion(t.Context(), ask(100))
	require.ErrorIs(t, err, cost.ErrBudgetExceeded)
	now = now.Add(time.Second)
	_, err = c.Completion(t.Context(), ask(100))
	require.NoError(t, err)
}

// A stream that is neither read nor closed holds what it has reserved until after its deadline, and then has spent it.
func TestAbandonedStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := openaiPricing(t)
		high := highOf(t, p, ask(100))
		u := &upstream{t: t, rnd: func(n int) int { return n / 2 }, fault: func(int64) string { return "" }}
		var l ledger
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c, b := client(t, u, cost.BudgetConfig{Pricing: p, OnRecord: l.add, Budgets: []cost.Budget{{Name: "all", Limit: high}}}, llm.WithTimeout(time.Minute))
		s, err := c.CompletionStream(ctx, ask(100))
		require.NoError(t, err)
		time.Sleep(119 * time.Second)
		has, err := b.Balance(ctx, "all", "")
		require.NoError(t, err)
		require.Equal(t, cost.Balance{Reserved: high}, has)
		time.Sleep(2 * time.Second)
		has, err = b.Balance(ctx, "all", "")
		require.NoError(t, err)
		require.Equal(t, cost.Balance{Spent: high}, has)
		require.Equal(t, cost.StatusExpired, l.only(t).Status)
		_ = s.Close() // too late, but it is known what the stream may have cost: the same
		has, err = b.Balance(ctx, "all", "")
		require.NoError(t, err)
		require.Zero(t, has.Reserved)
		require.Equal(t, high, has.Spent)
	})
}

func TestUnknownPricesAndBounds(t *testing.T) {
	p := openaiPricing(t)
	u := &upstream{t: t, rnd: func(n int) int { return n / 2 }, fault: func(int64) string { return "" }}
	strange := ask(100)
	strange.Model = "openai/strange"
	config := cost.BudgetConfig{Pricing: p, Budgets: []cost.Budget{{Name: "all", Limit: models.Dollar}}}
	c, _ := client(t, u, config)
	_, err := c.Completion(t.Context(), strange)
	require.ErrorIs(t, err, cost.ErrPriceUnknown)
	require.Zero(t, u.calls.Load())

	var l ledger
	config.AllowUnpriced, config.OnRecord = true, l.add
	c, b := client(t, u, config)
	r, err := c.Completion(t.Context(), strange)
	require.NoError(t, err)
	require.Contains(t, r.Meta.Warnings[0].Message, "was not counted")
	require.True(t, l.only(t).Unpriced)
	require.Empty(t, l.only(t).Charges)
	has, err := b.Balance(t.Context(), "all", "")
	require.NoError(t, err)
	require.Equal(t, cost.Balance{}, has)

	// Without a bound the default is reserved, and what it costs is counted.
	endless := ask(0)
	endless.Model = "openai/endless"
	config.OpenReservation = 2 * models.Dollar
	tr := roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(
			`{"choices":[{"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":300000}}`))}, nil
	})
	c, _ = client(t, tr, config)
	_, err = c.Completion(t.Context(), endless)
	var x *cost.Exceeded
	require.ErrorAs(t, err, &x)
	require.Equal(t, 2*models.Dollar, x.Needed)
	config.OpenReservation = models.Dollar
	var kinds []string
	config.OnEvent = func(e cost.BudgetEvent) { kinds = append(kinds, e.Kind) }
	c, b = client(t, tr, config)
	_, err = c.Completion(t.Context(), endless)
	require.NoError(t, err)
	has, err = b.Balance(t.Context(), "all", "")
	require.NoError(t, err)
	require.Equal(t, cost.Balance{Spent: 3 * models.Dollar}, has, "what is spent is counted, above the limit too")
	require.Equal(t, []string{"overspent"}, kinds)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// frail is a store that fails.
type frail struct {
	cost.Store
	reserve, settle error
	settles         int
}

func (f *frail) Reserve(ctx context.Context, r *cost.Reservation) (cost.Reserved, error) {
	if f.reserve != nil {
		return cost.Reserved{Refused: -1}, f.reserve
	}
	return f.Store.Reserve(ctx, r)
}

func (f *frail) Settle(ctx context.Context, r *cost.Record) ([]cost.Balance, error) {
	f.settles++
	b, err := f.Store.Settle(ctx, r)
	if f.settle != nil {
		return nil, f.settle
	}
	return b, err
}

func TestStoreFails(t *testing.T) {
	p := openaiPricing(t)
	u := &upstream{t: t, rnd: func(n int) int { return n / 2 }, fault: func(int64) string { return "" }}
	store := &frail{Store: cost.NewMemory(cost.MemoryConfig{}), reserve: errors.New("the store is gone")}
	var l ledger
	config := cost.BudgetConfig{Pricing: p, Store: store, OnRecord: l.add, Budgets: []cost.Budget{{Name: "all", Limit: models.Dollar}}}
	c, _ := client(t, u, config)
	_, err := c.Completion(t.Context(), ask(10))
	require.ErrorIs(t, err, llm.ErrRefused)
	require.Zero(t, u.calls.Load())
	require.Equal(t, cost.StatusRefused, l.only(t).Status)
	l = ledger{}
	config.FailOpen = true
	c, _ = client(t, u, config)
	r, err := c.Completion(t.Context(), ask(10))
	require.NoError(t, err)
	require.Contains(t, r.Meta.Warnings[0].Message, "was not counted")
	require.Equal(t, cost.Amount(u.spent.Load()), l.only(t).Amount)
	require.Empty(t, l.only(t).Charges)

	store.reserve, store.settle = nil, errors.New("the answer was lost")
	c, b := client(t, u, config)
	_, err = c.Completion(t.Context(), ask(10))
	require.NoError(t, err)
	require.Equal(t, 2, store.settles, "it is tried again")
	has, err := b.Balance(t.Context(), "all", "")
	require.NoError(t, err)
	require.Equal(t, l.records[1].Amount, has.Spent, "and counts once")
}

func TestBudgetsForACall(t *testing.T) {
	p := openaiPricing(t)
	high := highOf(t, p, ask(100))
	u := &upstream{t: t, rnd: func(n int) int { return n / 2 }, fault: func(int64) string { return "" }}
	c, _ := client(t, u, cost.BudgetConfig{Pricing: p, For: func(call *llm.Call) []cost.Budget {
		switch call.Metadata()["user"] {
		case "poor":
			return []cost.Budget{{Name: "user", Limit: high - 1, Key: cost.ByMetadata("user")}}
		case "twice":
			d := cost.Budget{Name: "user", Limit: high, Key: cost.ByMetadata("user")}
			return []cost.Budget{d, d}
		case "panic":
			panic("a bug")
		}
		return nil
	}})
	for user, want := range map[string]error{"rich": nil, "poor": cost.ErrBudgetExceeded, "twice": llm.ErrInvalidRequest, "panic": llm.ErrRefused} {
		_, err := c.Completion(t.Context(), ask(100), llm.WithMetadata(map[string]any{"user": user}))
		if want == nil {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, want)
		}
	}
}

func TestBadBudgets(t *testing.T) {
	for _, c := range []cost.BudgetConfig{
		{},
		{Budgets: []cost.Budget{{Limit: 1}}},
		{Budgets: []cost.Budget{{Name: "a", Limit: -1}}},
		{Budgets: []cost.Budget{{Name: "a"}, {Name: "a"}}},
		{Budgets: []cost.Budget{{Name: "a", Period: cost.Rolling(0)}}},
		{Budgets: []cost.Budget{{Name: "a"}}, Grace: -1},
	} {
		_, err := cost.NewBudgets(c)
		require.ErrorIs(t, err, llm.ErrInvalidRequest)
	}
}

// Records have what reports need, and nothing that nobody may see.
func TestRecords(t *testing.T) {
	u := &upstream{t: t, rnd: func(n int) int { return n / 2 }, fault: func(int64) string { return "" }}
	var l ledger
	c, _ := client(t, u, cost.BudgetConfig{OnRecord: l.add, Budgets: []cost.Budget{{Name: "team", Limit: models.Dollar, Key: cost.ByMetadata("team")}}})
	req := ask(100)
	req.Messages = []llm.Message{llm.User("canary4711")}
	_, err := c.Completion(t.Context(), req, llm.WithAPIKey("canary4712"), llm.WithTags("nightly"),
		llm.WithMetadata(map[string]any{"team": "red", "cost_centre": 42, "secret": struct{ Key string }{"canary4713"}}))
	require.NoError(t, err)
	r := l.only(t)
	require.Equal(t, "openai", r.Provider)
	require.Equal(t, "m", r.Model)
	require.Equal(t, []string{"nightly"}, r.Tags)
	require.Equal(t, map[string]string{"team": "red", "cost_centre": "42"}, r.Metadata)
	require.Equal(t, []cost.Charge{{Budget: "team", Key: "red"}}, r.Charges)
	require.Equal(t, []cost.Bucket{{Of: "input", N: 5, Amount: 10_000_000}, {Of: "output", N: 51, Amount: 510_000_000}}, r.Buckets)
	require.Equal(t, cost.Amount(520_000_000), r.Amount)
	require.Greater(t, r.Reserved, r.Amount)
	text, err := json.Marshal(r)
	require.NoError(t, err)
	require.False(t, bytes.Contains(text, []byte("canary")), "%s", text)
	var back cost.Record
	require.NoError(t, json.Unmarshal(text, &back))
	require.True(t, r.Time.Equal(back.Time))
	back.Time = r.Time
	require.Equal(t, *r, back)
}

func BenchmarkReserveAndSettle(b *testing.B) {
	m := cost.NewMemory(cost.MemoryConfig{})
	accounts := []cost.Account{{Budget: "all", Limit: cost.Unlimited}, {Budget: "user", Key: "ada", Limit: cost.Unlimited}}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		r := &cost.Record{ID: "a", Reserved: 1000}
		if _, err := m.Reserve(ctx, &cost.Reservation{Record: r, Accounts: accounts, TTL: time.Minute}); err != nil {
			b.Fatal(err)
		}
		if _, err := m.Settle(ctx, &cost.Record{ID: "a", Amount: 500}); err != nil {
			b.Fatal(err)
		}
	}
}

// The whole middleware, pricing included, around nothing.
func BenchmarkBudgets(b *testing.B) {
	budgets, err := cost.NewBudgets(cost.BudgetConfig{Pricing: pricing(b), Budgets: []cost.Budget{
		{Name: "all", Limit: cost.Unlimited, Period: cost.Daily(nil)}, {Name: "user", Limit: cost.Unlimited, Key: cost.ByMetadata("user")}}})
	require.NoError(b, err)
	bench := func(mw ...llm.Middleware) func(*testing.B) {
		c := llm.New(llm.WithMiddleware(append(mw, replies(&llm.Result{Response: answer(&llm.Usage{PromptTokens: 5, CompletionTokens: 5})}, nil))...),
			llm.WithMetadata(map[string]any{"user": "ada"}))
		req := ask(100)
		req.Model = "p/m"
		return func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Completion(context.Background(), req); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.Run("without", bench())
	b.Run("with", bench(budgets.Middleware))
}
