package openai

import (
	"encoding/json"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// usage brings what hosts report into one form: all output in CompletionTokens, cached input in CachedTokens, the
// host's own price in Cost. The names it looks for are unambiguous, so it looks for them at every host.
func (c *chat) usage(u *llm.Usage) {
	if u == nil {
		return
	}
	if d := u.CompletionTokensDetails; c.ReasoningApart && d != nil && d.ReasoningTokens > 0 &&
		u.TotalTokens == u.PromptTokens+u.CompletionTokens+d.ReasoningTokens {
		u.CompletionTokens += d.ReasoningTokens
	}
	usageExtra(u)
}

func usageExtra(u *llm.Usage) {
	if u.Extra == nil {
		return
	}
	// DeepSeek's name, Mistral's, and that of Moonshot and Together, who put it beside the sums.
	for _, key := range []string{"prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens"} {
		raw, ok := u.Extra[key].(json.RawMessage)
		if !ok || u.PromptTokensDetails != nil && u.PromptTokensDetails.CachedTokens != 0 {
			continue
		}
		d := jsonx.NewDecoder(raw)
		if n := d.Int(); d.End() == nil && n > 0 {
			if u.PromptTokensDetails == nil {
				u.PromptTokensDetails = &llm.PromptTokensDetails{}
			}
			u.PromptTokensDetails.CachedTokens = n
		}
	}
	// xAI counts its price in ticks, of which 10^10 are a dollar; Perplexity's cost is an object, DeepInfra's
	// an estimate.
	if u.Cost == "" {
		u.Cost = ticks(u.Extra, "cost_in_usd_ticks")
	}
	if raw, ok := u.Extra["cost"].(json.RawMessage); ok && u.Cost == "" {
		d := jsonx.NewDecoder(raw)
		if d.Kind() == jsonx.Object {
			for d.Object(); d.More(); {
				if string(d.Key()) == "total_cost" && d.Kind() == jsonx.Number {
					u.Cost = string(d.Raw())
				} else {
					d.Skip()
				}
			}
			// Cost is written as "cost": its parts go by another name.
			take(&u.Extra, "cost")
			put(&u.Extra, "cost_details", raw)
		}
	}
	if raw, ok := u.Extra["estimated_cost"].(json.RawMessage); ok && u.Cost == "" && isNumber(raw) {
		u.Cost = string(raw)
	}
}

func isNumber(raw []byte) bool { return jsonx.NewDecoder(raw).Kind() == jsonx.Number }

// ticks writes a count of 1e-10 dollars as a decimal number, without rounding.
func ticks(e llm.Extra, key string) string {
	raw, ok := e[key].(json.RawMessage)
	if !ok {
		return ""
	}
	s := string(raw)
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return ""
	}
	const places = 10
	if len(s) <= places {
		s = strings.Repeat("0", places+1-len(s)) + s
	}
	s = s[:len(s)-places] + "." + s[len(s)-places:]
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// usageMember reads a usage record from a place where one host or another puts it: in a choice (Moonshot), or in
// a member of its own (Groq's x_groq). The record is taken out of e.
func usageMember(e *llm.Extra, key string) *llm.Usage {
	if *e == nil {
		return nil
	}
	raw, ok := (*e)[key].(json.RawMessage)
	if !ok || len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	u := &llm.Usage{}
	if u.UnmarshalJSON(raw) != nil {
		return nil
	}
	take(e, key)
	return u
}

// groqUsage reads x_groq, which holds the usage of a stream beside the request's id.
func groqUsage(e *llm.Extra) *llm.Usage {
	raw, ok := (*e)["x_groq"].(json.RawMessage)
	if !ok {
		return nil
	}
	var inner llm.Extra
	d := jsonx.NewDecoder(raw)
	if d.Kind() != jsonx.Object {
		return nil
	}
	for d.Object(); d.More(); {
		keep(&inner, d)
	}
	if d.End() != nil {
		return nil
	}
	u := usageMember(&inner, "usage")
	if u == nil {
		return nil
	}
	take(e, "x_groq")
	if len(inner) > 0 {
		var enc jsonx.Encoder
		enc.Any(map[string]any(inner))
		if enc.Err() == nil {
			put(e, "x_groq", enc.B)
		}
	}
	return u
}
