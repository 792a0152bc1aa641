package gemini

import (
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// usage reads the last usageMetadata. promptTokenCount includes what was cached and leaves out what server-side tools fed
// to the model; candidatesTokenCount leaves out thoughts. Both are added here (API reference, UsageMetadata).
func (a *answer) usage() (u *llm.Usage, tier string) {
	if len(a.rawUsage) == 0 {
		return nil, ""
	}
	u, tier = readUsage(a.rawUsage)
	if u == nil {
		return nil, tier
	}
	queries := 0
	for i := range a.turns {
		queries += a.turns[i].queries
	}
	if queries > 0 {
		u.ServerToolUse = &llm.ServerToolUse{WebSearchRequests: queries}
	}
	return u, tier
}

// readUsage is nil for a record without counts, as Vertex AI sends on all but the last piece.
func readUsage(raw []byte) (*llm.Usage, string) {
	var d jsonx.Decoder
	d.Reset(raw)
	u := &llm.Usage{}
	var in llm.PromptTokensDetails
	var out llm.CompletionTokensDetails
	var prompt, tools, candidates, thoughts int
	var tier string
	counted, inSplit, outSplit := false, false, false
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "promptTokenCount":
			prompt, counted = d.Int(), true
		case "toolUsePromptTokenCount":
			tools, inSplit = d.Int(), true
		case "candidatesTokenCount", "responseTokenCount":
			candidates, counted = d.Int(), true
		case "thoughtsTokenCount":
			thoughts, outSplit = d.Int(), true
		case "cachedContentTokenCount":
			in.CachedTokens, inSplit = d.Int(), true
		case "totalTokenCount":
			u.TotalTokens, counted = d.Int(), true
		case "promptTokensDetails", "promptTokenDetails":
			inSplit = true
			modalities(&d, func(m string, n int) {
				switch m {
				case "TEXT":
					in.TextTokens += n
				case "AUDIO":
					in.AudioTokens += n
				case "IMAGE":
					in.ImageTokens += n
				case "VIDEO":
					in.VideoTokens += n
				default:
					addCount(&in.Extra, m, n)
				}
			})
		case "candidatesTokensDetails", "responseTokensDetails":
			outSplit = true
			modalities(&d, func(m string, n int) {
				switch m {
				case "TEXT":
					out.TextTokens += n
				case "AUDIO":
					out.AudioTokens += n
				case "IMAGE":
					out.ImageTokens += n
				default:
					addCount(&out.Extra, m, n)
				}
			})
		case "cacheTokensDetails", "toolUsePromptTokensDetails":
			inSplit = true
			keep(&in.Extra, &d)
		case "serviceTier":
			tier = d.Str()
		default:
			keep(&u.Extra, &d)
		}
	}
	if d.End() != nil || !counted {
		return nil, tier
	}
	u.PromptTokens, in.ToolUseTokens = prompt+tools, tools
	u.CompletionTokens, out.ReasoningTokens = candidates+thoughts, thoughts
	if u.TotalTokens == 0 {
		u.TotalTokens = u.PromptTokens + u.CompletionTokens
	}
	if inSplit {
		u.PromptTokensDetails = &in
	}
	if outSplit {
		u.CompletionTokensDetails = &out
	}
	return u, tier
}

// modalities reads a list of ModalityTokenCount.
func modalities(d *jsonx.Decoder, add func(modality string, n int)) {
	for d.Array(); d.More(); {
		var m string
		var n int
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "modality":
				m = d.Intern("TEXT")
			case "tokenCount":
				n = d.Int()
			default:
				d.Skip()
			}
		}
		add(m, n)
	}
}

// addCount keeps the count of a modality that has no field: DOCUMENT, and what is to come.
func addCount(e *llm.Extra, modality string, n int) {
	if *e == nil {
		*e = make(llm.Extra, 1)
	}
	name := strings.ToLower(modality) + "_tokens"
	have, _ := (*e)[name].(int)
	(*e)[name] = have + n
}
