package cost

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/llm-go/llm"
)

// MemoryConfig configures a [Memory]. Its zero values are the defaults.
type MemoryConfig struct {
	// Now is the clock; default time.Now.
	Now func() time.Time
	// MaxAccounts is the most accounts that are kept; default 100,000. One takes about 200 bytes, that of a rolling window
	// 1.2 kB more. Those whose period has passed make room for others; if none has, Reserve is [ErrStoreFull], since
	// what is forgotten could be spent again. There may be ten times as many reservations.
	MaxAccounts int
	// OnExpire is told of reservations that nobody has settled: streams that were neither read nor closed. It is called
	// by whoever uses the store next.
	OnExpire func(*Record)
}

// Memory is a [Store] in the memory of one process. It keeps no records. It is safe for concurrent use, and has no
// goroutine and nothing to close.
type Memory struct {
	config MemoryConfig
	start  time.Time

	mu       sync.Mutex
	accounts map[accountKey]*account
	held     map[string]*holding
	due      holdings      // the same, the one that expires first at the top
	swept    time.Duration // when there was last looked for room in vain
}

type accountKey struct {
	budget, key string
	start       int64
	window      time.Duration
}

type account struct {
	spent, reserved Amount
	end             time.Time // zero: never
	window          *window   // of a rolling account; it knows what was spent
	holdings        int       // that refer to it
}

// holding is a reservation. Times are durations since the store's start.
type holding struct {
	record   *Record
	amount   Amount
	accounts []*account
	few      [4]*account // for accounts
	due      time.Duration
	expired  bool // and counted as spent
	at       time.Duration
	index    int
}

// NewMemory returns an empty store.
func NewMemory(c MemoryConfig) *Memory {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MaxAccounts <= 0 {
		c.MaxAccounts = 100_000
	}
	return &Memory{config: c, start: c.Now(), accounts: make(map[accountKey]*account), held: make(map[string]*holding),
		swept: -sweepPause}
}

// Reserve is [Store.Reserve]. The context only matters if it has ended before: nothing is waited for.
func (m *Memory) Reserve(ctx context.Context, r *Reservation) (Reserved, error) {
	err := ctx.Err()
	if err == nil {
		err = r.Validate()
	}
	if err != nil {
		return Reserved{Refused: -1}, err
	}
	m.mu.Lock()
	now, expired := m.advance()
	reserved, err := m.reserve(r, now)
	m.mu.Unlock()
	m.tell(expired)
	return reserved, err
}

func (m *Memory) reserve(r *Reservation, now time.Duration) (Reserved, error) {
	none := Reserved{Refused: -1}
	if m.held[r.Record.ID] != nil {
		return none, nil
	}
	if len(m.held) >= 10*m.config.MaxAccounts {
		return none, storeFull("reservations")
	}
	h := &holding{record: r.Record, amount: r.Record.Reserved, due: now + r.TTL}
	if h.due < now {
		h.due = 1<<63 - 1
	}
	h.accounts = h.few[:0]
	for i := range r.Accounts {
		a, err := m.account(&r.Accounts[i], now)
		if err != nil {
			m.drop(h)
			return none, err
		}
		b := a.balance(now)
		if h.amount > 0 && h.amount > r.Accounts[i].Limit-b.Held() {
			m.drop(h)
			return Reserved{Refused: i, Balance: b, Wait: a.wait(&r.Accounts[i], h.amount, now)}, nil
		}
		a.reserved += h.amount // not above the limit, so it does not overflow
		a.holdings++
		h.accounts = append(h.accounts, a)
	}
	m.held[r.Record.ID] = h
	heap.Push(&m.due, h)
	return none, nil
}

// drop undoes a reservation in the making.
func (m *Memory) drop(h *holding) {
	for _, a := range h.accounts {
		a.reserved -= h.amount
		a.holdings--
	}
}

// Settle is [Store.Settle].
func (m *Memory) Settle(ctx context.Context, r *Record) ([]Balance, error) {
	err := ctx.Err()
	if err == nil {
		err = r.Validate()
	}
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	now, expired := m.advance()
	balances, err := m.settle(r, now)
	m.mu.Unlock()
	m.tell(expired)
	return balances, err
}

func (m *Memory) settle(r *Record, now time.Duration) ([]Balance, error) {
	h := m.held[r.ID]
	if h == nil {
		return nil, &llm.Error{Kind: ErrNoReservation, Scope: llm.ScopeLocal, Message: "cost: there is no such reservation"}
	}
	balances := make([]Balance, len(h.accounts))
	for i, a := range h.accounts {
		if h.expired {
			a.correct(h.at, h.amount, r.Amount)
		} else {
			a.reserved -= h.amount
			a.spend(now, r.Amount)
		}
		a.holdings--
		balances[i] = a.balance(now)
	}
	delete(m.held, r.ID)
	heap.Remove(&m.due, h.index)
	return balances, nil
}

// Balances is [Store.Balances].
func (m *Memory) Balances(ctx context.Context, accounts []Account) ([]Balance, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	now, expired := m.advance()
	balances := make([]Balance, len(accounts))
	for i := range accounts {
		if a := m.accounts[keyOf(&accounts[i])]; a != nil {
			balances[i] = a.balance(now)
		}
	}
	m.mu.Unlock()
	m.tell(expired)
	return balances, nil
}

func keyOf(a *Account) accountKey {
	k := accountKey{budget: a.Budget, key: a.Key, window: a.Window}
	if !a.Start.IsZero() {
		k.start = a.Start.UnixNano()
	}
	return k
}

