package storetest

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-go/llm/cost"
	"github.com/stretchr/testify/require"
)

func memory() Subject {
	var now atomic.Int64
	return Subject{
		Store:   cost.NewMemory(cost.MemoryConfig{Now: func() time.Time { return time.Unix(1_800_000_000, now.Load()) }}),
		Advance: func(d time.Duration) { now.Add(int64(d)) },
	}
}

func TestMemory(t *testing.T) {
	Run(t, func(*testing.T) Subject { return memory() })
}

func TestMemoryInRealTime(t *testing.T) {
	store := cost.NewMemory(cost.MemoryConfig{})
	Run(t, func(*testing.T) Subject { return Subject{Store: store} })
}

// faulty is a store with a fault in what it makes of a call, or of its answer.
type faulty struct {
	cost.Store
	reserve  func(s cost.Store, r *cost.Reservation) (cost.Reserved, error)
	settle   func(s cost.Store, r *cost.Record) ([]cost.Balance, error)
	accounts func(a *cost.Account)
	deaf     bool // to contexts
}

func (f *faulty) changed(list []cost.Account) []cost.Account {
	list = slices.Clone(list)
	for i := range list {
		if f.accounts != nil && list[i].Validate() == nil {
			f.accounts(&list[i])
		}
	}
	return list
}

func (f *faulty) Reserve(ctx context.Context, r *cost.Reservation) (cost.Reserved, error) {
	if f.deaf {
		ctx = context.Background()
	}
	if r.Validate() != nil {
		return f.Store.Reserve(ctx, r)
	}
	c := *r
	c.Accounts = f.changed(r.Accounts)
	if f.reserve != nil && ctx.Err() == nil {
		return f.reserve(f.Store, &c)
	}
	return f.Store.Reserve(ctx, &c)
}

func (f *faulty) Settle(ctx context.Context, r *cost.Record) ([]cost.Balance, error) {
	if f.settle != nil && ctx.Err() == nil && r.Validate() == nil {
		return f.settle(f.Store, r)
	}
	return f.Store.Settle(ctx, r)
}

func (f *faulty) Balances(ctx context.Context, accounts []cost.Account) ([]cost.Balance, error) {
	return f.Store.Balances(ctx, f.changed(accounts))
}

func amount(change func(a cost.Amount) cost.Amount) *faulty {
	return &faulty{settle: func(s cost.Store, r *cost.Record) ([]cost.Balance, error) {
		c := *r
		c.Amount = change(r.Amount)
		return s.Settle(context.Background(), &c)
	}}
}

func ttl(d func(time.Duration) time.Duration) *faulty {
	return &faulty{reserve: func(s cost.Store, r *cost.Reservation) (cost.Reserved, error) {
		r.TTL = d(r.TTL)
		return s.Reserve(context.Background(), r)
	}}
}

