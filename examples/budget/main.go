// Budget lets two teams spend until one of them may not, and then shows where the money went. It needs no key and no
// network: the provider is a server inside this program.
//
//	go run ./examples/budget            # prints a table
//	go run ./examples/budget -page cost.html
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/cost"
	"github.com/llm-go/llm/llmtest"
	"github.com/llm-go/llm/models"
	_ "github.com/llm-go/llm/providers/openai"
)

func main() {
	log.SetFlags(0)
	page := flag.String("page", "", "write a page with charts to this file")
	flag.Parse()
	srv, err := llmtest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.Reply(llmtest.Answer{Text: "It is a fox.", Usage: &llm.Usage{PromptTokens: 12, CompletionTokens: 180}})

	// A contract's own prices; without this line they are those of the catalogue.
	contract := models.With(&models.Model{ID: "openai/gpt-4.1-mini", Prices: []models.PriceList{{Prices: []models.Price{
		{Dimension: models.Input, Amount: models.Dollar * 4 / 10},
		{Dimension: models.Output, Amount: models.Dollar * 16 / 10},
	}}}})

	report := cost.NewReport("team", "status")
	budgets, err := cost.NewBudgets(cost.BudgetConfig{
		Budgets: []cost.Budget{
			{Name: "company", Limit: models.Dollar, Period: cost.Monthly(time.UTC)},
			// A team may spend a fifth of a cent in a day, and is warned at an eighth.
			{Name: "team", Limit: models.Dollar / 500, Warn: models.Dollar / 800, Period: cost.Daily(time.UTC), Key: cost.ByMetadata("team")},
		},
		OnRecord: report.Add, // one call at a time here; otherwise with a lock
		OnEvent:  func(e cost.BudgetEvent) { fmt.Printf("! %s: %s of %q\n", e.Kind, e.Budget, e.Key) },
	})
	if err != nil {
		log.Fatal(err)
	}
	client := llm.New(append(srv.Options(), contract, llm.WithMiddleware(budgets.Middleware))...)

	ctx := context.Background()
	for i := range 10 {
		team := "search"
		if i%4 == 3 {
			team = "support"
		}
		ask(ctx, client, team)
	}

	fmt.Println()
	fmt.Print(report)
	left, err := budgets.Balance(ctx, "team", "search")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("\nThe team search has spent $%s today; $%s is reserved.\n", left.Spent, left.Reserved)
	if *page != "" {
		if err := write(*page, report); err != nil {
			log.Fatal(err)
		}
	}
}

// ask makes a call for a team, and prints what it has cost or why it was not made.
func ask(ctx context.Context, client *llm.Client, team string) {
	resp, err := client.Completion(ctx, &llm.CompletionRequest{
		Model:     "openai/gpt-4.1-mini",
		Messages:  []llm.Message{llm.User("What is the quick brown animal that jumps over the lazy dog?")},
		MaxTokens: 400, // the bound to what can be reserved
	}, llm.WithMetadata(map[string]any{"team": team}))
	var exceeded *cost.Exceeded
	switch {
	case errors.As(err, &exceeded):
		fmt.Printf("%-8s refused: $%s left, and the call may cost $%s\n", team, exceeded.Left, exceeded.Needed)
	case err != nil:
		log.Fatal(err)
	default:
		bill, _ := cost.Get(&resp.Meta)
		fmt.Printf("%-8s $%s", team, bill.Total)
		for _, item := range bill.Items {
			fmt.Printf("  %d %s $%s", item.N, item.Dimension, item.Amount)
		}
		fmt.Println()
		for _, w := range resp.Meta.Warnings {
			fmt.Println("         warning:", w.Message)
		}
	}
}

func write(name string, report *cost.Report) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := report.WriteHTML(f); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}
