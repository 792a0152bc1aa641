package openai

import "strings"

// responsesOnlyModels are the models that OpenAI serves at /responses and not at /chat/completions, without their
// dates. Source: ResponsesOnlyModel in OpenAI's OpenAPI document (https://github.com/openai/openai-openapi), and the
// endpoints that each model's page lists (https://platform.openai.com/docs/models). For a model that is not in it yet, write "openai/responses/MODEL".
var responsesOnlyModels = map[string]bool{
	"o1-pro":                true,
	"o3-pro":                true,
	"o3-deep-research":      true,
	"o4-mini-deep-research": true,
	"computer-use-preview":  true,
	"codex-mini-latest":     true,
	"gpt-5-codex":           true,
	"gpt-5-pro":             true,
	"gpt-5.1-codex":         true,
	"gpt-5.1-codex-max":     true,
	"gpt-5.1-codex-mini":    true,
	"gpt-5.2-codex":         true,
	"gpt-5.2-pro":           true,
	"gpt-5.3-codex":         true,
	"gpt-5.4-pro":           true,
	"gpt-5.5-pro":           true,
	"gpt-5.6-cyber":         true,

	"gpt-daybreak-blue-latest": true,
	"gpt-daybreak-red-latest":  true,
}

// responsesOnly looks a model up, with or without the date of its snapshot ("-2025-06-10").
func responsesOnly(model string) bool {
	if responsesOnlyModels[model] {
		return true
	}
	const date = "-0000-00-00"
	i := len(model) - len(date)
	return i > 0 && isDate(model[i:]) && responsesOnlyModels[model[:i]]
}

func isDate(s string) bool {
	return s[0] == '-' && s[5] == '-' && s[8] == '-' && strings.Trim(s[1:5]+s[6:8]+s[9:], "0123456789") == ""
}
