package cost

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/models"
)

// Middleware keeps calls within the budgets; give it to [llm.WithMiddleware]. The bill of each answer is in its Meta, as
// by [Pricing.Middleware].
func (b *Budgets) Middleware(next llm.Handler) llm.Handler {
	return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
		if call.Operation == "models" || call.Operation == "count_tokens" { // no provider bills these
			return next(ctx, call)
		}
		p := &payment{b: b, call: call, begun: b.config.Now()}
		return p.run(ctx, next)
	}
}

// payment is a call on its way.
type payment struct {
	b     *Budgets
	call  *llm.Call
	begun time.Time

	budgets  []*Budget // that are for it, in the order of accounts
	accounts []Account
	few      [4]Account // for accounts
	most     Amount     // what is reserved, for each try
	open     bool       // it has no upper bound
	unpriced error

	// Tries end in the goroutine of the call, and where something inside hedges it, in several.
	mu       sync.Mutex
	held     *Record // what is reserved; nil: nothing
	answered bool    // a try has succeeded
	lost     bool    // one has counted as spent
	fresh    bool    // what is held is for a try that has not ended yet
	refused  error   // there was no room for one more
	stop     context.CancelCauseFunc
	warnings []llm.Warning
}

func (p *payment) run(ctx context.Context, next llm.Handler) (res *llm.Result, err error) {
	if err := p.prepare(); err != nil {
		return nil, err
	}
	if p.held, err = p.reserve(ctx); err != nil {
		return nil, p.refuse(err)
	}
	inner, stop := context.WithCancelCause(ctx)
	p.stop = stop
	returned := false
	defer func() {
		if !returned { // by a panic inside: it may have been carried out
			p.end(ctx, nil)
		}
	}()
	res, err = next(inner, p.call.With(llm.WithCallback(llm.Callback{OnAttempt: p.attempted})))
	returned = true
	if err != nil {
		return nil, p.failed(ctx, err)
	}
	if res == nil || res.Response == nil && res.Stream == nil {
		p.end(ctx, nil)
		return res, nil
	}
	p.call.OnDone(res, func(o *llm.Outcome) { p.end(ctx, o) })
	return res, nil
}

// prepare finds what the call may cost, and which budgets are for it.
func (p *payment) prepare() (err error) {
	c := &p.b.config
	defer func() {
		if r := recover(); r != nil { // in a function of the application: nothing says that the call has a budget
			err = &llm.Error{Kind: llm.ErrRefused, Scope: llm.ScopeLocal,
				Message: fmt.Sprintf("cost: a Key, For or Adjust of the budgets panicked with a %T", r)}
		}
	}()
	r, err := c.Pricing.request(p.call)
	switch {
	case err == nil:
		p.most = r.High
		if r.Open {
			p.open, p.most = true, max(r.High, c.OpenReservation)
		}
	case errors.Is(err, errUnbounded):
		p.open, p.most = true, c.OpenReservation
	case !errors.Is(err, ErrPriceUnknown):
		return err
	default:
		p.b.event(BudgetEvent{Kind: "unpriced", Model: p.call.ModelName(), Err: err})
		if !c.AllowUnpriced {
			p.b.tell(p.record(StatusRefused, err))
			return err
		}
		p.unpriced = err
		return nil
	}
	p.accounts = p.few[:0]
	for i := range c.Budgets {
		p.add(&c.Budgets[i], &p.b.spans[i])
	}
	if c.For == nil {
		return nil
	}
	for _, d := range c.For(p.call) {
		if err := d.validate(); err != nil {
			return err
		}
		p.add(&d, new(spanCache))
	}
	for i := range p.accounts {
		for j := range i {
			if p.accounts[i].same(&p.accounts[j]) {
				return invalidBudget("a call has the budget %q twice with the same key", p.accounts[i].Budget)
			}
		}
	}
	return nil
}

func (p *payment) add(d *Budget, c *spanCache) {
	key := ""
	if d.Key != nil {
		if key = d.Key(p.call); key == "" {
			return
		}
	}
	p.budgets = append(p.budgets, d)
	p.accounts = append(p.accounts, d.account(key, c, p.begun))
}

