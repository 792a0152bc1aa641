package bedrock

import "strings"

// family says what a family of models takes beyond the members that Converse has for all. It is data: which
// member of additionalModelRequestFields carries what. A model that no row matches is sent what Converse
// itself defines, and nothing else.
type family struct {
	// prefix is how the family's base model ids begin, without the geography of an inference profile.
	prefix string
	// topK is the path below additionalModelRequestFields that carries top_k; nil: the family takes none.
	topK []string
	// effort is the way reasoning_effort travels.
	effort effortForm
	// thinking is the member of additionalModelRequestFields that controls thinking, "" where there is none.
	thinking string
	// origin is what this family's signed reasoning is bound to.
	origin string
	// replay says which reasoning goes back in the next request.
	replay replay
}

type effortForm uint8

const (
	effortNone     effortForm = iota
	effortAdaptive            // outputConfig.effort, and adaptive thinking switched on
	effortBudget              // a token budget for thinking
	effortOutput              // outputConfig.effort alone
	effortNova                // reasoningConfig.maxReasoningEffort: low, medium, high
	effortField               // reasoning_effort below additionalModelRequestFields
)

type replay uint8

const (
	replayAll    replay = iota // whatever came from this dialect
	replaySigned               // blocks with a signature or encrypted content; others are refused by the model
	replayNone                 // the model refuses reasoning in its history
)

const (
	dialect = "bedrock"
	// claude is the origin of Claude's signed thinking. Anthropic's guide, "Extended thinking", says: signature
	// values are compatible across Claude's API, Bedrock and Vertex AI. So they carry Anthropic's name here too,
	// and a conversation moves between the three with its thinking.
	claude = "anthropic"
)

// families is searched in order; the first prefix that fits is the row. Sources: Amazon Bedrock user guide,
// "Inference request parameters and response fields for foundation models" and "Enhance model responses with
// model reasoning"; Amazon Nova 2 user guide, "Request and response schema"; Anthropic's guide, "Adaptive
// thinking" (the models before Opus 4.6 take a budget only).
var families = []family{
	{prefix: "anthropic.claude-3-7-sonnet-", topK: topK, effort: effortBudget, thinking: "thinking", origin: claude, replay: replaySigned},
	{prefix: "anthropic.claude-3-", topK: topK, origin: claude, replay: replaySigned},
	{prefix: "anthropic.claude-sonnet-4-2025", topK: topK, effort: effortBudget, thinking: "thinking", origin: claude, replay: replaySigned},
	{prefix: "anthropic.claude-opus-4-2025", topK: topK, effort: effortBudget, thinking: "thinking", origin: claude, replay: replaySigned},
	{prefix: "anthropic.claude-opus-4-1-", topK: topK, effort: effortBudget, thinking: "thinking", origin: claude, replay: replaySigned},
	{prefix: "anthropic.claude-sonnet-4-5-", topK: topK, effort: effortBudget, thinking: "thinking", origin: claude, replay: replaySigned},
	{prefix: "anthropic.claude-haiku-4-5-", topK: topK, effort: effortBudget, thinking: "thinking", origin: claude, replay: replaySigned},
	{prefix: "anthropic.claude-opus-4-5-", topK: topK, effort: effortBudget, thinking: "thinking", origin: claude, replay: replaySigned},
	{prefix: "anthropic.", topK: topK, effort: effortAdaptive, thinking: "thinking", origin: claude, replay: replaySigned},
	{prefix: "amazon.nova-2-", topK: []string{"inferenceConfig", "topK"}, effort: effortNova, thinking: "reasoningConfig", origin: dialect},
	{prefix: "amazon.nova-", topK: []string{"inferenceConfig", "topK"}, origin: dialect},
	{prefix: "openai.gpt-oss-", effort: effortField, origin: dialect},
	{prefix: "deepseek.r1-", origin: dialect, replay: replayNone},
	{prefix: "mistral.", topK: topK, origin: dialect},
	{prefix: "cohere.command-r", topK: []string{"k"}, origin: dialect},
}

var topK = []string{"top_k"}

// unknown is the family of what no row matches. An ARN of an application inference profile or of provisioned
// throughput does not tell its model, so blobs of both origins are taken.
var unknown = family{effort: effortOutput, origin: dialect}

// geographies are the first parts of the ids of cross-region inference profiles: Amazon Bedrock user guide,
// "Supported Regions and models for inference profiles".
var geographies = map[string]bool{
	"us": true, "us-gov": true, "eu": true, "apac": true, "jp": true, "au": true, "ca": true, "sa": true, "global": true,
}

// baseModel is the id of the base model in a model id, inference profile id or ARN, or what is left of it.
func baseModel(model string) string {
	if strings.HasPrefix(model, "arn:") {
		model = model[strings.LastIndexByte(model, '/')+1:]
	}
	if geo, rest, ok := strings.Cut(model, "."); ok && geographies[geo] {
		return rest
	}
	return model
}

func familyOf(model string) *family {
	base := baseModel(model)
	for i := range families {
		if strings.HasPrefix(base, families[i].prefix) {
			return &families[i]
		}
	}
	return &unknown
}

// takes says whether blobs of an origin may go to the family.
func (f *family) takes(origin string) bool {
	return origin == dialect || origin == f.origin || f == &unknown && origin == claude
}
