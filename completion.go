package llm

import "github.com/tidwall/gjson"

// Extra holds JSON members that this package does not name.
//
// In a request its members are laid over the encoded body: objects merge, every other value replaces, so
// Extra can reach any depth of any provider's native body. In everything decoded from JSON it holds what
// was not recognised, each value as a [json.RawMessage], and is written back as it came.
type Extra map[string]any

// Get reads a member by gjson path, where the first path element is the member's name: "citations.0".
func (e Extra) Get(path string) gjson.Result {
	return extraGet(e, path)
}

// CompletionRequest asks a chat model for the next message. The zero value of a field means "not set": it is
// not sent, and the provider's default holds. Fields where zero is a meaningful value are pointers; with
// Go 1.26 new(0.2) writes one.
//
// The vocabulary is that of OpenAI's API reference, "Create chat completion", with the additions that other
// vendors made common. What a provider's wire cannot carry is an [ErrUnsupportedParam] that names the field,
// unless [WithDropParams] allows dropping it; each drop is a [Warning] on the answer.
type CompletionRequest struct {
	// Model is "provider/model", for example "anthropic/claude-sonnet-4-5". The model part is sent as written.
	Model string
	// Messages is the conversation, oldest first.
	Messages []Message

	// MaxTokens bounds the answer in tokens, reasoning included. Providers that require a bound
	// (Anthropic) state in their package comment what is sent when it is 0.
	MaxTokens int
	// Temperature is the sampling temperature, 0 to 2 (0 to 1 at some providers). 0 is sent.
	Temperature *float64
	// TopP is nucleus sampling's probability mass, 0 to 1.
	TopP *float64
	// TopK limits sampling to the K most likely tokens. Not part of OpenAI's API; Anthropic, Gemini and
	// most open-model hosts take it.
	TopK int
	// N is how many answers to generate; 0 means the provider's default of 1.
	N int
	// Stop ends generation when one of these texts would be generated. OpenAI takes up to 4.
	Stop []string
	// Seed asks for repeatable sampling, best effort.
	Seed *int64
	// FrequencyPenalty and PresencePenalty are between -2 and 2.
	FrequencyPenalty *float64
	PresencePenalty  *float64
	// LogitBias maps token ids (as decimal strings) to a bias from -100 to 100.
	LogitBias map[string]int
	// Logprobs asks for the log probabilities of the answer's tokens, TopLogprobs (0 to 20) for those of
	// the most likely alternatives at each position.
	Logprobs    bool
	TopLogprobs *int

	// Tools the model may call, and how it should choose. A nil ToolChoice is the provider's default: auto.
	Tools      []Tool
	ToolChoice *ToolChoice
	// ParallelToolCalls false asks for at most one call per turn. Default true where the provider knows it.
	ParallelToolCalls *bool

	// ResponseFormat asks for JSON, free or by schema. See also [CompletionAs].
	ResponseFormat *ResponseFormat

	// ReasoningEffort is how hard a reasoning model thinks. Providers that want tokens instead get the
	// budget their package comment documents.
	ReasoningEffort ReasoningEffort
	// Thinking controls thinking where it is set in tokens or modes (Anthropic, Gemini, Bedrock, Qwen …).
	// It wins over ReasoningEffort where both map to the same wire member.
	Thinking *Thinking
	// Verbosity is "low", "medium" or "high": how long answers are (GPT-5 family).
	Verbosity string

	// Prediction is text that the answer is expected to repeat for the most part (predicted outputs).
	Prediction *Prediction
	// Modalities the answer may have: "text", "audio", "image". Default text.
	Modalities []string
	// Audio is required when Modalities has "audio".
	Audio *AudioOutput

	// ServiceTier is the processing tier: "auto", "default", "flex", "priority", "scale", "standard_only" …,
	// as the provider names it.
	ServiceTier string
	// Store keeps the answer at the provider for later retrieval.
	Store *bool
	// Metadata is stored with the answer at the provider (OpenAI: 16 pairs; keys to 64, values to 512
	// characters). For labels that stay in this process see [WithMetadata].
	Metadata map[string]string
	// User is the caller's end user, as the provider's abuse detection wants it. OpenAI replaces it by
	// SafetyIdentifier (a stable hash, no personal data) and PromptCacheKey.
	User             string
	SafetyIdentifier string
	// PromptCacheKey routes alike prompts to the same prompt cache; PromptCacheRetention is "in-memory" or
	// "24h".
	PromptCacheKey       string
	PromptCacheRetention string
	// CacheControl asks the provider to place the prompt cache's mark itself (Anthropic's automatic caching).
	// To place marks by hand use the field of the same name on parts, messages and tools.
	CacheControl *CacheControl
	// WebSearchOptions lets the model search the web before it answers.
	WebSearchOptions *WebSearchOptions
	// StreamOptions overrides what a stream asks for. By default usage is asked for wherever the host is
	// known to accept the asking.
	StreamOptions *StreamOptions

	// Extra is laid over the encoded body as it is.
	Extra Extra
}

