package sqlite

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/llm-go/llm/cost"
	"github.com/stretchr/testify/require"
)

var kills = flag.Int("kills", 200, "how often TestKill kills a process")

const fileEnv = "LLM_SQLITE_CRASH_TEST"

func TestMain(m *testing.M) {
	if path := os.Getenv(fileEnv); path != "" {
		if err := spendForEver(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const limit cost.Amount = 3_000_000

// crashAccounts are two that share all calls, and one with a small limit for a part of them.
func crashAccounts(i int) []cost.Account {
	all := []cost.Account{{Budget: "all", Limit: limit}, {Budget: "hour", Limit: cost.Unlimited, Window: 10_000 * time.Hour}}
	if i%2 == 0 {
		all = append(all, cost.Account{Budget: "user", Key: "ada", Limit: limit / 1000}) // soon full
	}
	return all
}

// spendForEver is the child: it says on its standard output what it was told (R, S) and what it has really spent (U).
func spendForEver(path string) error {
	s, err := Open(path)
	if err != nil {
		return err
	}
	fail := make(chan error)
	for g := range 4 {
		go func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), g, n)
				r := &cost.Record{ID: id, Time: time.Now(), Status: cost.StatusOpen, Reserved: 1 + cost.Amount(rand.IntN(100))}
				got, err := s.Reserve(context.Background(), &cost.Reservation{Record: r, Accounts: crashAccounts(n), TTL: time.Hour})
				if err != nil {
					fail <- err
					return
				}
				if got.Refused >= 0 {
					continue
				}
				done := *r
				done.Status, done.Amount = cost.StatusOK, cost.Amount(rand.IntN(int(r.Reserved)+1))
				fmt.Printf("R %s %d\nU %s %d\n", id, r.Reserved, id, done.Amount)
				if _, err := s.Settle(context.Background(), &done); err != nil {
					fail <- err
					return
				}
				fmt.Printf("S %s %d\n", id, done.Amount)
			}
		}()
	}
	return <-fail
}

// A process that is killed at any point loses no reservation and no settlement, and what it has spent counts.
func TestKill(t *testing.T) {
	n := *kills
	if testing.Short() {
		n = 10
	}
	path := filepath.Join(t.TempDir(), "budgets.db")
	said := map[string]map[string]int64{"R": {}, "U": {}, "S": {}}
	for range n {
		killOne(t, path, said)
	}
	late := time.Now()
	s := open(t, path, WithClock(func() time.Time { return late }))
	accounts := append(crashAccounts(0), cost.Account{Budget: "none"})
	var spent, held [3]cost.Amount
	var opened []*cost.Record
	calls := make(map[string]*cost.Record)
	sum := func() {
		spent, held, opened = [3]cost.Amount{}, [3]cost.Amount{}, nil
		for r, err := range s.Records(t.Context(), time.Time{}, time.Time{}) {
			require.NoError(t, err)
			calls[r.ID] = r
			var number int
			var pid, g int
			_, err := fmt.Sscanf(r.ID, "%d-%d-%d", &pid, &g, &number)
			require.NoError(t, err)
			for i := range crashAccounts(number) {
				if r.Status == cost.StatusOpen {
					held[i] += r.Reserved
				} else {
					spent[i] += r.Amount
				}
			}
			if r.Status == cost.StatusOpen {
				opened = append(opened, r)
			}
		}
	}
	check := func() {
		sum()
		got, err := s.Balances(t.Context(), accounts)
		require.NoError(t, err)
		for i := range spent {
			require.Equal(t, cost.Balance{Spent: spent[i], Reserved: held[i]}, got[i], "%s", accounts[i].Budget)
			require.LessOrEqual(t, got[i].Held(), accounts[i].Limit)
		}
		require.Equal(t, cost.Balance{}, got[3])
	}
	check()
	require.NotEmpty(t, said["S"])
	require.NotEmpty(t, opened, "no process was killed between reserving and settling")
	for id, amount := range said["R"] {
		require.NotNil(t, calls[id], "the reservation %s is lost", id)
		require.Equal(t, cost.Amount(amount), calls[id].Reserved)
	}
	for id, amount := range said["S"] {
		require.Equal(t, cost.StatusOK, calls[id].Status, "the settlement %s is lost", id)
		require.Equal(t, cost.Amount(amount), calls[id].Amount)
	}
	settled := len(calls) - len(opened)

	late = late.Add(2 * time.Hour) // nobody will settle the rest
	_, err := s.Balances(t.Context(), accounts)
	require.NoError(t, err)
	check()
	require.Empty(t, opened)
	require.Equal(t, [3]cost.Amount{}, held)
	var used cost.Amount
	for id, amount := range said["U"] {
		require.GreaterOrEqual(t, calls[id].Amount, cost.Amount(amount), "%s has spent more than counts", id)
		used += cost.Amount(amount)
	}
	require.GreaterOrEqual(t, spent[0], used)
	var integrity string
	require.NoError(t, s.read.QueryRow("PRAGMA integrity_check").Scan(&integrity))
	require.Equal(t, "ok", integrity)
	t.Logf("%d processes killed: %d calls settled, %d left open and expired, none lost", n, settled, len(calls)-settled)
}

// killOne starts a process, and kills it when it has begun to spend.
func killOne(t *testing.T, path string, said map[string]map[string]int64) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fileEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	after := time.Duration(rand.IntN(20_000)) * time.Microsecond
	var once sync.Once
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var kind, id string
		var amount int64
		if n, _ := fmt.Sscanf(lines.Text(), "%s %s %d", &kind, &id, &amount); n == 3 && said[kind] != nil {
			said[kind][id] = amount
		}
		once.Do(func() { time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) })
	}
	require.Error(t, cmd.Wait())
	require.Equal(t, -1, cmd.ProcessState.ExitCode(), "it ended by itself")
}
