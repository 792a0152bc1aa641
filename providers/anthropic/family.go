package anthropic

import (
	"slices"
	"strings"

	"github.com/llm-go/llm"
)

// family is what a group of models takes on the wire where models differ. It is declared, not guessed: a model
// that is not in the table is sent what the caller says, in the API's present form.
//
// Sources, as of November 2026: Anthropic's documentation, "Models overview", "Adaptive thinking", "Effort",
// "Structured outputs", "Mid-conversation system messages" and the "What's new" page of each model.
type family struct {
	// name is the id that requests send; dated snapshots and the ids of Bedrock and Vertex match it too.
	name string
	// maxTokens is the most that max_tokens may be, and what is sent when the caller sets nothing.
	maxTokens int
	thinking  thinkingModes
	// efforts are the values of output_config.effort, lightest first; none: the model has no effort.
	efforts []llm.ReasoningEffort
	traits  traits
}

// thinkingModes are the values of thinking.type that a model takes.
type thinkingModes uint8

const (
	adaptive     thinkingModes = 1 << iota // the model decides
	enabled                                // a budget in tokens
	disabled                               // no thinking
	betweenTools                           // none up front, short notes between tool calls
)

type traits uint16

const (
	// structured: output_config.format and strict tools.
	structured traits = 1 << iota
	// midSystem: messages of role system after the first turn.
	midSystem
	// noSampling: temperature, top_p and top_k are refused.
	noSampling
	// oneSampling: temperature or top_p, not both.
	oneSampling
	// noForcedTool: tool_choice "any" and "tool" are refused.
	noForcedTool
	// noPrefill: the conversation must end with a user turn.
	noPrefill
	// lightUnthinking: without thinking, effort ends at "high".
	lightUnthinking
)

var (
	effortsHigh  = []llm.ReasoningEffort{llm.EffortLow, llm.EffortMedium, llm.EffortHigh}
	effortsMax   = []llm.ReasoningEffort{llm.EffortLow, llm.EffortMedium, llm.EffortHigh, llm.EffortMax}
	effortsXHigh = []llm.ReasoningEffort{llm.EffortLow, llm.EffortMedium, llm.EffortHigh, llm.EffortXHigh, llm.EffortMax}
)

const current = structured | noSampling | noPrefill

var families = []family{
	{"claude-fable-5-2", 128_000, adaptive, effortsXHigh, current | midSystem | noForcedTool},
	{"claude-mythos-5-2", 128_000, adaptive, effortsXHigh, current | midSystem | noForcedTool},
	{"claude-fable-5-1", 128_000, adaptive, effortsXHigh, current | midSystem | noForcedTool},
	{"claude-mythos-5-1", 128_000, adaptive, effortsXHigh, current | midSystem | noForcedTool},
	{"claude-fable-5", 128_000, adaptive, effortsXHigh, current | midSystem},
	{"claude-mythos-5", 128_000, adaptive, effortsXHigh, current | midSystem},
	{"claude-mythos-preview", 128_000, adaptive, effortsMax, structured | noPrefill},
	{"claude-opus-5-5", 128_000, adaptive, effortsXHigh, current | midSystem | noForcedTool},
	{"claude-sonnet-5-5", 128_000, adaptive | betweenTools, effortsXHigh, current | midSystem | noForcedTool | lightUnthinking},
	{"claude-haiku-5-5", 128_000, adaptive | disabled, effortsXHigh, current | midSystem | lightUnthinking},
	{"claude-opus-5", 128_000, adaptive | disabled, effortsXHigh, current | midSystem | lightUnthinking},
	{"claude-sonnet-5", 128_000, adaptive | disabled, effortsXHigh, current},
	{"claude-opus-4-8", 128_000, adaptive | disabled, effortsXHigh, current | midSystem},
	{"claude-opus-4-7", 128_000, adaptive | disabled, effortsXHigh, current},
	{"claude-opus-4-6", 128_000, adaptive | enabled | disabled, effortsMax, structured | oneSampling | noPrefill},
	{"claude-sonnet-4-6", 128_000, adaptive | enabled | disabled, effortsMax, structured | oneSampling | noPrefill},
	{"claude-opus-4-5", 64_000, enabled | disabled, effortsHigh, structured | oneSampling},
	{"claude-sonnet-4-5", 64_000, enabled | disabled, nil, structured | oneSampling},
	{"claude-haiku-4-5", 64_000, enabled | disabled, nil, structured | oneSampling},
	{"claude-opus-4-1", 32_000, enabled | disabled, nil, structured | oneSampling},
	{"claude-opus-4", 32_000, enabled | disabled, nil, oneSampling},
	{"claude-opus-4-0", 32_000, enabled | disabled, nil, oneSampling},
	{"claude-sonnet-4", 64_000, enabled | disabled, nil, oneSampling},
	{"claude-sonnet-4-0", 64_000, enabled | disabled, nil, oneSampling},
	{"claude-3-7-sonnet", 64_000, enabled | disabled, nil, 0},
	{"claude-3-5-sonnet", 8192, 0, nil, 0},
	{"claude-3-5-haiku", 8192, 0, nil, 0},
	{"claude-3-opus", 4096, 0, nil, 0},
	{"claude-3-sonnet", 4096, 0, nil, 0},
	{"claude-3-haiku", 4096, 0, nil, 0},
}