// ReasoningEffort is how hard a reasoning model thinks. Models accept different subsets; a value is sent as
// it is where the wire has the member.
type ReasoningEffort string

// The levels in use, lightest first.
const (
	EffortNone    ReasoningEffort = "none"
	EffortMinimal ReasoningEffort = "minimal"
	EffortLow     ReasoningEffort = "low"
	EffortMedium  ReasoningEffort = "medium"
	EffortHigh    ReasoningEffort = "high"
	EffortXHigh   ReasoningEffort = "xhigh"
	EffortMax     ReasoningEffort = "max"
)

// Thinking controls a model's visible or hidden thinking.
type Thinking struct {
	// Type is "enabled" (with BudgetTokens), "adaptive" (the model decides) or "disabled".
	Type string `json:"type"`
	// BudgetTokens bounds thinking, in tokens. Anthropic: at least 1024 and below MaxTokens.
	// Gemini 2.5: 0 turns thinking off, -1 is dynamic.
	BudgetTokens *int `json:"budget_tokens,omitempty"`
	// Display is "summarized" or "omitted" (Anthropic): what is returned of the thinking text. Gemini:
	// anything but "omitted" asks for thought summaries.
	Display string `json:"display,omitempty"`
}

// Prediction is expected output; see OpenAI's API reference, "Predicted outputs".
type Prediction struct {
	Content Content
}

// AudioOutput says how spoken answers sound: a voice ("alloy" …) and a format ("wav", "mp3", "flac", "opus",
// "pcm16").
type AudioOutput struct {
	Voice  string `json:"voice"`
	Format string `json:"format"`
}

// WebSearchOptions tunes the provider's own web search.
type WebSearchOptions struct {
	// SearchContextSize is "low", "medium" (default) or "high".
	SearchContextSize string
	UserLocation      *UserLocation
	Extra             Extra
}

// UserLocation is the approximate place a search is made from: all parts optional; Country is an ISO
// 3166-1 alpha-2 code, Timezone an IANA name.
type UserLocation struct {
	City     string `json:"city,omitempty"`
	Country  string `json:"country,omitempty"`
	Region   string `json:"region,omitempty"`
	Timezone string `json:"timezone,omitempty"`
}

// StreamOptions are OpenAI's stream_options.
type StreamOptions struct {
	// IncludeUsage nil: asked for where the host is known to accept it.
	IncludeUsage *bool `json:"include_usage,omitempty"`
	// IncludeObfuscation false saves the padding bytes that OpenAI adds to streams by default.
	IncludeObfuscation *bool `json:"include_obfuscation,omitempty"`
}

// CacheControl marks the end of a prompt prefix that the provider should cache (Anthropic's prompt caching,
// Bedrock's cachePoint). TTL is "5m" (default) or "1h".
type CacheControl struct {
	Type string `json:"type"` // "ephemeral"
	TTL  string `json:"ttl,omitempty"`
}

// Ephemeral is the cache mark with its default life of five minutes.
func Ephemeral() *CacheControl { return &CacheControl{Type: "ephemeral"} }

