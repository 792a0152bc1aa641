// Router shows where calls go while the places that they can go to fail and come back. It needs no key and no network:
// the providers are servers inside this program.
//
//	go run ./examples/router
//
// Each line is a call, from top to bottom: where it was tried, and where it was answered. Lines with a bar are what
// the router tells an operator.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
	_ "github.com/llm-go/llm/providers/all"
	"github.com/llm-go/llm/router"
)

// lanes are the deployments: three with one model, and one with another to fall back to.
var lanes = []string{"east", "west", "north", "spare"}

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	servers := make(map[string]*llmtest.Server)
	place := func(id, group, model string) router.Deployment {
		srv, err := llmtest.Start()
		if err != nil {
			log.Fatal(err)
		}
		servers[id] = srv
		return router.Deployment{ID: id, Group: group, Model: model, Options: srv.Options()}
	}
	show := &board{start: time.Now()}
	rt, err := router.New(router.Config{
		Deployments: []router.Deployment{
			place("east", "chat", "openai/gpt-4.1-mini"),
			place("west", "chat", "openai/gpt-4.1-mini"),
			place("north", "chat", "openai/gpt-4.1-mini"),
			place("spare", "small", "anthropic/claude-haiku-4-5"),
		},
		Fallbacks: map[string][]string{"chat": {"small"}},
		Health: router.Health{
			Failures:    2,                      // in a row
			Cooldown:    400 * time.Millisecond, // short enough to watch; the default is 5 s
			MaxCooldown: 600 * time.Millisecond,
			SlowStart:   1500 * time.Millisecond,
		},
		OnEvent: show.event,
		Rand:    rand.New(rand.NewPCG(1, 6)).Uint64, // the same picture each time, as far as time allows; one call at a time
	})
	if err != nil {
		log.Fatal(err)
	}
	client := llm.New(llm.WithMiddleware(rt.Middleware))

	show.header()
	for _, act := range []struct {
		title string
		down  []string // who answers 503 from here on
		calls int
	}{
		{title: "all are well", calls: 8},
		{title: "east fails: its calls go to the others, and soon it gets none", down: []string{"east"}, calls: 20},
		{title: "the others fail too: the fallback answers", down: []string{"east", "west", "north"}, calls: 10},
		{title: "west and north are mended: a probe each brings them back", down: []string{"east"}, calls: 20},
		{title: "east is mended: it comes back with a tenth of its share, which grows", calls: 34},
	} {
		show.title(act.title)
		for id, srv := range servers {
			fault := llmtest.Fault("")
			if slices.Contains(act.down, id) {
				fault = llmtest.Status(503)
			}
			srv.FaultAlways(fault)
		}
		for range act.calls {
			resp, err := client.Completion(ctx, &llm.CompletionRequest{
				Model:    "chat",
				Messages: []llm.Message{llm.User("Hello?")},
			})
			show.call(resp, err)
			select {
			case <-time.After(60 * time.Millisecond):
			case <-ctx.Done():
				return
			}
		}
	}
	show.title("how the router stands")
	fmt.Print(rt.Snapshot())
}

// board prints what happens. The router's events come in the goroutine of the call.
type board struct {
	start    time.Time
	fellBack bool // the last call did
}

const width = 9 // of a lane

func (b *board) now() string { return fmt.Sprintf("%5.2fs  ", time.Since(b.start).Seconds()) }

func (b *board) header() {
	fmt.Print("        ")
	for _, id := range lanes {
		fmt.Print(pad(id))
	}
	fmt.Println()
}

func (b *board) title(text string) { fmt.Printf("\n%s\n", text) }

func (b *board) event(e router.Event) {
	text := ""
	switch e.Kind {
	case "cooldown":
		text = fmt.Sprintf("%s is out for %d ms: %s", e.Deployment, time.Until(e.Until).Milliseconds(), e.Reason)
	case "probe":
		text = "this call is a probe for " + e.Deployment
	case "recovered":
		text = e.Deployment + " is back"
	case "fallback":
		if b.fellBack { // once is enough
			return
		}
		text = e.Group + " falls back to " + e.Reason
	default:
		text = e.Kind + " " + e.Deployment
	}
	fmt.Println(b.now() + "| " + text)
}

// call draws the tries of a call: each attempt has the route that it took.
func (b *board) call(resp *llm.CompletionResponse, err error) {
	var attempts []llm.Attempt
	var failed *llm.Error
	switch {
	case err == nil:
		attempts = resp.Meta.Attempts
	case errors.As(err, &failed):
		attempts = failed.Attempts
	}
	marks := make([]string, len(lanes))
	reason := ""
	for _, a := range attempts {
		lane := slices.Index(lanes, a.Route.Deployment)
		if marks[lane] = "✓"; a.Err != nil {
			marks[lane] = "✗ " + strconv.Itoa(a.Status)
		}
		reason = a.Route.Reason
	}
	line := b.now()
	for _, m := range marks {
		line += pad(m)
	}
	b.fellBack = reason == "fallback"
	if err != nil {
		reason = err.Error()
	}
	fmt.Println(line + reason)
}

func pad(s string) string { return s + strings.Repeat(" ", max(1, width-len([]rune(s)))) }