// advance is the time, and what has expired by now. It counts from the start, by the monotonic clock if there is one.
func (m *Memory) advance() (now time.Duration, expired []*Record) {
	now = max(m.config.Now().Sub(m.start), 0)
	for len(m.due) > 0 && m.due[0].due <= now {
		h := m.due[0]
		if h.expired {
			for _, a := range h.accounts {
				a.holdings--
			}
			delete(m.held, h.record.ID)
			heap.Pop(&m.due)
			continue
		}
		for _, a := range h.accounts {
			a.reserved -= h.amount
			a.spend(h.due, h.amount)
		}
		expired = append(expired, h.record.Expired())
		h.expired, h.at, h.due = true, h.due, h.due+LateSettlement
		heap.Fix(&m.due, 0)
	}
	return now, expired
}

func (m *Memory) tell(expired []*Record) {
	if m.config.OnExpire == nil {
		return
	}
	for _, r := range expired {
		guard("MemoryConfig.OnExpire", func() { m.config.OnExpire(r) })
	}
}

// sweepPause is how long is not looked for room again after there was none.
const sweepPause = time.Second

// account finds or makes an account.
func (m *Memory) account(of *Account, now time.Duration) (*account, error) {
	key := keyOf(of)
	if a := m.accounts[key]; a != nil {
		return a, nil
	}
	if len(m.accounts) >= m.config.MaxAccounts {
		if now-m.swept >= sweepPause {
			m.sweep(now)
		}
		if len(m.accounts) >= m.config.MaxAccounts {
			return nil, storeFull("accounts")
		}
	}
	a := &account{end: of.End}
	if of.Window > 0 {
		a.window = newWindow(of.Window)
	}
	m.accounts[key] = a
	return a, nil
}

// sweep forgets accounts that no longer matter.
func (m *Memory) sweep(now time.Duration) {
	at := m.start.Add(now)
	for key, a := range m.accounts {
		b := a.balance(now)
		if a.holdings == 0 && (b == Balance{} || !a.end.IsZero() && at.After(a.end)) {
			delete(m.accounts, key)
		}
	}
	m.swept = now
}

func storeFull(of string) error {
	return &llm.Error{Kind: ErrStoreFull, Scope: llm.ScopeLocal,
		Message: "cost: too many " + of + " of budgets are in use; raise MemoryConfig.MaxAccounts"}
}

func (a *account) balance(now time.Duration) Balance {
	if a.window != nil {
		return Balance{a.window.sum(now), a.reserved}
	}
	return Balance{a.spent, a.reserved}
}

func (a *account) spend(at time.Duration, amount Amount) {
	if a.window != nil {
		a.window.add(at, amount)
		return
	}
	a.spent = plus(a.spent, amount)
}

// correct replaces one amount, spent at a time, by another.
func (a *account) correct(at time.Duration, from, to Amount) {
	if a.window != nil {
		a.window.add(at, to-from)
		return
	}
	a.spent = plus(a.spent-from, to)
}

func (a *account) wait(of *Account, amount Amount, now time.Duration) time.Duration {
	if a.window == nil {
		return 0
	}
	return a.window.wait(now, of.Limit-amount-a.reserved)
}

// windowBuckets divide a rolling window. What counts is the unfinished bucket and this many before it, which cover every
// window of that length.
const windowBuckets = 120

// window is a sliding sum.
type window struct {
	length, width time.Duration
	last          int64 // number of the newest bucket
	total         Amount
	bucket        [windowBuckets + 1]Amount
}

func newWindow(length time.Duration) *window {
	return &window{length: length, width: (length-1)/windowBuckets + 1}
}

// advance drops the buckets that have left the window.
func (w *window) advance(now time.Duration) {
	n := int64(now / w.width)
	for i := max(w.last+1, n-windowBuckets); i <= n; i++ {
		b := &w.bucket[i%int64(len(w.bucket))]
		*b = 0
	}
	if n > w.last {
		w.last = n
		w.total = 0
		for _, b := range w.bucket {
			w.total = plus(w.total, b)
		}
	}
}

func (w *window) sum(now time.Duration) Amount {
	w.advance(now)
	return w.total
}

// add books an amount at a time, or corrects what was booked then; nothing if that has left the window.
func (w *window) add(at time.Duration, amount Amount) {
	w.advance(at)
	n := int64(at / w.width)
	if n < w.last-windowBuckets {
		return
	}
	b := &w.bucket[n%int64(len(w.bucket))]
	if amount < 0 {
		*b += amount
		w.total += amount
		return
	}
	*b = plus(*b, amount)
	w.total = plus(w.total, amount)
}

// wait is how long it takes until at most this much is left.
func (w *window) wait(now time.Duration, most Amount) time.Duration {
	w.advance(now)
	left := w.total
	for i := max(w.last-windowBuckets, 0); i <= w.last; i++ {
		if left -= w.bucket[i%int64(len(w.bucket))]; left <= most {
			return time.Duration(i+windowBuckets+1)*w.width - now
		}
	}
	return w.length
}

// holdings is a heap.
type holdings []*holding

func (h holdings) Len() int           { return len(h) }
func (h holdings) Less(i, j int) bool { return h[i].due < h[j].due }
func (h holdings) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is heap.Interface's.
func (h *holdings) Push(x any) {
	n := x.(*holding)
	n.index = len(*h)
	*h = append(*h, n)
}

// Pop is heap.Interface's.
func (h *holdings) Pop() any {
	old := *h
	n := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return n
}
