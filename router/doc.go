// Package router spreads calls over deployments: several keys, regions, hosts and models that stand under one name.
// It is a middleware, so every operation of package llm routes, streams too:
//
//	rt, err := router.New(router.Config{
//		Deployments: []router.Deployment{
//			{Group: "fast", Model: "openai/gpt-4.1-mini", Keys: []string{k1, k2}},
//			{Group: "fast", Model: "groq/llama-3.3-70b-versatile", RPM: 1000},
//		},
//		Fallbacks: map[string][]string{"fast": {"anthropic/claude-haiku-4-5"}},
//	})
//	client := llm.New(llm.WithMiddleware(rt.Middleware))
//	client.Completion(ctx, &llm.CompletionRequest{Model: "fast", …})
//
// # Where a call goes
//
// A name is looked up as an alias, a group, a wildcard group ("openai/*", the most specific first), and last as
// [Config.Default]; a name that is none of these passes through as it is. Within the group, deployments that are out
// (see below) or cannot take the call (context window, capabilities, region, tags, limits) are left aside, the lowest
// Order that has any left is taken, a session goes where it went before, and the [Strategy] picks one of the rest.
// Each [llm.Attempt] of the answer says in its Route what was chosen, why, and what was skipped.
//
// # When a try fails
//
// What is wrong with the request returns at once: it would be refused everywhere. What another key, deployment or model
// may do better goes there at once: first to other keys and deployments of the group, then to the next Order, then to
// the fallbacks. When all have failed and the failure may pass, the call waits as long as the provider asked, or backs
// off, if its deadline allows, and begins again. Nothing is repeated once content has reached the caller, unless the
// call has consented by [WithResume].
//
// One budget of attempts and one deadline hold over all of that: [llm.WithMaxAttempts] and [llm.WithTimeout] of the
// call. A call that sets no attempts has as many as there are keys in the group and its fallbacks, and two more. Over all calls a [RetryBudget] keeps tries that follow a failure to a tenth of the calls, so that a bad hour of
// an upstream does not become a worse one.
//
// Fallbacks are of three kinds. A prompt that exceeds the context window goes only to deployments with a larger one,
// in the group or in its ContextFallbacks. What a safety system refused goes only to the ContentPolicyFallbacks. All
// other failures go to the Fallbacks. Parameters that a fallback's model does not know follow the call's own rule,
// [llm.WithDropParams]: an error, or a warning on the answer.
//
// # Health
//
// A deployment is out for a while, the cooldown, after failures that speak of it: several in a row, a bad share of the
// last calls, a wait that it asked for. A 429 or a refused key concerns that key alone. Errors of a request, and of a
// caller who leaves, say nothing about a deployment. After the cooldown one call is sent as a probe; when it succeeds
// the deployment comes back gradually. At most a share of a group is out ([Health].MaxEjected) unless there is a
// fallback to go to, and when all are out, the one that is due first is tried instead of failing the call. A call that
// finds only keys at limits whose end is known waits for it, if its deadline allows, instead of being refused again.
// There is no background work; [Router.Check] probes what is out when the application wants it.
//
// # Many processes
//
// Limits, cooldowns and sessions are kept in a [Store]: in memory, or in Redis or Valkey (contrib/redis) for all
// processes together. A store that does not answer costs a call at most [Config.StoreTimeout].
package router
