package redis

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/cost"
	"github.com/redis/go-redis/v9"
)

var (
	//go:embed budget.lua
	budgetSource string
	budgetScript = redis.NewScript(budgetSource)
)

// BudgetStore is a [cost.Store] that processes share. Each call is one round trip: a script, which the server runs without
// anything in between. Amounts are exact. It keeps no records.
//
// What the server forgets can be spent again. Let it keep an append-only file; with appendfsync everysec, its default, it
// may lose the last second when its machine does. No eviction policy but noeviction does: keys that expire hold money too.
// A failover to a replica may lose what had not reached that.
type BudgetStore struct {
	client redis.UniversalClient
	prefix string
}

// NewBudgetStore returns a store on a client, which remains the caller's to close. Stores with the same name share what
// they keep; a cluster keeps it in one place. It is an error if the client does not keep the deadlines of contexts.
func NewBudgetStore(client redis.UniversalClient, name string) (*BudgetStore, error) {
	if err := check(client); err != nil {
		return nil, err
	}
	if name == "" || strings.ContainsAny(name, "{}") {
		return nil, errors.New("redis: a store of budgets needs a name without braces")
	}
	return &BudgetStore{client, "llm:budget:{" + name + "}:"}, nil
}

// Reserve is [cost.Store.Reserve].
func (s *BudgetStore) Reserve(ctx context.Context, r *cost.Reservation) (cost.Reserved, error) {
	none := cost.Reserved{Refused: -1}
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if err := r.Validate(); err != nil {
		return none, err
	}
	high, low := split(r.Record.Reserved)
	keys, args := s.keys(r.Record.ID, r.Accounts), []any{"reserve", micros(cost.LateSettlement), high, low, micros(r.TTL)}
	for i := range r.Accounts {
		a := &r.Accounts[i]
		high, low := split(a.Limit)
		end := int64(0)
		if !a.End.IsZero() {
			end = a.End.UnixMicro()
		}
		args = append(args, high, low, bucket(a), end)
	}
	reply, err := s.run(ctx, "Reserve", keys, args)
	if err != nil {
		return none, err
	}
	if len(reply) != 6 || reply[0] < 0 || reply[0] > int64(len(r.Accounts)) {
		return none, strange("Reserve", reply)
	}
	if reply[0] == 0 {
		return none, nil
	}
	return cost.Reserved{Refused: int(reply[0]) - 1, Balance: balances(reply[1:5])[0], Wait: time.Duration(reply[5]) * time.Microsecond}, nil
}

// Settle is [cost.Store.Settle].
func (s *BudgetStore) Settle(ctx context.Context, r *cost.Record) ([]cost.Balance, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := r.Validate(); err != nil {
		return nil, err
	}
	high, low := split(r.Amount)
	reply, err := s.run(ctx, "Settle", s.keys(r.ID, nil), []any{"settle", micros(cost.LateSettlement), high, low})
	switch {
	case err != nil:
		return nil, err
	case len(reply) == 1 && reply[0] == 0:
		return nil, &llm.Error{Kind: cost.ErrNoReservation, Scope: llm.ScopeLocal, Message: "redis: there is no such reservation"}
	case len(reply)%4 != 1 || reply[0] != 1:
		return nil, strange("Settle", reply)
	}
	return balances(reply[1:]), nil
}

// Balances is [cost.Store.Balances].
func (s *BudgetStore) Balances(ctx context.Context, accounts []cost.Account) ([]cost.Balance, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	args := []any{"balances", micros(cost.LateSettlement)}
	for i := range accounts {
		args = append(args, bucket(&accounts[i]))
	}
	reply, err := s.run(ctx, "Balances", s.keys("", accounts), args)
	if err == nil && len(reply) != 4*len(accounts) {
		err = strange("Balances", reply)
	}
	if err != nil {
		return nil, err
	}
	return balances(reply), nil
}

func (s *BudgetStore) run(ctx context.Context, method string, keys []string, args []any) ([]int64, error) {
	reply, err := budgetScript.Run(ctx, s.client, keys, args...).Int64Slice()
	if err != nil {
		return nil, failed(ctx, method, err)
	}
	return reply, nil
}

func strange(method string, reply []int64) error {
	return fmt.Errorf("redis: %s: the server's answer, %d numbers, is not that of the script", method, len(reply))
}

// keys are the queue, the reservation and the accounts.
func (s *BudgetStore) keys(id string, accounts []cost.Account) []string {
	keys := append(make([]string, 0, 2+len(accounts)), s.prefix+"due", s.prefix+"r:"+id)
	for i := range accounts {
		a := &accounts[i]
		start := int64(0)
		if !a.Start.IsZero() {
			start = a.Start.UnixNano()
		}
		// Both names may hold anything; the length of the first one says where it ends.
		keys = append(keys, s.prefix+"a:"+strconv.FormatInt(int64(a.Window), 36)+":"+strconv.FormatInt(start, 36)+":"+
			strconv.Itoa(len(a.Budget))+":"+a.Budget+a.Key)
	}
	return keys
}

// bucket is the width of the buckets of a rolling window, 0 of other accounts.
func bucket(a *cost.Account) int64 {
	if a.Window == 0 {
		return 0
	}
	return width(a.Window)
}

// unit is how many picodollars a microdollar has: amounts go to the server in two parts that are exact in Lua.
const unit = 1_000_000

func split(a cost.Amount) (high, low int64) { return int64(a) / unit, int64(a) % unit }

func balances(parts []int64) []cost.Balance {
	list := make([]cost.Balance, len(parts)/4)
	for i := range list {
		p := parts[4*i:]
		list[i] = cost.Balance{Spent: cost.Amount(p[0]*unit + p[1]), Reserved: cost.Amount(p[2]*unit + p[3])}
	}
	return list
}
