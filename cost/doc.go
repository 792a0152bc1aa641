// Package cost is about money: what an answer has cost, what a request may cost, and budgets that hold.
//
//	bill, err := cost.Of(resp)
//	fmt.Println(bill.Total)  // 0.0127, in US dollars
//	fmt.Print(bill)          // a line for each bucket, with its price
//
// Prices are those of package models, from which every one comes with its source and date. All sums are exact: an
// [Amount] counts picodollars, and what a price times a count does not divide into is rounded once for each bucket,
// half away from zero. What has no price is [ErrPriceUnknown], never zero.
//
// [Pricing.Middleware] puts the bill on every answer, streams too: [Get] reads it from its Meta.
//
// # Budgets
//
//	budgets, err := cost.NewBudgets(cost.BudgetConfig{Budgets: []cost.Budget{
//		{Name: "user", Limit: 2 * models.Dollar, Period: cost.Daily(time.UTC), Key: cost.ByMetadata("user")},
//	}})
//	client := llm.New(llm.WithMiddleware(budgets.Middleware))
//
// [Budgets] reserve the most that a call may cost before it is sent, and settle by its bill at its end. What does not fit
// is [ErrBudgetExceeded], and nothing is sent. What is reserved and spent is in a [Store]; each call leaves a [Record],
// and a [Report] sums them up.
//
// # Buckets
//
// Usage is split into disjoint buckets that sum to the tokens that the provider has counted: fresh input, input read
// from and written to the prompt cache for five minutes or an hour, sound and pictures, output, reasoning. A bucket
// without a price of its own is billed as its [models.Dimension.Base], as vendors do: reasoning as output, pictures in
// tokens as input. But where the model has a price for it in another tier or region, its price here is unknown. Tiers by
// length go by all input tokens, cached ones included, and hold for the whole request. The service tier is the one that
// the answer names, not the one that was asked for; a stream does not tell it to middleware, and is priced as asked.
//
// Beside tokens there are the provider's own tools, by the call; requests that have a price; pictures, by quality and
// size ("hd 1024x1792"); speech by the character and transcripts by the time, where the vendor sells them so.
//
// What vendors bill apart from calls is not in a bill: the storage of caches and files, containers, free quotas, taxes.
package cost