// ResponseFormat asks for a kind of answer: Type is "text", "json_object" or "json_schema".
type ResponseFormat struct {
	Type       string
	JSONSchema *JSONSchema
	Extra      Extra
}

// JSONSchema names a schema and says how strictly it holds.
type JSONSchema struct {
	Name        string // a-z A-Z 0-9 _ -, up to 64
	Description string
	Schema      any // a JSON Schema: map[string]any, json.RawMessage, *jsonschema.Schema …
	// Strict asks for the provider's constrained decoding. Each dialect sends the part of the schema it
	// accepts; see [CompletionAs] for local validation of the rest.
	Strict *bool
	Extra  Extra
}

// Tool is something the model may call. Type is "function" (the default when empty) or "custom"; any other
// type is a provider's own tool, whose members are Extra:
//
//	llm.Tool{Type: "web_search_20250305", Extra: llm.Extra{"name": "web_search", "max_uses": 3}}
type Tool struct {
	Type         string
	Function     *FunctionTool
	Custom       *CustomTool
	CacheControl *CacheControl
	Extra        Extra
}

// FunctionTool is a function the caller offers.
type FunctionTool struct {
	Name        string
	Description string
	Parameters  any // JSON Schema of the arguments object; nil: no arguments
	// Strict asks that arguments match the schema exactly (OpenAI's strict mode and its like).
	Strict *bool
	Extra  Extra
}

// CustomTool takes free text instead of a JSON object, optionally held to a grammar.
type CustomTool struct {
	Name        string
	Description string
	// Format is {"type":"text"} or {"type":"grammar","grammar":{"syntax":"lark"|"regex","definition":…}}.
	Format any
	Extra  Extra
}

// ToolChoice says how the model chooses a tool. Mode is "auto", "none" or "required"; or Mode is "" and Name
// is the one function that must be called.
type ToolChoice struct {
	Mode string
	Name string
	// Type is the named tool's type: "function" (default) or "custom".
	Type string
	// Allowed limits the choice to these tool names; Mode is then "auto" or "required".
	Allowed []string
	Extra   Extra
}

// ToolChoiceAuto lets the model choose, also none: the default.
func ToolChoiceAuto() *ToolChoice { return &ToolChoice{Mode: "auto"} }

// ToolChoiceNone forbids tools in this turn.
func ToolChoiceNone() *ToolChoice { return &ToolChoice{Mode: "none"} }

// ToolChoiceRequired asks for at least one call.
func ToolChoiceRequired() *ToolChoice { return &ToolChoice{Mode: "required"} }

// ToolChoiceFunc asks for a call of this function.
func ToolChoiceFunc(name string) *ToolChoice { return &ToolChoice{Name: name} }

// Role says who speaks.
type Role string

// The roles. RoleDeveloper is OpenAI's newer name for system; providers that know one of them get that one.
const (
	RoleSystem    Role = "system"
	RoleDeveloper Role = "developer"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool"
)

// Message is one turn of a conversation, in requests and in answers alike: append a choice's Message to the
// next request as it is. It keeps its JSON form in OpenAI's shape, unknown members included, so a
// conversation can be stored and continued, also at another provider.
type Message struct {
	// Role says who speaks; in answers it is RoleAssistant.
	Role    Role
	Content Content
	// Name tells participants of one role apart.
	Name string
	// ToolCalls are complete: each one's arguments are a JSON object. Only these may be executed.
	ToolCalls []ToolCall
	// IncompleteToolCalls were still open when the turn ended, or their arguments do not parse. Never execute
	// them; they are not sent back.
	IncompleteToolCalls []ToolCall
	// ToolCallID, with RoleTool, is the call that this message answers.
	ToolCallID string
	// IsError, with RoleTool, marks the result as the tool's failure (Anthropic, Bedrock); elsewhere only
	// the text tells.
	IsError bool
	// Refusal is the model's refusal where the provider keeps it apart from content.
	Refusal string
	// ReasoningContent is the thinking text, or its summary, for display. What goes back to the provider is
	// ThinkingBlocks.
	ReasoningContent string
	// ThinkingBlocks are the signed, encrypted or redacted records of thinking that some providers must get
	// back unchanged in the next request.
	ThinkingBlocks []ThinkingBlock
	// Annotations are citations.
	Annotations []Annotation
	// Images the model made, as parts of type image_url (often data: URLs).
	Images []Part
	// Audio is a spoken answer.
	Audio *AudioAnswer
	// Native is the provider's own content where this flat form would lose its order or parts of it
	// (server tools, interleaved thinking). It goes back, instead of the other fields, only to the dialect it
	// came from; elsewhere the other fields speak. Set it to nil when you edit the message.
	Native *NativeContent
	// CacheControl marks the end of this message as the end of a cached prefix.
	CacheControl *CacheControl
	Extra        Extra
}