// faults are, by the check that must find them, stores with one fault each.
var faults = map[string]map[string]*faulty{
	"reserve": {
		"a little more": {accounts: func(a *cost.Account) { a.Limit++ }},
		"a little less": {accounts: func(a *cost.Account) { a.Limit = max(a.Limit-1, 0) }},
		"all is spent":  amount(func(a cost.Amount) cost.Amount { return max(a, 4) }),
	},
	"all_or_nothing": {
		"one by one": {reserve: func(s cost.Store, r *cost.Reservation) (cost.Reserved, error) {
			for i := range r.Accounts {
				record := *r.Record
				record.ID += strings.Repeat("'", i)
				one := &cost.Reservation{Record: &record, Accounts: r.Accounts[i : i+1], TTL: r.TTL}
				if got, err := s.Reserve(context.Background(), one); err != nil || got.Refused >= 0 {
					got.Refused = i
					return got, err
				}
			}
			return cost.Reserved{Refused: -1}, nil
		}},
	},
	"exact":        {"floating": amount(func(a cost.Amount) cost.Amount { return cost.Amount(float64(a)) })},
	"settle_above": {"capped": amount(func(a cost.Amount) cost.Amount { return min(a, 10) })},
	"once": {
		"again": {settle: func(s cost.Store, r *cost.Record) ([]cost.Balance, error) {
			b, err := s.Settle(context.Background(), r)
			if err != nil {
				return make([]cost.Balance, 1), nil
			}
			return b, nil
		}},
	},
	"accounts_apart": {
		"no periods":  {accounts: func(a *cost.Account) { a.Start, a.End = time.Time{}, time.Time{} }},
		"one window":  {accounts: func(a *cost.Account) { a.Window = min(a.Window, time.Hour) }},
		"glued names": {accounts: func(a *cost.Account) { a.Budget, a.Key = a.Budget+":"+a.Key, "" }},
	},
	"any_key": {
		"lower case":   {accounts: func(a *cost.Account) { a.Key = strings.ToLower(a.Key) }},
		"trimmed":      {accounts: func(a *cost.Account) { a.Key = strings.TrimSpace(a.Key) }},
		"up to a zero": {accounts: func(a *cost.Account) { a.Key, _, _ = strings.Cut(a.Key, "\x00") }},
		"UTF-8":        {accounts: func(a *cost.Account) { a.Key = strings.ToValidUTF8(a.Key, "?") }},
	},
	"expiry": {
		"never": ttl(func(time.Duration) time.Duration { return 1000 * time.Hour }),
		"early": ttl(func(d time.Duration) time.Duration { return d / 2 }),
	},
	"late": {
		"refused": {settle: func(s cost.Store, r *cost.Record) ([]cost.Balance, error) {
			c := *r
			c.Amount = 6
			return s.Settle(context.Background(), &c)
		}},
	},
	"rolling": {
		"shorter windows": {accounts: func(a *cost.Account) { a.Window = a.Window * 9 / 10 }},
		"longer windows":  {accounts: func(a *cost.Account) { a.Window = a.Window * 11 / 10 }},
		"total":           {accounts: func(a *cost.Account) { a.Window = 0 }},
	},
	"together": {
		"looks, then books": {reserve: func(s cost.Store, r *cost.Reservation) (cost.Reserved, error) {
			has, err := s.Balances(context.Background(), r.Accounts)
			if err != nil {
				return cost.Reserved{Refused: -1}, err
			}
			for i := range has {
				if r.Record.Reserved > r.Accounts[i].Limit-has[i].Held() {
					return cost.Reserved{Refused: i}, nil
				}
			}
			time.Sleep(time.Millisecond)
			for i := range r.Accounts {
				r.Accounts[i].Limit = cost.Unlimited
			}
			return s.Reserve(context.Background(), r)
		}},
	},
	"context": {"deaf": {deaf: true}},
	"unchanged": {
		"written to": {reserve: func(s cost.Store, r *cost.Reservation) (cost.Reserved, error) {
			got, err := s.Reserve(context.Background(), r)
			r.Record.Status = cost.StatusOK
			return got, err
		}},
	},
}

const faultEnv = "LLM_COST_STORETEST_FAULT"

// TestFaulty is run by the next test, in a process of its own.
func TestFaulty(t *testing.T) {
	check, name, _ := strings.Cut(os.Getenv(faultEnv), "/")
	f := faults[check][name]
	if f == nil {
		return
	}
	Run(t, func(*testing.T) Subject {
		m := memory()
		c := *f
		c.Store = m.Store
		return Subject{Store: &c, Advance: m.Advance}
	})
}

// Each check finds what it is there for.
func TestFaultsAreFound(t *testing.T) {
	for check, list := range faults {
		for name := range list {
			t.Run(check+"/"+name, func(t *testing.T) {
				t.Parallel()
				cmd := exec.Command(os.Args[0], "-test.run=^TestFaulty$/^"+check+"$", "-test.timeout=30s")
				cmd.Env = append(os.Environ(), faultEnv+"="+check+"/"+name)
				out, err := cmd.CombinedOutput()
				require.Error(t, err, "%s", out)
				require.Contains(t, string(out), "--- FAIL: TestFaulty/"+check, "%s", out)
			})
		}
	}
}
