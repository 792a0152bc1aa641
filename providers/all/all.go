// Package all registers every provider of this module, and links in package schema for structured output. Import it
// for its effect:
//
//	import _ "github.com/llm-go/llm/providers/all"
package all

import (
	_ "github.com/llm-go/llm/providers/anthropic"
	_ "github.com/llm-go/llm/providers/bedrock"
	_ "github.com/llm-go/llm/providers/compat"
	_ "github.com/llm-go/llm/providers/gemini"
	_ "github.com/llm-go/llm/providers/openai"
	_ "github.com/llm-go/llm/providers/replicate"

	_ "github.com/llm-go/llm/schema"
)
