package llm

// TextCompletionRequest is the older kind of completion: a text goes on. OpenAI's API reference, "Create
// completion" (legacy). Many hosts of open models offer it, some for fill-in-the-middle.
type TextCompletionRequest struct {
	Model string
	// Prompt is one or more texts; Tokens, instead, is token ids.
	Prompt []string
	Tokens [][]int
	// Suffix is what comes after the text to be filled in.
	Suffix           string
	MaxTokens        int
	Temperature      *float64
	TopP             *float64
	N                int
	BestOf           int
	Echo             bool
	Logprobs         *int
	Stop             []string
	Seed             *int64
	FrequencyPenalty *float64
	PresencePenalty  *float64
	LogitBias        map[string]int
	User             string
	StreamOptions    *StreamOptions
	Extra            Extra
}

// TextCompletionResponse is the answer.
type TextCompletionResponse struct {
	ID                string
	Object            string
	Created           int64
	Model             string
	SystemFingerprint string
	Choices           []TextChoice
	Usage             *Usage
	Extra             Extra
	Meta              Meta `json:"-"`
}

// TextChoice is one continuation.
type TextChoice struct {
	Index              int
	Text               string
	FinishReason       FinishReason
	NativeFinishReason string
	Logprobs           *TextLogprobs
	Extra              Extra
}

// TextLogprobs are the legacy form of log probabilities.
type TextLogprobs struct {
	Tokens        []string             `json:"tokens"`
	TokenLogprobs []*float64           `json:"token_logprobs"` // null for the first token of an echoed prompt
	TopLogprobs   []map[string]float64 `json:"top_logprobs,omitempty"`
	TextOffset    []int                `json:"text_offset,omitempty"`
}

// TextCompletionChunk is a piece of a streamed answer; it has the response's form.
type TextCompletionChunk struct {
	ID                string
	Object            string
	Created           int64
	Model             string
	SystemFingerprint string
	Choices           []TextChoice
	Usage             *Usage
	Extra             Extra
}

// Text is the first choice's text.
func (r *TextCompletionResponse) Text() string {
	if r == nil || len(r.Choices) == 0 {
		return ""
	}
	return r.Choices[0].Text
}

// Text is what the chunk adds to the first choice.
func (c *TextCompletionChunk) Text() string {
	if c == nil || len(c.Choices) == 0 || c.Choices[0].Index != 0 {
		return ""
	}
	return c.Choices[0].Text
}
