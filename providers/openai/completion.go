package openai

import "github.com/llm-go/llm"

func newCompletion(q *Quirks) *llm.Op[llm.CompletionRequest, llm.CompletionResponse, llm.CompletionChunk] {
	return &llm.Op[llm.CompletionRequest, llm.CompletionResponse, llm.CompletionChunk]{}
}
