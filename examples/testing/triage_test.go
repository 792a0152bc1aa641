package triage

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
)

// desk is the application in front of a server that speaks Anthropic's API in this process. Nothing in the
// application knows of it.
func desk(t *testing.T) (*Desk, *llmtest.Server) {
	srv := llmtest.NewServer(t)
	quick := llm.WithBackoff(llm.Backoff{Initial: time.Millisecond, Max: time.Millisecond})
	return &Desk{Client: srv.Client(quick)}, srv
}

func TestSort(t *testing.T) {
	for said, want := range map[string]string{"orders": "orders", "Returns.\n": "returns", "I would say orders": "people", "": "people"} {
		d, srv := desk(t)
		srv.Reply(llmtest.Answer{Text: said, FinishReason: llm.FinishStop})
		got, err := d.Sort(t.Context(), "My lamp came broken.")
		if err != nil || got != want {
			t.Errorf("for %q: got %q, %v; want %q", said, got, err, want)
		}
		r := srv.Requests()[0] // what the model was asked
		if r.LastUserText() != "My lamp came broken." || r.Dialect != llmtest.Anthropic || r.Model != "claude-haiku-4-5" {
			t.Errorf("the model was asked %q by %s", r.LastUserText(), r.Dialect)
		}
	}
}

func TestABadMomentPasses(t *testing.T) {
	d, srv := desk(t)
	srv.Reply(llmtest.Text("orders"))
	srv.Fault(llmtest.Status(529), llmtest.Reset) // overloaded, then a broken connection: the library tries again
	got, err := d.Sort(t.Context(), "Where is my parcel?")
	if err != nil || got != "orders" {
		t.Errorf("got %q, %v", got, err)
	}
	if n := len(srv.Requests()); n != 3 {
		t.Errorf("the model was asked %d times", n)
	}
}

func TestABadDayIsSaid(t *testing.T) {
	d, srv := desk(t)
	srv.FaultAlways(llmtest.Status(529))
	if _, err := d.Sort(t.Context(), "Where is my parcel?"); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
}

func TestCancel(t *testing.T) {
	d, srv := desk(t)
	srv.Reply(llmtest.Answer{Text: "orders", Latency: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := d.Sort(ctx, "Where is my parcel?"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
