package gemini

import (
	"slices"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// control is how a model's thinking is set.
type control uint8

const (
	byLevel  control = iota // thinkingLevel
	byBudget                // thinkingBudget, in tokens
	never                   // the model does not think
)

// family is what models of one generation have in common on the wire.
type family struct {
	// name matches a model of that name, and of that name followed by '-' or '.' and more.
	name     string
	thinking control
	// levels are the accepted thinking levels, lightest first; nil: not known, a level is sent as asked for.
	levels []string
	// minBudget and maxBudget bound a thinking budget other than 0 (off) and -1 (dynamic). canStop says that 0 is
	// accepted.
	minBudget, maxBudget int
	canStop              bool
	// openAPI models take schemas as the subset of OpenAPI 3.0 only (parameters, responseSchema), the others
	// JSON Schema (parametersJsonSchema, responseJsonSchema), which loses less.
	openAPI bool
	// signed models refuse a conversation whose function calls lack their thought signatures.
	signed bool
	// toolMedia models take media inside a function response; partDetail ones a resolution for a single part.
	toolMedia, partDetail bool
}

var (
	levelsAll    = []string{"MINIMAL", "LOW", "MEDIUM", "HIGH"}
	levelsNoMin  = []string{"LOW", "MEDIUM", "HIGH"}
	levelsLowTop = []string{"LOW", "HIGH"}
	levelsEnds   = []string{"MINIMAL", "HIGH"}
)

// families is tried in order. A model that matches none is taken for one of the current generation: the names that
// Google moves along ("gemini-flash-latest") and the models to come are.
//
// Sources: Gemini API documentation, "Gemini thinking" (levels and budgets by model), "OpenAI compatibility"
// (efforts), "Thought signatures", "Function calling" (multimodal function responses, Gemini 3), "Media resolution"
// (per part, Gemini 3), "Structured outputs" (JSON Schema from 2.5 on), "What's new in Gemini 3.8 Flash" and the
// pages for 3.7 and 3.6 before it.
var families = []family{
	{name: "gemini-3.8-flash", levels: levelsNoMin, signed: true, toolMedia: true, partDetail: true},
	{name: "gemini-3.7-flash", levels: levelsNoMin, signed: true, toolMedia: true, partDetail: true},
	{name: "gemini-3.6-flash", levels: levelsAll, signed: true, toolMedia: true, partDetail: true},
	{name: "gemini-3.5-flash", levels: levelsAll, signed: true, toolMedia: true, partDetail: true},
	{name: "gemini-3.1-flash-image", levels: levelsEnds, signed: true, toolMedia: true, partDetail: true},
	{name: "gemini-3.1-flash-lite", levels: levelsAll, signed: true, toolMedia: true, partDetail: true},
	{name: "gemini-3.1-pro", levels: levelsNoMin, signed: true, toolMedia: true, partDetail: true},
	{name: "gemini-3-flash", levels: levelsAll, signed: true, toolMedia: true, partDetail: true},
	{name: "gemini-3-pro", levels: levelsLowTop, signed: true, toolMedia: true, partDetail: true},

	{name: "gemini-2.5-pro-preview-tts", thinking: never},
	{name: "gemini-2.5-flash-preview-tts", thinking: never},
	{name: "gemini-2.5-flash-image", thinking: never},
	{name: "gemini-2.5-pro", thinking: byBudget, minBudget: 128, maxBudget: 32768},
	{name: "gemini-2.5-flash-lite", thinking: byBudget, minBudget: 512, maxBudget: 24576, canStop: true},
	{name: "gemini-2.5-flash", thinking: byBudget, minBudget: 1, maxBudget: 24576, canStop: true},
	{name: "gemini-robotics-er-1.5", thinking: byBudget, minBudget: 1, maxBudget: 24576, canStop: true},

	{name: "gemini-2.0", thinking: never, openAPI: true},
	{name: "gemini-1.5", thinking: never, openAPI: true},
	{name: "gemini-1.0", thinking: never, openAPI: true},
	{name: "gemma-3", thinking: never, openAPI: true},
	{name: "gemma-3n", thinking: never, openAPI: true},
	{name: "learnlm", thinking: never, openAPI: true},
}

var currentFamily = family{signed: true, toolMedia: true, partDetail: true}

func familyOf(model string) *family {
	model = strings.TrimPrefix(model, "models/")
	for i := range families {
		rest, ok := strings.CutPrefix(model, families[i].name)
		if ok && (rest == "" || rest[0] == '-' || rest[0] == '.') {
			return &families[i]
		}
	}
	return &currentFamily
}

// thinkingConfig is the wire's member of that name.
type thinkingConfig struct {
	include bool
	budget  *int
	level   string
}

func (c *thinkingConfig) empty() bool { return !c.include && c.budget == nil && c.level == "" }

func (c *thinkingConfig) write(e *jsonx.Encoder) {
	if c.empty() {
		return
	}
	e.Name("thinkingConfig")
	e.Object()
	e.OptBool("includeThoughts", c.include)
	e.PtrInt("thinkingBudget", c.budget)
	e.OptStr("thinkingLevel", c.level)
	e.EndObject()
}

// thinkingOf translates what a request says about thinking.
func (f *family) thinkingOf(call *llm.Call, t *llm.Thinking, effort llm.ReasoningEffort) (thinkingConfig, error) {
	if t == nil {
		return f.byEffort(call, effort)
	}
	if t.Type == "disabled" || t.BudgetTokens != nil && *t.BudgetTokens == 0 {
		return f.stop(call, "thinking")
	}
	if f.thinking == never {
		return thinkingConfig{}, call.Unsupported("thinking", "the model does not think")
	}
	var c thinkingConfig
	switch {
	case t.BudgetTokens != nil:
		// Models with levels take a budget too, as Google's documentation promises, but not both.
		c.budget = t.BudgetTokens
	case effort != "" && effort != llm.EffortNone:
		var err error
		if c, err = f.byEffort(call, effort); err != nil {
			return c, err
		}
	case f.thinking == byBudget:
		dynamic := -1
		c.budget = &dynamic
	}
	c.include = t.Display != "omitted"
	return c, nil
}

// byEffort follows the table of Google's OpenAI compatibility page. Thought summaries are asked for, since who sets
// an effort reads ReasoningContent; Thinking.Display "omitted" is the way not to.
func (f *family) byEffort(call *llm.Call, effort llm.ReasoningEffort) (thinkingConfig, error) {
	switch {
	case effort == "":
		return thinkingConfig{}, nil
	case effort == llm.EffortNone:
		return f.stop(call, "reasoning_effort")
	case f.thinking == never:
		return thinkingConfig{}, call.Unsupported("reasoning_effort", "the model does not think")
	case f.thinking == byBudget:
		budget := 0
		switch effort {
		case llm.EffortMinimal, llm.EffortLow:
			budget = 1024
		case llm.EffortMedium:
			budget = 8192
		case llm.EffortHigh:
			budget = 24576
		case llm.EffortXHigh, llm.EffortMax:
			budget = f.maxBudget
		default:
			return thinkingConfig{}, call.Unsupported("reasoning_effort", "the model takes a budget, and this level has none")
		}
		return thinkingConfig{include: true, budget: &budget}, nil
	}
	level := f.level(effort)
	if want := strings.ToUpper(string(effort)); level != want {
		call.Warn(llm.Warning{Code: "changed_param", Param: "reasoning_effort",
			Message: "the model has no thinking level " + want + "; " + level + " was sent"})
	}
	return thinkingConfig{include: true, level: level}, nil
}

// level is the accepted level nearest to an effort: the next stronger one, else the strongest.
func (f *family) level(effort llm.ReasoningEffort) string {
	want := strings.ToUpper(string(effort))
	if effort == llm.EffortXHigh || effort == llm.EffortMax {
		want = "HIGH"
	}
	from := slices.Index(levelsAll, want)
	if from < 0 || f.levels == nil {
		return want // a level of a time to come
	}
	for _, level := range levelsAll[from:] {
		if slices.Contains(f.levels, level) {
			return level
		}
	}
	return f.levels[len(f.levels)-1]
}

// stop turns thinking off, or as far down as the model goes.
func (f *family) stop(call *llm.Call, param string) (thinkingConfig, error) {
	switch {
	case f.thinking == never:
		return thinkingConfig{}, nil
	case f.thinking == byBudget && f.canStop:
		return thinkingConfig{budget: new(int)}, nil
	case f.thinking == byLevel && (f.levels == nil || f.levels[0] == "MINIMAL"):
		call.Warn(llm.Warning{Code: "changed_param", Param: param,
			Message: "the model's thinking cannot be turned off; its lightest level, MINIMAL, was sent"})
		return thinkingConfig{level: "MINIMAL"}, nil
	}
	return thinkingConfig{}, call.Unsupported(param, "the model's thinking cannot be turned off")
}
