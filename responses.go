package llm

import "strings"

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
	// Store false keeps nothing at the provider; reasoning must then travel encrypted. Default true at OpenAI.
	Store *bool
	// PreviousResponseID continues a stored answer; Background returns at once with Status "queued". Both are
	// the provider's storage, which chat providers do not have.
	PreviousResponseID string
	Background         *bool
	// Truncation "auto" drops the oldest items when the input exceeds the window; "disabled" is the default.
	Truncation           string
	ServiceTier          string
	Metadata             map[string]string
	User                 string
	SafetyIdentifier     string
	PromptCacheKey       string
	PromptCacheRetention string
	StreamOptions        *StreamOptions
	// Extra is laid over the encoded body as it is: conversation, prompt, context_management …
	Extra Extra
}

// ResponsesReasoning asks for thinking. Summary is "auto", "concise" or "detailed": without it no summary comes.
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
//	"message"                 Role, Content
//	"reasoning"               Summary, Content, EncryptedContent
//	"function_call"           CallID, Name, Arguments
//	"function_call_output"    CallID, Output
//	"custom_tool_call"        CallID, Name, Input
//	"custom_tool_call_output" CallID, Output
//
// ID and Status are of all types. Every other type ("web_search_call", "mcp_call", "compaction" …) passes with
// its members in Extra, and so do further members of these: "phase" of a message, "namespace" of a call.
// Append an answer's Output to the next request's Input as it is.
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
	Arguments        string // a JSON object as text
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
	ImageURL    string // https or data: URL
	Detail      string // of an image or file: "auto", "low", "high" or "original"
	FileID      string
	FileData    string // data: URL
	FileURL     string
	Filename    string
	InputAudio  *InputAudio
	Annotations []ResponsesAnnotation
	Logprobs    []TokenLogprob
	Extra       Extra
}

// ResponsesAnnotation is a citation: "url_citation" (URL, Title, StartIndex, EndIndex), "file_citation" (FileID,
// Filename, Index), "container_file_citation", "file_path" … StartIndex and EndIndex are character offsets into
// the text of the same part, Index is a position in the list of files.
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
	// Error is set when Status is "failed". A call never returns such an answer: it returns the error.
	Error *ResponsesError
	Extra Extra
	Meta  Meta `json:"-"`
}

// ResponsesError is why an answer failed: Code is "server_error", "rate_limit_exceeded", "invalid_prompt" …
type ResponsesError struct {
	Code    string
	Message string
	Extra   Extra
}

// ResponsesChunk is one event of a streamed answer, such as "response.output_text.delta" with Delta, or
// "response.completed" with Response; API reference, "Streaming events". Type says which fields are set:
//
//	response.created, .queued, .in_progress, .completed, .incomplete        Response
//	response.output_item.added, .done                                        Item
//	response.content_part.added, .done; response.reasoning_summary_part.…    Part
//	response.….delta                                                         Delta
//	response.output_text.done, response.reasoning_text.done …                Text
//	response.refusal.done                                                    Refusal
//	response.function_call_arguments.done                                    Arguments, Name
//	response.custom_tool_call_input.done                                     Input
//	response.output_text.annotation.added                                    Annotation
//
// OutputIndex, ContentIndex, SummaryIndex and ItemID tell where in the answer it belongs. Every other event passes
// with its members in Extra.
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
	// AnnotationIndex is the annotation's position in its part.
	AnnotationIndex int
	Logprobs        []TokenLogprob
	// Obfuscation is random padding that OpenAI adds against side channels; ignore it.
	Obfuscation string
	Extra       Extra
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
	var texts []string
	for i := range r.Output {
		if r.Output[i].Type != "message" {
			continue
		}
		for j := range r.Output[i].Content {
			if c := &r.Output[i].Content[j]; c.Type == "output_text" {
				texts = append(texts, c.Text)
			}
		}
	}
	if len(texts) == 1 {
		return texts[0]
	}
	return strings.Join(texts, "")
}

// TextDelta is what the event adds to the answer's text.
func (c *ResponsesChunk) TextDelta() string {
	if c == nil || c.Type != "response.output_text.delta" {
		return ""
	}
	return c.Delta
}
