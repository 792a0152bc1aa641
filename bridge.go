package llm

// completionOp is the provider's completion, or a bridge to it over the Responses operation where a model is
// served by that alone.
func completionOp(p *Provider, call *Call) *Op[CompletionRequest, CompletionResponse, CompletionChunk] {
	return p.Completion
}

// responsesOp is the provider's Responses operation, or a bridge to it over completions.
func responsesOp(p *Provider, _ *Call) *Op[ResponsesRequest, ResponsesResponse, ResponsesChunk] {
	return p.Responses
}
