package llm

// ModerationRequest asks whether content is harmful. OpenAI's API reference, "Create moderation".
type ModerationRequest struct {
	Model string
	// Input is texts, each judged by itself; Parts, instead, is one multi-modal input.
	Input []string
	Parts Content
	Extra Extra
}

// ModerationResponse has one result per input.
type ModerationResponse struct {
	ID      string
	Model   string
	Results []ModerationResult
	Extra   Extra
	Meta    Meta `json:"-"`
}

// ModerationResult: Categories says what was found, CategoryScores how likely it is (0 to 1).
type ModerationResult struct {
	Flagged                   bool                `json:"flagged"`
	Categories                map[string]bool     `json:"categories"`
	CategoryScores            map[string]float64  `json:"category_scores"`
	CategoryAppliedInputTypes map[string][]string `json:"category_applied_input_types,omitempty"`
}
