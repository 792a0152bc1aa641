package cost_test

import (
	"net/http"
	"testing"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/cost"
	"github.com/llm-go/llm/models"
	"github.com/llm-go/llm/providers/openai"
	"github.com/llm-go/llm/router"
	"github.com/stretchr/testify/require"
)

// Inside of a router each try has a reservation of its own, at the price of the model that it goes to, and is counted for
// its deployment.
func TestBudgetsInsideOfARouter(t *testing.T) {
	rt, err := router.New(router.Config{Deployments: []router.Deployment{
		{ID: "east", Group: "chat", Model: "openai/m", Order: 1},
		{ID: "west", Group: "chat", Model: "openai/m", Order: 2},
	}})
	require.NoError(t, err)
	p := openaiPricing(t)
	high := highOf(t, p, ask(100))
	u := &upstream{t: t, rnd: func(n int) int { return n / 2 }, fault: func(call int64) string {
		if call == 1 {
			return "reset"
		}
		return ""
	}}
	var l ledger
	b, err := cost.NewBudgets(cost.BudgetConfig{Pricing: p, OnRecord: l.add, Budgets: []cost.Budget{
		{Name: "deployment", Limit: models.Dollar, Key: cost.ByDeployment},
		{Name: "provider", Limit: models.Dollar, Key: cost.ByProvider},
		{Name: "model", Limit: models.Dollar, Key: cost.ByModel},
	}})
	require.NoError(t, err)
	c := llm.New(llm.WithProvider(openai.Provider()), llm.WithAPIKey("k"), llm.WithHTTPClient(&http.Client{Transport: u}),
		llm.WithMiddleware(rt.Middleware, b.Middleware))
	req := ask(100)
	req.Model = "chat"
	r, err := c.Completion(t.Context(), req)
	require.NoError(t, err)
	bill, ok := cost.Get(&r.Meta)
	require.True(t, ok)
	for _, want := range []struct {
		budget, key string
		spent       cost.Amount
	}{
		{"deployment", "east", high}, {"deployment", "west", bill.Total}, {"provider", "openai", high + bill.Total},
		{"model", "openai/m", high + bill.Total},
	} {
		has, err := b.Balance(t.Context(), want.budget, want.key)
		require.NoError(t, err)
		require.Equal(t, cost.Balance{Spent: want.spent}, has, "%s %s", want.budget, want.key)
	}
	var deployments []string
	for _, r := range l.records {
		if r.Amount > 0 {
			deployments = append(deployments, r.Deployment+" "+string(r.Status))
		}
	}
	require.Equal(t, []string{"east cut", "west ok"}, deployments)
}