// errUnbounded: requests of this kind have a price that nobody knows before.
var errUnbounded = errors.New("cost: the request has no bound")

// request is what a call's request may cost.
func (p *Pricing) request(call *llm.Call) (*Range, error) {
	m, err := p.of(call, nil)
	if err != nil && !strings.Contains(call.ModelName(), "/") {
		c := p.Catalogue
		if c == nil {
			c = models.Default()
		}
		if provider, ok := c.Infer(call.ModelName()); ok {
			m, err = p.model(provider, call.ModelName())
		}
	}
	if err != nil {
		return nil, err
	}
	_, tier, ok := nameOf(call.Request)
	if !ok {
		return nil, errUnbounded
	}
	return p.estimate(m, call.Request, tier)
}

// reserve holds what a try may cost, and returns the record of it; nil if it goes through without.
func (p *payment) reserve(ctx context.Context) (*Record, error) {
	r := p.record(StatusOpen, nil)
	r.Reserved = p.most
	ttl := p.b.config.Unbounded
	if deadline, ok := p.call.Deadline(); ok {
		ttl = max(time.Until(deadline), 0)
	}
	ctx, cancel := p.b.storeContext(ctx)
	defer cancel()
	got, err := p.b.config.Store.Reserve(ctx, &Reservation{Record: r, Accounts: p.accounts, TTL: ttl + p.b.config.Grace})
	switch {
	case err != nil:
		p.b.event(BudgetEvent{Kind: "store", Model: p.call.ModelName(), Err: err})
		if !p.b.config.FailOpen {
			return nil, &llm.Error{Kind: llm.ErrRefused, Scope: llm.ScopeLocal, Temporary: true, Err: err,
				Message: "cost: nothing can be reserved, since the store of the budgets fails: " + err.Error()}
		}
		p.warn("the store of the budgets fails; the call was not counted")
		return nil, nil
	case got.Refused >= 0:
		return nil, p.exceeded(&got)
	}
	return r, nil
}

// exceeded is the error of a call that does not fit.
func (p *payment) exceeded(got *Reserved) error {
	a := &p.accounts[got.Refused]
	e := &Exceeded{Budget: a.Budget, Key: a.Key, Limit: a.Limit, Balance: got.Balance, Needed: p.most,
		Left: max(a.Limit-got.Balance.Held(), 0), Resets: a.End}
	now := p.b.config.Now()
	if a.Window > 0 && e.Needed <= e.Limit {
		e.Resets = now.Add(got.Wait)
	}
	err := &llm.Error{Kind: ErrBudgetExceeded, Scope: llm.ScopeLocal, Message: e.Error(), Err: e}
	if !e.Resets.IsZero() && e.Needed <= e.Limit {
		err.RetryAfter = max(e.Resets.Sub(now), time.Millisecond)
	}
	return err
}

// refuse tells of a call that ends since nothing could be reserved.
func (p *payment) refuse(err error) error {
	var e *Exceeded
	if errors.As(err, &e) {
		p.b.event(BudgetEvent{Kind: "exceeded", Budget: e.Budget, Key: e.Key, Balance: e.Balance, Limit: e.Limit,
			Model: p.call.ModelName(), Err: err})
	}
	p.b.tell(p.record(StatusRefused, err))
	return err
}

// attempted sees each try at the network.
func (p *payment) attempted(ctx context.Context, _ *llm.Call, a llm.Attempt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fresh = false
	if a.Err == nil {
		p.answered = true
	}
	// Once one has succeeded, others are polls, or content that broke off: the end counts those.
	if p.answered || p.held == nil || !executed(&a) {
		return
	}
	lost := p.held
	p.lost, p.held = true, nil
	again, err := p.reserve(ctx)
	p.spend(ctx, lost, a.Err) // not before there is room for more, or another call would take it meanwhile
	p.held, p.fresh = again, true
	if err != nil {
		p.refused = err
		p.stop(err)
	}
}

// executed says whether a try may have been carried out.
func executed(a *llm.Attempt) bool {
	var e *llm.Error
	return errors.As(a.Err, &e) && (e.PossiblyExecuted || e.Partial != nil) || a.Status/100 == 2
}

