// Package compat registers the hosts that speak OpenAI's dialect: a table with one row each, over package openai.
// A row says where the host is, which variables hold its key, which operations it offers, and its quirks.
//
// Servers on this machine (ollama, hosted_vllm, lm_studio, llamacpp, llamafile …) need no key. Rows of hosts that
// everybody runs at another address have no base URL: give it by llm.WithBaseURL or the row's variable.
//
// Names and aliases include those of LiteLLM, so that its model names work as they are.
package compat

import (
	"context"
	"iter"
	"net/http"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/providers/openai"
)

var providers = make(map[string]*llm.Provider, len(hosts))

func init() {
	for i := range hosts {
		p := openai.New(defaults(hosts[i]))
		providers[p.Name] = p
		llm.Register(p)
	}
}

// defaults fills in what most hosts have in common: the older name max_tokens, which all of them take.
func defaults(h openai.Host) openai.Host {
	if h.Quirks.MaxTokens == "" {
		h.Quirks.MaxTokens = "max_tokens"
	}
	return h
}

// Provider is a host of the table by its name; nil if there is none.
func Provider(name string) *llm.Provider { return providers[name] }

// Providers are all hosts in the order of the table.
func Providers() iter.Seq[*llm.Provider] {
	return func(yield func(*llm.Provider) bool) {
		for i := range hosts {
			if !yield(providers[hosts[i].Name]) {
				return
			}
		}
	}
}

func words(list string) []string { return strings.Fields(list) }

// plainAuth sends the key as the whole Authorization header.
var plainAuth = llm.HeaderAuth("Authorization")

// sarvamAuth sends the key in the header that Sarvam documents.
var sarvamAuth = llm.HeaderAuth("api-subscription-key")

// azureAuth sends the key as the endpoint's kind wants it: Foundry resources take api-key, serverless endpoints
// Bearer.
func azureAuth(ctx context.Context, r *http.Request, call *llm.Call) error {
	host := r.URL.Hostname()
	if strings.HasSuffix(host, ".services.ai.azure.com") || strings.HasSuffix(host, ".openai.azure.com") {
		return llm.HeaderAuth("api-key")(ctx, r, call)
	}
	return llm.BearerAuth(ctx, r, call)
}