// NativeContent is a message's content in its provider's own JSON.
type NativeContent struct {
	Origin  string // the dialect it is bound to: "anthropic", "gemini", "openai-responses" …
	Content []byte // JSON as received; its strings (signatures, encrypted blocks) survive storage byte for byte
}

// ThinkingBlock is one record of a model's thinking.
type ThinkingBlock struct {
	// Type is "thinking", "redacted_thinking" or "reasoning" (OpenAI's encrypted items).
	Type string
	// Index tells the blocks of one message apart while they stream: fragments with the same Index are one
	// block. In a complete message it is the position.
	Index int
	ID    string
	// Thinking is the text; it may be empty although Signature is set.
	Thinking string
	// Signature proves the block to its provider; Data is encrypted content. Both are opaque.
	Signature string
	Data      string
	// Origin is the dialect that made the block and the only one that it may be sent to.
	Origin string
	Extra  Extra
}

// Content is a list of parts. On the wire it may be a string; here it is always a list. A nil Content is
// null on the wire.
type Content []Part

// Text joins the text parts.
func (c Content) Text() string {
	if len(c) == 1 {
		return c[0].Text
	}
	return joinText(c)
}

// Part is one piece of content. Type says which of the fields is set.
type Part struct {
	// Type is "text", "image_url", "input_audio", "file", "video_url" or "refusal". Others pass as they are,
	// with their members in Extra.
	Type       string
	Text       string
	ImageURL   *ImageURL
	InputAudio *InputAudio
	File       *File
	VideoURL   *VideoURL
	Refusal    string
	// CacheControl marks the end of this part as the end of a cached prefix.
	CacheControl *CacheControl
	Extra        Extra
}

// ImageURL is an image by https URL or data: URL. Detail is "auto", "low", "high" or "original".
type ImageURL struct {
	URL    string
	Detail string
	// Format is the media type ("image/png") where the URL does not tell and the provider wants it.
	Format string
	Extra  Extra
}

// InputAudio is sound: Data in base64, Format "wav" or "mp3" (others where the provider takes them).
type InputAudio struct {
	Data   string
	Format string
	Extra  Extra
}

// File is a document: by id of an uploaded file, by URL, or inline as a data: URL or base64 in FileData.
type File struct {
	FileID   string
	FileData string
	FileURL  string
	Filename string
	// Format is the media type, where neither the data: URL nor the file name tells.
	Format string
	Extra  Extra
}

// VideoURL is a video by URL or data: URL.
type VideoURL struct {
	URL    string
	Format string
	Extra  Extra
}

// ToolCall is the model's wish to call a tool.
type ToolCall struct {
	// Index is the call's position in the message; it ties the fragments of a stream together.
	Index int
	ID    string
	Type  string // "function" or "custom"
	// Function is the call of a function tool, Custom that of a custom tool.
	Function FunctionCall
	Custom   *CustomCall
	// Signature is the provider's proof that goes back with this call (Gemini's thought signature), bound to
	// the dialect in Origin.
	Signature string
	Origin    string
	Extra     Extra
}

// FunctionCall names a function and its arguments, a JSON object as text.
type FunctionCall struct {
	Name      string
	Arguments string
}

