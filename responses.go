package llm

// ResponsesRequest is OpenAI's newer kind of call; API reference, "Create a model response". Every chat
// provider answers it: where the operation is not native it is translated to a completion and back.
type ResponsesRequest struct {
	Model string
	// Input is the conversation as items. On the wire a single user text may be a string.
	Input        []ResponsesItem
	Instructions string

	// MaxOutputTokens bounds the answer in tokens, reasoning included.
	MaxOutputTokens   int
	MaxToolCalls      int
	Temperature       *float64
	TopP              *float64
	TopLogprobs       *int
	Tools             []ResponsesTool
	ToolChoice        *ToolChoice
	ParallelToolCalls *bool
	Reasoning         *ResponsesReasoning
	Text              *ResponsesText
	// Include asks for more in the answer: "reasoning.encrypted_content", "message.output_text.logprobs" …
	Include []string
	// Store false keeps nothing at the provider; reasoning must then travel encrypted.
	Store                *bool
	PreviousResponseID   string
	Background           *bool
	Truncation           string // "auto" or "disabled"
	ServiceTier          string
	Metadata             map[string]string
	User                 string
	SafetyIdentifier     string
	PromptCacheKey       string
	PromptCacheRetention string
	StreamOptions        *StreamOptions
	Extra                Extra // conversation, prompt …
}

// ResponsesReasoning asks for thinking. Summary is "auto", "concise" or "detailed".
type ResponsesReasoning struct {
	Effort  ReasoningEffort
	Summary string
	Extra   Extra
}

// ResponsesText says what the text is like. Format nil means text.
type ResponsesText struct {
	Format    *ResponseFormat
	Verbosity string
	Extra     Extra
}

// ResponsesTool is flat where chat completions nest: Type "function" has Name, Description, Parameters and
// Strict; "custom" has Name, Description and Format; built-in tools ("web_search", "file_search",
// "code_interpreter", "mcp" …) have their members in Extra.
type ResponsesTool struct {
	Type        string
	Name        string
	Description string
	Parameters  any
	Strict      *bool
	Format      any
	Extra       Extra
}

// ResponsesItem is one item of input or output. Type says which fields are set:
//
//	"message"               Role, Content, Status
//	"reasoning"             Summary, Content, EncryptedContent
//	"function_call"         CallID, Name, Arguments
//	"function_call_output"  CallID, Output
//	"custom_tool_call"      CallID, Name, Input
//	"custom_tool_call_output" CallID, Output
//
// Every other type passes with its members in Extra.
type ResponsesItem struct {
	Type             string
	ID               string
	Status           string // "in_progress", "completed", "incomplete"
	Role             Role
	Content          []ResponsesContent
	Summary          []ResponsesContent
	EncryptedContent string
	CallID           string
	Name             string
	Arguments        string
	Input            string
	// Output is a text, as one part of type "input_text", or parts.
	Output []ResponsesContent
	Extra  Extra
}

// ResponsesContent is a part of an item: "input_text", "output_text", "input_image", "input_file",
// "input_audio", "refusal", "summary_text", "reasoning_text". Others pass with members in Extra.
type ResponsesContent struct {
	Type        string
	Text        string
	Refusal     string
	ImageURL    string
	Detail      string
	FileID      string
	FileData    string
	FileURL     string
	Filename    string
	InputAudio  *InputAudio
	Annotations []ResponsesAnnotation
	Logprobs    []TokenLogprob
	Extra       Extra
}

// ResponsesAnnotation is a citation: "url_citation", "file_citation", "container_file_citation" …
type ResponsesAnnotation struct {
	Type       string
	URL        string
	Title      string
	FileID     string
	Filename   string
	Index      int
	StartIndex int
	EndIndex   int
	Extra      Extra
}

// ResponsesResponse is the answer. Status is "completed", "incomplete", "failed", "in_progress", "queued" or
// "cancelled".
type ResponsesResponse struct {
	ID                 string
	Object             string // "response"
	CreatedAt          int64  // Unix seconds
	Status             string
	Model              string
	Output             []ResponsesItem
	Usage              *Usage
	ServiceTier        string
	PreviousResponseID string
	// IncompleteReason is "max_output_tokens" or "content_filter" when Status is "incomplete".
	IncompleteReason string
	Extra            Extra
	Meta             Meta `json:"-"`
}

// ResponsesChunk is one event of a streamed answer, such as "response.output_text.delta" with Delta, or
// "response.completed" with Response.
type ResponsesChunk struct {
	Type           string
	SequenceNumber int
	Response       *ResponsesResponse
	OutputIndex    int
	ContentIndex   int
	SummaryIndex   int
	ItemID         string
	Item           *ResponsesItem
	Part           *ResponsesContent
	Delta          string
	Text           string
	Refusal        string
	Arguments      string
	Input          string
	Name           string
	Annotation     *ResponsesAnnotation
	Logprobs       []TokenLogprob
	Extra          Extra
}

// InputText is a user message item.
func InputText(text string) ResponsesItem {
	return ResponsesItem{Type: "message", Role: RoleUser, Content: []ResponsesContent{{Type: "input_text", Text: text}}}
}

// OutputText joins the texts of all output messages.
func (r *ResponsesResponse) OutputText() string {
	if r == nil {
		return ""
	}
	var out string
	for i := range r.Output {
		if r.Output[i].Type != "message" {
			continue
		}
		for _, c := range r.Output[i].Content {
			if c.Type == "output_text" {
				if out == "" {
					out = c.Text
				} else {
					out += c.Text
				}
			}
		}
	}
	return out
}