// failed settles a call that has no answer.
func (p *payment) failed(ctx context.Context, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.stop(nil)
	done := p.answered || !p.lost && possible(err)
	if held := p.held; held != nil {
		p.held = nil
		if done {
			p.spend(ctx, held, err)
		} else if p.fresh {
			p.settle(ctx, p.closed(held, StatusUnused, err))
		} else {
			p.settle(ctx, p.closed(held, StatusFailed, err))
		}
	} else if !p.lost {
		p.tell(&llm.Outcome{Err: err})
	}
	if p.refused != nil && ctx.Err() == nil && errors.Is(err, llm.ErrCanceled) {
		return p.refuse(p.refused)
	}
	return err
}

// possible says whether a call that failed with this error may have been carried out.
func possible(err error) bool {
	var e *llm.Error
	if errors.As(err, &e) {
		return e.PossiblyExecuted || e.Partial != nil
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// end settles a call with an answer, or one of which nothing is known: nil.
func (p *payment) end(ctx context.Context, o *llm.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.stop(nil)
	held := p.held
	p.held = nil
	switch {
	case o == nil && held != nil:
		p.spend(ctx, held, nil)
	case o == nil:
	case held == nil:
		p.tell(o)
	default:
		p.bill(ctx, held, o)
	}
	if o != nil && o.Meta != nil && len(p.warnings) > 0 {
		o.Meta.Warnings = append(slices.Clip(o.Meta.Warnings), p.warnings...)
	}
}

// bill settles by what the answer says.
func (p *payment) bill(ctx context.Context, r *Record, o *llm.Outcome) {
	bill, err := p.b.config.Pricing.Outcome(p.call, o)
	r = p.closed(r, StatusOK, o.Err)
	r.answered(o)
	if err != nil {
		r.Status, r.Unpriced, r.Amount, r.High = StatusCut, true, r.Reserved, r.Reserved
		if p.unpriced != nil {
			p.warn("the call has no known price and was not counted: " + err.Error())
		} else {
			p.warn("what was reserved counts as spent: " + err.Error())
			p.b.event(BudgetEvent{Kind: "unpriced", Model: p.call.ModelName(), Err: err})
		}
		p.settle(ctx, r)
		return
	}
	r.use(bill)
	r.Amount = bill.Total
	if o.Err != nil || bill.Low != bill.High {
		r.Status = StatusCut
		if p.open || bill.High == 0 { // it has an answer, so something was done
			r.High = max(r.High, r.Reserved)
		}
		r.Amount = r.High
	}
	if o.Meta != nil {
		o.Meta.Cost = bill
	}
	p.settle(ctx, r)
}

// spend settles what may have been carried out, and told nothing, at all that was reserved.
func (p *payment) spend(ctx context.Context, r *Record, err error) {
	r = p.closed(r, StatusCut, err)
	r.Amount, r.High = r.Reserved, r.Reserved
	p.settle(ctx, r)
}

// settle tells the store and the ledger. What the store does not take is retried once; after that it remains reserved,
// and then expires.
func (p *payment) settle(ctx context.Context, r *Record) {
	balances, err := p.store(ctx, r)
	if err != nil && !errors.Is(err, ErrNoReservation) {
		if balances, err = p.store(ctx, r); errors.Is(err, ErrNoReservation) {
			err = nil // it had been done, and only the answer was lost
		}
	}
	if err != nil {
		p.b.event(BudgetEvent{Kind: "store", Model: p.call.ModelName(), Err: err})
		p.warn("the store of the budgets fails; what was reserved counts as spent: " + err.Error())
	}
	for i := range min(len(balances), len(p.accounts)) {
		p.compare(i, balances[i], r)
	}
	p.b.tell(r)
}

func (p *payment) store(ctx context.Context, r *Record) ([]Balance, error) {
	ctx, cancel := p.b.storeContext(ctx)
	defer cancel()
	return p.b.config.Store.Settle(ctx, r)
}

// compare looks at what an account has after a call.
func (p *payment) compare(i int, has Balance, r *Record) {
	a, d := &p.accounts[i], p.budgets[i]
	e := BudgetEvent{Budget: a.Budget, Key: a.Key, Balance: has, Limit: a.Limit, Model: p.call.ModelName()}
	if has.Spent > a.Limit && r.Amount > r.Reserved {
		e.Kind = "overspent"
		p.b.event(e)
	}
	if d.Warn == 0 || has.Spent <= d.Warn {
		return
	}
	if has.Spent-r.Amount <= d.Warn && r.Amount > 0 {
		e.Kind = "warning"
		p.b.event(e)
	}
	of := ""
	if a.Key != "" {
		of = fmt.Sprintf(" of %q", a.Key)
	}
	p.warn(fmt.Sprintf("the budget %q%s has spent $%s, more than $%s", a.Budget, of, has.Spent, d.Warn))
}

// tell makes a record of a call that was not counted.
func (p *payment) tell(o *llm.Outcome) {
	r := p.closed(p.record(StatusOK, o.Err), StatusOK, o.Err)
	r.Charges = nil
	r.answered(o)
	if o.Err != nil {
		r.Status = StatusFailed
	}
	if bill, err := p.b.config.Pricing.Outcome(p.call, o); err == nil {
		r.use(bill)
		r.Amount = bill.Total
	} else {
		r.Unpriced = true
	}
	p.b.tell(r)
}

func (p *payment) warn(message string) {
	p.warnings = append(p.warnings, llm.Warning{Code: "budget", Message: message})
}

// record is what is known of a call before it is sent.
func (p *payment) record(s Status, err error) *Record {
	r := &Record{ID: newID(), Time: p.begun, Operation: p.call.Operation, Status: s, Error: kindOfError(err),
		Tags: p.call.Tags()}
	r.Provider, r.Model, _ = strings.Cut(p.call.ModelName(), "/")
	if p.call.Route != nil {
		r.Deployment = p.call.Route.Deployment
	}
	if len(p.accounts) > 0 {
		r.Charges = make([]Charge, len(p.accounts))
		for i := range p.accounts {
			r.Charges[i] = Charge{p.accounts[i].Budget, p.accounts[i].Key}
		}
	}
	r.Metadata = p.b.labels(p.call)
	return r
}

// closed is the record of a reservation's end; the store may still be reading the other.
func (p *payment) closed(open *Record, s Status, err error) *Record {
	r := *open
	r.Status, r.Error, r.Duration = s, kindOfError(err), p.b.config.Now().Sub(p.begun)
	return &r
}

func kindOfError(err error) llm.ErrorKind {
	if err == nil {
		return ""
	}
	var e *llm.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return llm.ErrUnknown
}

func (r *Record) answered(o *llm.Outcome) {
	if o.Meta != nil && o.Meta.Provider != "" {
		r.Provider, r.Model = o.Meta.Provider, o.Meta.Model
	}
	if o.Duration > 0 {
		r.Duration = o.Duration
	}
}

// labels are those of a call's metadata that records carry.
func (b *Budgets) labels(call *llm.Call) map[string]string {
	all := call.Metadata()
	if len(all) == 0 {
		return nil
	}
	kept := make(map[string]string, len(all))
	for name, v := range all {
		if b.config.Labels != nil && !slices.Contains(b.config.Labels, name) {
			continue
		}
		if text, ok := labelText(v); ok {
			if len(text) > maxLabel {
				text = strings.ToValidUTF8(text[:maxLabel], "")
			}
			kept[name] = text
		}
	}
	return kept
}

// labelText is a label's value as text.
func labelText(v any) (text string, ok bool) {
	switch v := v.(type) {
	case string:
		text = v
	case bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64:
		text = fmt.Sprint(v)
	default:
		return "", false
	}
	return text, true
}

const maxLabel = 200

// newID is 128 random bits: enough that no two processes ever choose the same.
func newID() string {
	var b [32]byte
	text := strconv.AppendUint(b[:0], rand.Uint64(), 36)
	return string(strconv.AppendUint(append(text, '-'), rand.Uint64(), 36))
}
