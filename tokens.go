package llm

// CountTokensRequest asks the provider how many tokens a completion's prompt has. The fields mean the same as
// in [CompletionRequest].
type CountTokensRequest struct {
	Model      string
	Messages   []Message
	Tools      []Tool
	ToolChoice *ToolChoice
	Thinking   *Thinking
	Extra      Extra
}

// CountTokensResponse is the count.
type CountTokensResponse struct {
	InputTokens int
	// CachedTokens of those are in a cache that the request names (Gemini).
	CachedTokens int
	Extra        Extra
	Meta         Meta `json:"-"`
}
