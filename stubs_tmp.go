package llm
type mock struct{}