// CustomCall names a custom tool and its free-text input.
type CustomCall struct {
	Name  string
	Input string
}

// Annotation is a citation. Type is "url_citation" or "file_citation"; others pass with members in Extra.
type Annotation struct {
	Type         string
	URLCitation  *URLCitation
	FileCitation *FileCitation
	Extra        Extra
}

// URLCitation: StartIndex and EndIndex are character offsets into the message's text, 0 and 0 where the
// provider does not say.
type URLCitation struct {
	StartIndex int
	EndIndex   int
	URL        string
	Title      string
	// CitedText is the quoted source text, where given.
	CitedText string
	Extra     Extra
}

// FileCitation is a citation of a document given in the request or in a store.
type FileCitation struct {
	FileID        string
	Filename      string
	DocumentIndex int
	// The cited place: characters, pages (from 1) or blocks, as Extra's native members say in full.
	StartIndex int
	EndIndex   int
	CitedText  string
	Extra      Extra
}

// AudioAnswer is speech from the model. Data is base64; in streams each fragment decodes by itself.
type AudioAnswer struct {
	ID         string
	Data       string
	ExpiresAt  int64 // Unix seconds
	Transcript string
	Extra      Extra
}

// CompletionResponse is the answer to a [CompletionRequest].
type CompletionResponse struct {
	ID                string
	Object            string // "chat.completion"
	Created           int64  // Unix seconds
	Model             string // as the provider names it
	SystemFingerprint string
	ServiceTier       string // as the provider says it served
	Choices           []Choice
	Usage             *Usage
	Extra             Extra
	Meta              Meta `json:"-"`
}

// Choice is one answer.
type Choice struct {
	Index        int
	Message      Message
	FinishReason FinishReason
	// NativeFinishReason is the provider's own word.
	NativeFinishReason string
	// StopSequence is the text of Stop that ended the answer, where the provider tells.
	StopSequence string
	Logprobs     *Logprobs
	Extra        Extra
}

// FinishReason is why an answer ended.
type FinishReason string

// The reasons. A turn with at least one complete tool call finishes with FinishToolCalls, whatever the
// provider calls it.
const (
	FinishStop          FinishReason = "stop"
	FinishLength        FinishReason = "length"
	FinishToolCalls     FinishReason = "tool_calls"
	FinishContentFilter FinishReason = "content_filter"
)

// Logprobs are token log probabilities of the content and of a refusal.
type Logprobs struct {
	Content []TokenLogprob `json:"content"`
	Refusal []TokenLogprob `json:"refusal,omitempty"`
}

// TokenLogprob: natural-log probability of Token; -9999 stands for "very unlikely" at OpenAI.
type TokenLogprob struct {
	Token       string         `json:"token"`
	Logprob     float64        `json:"logprob"`
	Bytes       []int          `json:"bytes,omitempty"` // UTF-8 bytes of the token
	TopLogprobs []TokenLogprob `json:"top_logprobs,omitempty"`
}

// Usage counts tokens, in OpenAI's sense: PromptTokens is all input, cached tokens included;
// CompletionTokens is all output, reasoning included. The details are parts of those sums.
type Usage struct {
	PromptTokens            int
	CompletionTokens        int
	TotalTokens             int
	PromptTokensDetails     *PromptTokensDetails
	CompletionTokensDetails *CompletionTokensDetails
	ServerToolUse           *ServerToolUse
	// Cost is what the provider itself says the call cost, in US dollars, as a decimal number; "" if it
	// says nothing.
	Cost string
	// Source tells where the counts come from. An answer without usage has a nil *Usage.
	Source UsageSource
	Extra  Extra
}

// UsageSource is "provider" (the zero value means the same) or "estimated".
type UsageSource string

const (
	UsageProvider  UsageSource = "provider"
	UsageEstimated UsageSource = "estimated"
)

