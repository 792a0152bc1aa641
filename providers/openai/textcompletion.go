package openai

import "github.com/llm-go/llm"

func newTextCompletion(q *Quirks) *llm.Op[llm.TextCompletionRequest, llm.TextCompletionResponse, llm.TextCompletionChunk] {
	return &llm.Op[llm.TextCompletionRequest, llm.TextCompletionResponse, llm.TextCompletionChunk]{}
}
