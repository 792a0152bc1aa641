package router

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/llm-go/llm"
	"golang.org/x/sync/errgroup"
)

// Snapshot is how a router stands, for operators. It marshals to JSON, and prints as a table.
type Snapshot struct {
	Time   time.Time
	Groups []GroupSnapshot
	// RetryBudget is what is left of it, in tries.
	RetryBudget float64
	// StoreDown says that the shared store does not answer.
	StoreDown bool
}

// GroupSnapshot is one group.
type GroupSnapshot struct {
	Name, Strategy string
	Fallbacks      []string
	Waiting        int // calls in the queue
	Deployments    []DeploymentSnapshot
}

// DeploymentSnapshot is one deployment.
type DeploymentSnapshot struct {
	ID, Model string
	Order     int
	// State is "ready", "cooling", "recovering" (due for a probe), "warming" (coming back gradually), "keys out" or
	// "disabled". Reason is the kind of the error that put it out, Until the end of its cooldown.
	State, Reason string
	Until         time.Time
	// Keys and KeysOut count its keys, and those that are left out.
	Keys, KeysOut int
	InFlight      int
	// Requests and Tokens of the last minute, from this process.
	Requests, Tokens int64
	// FirstContent and PerToken are means of the last calls, Latency is a moving average of the time to an answer or to
	// its first content.
	FirstContent, PerToken, Latency time.Duration
	Totals                          Totals
}

// Snapshot looks at all groups.
func (rt *Router) Snapshot() Snapshot {
	now := rt.now()
	t := rt.table.Load()
	s := Snapshot{Time: rt.time(now), RetryBudget: rt.retries.left()}
	if g := rt.shared; g != nil {
		s.StoreDown = g.down.Load() != 0
	}
	index := make(map[*group]int)
	for _, d := range t.list {
		i, ok := index[d.group]
		if !ok {
			g := d.group
			i = len(s.Groups)
			index[g] = i
			gs := GroupSnapshot{Name: g.name, Strategy: g.strategy.name, Waiting: int(g.queue.n.Load())}
			for _, f := range g.chain {
				gs.Fallbacks = append(gs.Fallbacks, f.name)
			}
			s.Groups = append(s.Groups, gs)
		}
		s.Groups[i].Deployments = append(s.Groups[i].Deployments, d.snapshot(rt, now))
	}
	return s
}

func (d *deployment) snapshot(rt *Router, now int64) DeploymentSnapshot {
	ready, due, from, reason := d.available(now)
	s := DeploymentSnapshot{ID: d.ID, Model: d.Model, Order: d.Order, State: "ready", Keys: len(d.keys),
		InFlight: int(d.inFlight.Load()), FirstContent: duration(d.firstContent.Load()), PerToken: duration(d.perToken.Load()),
		Latency: duration(d.typical.Load())}
	for _, k := range d.keys {
		if now < k.out.Load() {
			s.KeysOut++
		}
	}
	d.mu.Lock()
	s.Requests, s.Tokens = d.usage.sum(now)
	s.Totals, s.Reason = d.totals, d.reason
	d.mu.Unlock()
	switch {
	case d.Disabled:
		s.State, s.Reason = "disabled", ""
	case due:
		s.State = "recovering"
	case !ready && d.out.Load() != 0:
		s.State, s.Until = "cooling", rt.time(from)
	case !ready && s.KeysOut == s.Keys:
		s.State, s.Until, s.Reason = "keys out", rt.time(from), reason
	case !ready:
		s.State, s.Until, s.Reason = "cooling", rt.time(from), reason
	case d.share(now) < 1:
		s.State, s.Reason = "warming", ""
	default:
		s.Reason = ""
	}
	return s
}

// String is a table.
func (s Snapshot) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "GROUP\tDEPLOYMENT\tSTATE\tIN FLIGHT\tREQ/MIN\tTOK/MIN\tLATENCY\tCALLS\tFAILED")
	for _, g := range s.Groups {
		for _, d := range g.Deployments {
			state := d.State
			if d.Reason != "" {
				state += " (" + d.Reason + ")"
			}
			if !d.Until.IsZero() {
				state += fmt.Sprintf(" %s", d.Until.Sub(s.Time).Round(100*time.Millisecond))
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%s\t%d\t%d\n", g.Name, d.ID, state, d.InFlight, d.Requests, d.Tokens,
				d.Latency.Round(time.Millisecond), d.Totals.Calls, d.Totals.Failures)
		}
	}
	w.Flush()
	return b.String()
}

// Check tries deployments that are out, so that they come back without a caller's call as the probe: each gets a
// completion of one token over a client with the given options, eight at a time. There is no background work: an
// application that wants it regularly calls Check from a ticker of its own. The error joins those of the deployments
// that failed; what succeeded is back.
//
// Only deployments whose cooldown is over are tried; one whose keys wait for a limit is not.
func (rt *Router) Check(ctx context.Context, opts ...llm.Option) error {
	now := rt.now()
	client := llm.New(append(opts, llm.WithMiddleware(rt.Middleware))...)
	var (
		g    errgroup.Group
		mu   sync.Mutex
		errs []error
	)
	g.SetLimit(8)
	for _, d := range rt.table.Load().list {
		if _, due, _, _ := d.available(now); !due || d.Disabled {
			continue
		}
		g.Go(func() error {
			req := &llm.CompletionRequest{Model: d.Group, MaxTokens: 1, Messages: []llm.Message{llm.User("ping")}}
			if _, err := client.Completion(ctx, req, WithDeployment(d.ID), llm.WithMaxAttempts(1)); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("%s: %w", d.ID, err))
			}
			return nil
		})
	}
	_ = g.Wait()
	return errors.Join(errs...)
}
