package cost

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/models"
)

// ErrBudgetExceeded: a call was not sent, since it might have cost more than a budget has left. The error wraps an
// [Exceeded], and its RetryAfter is the time until the budget's period ends; 0: it does not end, or the call does not
// fit into the whole limit.
const ErrBudgetExceeded llm.ErrorKind = "budget_exceeded"

// Unlimited is the limit of a budget that only warns. It is the largest amount, 9.2 million dollars.
const Unlimited Amount = math.MaxInt64

// Budget is a limit to what calls may cost: of all calls, or of all calls with the same key.
type Budget struct {
	// Name tells it from other budgets, in errors and in the store.
	Name string
	// Limit is what may be spent in a period; what calls that are under way may cost counts as well. 0 lets nothing
	// through that costs anything; see [Unlimited].
	Limit Amount
	// Warn is what may be spent before answers carry a [llm.Warning] with the code "budget"; the first call above it is
	// an event too. 0: it does not warn.
	Warn Amount
	// Period is the time that the limit is for; the zero value is all time.
	Period Period
	// Key puts calls into accounts: each key has the limit for itself. "" means that the budget is not for the call. nil:
	// all calls are in one account. See [ByMetadata] and its siblings.
	Key func(call *llm.Call) string
}

// ByMetadata has an account for each value of a label, given by [llm.WithMetadata]: a user, a team. The budget is not
// for calls without it.
func ByMetadata(label string) func(*llm.Call) string {
	return func(call *llm.Call) string {
		if v, ok := call.Metadata()[label]; ok {
			text, _ := labelText(v)
			return text
		}
		return ""
	}
}

// ByTag is for calls with this tag, given by [llm.WithTags].
func ByTag(tag string) func(*llm.Call) string {
	return func(call *llm.Call) string {
		if slices.Contains(call.Tags(), tag) {
			return tag
		}
		return ""
	}
}

// ByModel has an account for each "provider/model".
func ByModel(call *llm.Call) string { return call.ModelName() }

// ByProvider has an account for each provider.
func ByProvider(call *llm.Call) string {
	provider, _, found := strings.Cut(call.ModelName(), "/")
	if !found {
		provider, _ = models.Infer(call.ModelName())
	}
	return provider
}

// ByDeployment has an account for each deployment of a router, which must be outside of the budgets.
func ByDeployment(call *llm.Call) string {
	if call.Route == nil {
		return ""
	}
	return call.Route.Deployment
}

// Exceeded says which budget had no room for a call.
type Exceeded struct {
	Budget, Key string
	Limit       Amount
	// Spent and Reserved are the account's, Left what there was to reserve; Needed is the most that the call may cost.
	Balance
	Left, Needed Amount
	// Resets is when the period ends, or when a rolling window may have room; zero: never, or not for this call.
	Resets time.Time
}

// Error is one line.
func (e *Exceeded) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the budget %q", e.Budget)
	if e.Key != "" {
		fmt.Fprintf(&b, " of %q", e.Key)
	}
	fmt.Fprintf(&b, " has $%s left of $%s", e.Left, e.Limit)
	if e.Reserved > 0 {
		fmt.Fprintf(&b, " ($%s is reserved for calls under way)", e.Reserved)
	}
	fmt.Fprintf(&b, ", and the call may cost $%s", e.Needed)
	switch {
	case e.Needed > e.Limit:
		b.WriteString(": more than the whole limit; a lower MaxTokens makes it cost less")
	case e.Resets.IsZero():
		b.WriteString("; the budget does not reset")
	default:
		b.WriteString("; the budget resets at " + e.Resets.Format(time.RFC3339))
	}
	return b.String()
}

// BudgetEvent is something that an operator may want to know.
type BudgetEvent struct {
	// Kind is
	//   - "warning": what an account has spent has passed Warn
	//   - "exceeded": a call was refused
	//   - "overspent": a call has cost more than it had reserved, and the account is above its limit
	//   - "unpriced": a call has no known price
	//   - "store": the store failed, Err says how
	Kind        string
	Budget, Key string
	Balance     Balance
	Limit       Amount
	// Model is the "provider/model" of the call.
	Model string
	Err   error
}

// BudgetConfig configures [NewBudgets]. Zero values are the defaults.
type BudgetConfig struct {
	// Budgets are for all calls. A call must fit into all of those that are for it.
	Budgets []Budget
	// For are further budgets for a call, such as limits of users that are kept in a database. It is called for every
	// call, and must not block.
	For func(call *llm.Call) []Budget
	// Pricing prices requests and answers; nil: by the default catalogue.
	Pricing *Pricing
	// Store keeps what is reserved and spent; nil: a [Memory] of its own.
	Store Store
	// StoreTimeout bounds each use of the store; default 2 s. A Memory needs none.
	StoreTimeout time.Duration
	// FailOpen lets calls through when the store fails. They are counted nowhere but in OnRecord. By default they fail
	// with [llm.ErrRefused].
	FailOpen bool
	// OpenReservation is the least that is reserved for a call whose price has no upper bound: the catalogue does not know
	// how long an answer of the model can be, or the input has parts of unknown size, as pictures by URL have. The
	// limit may be exceeded by what such calls cost more. Default 1 dollar.
	OpenReservation Amount
	// AllowUnpriced lets calls through that have no known price. They are not counted, and the answer carries a
	// [llm.Warning]. By default they fail with [ErrPriceUnknown].
	AllowUnpriced bool
	// Grace is how long after its deadline a call still holds what it has reserved, in case that it ends late or the
	// clocks of processes differ; default 1 minute. Unbounded stands in for the deadline of a call that has none;
	// default 24 h. See [Store].
	Grace, Unbounded time.Duration
	// OnRecord is given the record of every call, at its end, in the goroutine of the call. It must not block, and not
	// keep the call up; a panic is logged and goes no further.
	OnRecord func(*Record)
	// OnEvent is called likewise.
	OnEvent func(BudgetEvent)
	// Labels are those of the metadata that records carry; nil: all. Only strings, numbers and booleans are kept, up to
	// 200 bytes of each.
	Labels []string
	// Now is the clock for periods; default time.Now.
	Now func() time.Time
}

