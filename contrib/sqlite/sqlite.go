// Package sqlite keeps in a SQLite file what outlives a process: so far the budgets and the ledger of package cost.
//
//	store, err := sqlite.Open("/var/lib/app/budgets.db")
//	…
//	defer store.Close()
//	budgets, err := cost.NewBudgets(cost.BudgetConfig{Store: store, Budgets: …})
//
// The driver is modernc.org/sqlite, which needs no C compiler. Several processes of one machine may share a file; on
// network file systems SQLite's locks do not hold.
package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/cost"
	_ "modernc.org/sqlite" // the driver
)

// BudgetStore is a [cost.Store] in a file, which also is the ledger: it keeps the record of every call, from when it is
// reserved on, until [BudgetStore.Forget]. Reserve and Settle are one transaction each, and on the disk when they return: what a killed process had
// reserved is there afterwards, and counts as spent when it expires. It is safe for concurrent use.
type BudgetStore struct {
	write *sql.DB // one connection: SQLite has one writer
	read  *sql.DB
	now   func() time.Time
}

// Option changes how a store works.
type Option func(*BudgetStore)

// WithClock replaces time.Now.
func WithClock(now func() time.Time) Option { return func(s *BudgetStore) { s.now = now } }

// Open opens or makes the file. Close the store when it is not used any more.
func Open(path string, opts ...Option) (*BudgetStore, error) {
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return nil, errors.New("sqlite: Open needs the path of a file; in memory use cost.NewMemory")
	}
	s := &BudgetStore{now: time.Now}
	for _, o := range opts {
		o(s)
	}
	// A commit is on the disk when it returns (FULL), readers do not wait for the writer (WAL), and other processes are
	// waited for up to five seconds, or as long as the context says.
	q := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)"}}
	read := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
	q.Set("_txlock", "immediate")
	write := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
	var err error
	if s.write, err = sql.Open("sqlite", write); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if s.read, err = sql.Open("sqlite", read); err != nil {
		return nil, errors.Join(fmt.Errorf("sqlite: %w", err), s.write.Close())
	}
	s.write.SetMaxOpenConns(1)
	s.read.SetMaxOpenConns(4)
	if err := s.migrate(); err != nil {
		return nil, errors.Join(fmt.Errorf("sqlite: %s: %w", path, err), s.Close())
	}
	return s, nil
}

// Close closes the file. Calls that are under way can no longer settle: they count as spent when they expire.
func (s *BudgetStore) Close() error { return errors.Join(s.write.Close(), s.read.Close()) }

// schema is that of user_version 1. Amounts are picodollars, times nanoseconds since 1970. A call's state is 0 while it
// is reserved, 1 when it is settled, 2 when it has expired and can still be settled, 3 when it has and cannot. done is
// when what it has spent was booked, which rolling windows go by.
const schema = `
CREATE TABLE accounts (
	id INTEGER PRIMARY KEY,
	budget BLOB NOT NULL, key BLOB NOT NULL, start INTEGER NOT NULL, window INTEGER NOT NULL,
	spent INTEGER NOT NULL DEFAULT 0, reserved INTEGER NOT NULL DEFAULT 0,
	UNIQUE (budget, key, start, window)
) STRICT;
CREATE TABLE calls (
	id TEXT PRIMARY KEY,
	begun INTEGER NOT NULL, expires INTEGER NOT NULL, state INTEGER NOT NULL,
	reserved INTEGER NOT NULL, amount INTEGER NOT NULL,
	record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX calls_begun ON calls (begun);
CREATE INDEX calls_expire ON calls (expires) WHERE state IN (0, 2);
CREATE TABLE charges (
	call TEXT NOT NULL REFERENCES calls ON DELETE CASCADE, position INTEGER NOT NULL, account INTEGER NOT NULL REFERENCES accounts,
	done INTEGER, amount INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (call, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX charges_done ON charges (account, done, amount) WHERE done IS NOT NULL;
PRAGMA user_version = 1;
`

const (
	stateOpen = iota
	stateSettled
	stateExpired
	stateFinal
)

