package openai

import (
	"slices"
	"strings"

	"github.com/llm-go/llm"
)

// Quirks are the ways in which a host deviates from OpenAI's API. The list is closed and short: a host that needs
// more is a package of its own. Lists of words are separated by spaces.
type Quirks struct {
	// Drop names request members that the host refuses or silently ignores: "seed logit_bias user". They are
	// errors for the caller, or dropped with a warning where dropping is allowed.
	Drop string
	// Accept names what the host takes beyond a plain OpenAI-compatible server:
	//
	//	top_k          the request member
	//	cache_control  Anthropic's cache marks, on parts and tools; a message's mark moves to its last part
	//	developer      the role, which elsewhere becomes system
	//	allowed_tools  the form of tool_choice; elsewhere only the allowed tools are sent
	//	file_url       a file's URL where OpenAI wants its data (file_data)
	//	cut_off        streams without [DONE]: they are complete when each choice has a finish_reason
	Accept string
	// Refuse names content parts that the host is known not to take: "input_audio file video_url".
	Refuse string

	// MaxTokens is the name of the answer's bound; "" is max_completion_tokens.
	MaxTokens string
	// Seed is the name of the seed; "" is seed.
	Seed string
	// ModelPrefix is put before model names that do not begin with its first path segment.
	ModelPrefix string
	// ChatPath and TextPath are the paths of the two completion operations, "" is OpenAI's.
	ChatPath, TextPath string
	// Body is JSON members that are added to each chat request: `"usage":{"include":true}`.
	Body string
	// MaxTemperature is the highest temperature; a higher one is lowered with a warning. 0: no limit known.
	MaxTemperature float64

	// FlattenContent: content must be a string; lists of texts are joined.
	FlattenContent bool
	// NoStreamUsage: the host refuses stream_options.
	NoStreamUsage bool
	// NoName: the host refuses the member name in messages.
	NoName bool
	// ToolID is the rule for ids of tool calls: "" takes any, "40" at most 40 characters (OpenAI), "9" exactly
	// nine letters and digits (Mistral). Ids that break it are mapped, the same way in call and result.
	ToolID string
	// ToolChoice lists the modes of tool_choice that the host takes; "" is all of them. A mode written
	// "required:any" is sent by another name; "named" stands for the choice of one tool.
	ToolChoice string
	// SchemaStrip names keywords that are removed from the schemas of tools, and, with "strict", the flag.
	SchemaStrip string
	// StrictSchema: schemas with strict are held to OpenAI's rules; they are converted.
	StrictSchema bool
	// JSONSchema: "" the host takes response_format json_schema; "json_object" it only knows that.
	JSONSchema string
	// EchoReasoning is the member by which earlier turns give their reasoning back; "" is not at all.
	// EchoRequired: a turn with tool calls is refused without it, so one from elsewhere gets a blank.
	EchoReasoning string
	EchoRequired  bool
	// Thinking is how the host is told to think: "" it cannot be, "object" in Anthropic's form, "type" the same
	// without budget, "enable_thinking" Qwen's enable_thinking and thinking_budget, "reasoning" OpenRouter's
	// reasoning object.
	Thinking string
	// EffortAsThinking: there is no reasoning_effort; an effort switches Thinking on or off.
	EffortAsThinking bool

	// CumulativeReasoning: the reasoning_details of a stream may repeat their text from its start (MiniMax).
	CumulativeReasoning bool
	// ReasoningApart: completion_tokens does not include reasoning_tokens (xAI).
	ReasoningApart bool

	// EmbeddingBase64: the host takes "encoding_format": "base64" for embeddings.
	EmbeddingBase64 bool
}

// drops says whether the host cannot carry the member.
func (q *Quirks) drops(param string) bool { return hasWord(q.Drop, param) }

// accepts says whether the host takes an addition.
func (q *Quirks) accepts(word string) bool { return hasWord(q.Accept, word) }

// model is the name for the wire.
func (q *Quirks) model(call *llm.Call) string {
	if q.ModelPrefix == "" {
		return call.Model
	}
	first, _, _ := strings.Cut(q.ModelPrefix, "/")
	if strings.HasPrefix(call.Model, first+"/") {
		return call.Model
	}
	return q.ModelPrefix + call.Model
}

// hasWord looks for a word in a list separated by spaces.
func hasWord(list, word string) bool {
	return list != "" && slices.Contains(strings.Fields(list), word)
}