// Budgets is middleware that keeps calls within budgets. Before a call is sent, the most that it may cost is reserved in
// all budgets that are for it; if one has no room, the call fails with [ErrBudgetExceeded]. At the end, of a stream too,
// what it has cost takes the place of what was reserved:
//
//   - an answer: its bill, as by [Pricing.Outcome]
//   - a failure before anything was done: nothing
//   - anything that broke off, or may have been carried out: the most that it may have cost
//
// So what is spent never exceeds a limit, whatever fails, as long as no call costs more than its reservation, and that
// is so where [Range.Open] is false, no server tools are used, and the provider keeps to max_tokens.
//
// A try that may have been carried out although it failed counts as spent, and before the engine tries again it is
// reserved for once more. If there is no room, the call ends there.
//
// Budgets belong inside of a router: each try is then priced as the model that it goes to, and can be counted for its
// deployment. They belong inside of a cache too: an answer that comes from further inside counts as if it had been sent for.
//
//	client := llm.New(llm.WithMiddleware(rt.Middleware, budgets.Middleware))
type Budgets struct {
	config BudgetConfig
	memory bool // the store waits for nothing
	spans  []spanCache
}

// NewBudgets makes the middleware.
func NewBudgets(c BudgetConfig) (*Budgets, error) {
	c.Budgets = slices.Clone(c.Budgets)
	names := make(map[string]bool)
	for i := range c.Budgets {
		if err := c.Budgets[i].validate(); err != nil {
			return nil, err
		}
		if names[c.Budgets[i].Name] {
			return nil, invalidBudget("two budgets have the name %q", c.Budgets[i].Name)
		}
		names[c.Budgets[i].Name] = true
	}
	if len(c.Budgets) == 0 && c.For == nil {
		return nil, invalidBudget("there is no budget")
	}
	if c.StoreTimeout < 0 || c.OpenReservation < 0 || c.Grace < 0 || c.Unbounded < 0 {
		return nil, invalidBudget("times and amounts cannot be negative")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Store == nil {
		c.Store = NewMemory(MemoryConfig{Now: c.Now, OnExpire: c.OnRecord})
	}
	if c.Pricing == nil {
		c.Pricing = new(Pricing)
	}
	if c.OpenReservation == 0 {
		c.OpenReservation = models.Dollar
	}
	for _, d := range []struct {
		field     *time.Duration
		byDefault time.Duration
	}{{&c.StoreTimeout, 2 * time.Second}, {&c.Grace, time.Minute}, {&c.Unbounded, 24 * time.Hour}} {
		if *d.field == 0 {
			*d.field = d.byDefault
		}
	}
	b := &Budgets{config: c, spans: make([]spanCache, len(c.Budgets))}
	_, b.memory = c.Store.(*Memory)
	return b, nil
}

func (b *Budget) validate() error {
	switch {
	case b.Name == "":
		return invalidBudget("a budget has no Name")
	case b.Limit < 0 || b.Warn < 0:
		return invalidBudget("%s: Limit and Warn cannot be negative", b.Name)
	case b.Period.unit == rolling && b.Period.length < time.Second:
		return invalidBudget("%s: a rolling window must be at least a second long", b.Name)
	}
	return nil
}

func invalidBudget(format string, args ...any) error {
	return &llm.Error{Kind: llm.ErrInvalidRequest, Scope: llm.ScopeLocal, Message: "cost: " + fmt.Sprintf(format, args...)}
}

// account is where a budget counts a call with a key at a time.
func (b *Budget) account(key string, c *spanCache, now time.Time) Account {
	a := Account{Budget: b.Name, Key: key, Limit: b.Limit}
	if b.Period.unit == rolling {
		a.Window = b.Period.length
		return a
	}
	a.Start, a.End = c.bounds(b.Period, now)
	return a
}

// Balance is what an account of one of Config.Budgets has in the present period. key is "" for a budget without Key.
func (b *Budgets) Balance(ctx context.Context, budget, key string) (Balance, error) {
	for i := range b.config.Budgets {
		if d := &b.config.Budgets[i]; d.Name == budget {
			ctx, cancel := b.storeContext(ctx)
			defer cancel()
			balances, err := b.config.Store.Balances(ctx, []Account{d.account(key, &b.spans[i], b.config.Now())})
			if err != nil {
				return Balance{}, err
			}
			return balances[0], nil
		}
	}
	return Balance{}, invalidBudget("there is no budget %q", budget)
}

// storeContext bounds the use of a store. The end of a call does not end it: what was spent must be said.
func (b *Budgets) storeContext(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx = context.WithoutCancel(ctx)
	if b.memory {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, b.config.StoreTimeout)
}

func (b *Budgets) event(e BudgetEvent) {
	if b.config.OnEvent != nil {
		guard("BudgetConfig.OnEvent", func() { b.config.OnEvent(e) })
	}
}

func (b *Budgets) tell(r *Record) {
	if b.config.OnRecord != nil {
		guard("BudgetConfig.OnRecord", func() { b.config.OnRecord(r) })
	}
}

// guard calls a function of the application, whose panic goes no further.
func guard(name string, f func()) {
	defer func() {
		if r := recover(); r != nil {
			slog.Error("llm/cost: a callback panicked", "callback", name, "panic", fmt.Sprintf("%T", r))
		}
	}()
	f()
}
