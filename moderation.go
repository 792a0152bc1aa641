package llm

// ModerationRequest asks whether content is harmful. OpenAI's API reference, "Create moderation".
type ModerationRequest struct {
	Model string
	// Input is texts, each judged by itself; Parts, instead, is one multi-modal input: parts of type "text" and
	// "image_url".
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

// ModerationResult: Categories says what was found, CategoryScores how likely it is (0 to 1), and
// CategoryAppliedInputTypes what was looked at ("text", "image"). The keys are the provider's names of categories:
// "harassment", "violence/graphic" …
type ModerationResult struct {
	Flagged                   bool
	Categories                map[string]bool
	CategoryScores            map[string]float64
	CategoryAppliedInputTypes map[string][]string
	Extra                     Extra
}