func (s *BudgetStore) migrate() error {
	return s.transact(context.Background(), func(ctx context.Context, tx *sql.Tx) error {
		var version int
		if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
			return err
		}
		switch version {
		case 0:
			_, err := tx.ExecContext(ctx, schema)
			return err
		case 1:
			return nil
		}
		return fmt.Errorf("the file has version %d of the tables, and this program knows 1; use a newer one", version)
	})
}

func (s *BudgetStore) transact(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err == nil {
		if err = f(ctx, tx); err == nil {
			err = tx.Commit()
		}
		_ = tx.Rollback() // does nothing after a commit
	}
	if cause := ctx.Err(); err != nil && cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// Reserve is [cost.Store.Reserve].
func (s *BudgetStore) Reserve(ctx context.Context, r *cost.Reservation) (cost.Reserved, error) {
	got := cost.Reserved{Refused: -1}
	if err := ctx.Err(); err != nil {
		return got, err
	}
	if err := r.Validate(); err != nil {
		return got, err
	}
	record, err := json.Marshal(r.Record)
	if err != nil {
		return got, fmt.Errorf("sqlite: the record: %w", err)
	}
	err = s.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		now := s.now()
		if err := expire(ctx, tx, now); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO calls (id, begun, expires, state, reserved, amount, record) VALUES (?, ?, ?, 0, ?, 0, ?)
			ON CONFLICT (id) DO NOTHING`, r.Record.ID, nanos(r.Record.Time), later(now, r.TTL), int64(r.Record.Reserved), string(record))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		for i := range r.Accounts {
			a, err := loadAccount(ctx, tx, &r.Accounts[i], now)
			if err != nil {
				return err
			}
			if r.Record.Reserved > 0 && r.Record.Reserved > r.Accounts[i].Limit-a.balance.Held() {
				got = cost.Reserved{Refused: i, Balance: a.balance}
				if got.Wait, err = a.wait(ctx, tx, r.Accounts[i].Limit-r.Record.Reserved); err != nil {
					return err
				}
				return errRefused
			}
			if err := a.charge(ctx, tx, r.Record, i); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errRefused) {
		return got, nil
	}
	if err != nil {
		return cost.Reserved{Refused: -1}, fmt.Errorf("sqlite: Reserve: %w", err)
	}
	return got, nil
}

// errRefused rolls back.
var errRefused = errors.New("refused")

// account is one that a transaction has read.
type account struct {
	id      int64
	window  time.Duration
	now     time.Time
	balance cost.Balance
}

// loadAccount reads an account, and makes it if there is none.
func loadAccount(ctx context.Context, tx *sql.Tx, of *cost.Account, now time.Time) (*account, error) {
	a := &account{window: of.Window, now: now}
	err := tx.QueryRowContext(ctx, `INSERT INTO accounts (budget, key, start, window) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET spent = spent RETURNING id, spent, reserved`,
		[]byte(of.Budget), []byte(of.Key), nanos(of.Start), int64(of.Window)).Scan(&a.id, &a.balance.Spent, &a.balance.Reserved)
	if err == nil && a.window > 0 {
		a.balance.Spent, err = rolling(ctx, tx, a)
	}
	return a, err
}

// charge holds the amount of a call.
func (a *account) charge(ctx context.Context, tx *sql.Tx, r *cost.Record, position int) error {
	if _, err := tx.ExecContext(ctx, "UPDATE accounts SET reserved = reserved + ? WHERE id = ?", int64(r.Reserved), a.id); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO charges (call, position, account) VALUES (?, ?, ?)", r.ID, position, a.id)
	return err
}

// querier is a transaction, or the pool of readers.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// rolling is what was spent in the window. It is exact, unlike that of stores that keep buckets.
func rolling(ctx context.Context, q querier, a *account) (cost.Amount, error) {
	sum := cost.Amount(0)
	rows, err := q.QueryContext(ctx, "SELECT amount FROM charges WHERE account = ? AND done > ?", a.id, a.since())
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var v cost.Amount
		if err := rows.Scan(&v); err != nil {
			return 0, err
		}
		sum = plus(sum, v)
	}
	return sum, rows.Err()
}

func (a *account) since() int64 { return a.now.UnixNano() - int64(a.window) }

// wait is how long it takes until at most this much is spent and reserved.
func (a *account) wait(ctx context.Context, q querier, most cost.Amount) (time.Duration, error) {
	if a.window == 0 {
		return 0, nil
	}
	rows, err := q.QueryContext(ctx, "SELECT done, amount FROM charges WHERE account = ? AND done > ? ORDER BY done", a.id, a.since())
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for left := a.balance.Held(); rows.Next(); {
		var done int64
		var amount cost.Amount
		if err := rows.Scan(&done, &amount); err != nil {
			return 0, err
		}
		if left -= amount; left <= most {
			return max(time.Unix(0, done).Add(a.window).Sub(a.now), time.Millisecond), nil
		}
	}
	return a.window, rows.Err()
}

// Settle is [cost.Store.Settle].
func (s *BudgetStore) Settle(ctx context.Context, r *cost.Record) ([]cost.Balance, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := r.Validate(); err != nil {
		return nil, err
	}
	var balances []cost.Balance
	err := s.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		now := s.now()
		if err := expire(ctx, tx, now); err != nil {
			return err
		}
		var state int
		var c call
		err := tx.QueryRowContext(ctx, "SELECT state, reserved, amount FROM calls WHERE id = ?", r.ID).Scan(&state, &c.reserved, &c.amount)
		if errors.Is(err, sql.ErrNoRows) || err == nil && state != stateOpen && state != stateExpired {
			return &llm.Error{Kind: cost.ErrNoReservation, Scope: llm.ScopeLocal, Message: "sqlite: there is no such reservation"}
		}
		if err != nil {
			return err
		}
		c.record, c.expired = r, state == stateExpired
		if err := c.book(ctx, tx, stateSettled, now); err != nil {
			return err
		}
		balances, err = balancesOf(ctx, tx, r.ID, now)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqlite: Settle: %w", err)
	}
	return balances, nil
}

// call is one whose amount is booked.
type call struct {
	record           *cost.Record // as it is from now on
	reserved, amount cost.Amount  // as they are so far
	expired          bool         // what was reserved has been booked
}

// book books the record's amount in all accounts of the call, in place of what was reserved or booked before.
func (c *call) book(ctx context.Context, tx *sql.Tx, state int, at time.Time) error {
	record, err := json.Marshal(c.record)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE calls SET state = ?, amount = ?, record = ? WHERE id = ?",
		state, int64(c.record.Amount), string(record), c.record.ID); err != nil {
		return err
	}
	reserved, before := c.reserved, cost.Amount(0)
	if c.expired {
		reserved, before = 0, c.amount
	}
	// Sums end at the largest amount; SQLite would make them floating.
	if _, err := tx.ExecContext(ctx, `UPDATE accounts SET reserved = reserved - ?1,
		spent = CASE WHEN spent - ?2 > 9223372036854775807 - ?3 THEN 9223372036854775807 ELSE spent - ?2 + ?3 END
		WHERE id IN (SELECT account FROM charges WHERE call = ?4)`,
		int64(reserved), int64(before), int64(c.record.Amount), c.record.ID); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE charges SET amount = ?, done = coalesce(done, ?) WHERE call = ?",
		int64(c.record.Amount), at.UnixNano(), c.record.ID)
	return err
}

// expire books what nobody has settled in time.
func expire(ctx context.Context, tx *sql.Tx, now time.Time) error {
	rows, err := tx.QueryContext(ctx, "SELECT id, state, expires, reserved, record FROM calls WHERE state IN (0, 2) AND expires <= ?", now.UnixNano())
	if err != nil {
		return err
	}
	defer rows.Close()
	type due struct {
		call
		at    int64
		final string // its ID, if it can no longer be settled
	}
	var list []due
	for rows.Next() {
		var id, text string
		var state int
		var d due
		if err := rows.Scan(&id, &state, &d.at, &d.reserved, &text); err != nil {
			return err
		}
		if state == stateExpired {
			d.final = id
		} else {
			var r cost.Record
			if err := json.Unmarshal([]byte(text), &r); err != nil {
				return fmt.Errorf("the record of %s: %w", id, err)
			}
			d.record = r.Expired()
		}
		list = append(list, d)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for i := range list {
		d := &list[i]
		if d.final != "" {
			_, err = tx.ExecContext(ctx, "UPDATE calls SET state = ? WHERE id = ?", stateFinal, d.final)
		} else if err = d.book(ctx, tx, stateExpired, time.Unix(0, d.at)); err == nil {
			_, err = tx.ExecContext(ctx, "UPDATE calls SET expires = expires + ? WHERE id = ?", int64(cost.LateSettlement), d.record.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// balancesOf are those of a call's accounts.
func balancesOf(ctx context.Context, tx *sql.Tx, id string, now time.Time) ([]cost.Balance, error) {
	rows, err := tx.QueryContext(ctx, `SELECT a.id, a.window, a.spent, a.reserved FROM charges c JOIN accounts a ON a.id = c.account
		WHERE c.call = ? ORDER BY c.position`, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []account
	for rows.Next() {
		a := account{now: now}
		if err := rows.Scan(&a.id, &a.window, &a.balance.Spent, &a.balance.Reserved); err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	balances := make([]cost.Balance, len(list))
	for i := range list {
		a := &list[i]
		if a.window > 0 {
			if a.balance.Spent, err = rolling(ctx, tx, a); err != nil {
				return nil, err
			}
		}
		balances[i] = a.balance
	}
	return balances, nil
}

// Balances is [cost.Store.Balances].
func (s *BudgetStore) Balances(ctx context.Context, accounts []cost.Account) ([]cost.Balance, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	balances := make([]cost.Balance, len(accounts))
	err := s.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		now := s.now()
		if err := expire(ctx, tx, now); err != nil {
			return err
		}
		for i := range accounts {
			of := &accounts[i]
			a := account{window: of.Window, now: now}
			err := tx.QueryRowContext(ctx, "SELECT id, spent, reserved FROM accounts WHERE budget = ? AND key = ? AND start = ? AND window = ?",
				[]byte(of.Budget), []byte(of.Key), nanos(of.Start), int64(of.Window)).Scan(&a.id, &a.balance.Spent, &a.balance.Reserved)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err == nil && a.window > 0 {
				a.balance.Spent, err = rolling(ctx, tx, &a)
			}
			if err != nil {
				return err
			}
			balances[i] = a.balance
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sqlite: Balances: %w", err)
	}
	return balances, nil
}

// Records are those of the calls that began from one time on and before another, in the order in which they began;
// a zero time is no bound. Calls under way are among them, as [cost.StatusOpen]. It ends with the first error.
func (s *BudgetStore) Records(ctx context.Context, from, to time.Time) iter.Seq2[*cost.Record, error] {
	return func(yield func(*cost.Record, error) bool) {
		last := int64(1<<63 - 1)
		if !to.IsZero() {
			last = nanos(to)
		}
		rows, err := s.read.QueryContext(ctx, "SELECT record FROM calls WHERE begun >= ? AND begun < ? ORDER BY begun, id", nanos(from), last)
		if err != nil {
			yield(nil, fmt.Errorf("sqlite: Records: %w", err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var text string
			r := new(cost.Record)
			if err = rows.Scan(&text); err == nil {
				err = json.Unmarshal([]byte(text), r)
			}
			if err != nil || !yield(r, nil) {
				break
			}
		}
		if err == nil {
			err = rows.Err()
		}
		if err != nil {
			yield(nil, fmt.Errorf("sqlite: Records: %w", err))
		}
	}
}

// Forget deletes the records of calls that began before a time, and that have ended for good. Do not forget what a
// rolling window still counts. What accounts have spent stays.
func (s *BudgetStore) Forget(ctx context.Context, before time.Time) (records int64, err error) {
	res, err := s.write.ExecContext(ctx, "DELETE FROM calls WHERE begun < ? AND state IN (1, 3)", nanos(before))
	if err == nil {
		records, err = res.RowsAffected()
	}
	if err != nil {
		return 0, fmt.Errorf("sqlite: Forget: %w", err)
	}
	return records, nil
}

// nanos is a time in the file; 0 is the zero time.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func later(now time.Time, d time.Duration) int64 {
	at := now.UnixNano()
	if int64(d) > 1<<62-at {
		return 1 << 62
	}
	return at + int64(d)
}

func plus(a, b cost.Amount) cost.Amount {
	if s := a + b; s >= a {
		return s
	}
	return cost.Unlimited
}