// PromptTokensDetails splits the input. CachedTokens were read from the prompt cache;
// CacheCreationTokens were written to it (of those, 5m and 1h by the life asked for).
type PromptTokensDetails struct {
	CachedTokens          int
	CacheCreationTokens   int
	CacheCreation5mTokens int
	CacheCreation1hTokens int
	TextTokens            int
	AudioTokens           int
	ImageTokens           int
	VideoTokens           int
	ToolUseTokens         int // tokens of server-side tool results fed back to the model (Gemini)
	Extra                 Extra
}

// CompletionTokensDetails splits the output.
type CompletionTokensDetails struct {
	ReasoningTokens          int
	TextTokens               int
	AudioTokens              int
	ImageTokens              int
	AcceptedPredictionTokens int
	RejectedPredictionTokens int // billed although not in the answer
	Extra                    Extra
}

// ServerToolUse counts calls of the provider's own tools, which are billed per call.
type ServerToolUse struct {
	WebSearchRequests     int
	WebFetchRequests      int
	CodeExecutionRequests int
	Extra                 Extra
}

// CompletionChunk is one piece of a streamed answer. Only the last chunk of a choice has a FinishReason, and
// one chunk, at or near the end, has Usage; its Choices may be empty.
type CompletionChunk struct {
	ID                string
	Object            string // "chat.completion.chunk"
	Created           int64
	Model             string
	SystemFingerprint string
	ServiceTier       string
	Choices           []ChunkChoice
	Usage             *Usage
	// Obfuscation is random padding that OpenAI adds against side channels; ignore it.
	Obfuscation string
	// Marker is set on a chunk, without choices, that stands between what two attempts said; see [Call.Resume].
	Marker Marker
	Extra  Extra
}

// Marker says how what follows in a stream belongs to what came before.
type Marker string

// The markers.
const (
	MarkerRestart  Marker = "restart"  // the answer begins anew: forget what came before
	MarkerContinue Marker = "continue" // another model goes on where the answer broke off
)

// ChunkChoice is what a chunk adds to one choice.
type ChunkChoice struct {
	Index              int
	Delta              Delta
	FinishReason       FinishReason
	NativeFinishReason string
	StopSequence       string
	Logprobs           *Logprobs
	Extra              Extra
}

// Delta is what a chunk adds to a message: texts append; tool calls and thinking blocks append to the one
// with the same Index; everything else adds to its list or sets.
type Delta struct {
	Role             Role
	Content          string
	ReasoningContent string
	Refusal          string
	ToolCalls        []ToolCall
	ThinkingBlocks   []ThinkingBlock
	Annotations      []Annotation
	Images           []Part
	Audio            *AudioAnswer
	Native           *NativeContent
	// IncompleteToolCalls are calls that are known to be cut, whole as far as they came: those of an answer that
	// is replayed. They never become ToolCalls.
	IncompleteToolCalls []ToolCall
	Extra               Extra
}

// Text is the first choice's text, "" if there is none.
func (r *CompletionResponse) Text() string { return r.Message().Content.Text() }

// Message is the first choice's message, or an empty one.
func (r *CompletionResponse) Message() *Message {
	if r == nil || len(r.Choices) == 0 {
		return &Message{Role: RoleAssistant}
	}
	return &r.Choices[0].Message
}

// ToolCalls are the first choice's complete tool calls.
func (r *CompletionResponse) ToolCalls() []ToolCall { return r.Message().ToolCalls }

// FinishReason is the first choice's, "" if there is none.
func (r *CompletionResponse) FinishReason() FinishReason {
	if r == nil || len(r.Choices) == 0 {
		return ""
	}
	return r.Choices[0].FinishReason
}

// Text is what the chunk adds to the first choice's text.
func (c *CompletionChunk) Text() string {
	if c == nil || len(c.Choices) == 0 || c.Choices[0].Index != 0 {
		return ""
	}
	return c.Choices[0].Delta.Content
}

// Reasoning is what the chunk adds to the first choice's thinking text.
func (c *CompletionChunk) Reasoning() string {
	if c == nil || len(c.Choices) == 0 || c.Choices[0].Index != 0 {
		return ""
	}
	return c.Choices[0].Delta.ReasoningContent
}
