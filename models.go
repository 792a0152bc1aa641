package llm

// ModelsRequest asks a provider which models it serves.
type ModelsRequest struct {
	// Provider is its name: "openai".
	Provider string
	Extra    Extra // query parameters, as the provider names them
}

// ModelsResponse lists all of them; providers that answer in pages are asked until the last.
type ModelsResponse struct {
	Data  []Model
	Extra Extra
	Meta  Meta `json:"-"`
}

// Model is one entry of a provider's list.
type Model struct {
	ID          string
	Created     int64 // Unix seconds, 0 if unknown
	OwnedBy     string
	DisplayName string
	// MaxInputTokens and MaxOutputTokens are the windows, 0 if the provider does not tell.
	MaxInputTokens  int
	MaxOutputTokens int
	Extra           Extra
}
