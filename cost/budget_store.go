package cost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/llm-go/llm"
)

// Store keeps what budgets have reserved and spent. Implementations are [Memory], contrib/sqlite and contrib/redis;
// package storetest checks one. They share what several processes spend, if those have the same clock to within the
// grace of [BudgetConfig].
//
// An amount is held from Reserve to Settle. What is never settled, since its process has ended, counts as spent, with
// all that was reserved, when its TTL has passed: money that may be gone is not forgotten, and a dead process blocks a
// budget no longer than the budget's period. A method must return when its context ends.
type Store interface {
	// Reserve holds an amount on every account in one atomic step, or on none. A reservation whose ID it has already is
	// not made again.
	Reserve(ctx context.Context, r *Reservation) (Reserved, error)
	// Settle replaces what is held under the record's ID by what was spent, its Amount, which may be more or less, and
	// keeps the record if the store keeps any. It happens once: a second time changes nothing. A reservation that has
	// expired less than a day ago is settled all the same: what counts as spent is corrected. One that is not known is
	// [ErrNoReservation]. The balances are those of the reservation's accounts, in that order.
	Settle(ctx context.Context, r *Record) ([]Balance, error)
	// Balances are what the accounts have at the moment; Limit is not looked at.
	Balances(ctx context.Context, accounts []Account) ([]Balance, error)
}

// The errors of stores.
const (
	// ErrNoReservation: it was settled before, or has expired long ago, or was never made.
	ErrNoReservation llm.ErrorKind = "no_reservation"
	// ErrStoreFull: there are too many accounts or reservations that still matter.
	ErrStoreFull llm.ErrorKind = "budget_store_full"
)

// Reservation is what a call may spend.
type Reservation struct {
	// Record is what is known of the call so far; its ID is the reservation's, its Reserved the amount.
	Record *Record
	// Accounts are where it is held, each of them once. Without any it always fits.
	Accounts []Account
	// TTL is how long it is held if it is not settled.
	TTL time.Duration
}

// Account is the balance of one key of one budget in one period.
type Account struct {
	Budget, Key string
	// Limit is the most that may be held and spent together.
	Limit Amount
	// Start and End bound a period of the calendar, End excluded. Zero: it has none.
	Start, End time.Time
	// Window is the length of a rolling window; 0: it is none. What is held counts until it is settled, however long
	// that takes, and then for this long.
	Window time.Duration
}

// Reserved is a Store's answer.
type Reserved struct {
	// Refused is the index of the first account without room, or -1.
	Refused int
	// Balance is that of the refused account.
	Balance Balance
	// Wait is, for a rolling window that refused, how long it takes until there is room, if nothing else is spent and
	// what is held is spent in full.
	Wait time.Duration
}

// Balance is what an account has. Spent may be above the limit only by what calls cost more than they reserved.
type Balance struct{ Spent, Reserved Amount }

// Held is the sum, at most the largest amount.
func (b Balance) Held() Amount { return plus(b.Spent, b.Reserved) }

// Validate says what is wrong with a reservation. Stores call it first.
func (r *Reservation) Validate() error {
	if r.Record == nil || r.Record.ID == "" {
		return errors.New("cost: Reservation.Record.ID is missing")
	}
	if r.Record.Reserved < 0 || r.TTL <= 0 {
		return errors.New("cost: a reservation needs a TTL above 0, and its amount cannot be negative")
	}
	for i := range r.Accounts {
		a := &r.Accounts[i]
		if err := a.Validate(); err != nil {
			return fmt.Errorf("cost: Reservation.Accounts[%d]: %w", i, err)
		}
		for j := range i {
			if a.same(&r.Accounts[j]) {
				return fmt.Errorf("cost: Reservation.Accounts[%d] is the same as [%d]", i, j)
			}
		}
	}
	return nil
}

// Validate says what is wrong with an account.
func (a *Account) Validate() error {
	switch {
	case a.Budget == "":
		return errors.New("it has no Budget")
	case a.Limit < 0 || a.Window < 0:
		return errors.New("its Limit and Window cannot be negative")
	case a.Start.IsZero() != a.End.IsZero() || !a.End.IsZero() && !a.Start.Before(a.End):
		return errors.New("its Start must be before its End, or both be zero")
	case a.Window > 0 && !a.End.IsZero():
		return errors.New("it has both a Window and an End")
	}
	return nil
}

func (a *Account) same(b *Account) bool {
	return a.Budget == b.Budget && a.Key == b.Key && a.Window == b.Window && a.Start.Equal(b.Start)
}

// Validate says what is wrong with what is to be settled. Stores call it first.
func (r *Record) Validate() error {
	if r.ID == "" {
		return errors.New("cost: Record.ID is missing")
	}
	if r.Amount < 0 {
		return errors.New("cost: Record.Amount cannot be negative")
	}
	return nil
}

// LateSettlement is how long after it has expired a reservation can still be settled.
const LateSettlement = 24 * time.Hour

// plus is a + b of amounts that are not negative, at most the largest amount.
func plus(a, b Amount) Amount {
	if s := a + b; s >= a {
		return s
	}
	return Unlimited
}