// unknownMaxTokens is sent for models that are not in the table when the caller sets no bound.
const unknownMaxTokens = 8192

// thinkingBudgets are the tokens that an effort stands for on models that think by budget. The first three are
// what other libraries send for these words.
var thinkingBudgets = map[llm.ReasoningEffort]int{
	llm.EffortMinimal: minThinkingBudget,
	llm.EffortLow:     minThinkingBudget,
	llm.EffortMedium:  2048,
	llm.EffortHigh:    4096,
	llm.EffortXHigh:   8192,
	llm.EffortMax:     16384,
}

const minThinkingBudget = 1024

// toolBetas are the tools that need a beta header, by type.
var toolBetas = map[string]string{
	"computer_20241022": "computer-use-2024-10-22",
	"computer_20250124": "computer-use-2025-01-24",
	"computer_20251124": "computer-use-2025-11-24",
	"mcp_toolset":       "mcp-client-2025-11-20",
	"advisor_20260301":  "advisor-tool-2026-03-01",
}

const filesBeta = "files-api-2025-04-14"

// lookup finds a model's family. ok is false for models that are not in the table.
func lookup(model string) (f *family, ok bool) {
	name := canonical(model)
	for i := range families {
		if families[i].name == name {
			return &families[i], true
		}
	}
	return nil, false
}

// canonical cuts off what hosts and snapshots add to a model's id, at anchored places only:
// "us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5@20251001" and "claude-haiku-4-5-latest" are
// claude-haiku-4-5.
func canonical(model string) string {
	if i := strings.LastIndex(model, "anthropic."); i == 0 || i > 0 && (model[i-1] == '.' || model[i-1] == '/') {
		model = model[i+len("anthropic."):]
	}
	if name, version, ok := strings.Cut(model, ":"); ok && isDigits(version) {
		model = name
	}
	if i := strings.LastIndex(model, "-v"); i > 0 && isDigits(model[i+2:]) {
		model = model[:i]
	}
	model = strings.TrimSuffix(model, "-latest")
	if name, date, ok := strings.Cut(model, "@"); ok && (isDigits(date) || date == "latest") {
		model = name
	}
	if i := strings.LastIndexByte(model, '-'); i > 0 && len(model)-i-1 == len("20251001") && isDigits(model[i+1:]) {
		model = model[:i]
	}
	return model
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// has says whether the model surely has the trait; a model that is not known has none.
func (f *family) has(t traits) bool { return f != nil && f.traits&t != 0 }

// lacks says whether the model surely has none of the thinking modes.
func (f *family) lacks(m thinkingModes) bool { return f != nil && f.thinking&m == 0 }

// effort is the highest of the model's levels that is not above the one asked for, or its lowest.
func (f *family) effort(want llm.ReasoningEffort) llm.ReasoningEffort {
	if f == nil {
		if want == llm.EffortMinimal {
			return llm.EffortLow
		}
		return want
	}
	order := []llm.ReasoningEffort{llm.EffortMinimal, llm.EffortLow, llm.EffortMedium, llm.EffortHigh, llm.EffortXHigh, llm.EffortMax}
	at := slices.Index(order, want)
	if at < 0 {
		return want // a level this package does not know
	}
	best := f.efforts[0]
	for _, e := range f.efforts {
		if slices.Index(order, e) <= at {
			best = e
		}
	}
	return best
}

// extraBetas are members of the body that callers reach by Extra and that need a beta header.
var extraBetas = []struct{ member, beta string }{
	{"context_management", "context-management-2025-06-27"},
	{"mcp_servers", "mcp-client-2025-11-20"},
	{"speed", "fast-mode-2026-02-01"},
	{"fallbacks", "server-side-fallback-2026-07-01"},
}
