// Package bedrock speaks Amazon Bedrock's Converse API: Amazon Bedrock API reference, "Amazon Bedrock Runtime",
// actions Converse, ConverseStream, CountTokens and InvokeModel (for embeddings), and ListFoundationModels.
//
// Models are named by base model id, inference profile id or ARN, sent as written:
// "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0".
//
// # Credentials and region
//
// An API key (AWS_BEARER_TOKEN_BEDROCK, or [llm.WithAPIKey]) is sent as a bearer token. Otherwise requests are
// signed with AWS Signature Version 4 from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for temporary
// credentials, AWS_SESSION_TOKEN, given by [llm.WithSetting] or the environment. Shared configuration files,
// single sign-on and instance roles need the AWS SDK's own configuration package: see [SignWith]. The region is
// AWS_REGION, AWS_DEFAULT_REGION or AWS_REGION_NAME; there is no default. AWS_ENDPOINT_URL_BEDROCK_RUNTIME
// names another endpoint.
//
// # What is sent
//
// Nothing is sent by default: without MaxTokens the model's own maximum holds. System and developer messages,
// wherever they stand, become the system prompt. Messages of one side that follow each other become one turn,
// with tool results at its start. Blank texts are left out, as Converse refuses them. Documents are renamed to
// the characters that Converse allows, and numbered where names repeat.
//
// CacheControl becomes a cachePoint behind what it marks. TopK, ReasoningEffort and Thinking travel in
// additionalModelRequestFields or outputConfig, as the model's family has it. For Claude models that think by
// budget, the efforts are 1,024 tokens (minimal and low), 2,048 (medium), 4,096 (high), 8,192 (xhigh) and 16,384
// (max), less where MaxTokens leaves less.
//
// Members of Converse that have no field in [llm.CompletionRequest] are given in Extra: guardrailConfig,
// performanceConfig, promptVariables, additionalModelRequestFields, additionalModelResponseFieldPaths. A part
// or tool of an unknown type is sent as its Extra, which must hold the one member of the union:
// llm.Part{Type: "guardContent", Extra: llm.Extra{"guardContent": …}}, llm.Tool{Type: "systemTool", …}.
// Images, documents and videos may be s3:// URLs; ImageURL.Extra and the like may hold bucketOwner.
package bedrock

import (
	"fmt"
	"net/http"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/providers/anthropic"
)

func init() { llm.Register(provider) }

var provider = newProvider(signer{time.Now, service})

// Provider is Amazon Bedrock.
func Provider() *llm.Provider { return provider }

func newProvider(s signer) *llm.Provider {
	return &llm.Provider{
		Name:        "bedrock",
		Aliases:     []string{"bedrock_converse"},
		BaseURL:     "https://bedrock-runtime." + regionVariable + ".amazonaws.com",
		BaseURLEnv:  []string{"AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_BEDROCK_RUNTIME_ENDPOINT"},
		Hosts:       []string{"bedrock." + regionVariable + ".amazonaws.com", "bedrock-fips." + regionVariable + ".amazonaws.com"},
		KeyEnv:      []string{bearerToken},
		KeyOptional: true, // authenticate says what is missing: there are two ways to be known
		Doc:         "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
		Auth:        s.authenticate,
		Error:       readError,
		Completion: &llm.Op[llm.CompletionRequest, llm.CompletionResponse, llm.CompletionChunk]{
			Encode: encodeCompletion,
			Decode: decodeCompletion,
			Stream: streamCompletion,
		},
		CountTokens: &llm.Op[llm.CountTokensRequest, llm.CountTokensResponse, llm.None]{
			Encode: encodeCountTokens,
			Decode: decodeCountTokens,
		},
		Embedding: &llm.Op[llm.EmbeddingRequest, llm.EmbeddingResponse, llm.None]{Do: doEmbedding},
		Models: &llm.Op[llm.ModelsRequest, llm.ModelsResponse, llm.None]{
			Encode: encodeModels,
			Decode: decodeModels,
		},
	}
}

func modelPath(call *llm.Call, action string) string {
	return "/model/" + escape(call.Model) + "/" + action
}

func encodeCompletion(call *llm.Call, req *llm.CompletionRequest) (*http.Request, error) {
	if err := refuse(call, req); err != nil {
		return nil, err
	}
	w := &writer{call: call, family: familyOf(call.Model)}
	e := &w.e
	e.B = call.Buffer(size(req))
	e.Object()
	w.conversation(req.Messages)
	w.inference(req)
	w.tools(req.Messages, toolbox{req.Tools, req.ToolChoice})
	w.additional(additional{topK: req.TopK, effort: req.ReasoningEffort, thinking: req.Thinking, maxTokens: req.MaxTokens})
	w.output(req)
	if len(req.Metadata) > 0 {
		e.Name("requestMetadata")
		e.Any(req.Metadata)
	}
	if req.ServiceTier != "" {
		e.Name("serviceTier")
		e.Object()
		e.OptStr("type", req.ServiceTier)
		e.EndObject()
	}
	e.EndObject()
	if err := w.error(); err != nil {
		return nil, err
	}
	action, accept := "converse", "application/json"
	if call.Stream {
		action, accept = "converse-stream", "application/vnd.amazon.eventstream"
	}
	r, err := call.NewJSONRequest(modelPath(call, action), e.B, req.Extra)
	if err == nil {
		r.Header.Set("Accept", accept)
	}
	return r, err
}

// size is a guess of the body's: texts, and what surrounds them.
func size(req *llm.CompletionRequest) int {
	n := 512 + 256*len(req.Tools)
	for i := range req.Messages {
		m := &req.Messages[i]
		n += 64
		for j := range m.Content {
			p := &m.Content[j]
			n += 32 + len(p.Text) + len(p.Text)/16
			if p.ImageURL != nil {
				n += len(p.ImageURL.URL)
			}
			if p.File != nil {
				n += len(p.File.FileData)
			}
		}
		for j := range m.ToolCalls {
			n += 96 + len(m.ToolCalls[j].Function.Arguments)
		}
	}
	return n
}

// refuse goes through the fields that Converse has no member for.
func refuse(call *llm.Call, req *llm.CompletionRequest) error {
	const none = "Converse has no such member"
	for _, f := range []struct {
		name, why string
		set       bool
	}{
		{"n", "Converse gives one answer", req.N > 1},
		{"seed", none, req.Seed != nil},
		{"frequency_penalty", none, req.FrequencyPenalty != nil},
		{"presence_penalty", none, req.PresencePenalty != nil},
		{"logit_bias", none, len(req.LogitBias) > 0},
		{"logprobs", none, req.Logprobs},
		{"top_logprobs", none, req.TopLogprobs != nil},
		{"parallel_tool_calls", "Converse cannot limit the calls of a turn", req.ParallelToolCalls != nil && !*req.ParallelToolCalls},
		{"verbosity", none, req.Verbosity != ""},
		{"prediction", none, req.Prediction != nil},
		{"modalities", "the model decides what it answers with", asksBeyondText(req.Modalities)},
		{"audio", none, req.Audio != nil},
		{"store", none, req.Store != nil && *req.Store},
		{"user", none, req.User != ""},
		{"safety_identifier", none, req.SafetyIdentifier != ""},
		{"prompt_cache_key", none, req.PromptCacheKey != ""},
		{"prompt_cache_retention", "it is the ttl of a CacheControl", req.PromptCacheRetention != ""},
		{"cache_control", "Converse places no mark by itself; set it on parts, messages or tools", req.CacheControl != nil},
		{"web_search_options", "give a system tool instead", req.WebSearchOptions != nil},
	} {
		if f.set {
			if err := call.Unsupported(f.name, f.why); err != nil {
				return err
			}
		}
	}
	return nil
}

func asksBeyondText(modalities []string) bool {
	for _, m := range modalities {
		if m != "text" {
			return true
		}
	}
	return false
}

func (w *writer) inference(req *llm.CompletionRequest) {
	if req.MaxTokens == 0 && req.Temperature == nil && req.TopP == nil && len(req.Stop) == 0 {
		return
	}
	e := &w.e
	e.Name("inferenceConfig")
	e.Object()
	e.OptInt("maxTokens", req.MaxTokens)
	e.PtrFloat("temperature", req.Temperature)
	e.PtrFloat("topP", req.TopP)
	e.Strs("stopSequences", req.Stop)
	e.EndObject()
}

// additional is what goes into additionalModelRequestFields; CountTokens has it too.
type additional struct {
	topK      int
	effort    llm.ReasoningEffort
	thinking  *llm.Thinking
	maxTokens int
}

// additional writes additionalModelRequestFields, and remembers an effort that outputConfig takes.
func (w *writer) additional(a additional) {
	fields := make(map[string]any, 2)
	if a.topK != 0 {
		if w.family.topK == nil {
			w.unsupported("top_k", "no member of this model's is known for it; see additionalModelRequestFields in Extra")
		} else {
			put(fields, w.family.topK, a.topK)
		}
	}
	switch {
	case a.thinking != nil && w.family.thinking == "":
		w.unsupported("thinking", "no member of this model's is known for it; see additionalModelRequestFields in Extra")
	case a.thinking != nil:
		w.thinking(fields, a.thinking)
	}
	if a.effort != "" {
		w.effort(fields, a)
	}
	if len(fields) > 0 {
		w.e.Name("additionalModelRequestFields")
		w.e.Any(fields)
	}
}

func put(m map[string]any, path []string, v any) {
	for _, p := range path[:len(path)-1] {
		next, ok := m[p].(map[string]any)
		if !ok {
			next = make(map[string]any, 1)
			m[p] = next
		}
		m = next
	}
	m[path[len(path)-1]] = v
}

func (w *writer) thinking(fields map[string]any, t *llm.Thinking) {
	v := map[string]any{"type": t.Type}
	if w.family.effort == effortNova {
		if t.BudgetTokens != nil {
			w.unsupported("thinking.budget_tokens", "Nova takes an effort instead")
		}
		if t.Type == "adaptive" {
			v["type"] = "enabled"
		}
		if t.Display != "" {
			w.unsupported("thinking.display", "Nova has no such member")
		}
	} else {
		if t.BudgetTokens != nil {
			v["budget_tokens"] = *t.BudgetTokens
		}
		if t.Display != "" {
			v["display"] = t.Display
		}
	}
	fields[w.family.thinking] = v
}

// budgets are the thinking tokens that an effort stands for with Claude models that take only tokens: the same as
// at Anthropic's own API.
var budgets = map[llm.ReasoningEffort]int{
	llm.EffortMinimal: minBudget, llm.EffortLow: minBudget, llm.EffortMedium: 2048,
	llm.EffortHigh: 4096, llm.EffortXHigh: 8192, llm.EffortMax: 16384,
}

const minBudget = 1024 // Anthropic's least

func (w *writer) effort(fields map[string]any, a additional) {
	switch w.family.effort {
	case effortOutput:
		w.outputEffort = a.effort
	case effortAdaptive:
		if a.effort == llm.EffortNone {
			if a.thinking == nil {
				fields[w.family.thinking] = map[string]any{"type": "disabled"}
			}
			return
		}
		if a.thinking == nil {
			fields[w.family.thinking] = map[string]any{"type": "adaptive"}
		}
		if w.outputEffort = a.effort; a.effort == llm.EffortMinimal {
			w.outputEffort = llm.EffortLow
			w.changed("reasoning_effort", "minimal is sent as low, the model's least")
		}
	case effortBudget:
		if a.thinking != nil || a.effort == llm.EffortNone {
			return // the caller's budget wins; without the member the model does not think
		}
		n, ok := budgets[a.effort]
		if !ok {
			w.unsupported("reasoning_effort", "this model takes a budget of tokens, and none is known for this level; set Thinking")
			return
		}
		if a.maxTokens != 0 && n >= a.maxTokens {
			if n = a.maxTokens - 1; n < minBudget {
				w.unsupported("reasoning_effort", "the least budget for thinking is 1,024 tokens, which max_tokens must exceed")
				return
			}
			w.changed("reasoning_effort", fmt.Sprintf("the budget is lowered to %d tokens: it must be below max_tokens", n))
		}
		fields[w.family.thinking] = map[string]any{"type": "enabled", "budget_tokens": n}
	case effortNova:
		if a.thinking != nil && a.thinking.Type == "disabled" {
			return
		}
		v := map[string]any{"type": "enabled"}
		switch a.effort {
		case llm.EffortNone:
			v["type"] = "disabled"
		case llm.EffortMinimal:
			v["maxReasoningEffort"] = llm.EffortLow
			w.changed("reasoning_effort", "minimal is sent as low, the model's least")
		case llm.EffortXHigh, llm.EffortMax:
			v["maxReasoningEffort"] = llm.EffortHigh
			w.changed("reasoning_effort", string(a.effort)+" is sent as high, the model's most")
		default:
			v["maxReasoningEffort"] = a.effort
		}
		fields[w.family.thinking] = v
	case effortField:
		fields["reasoning_effort"] = a.effort
	default:
		w.unsupported("reasoning_effort", "no member of this model's is known for it; see additionalModelRequestFields in Extra")
	}
}

// output writes outputConfig: the answer's schema, and the effort.
func (w *writer) output(req *llm.CompletionRequest) {
	var schema *llm.JSONSchema
	if f := req.ResponseFormat; f != nil && f.Type != "text" && f.Type != "" {
		if f.Type == "json_schema" && f.JSONSchema != nil {
			schema = f.JSONSchema
		} else {
			w.unsupported("response_format", "Converse takes a JSON schema only")
		}
	}
	if schema == nil && w.outputEffort == "" {
		return
	}
	e := &w.e
	e.Name("outputConfig")
	e.Object()
	if schema != nil {
		e.Name("textFormat")
		e.Object()
		e.OptStr("type", "json_schema")
		e.Name("structure")
		e.Object()
		e.Name("jsonSchema")
		e.Object()
		e.Name("schema")
		e.Str(string(w.schema(schema.Schema, "response_format.json_schema.schema"))) // a text that holds JSON
		e.OptStr("name", schema.Name)
		e.OptStr("description", schema.Description)
		e.EndObject()
		e.EndObject()
		e.EndObject()
	}
	e.OptStr("effort", string(w.outputEffort))
	e.EndObject()
}

// schema gives a JSON schema the form that Bedrock's constrained decoding takes, and reports what that form cannot
// hold answers to. It is Anthropic's form: Amazon Bedrock user guide, "Get validated JSON results from models",
// lists the same limits for all models.
func (w *writer) schema(schema any, param string) []byte {
	s, err := anthropic.ConvertSchema(schema)
	if err != nil {
		w.fail(llm.InvalidRequest(param, err.Error()))
		return nil
	}
	for _, lost := range s.Lost {
		w.call.Warn(llm.Warning{Code: "schema_constraint", Param: param + "." + lost, Message: "Bedrock does not hold answers to it"})
	}
	return s.JSON
}

type toolbox struct {
	tools  []llm.Tool
	choice *llm.ToolChoice
}

func (w *writer) tools(messages []llm.Message, t toolbox) {
	used := usesTools(messages)
	mode := ""
	if t.choice != nil {
		mode = t.choice.Mode
	}
	if mode == "none" {
		if !used {
			return // what is not offered cannot be called
		}
		w.unsupported("tool_choice", "Converse cannot forbid tools that the conversation has used")
		mode = ""
	}
	if len(t.tools) == 0 {
		if used {
			w.fail(llm.InvalidRequest("tools", "the messages hold tool calls or results, and Converse then wants the tools to be defined: give them in Tools"))
		}
		return
	}
	e := &w.e
	e.Name("toolConfig")
	e.Object()
	e.Name("tools")
	e.Array()
	start := len(e.B)
	for i := range t.tools {
		if t.choice != nil && len(t.choice.Allowed) > 0 && !allowed(t.choice.Allowed, &t.tools[i]) {
			continue
		}
		w.tool(i, &t.tools[i])
	}
	if len(e.B) == start {
		w.fail(llm.InvalidRequest("tools", "no tool is left to offer"))
	}
	e.EndArray()
	w.choice(t.choice, mode)
	e.EndObject()
}

func allowed(names []string, t *llm.Tool) bool {
	if t.Function == nil {
		return true
	}
	for _, n := range names {
		if n == t.Function.Name {
			return true
		}
	}
	return false
}

func usesTools(messages []llm.Message) bool {
	for i := range messages {
		if messages[i].Role == llm.RoleTool || len(messages[i].ToolCalls) > 0 {
			return true
		}
	}
	return false
}

func (w *writer) choice(c *llm.ToolChoice, mode string) {
	if c == nil {
		return
	}
	name := ""
	switch {
	case mode == "auto":
		name = "auto"
	case mode == "required":
		name = "any"
	case mode == "" && c.Name != "":
		name = "tool"
	case len(c.Extra) > 0:
		w.e.Name("toolChoice")
		w.e.Any(map[string]any(c.Extra))
		return
	default:
		if mode != "" {
			w.unsupported("tool_choice", "Converse knows auto, any (required) and one named tool")
		}
		return
	}
	e := &w.e
	e.Name("toolChoice")
	e.Object()
	e.Name(name)
	e.Object()
	if name == "tool" {
		e.OptStr("name", c.Name)
	}
	e.EndObject()
	e.EndObject()
}

func (w *writer) tool(i int, t *llm.Tool) {
	e := &w.e
	switch {
	case t.Function != nil && (t.Type == "function" || t.Type == ""):
		f := t.Function
		e.Object()
		e.Name("toolSpec")
		e.Object()
		e.Name("name")
		e.Str(f.Name)
		e.OptStr("description", f.Description)
		e.Name("inputSchema")
		e.Object()
		e.Name("json")
		strict := f.Strict != nil && *f.Strict
		switch {
		case f.Parameters == nil:
			e.Raw([]byte(`{"type":"object","properties":{}}`))
		case strict:
			e.Raw(w.schema(f.Parameters, fmt.Sprintf("tools[%d].function.parameters", i)))
		default:
			e.Any(f.Parameters)
		}
		e.EndObject()
		e.OptBool("strict", strict)
		e.Members(f.Extra)
		e.EndObject()
		e.EndObject()
	case t.Type != "custom" && len(t.Extra) > 0:
		e.Object()
		e.Members(t.Extra)
		e.EndObject()
	default:
		w.unsupported(fmt.Sprintf("tools[%d]", i), "Converse takes functions, and its own tools in Extra")
		return
	}
	w.cachePoint(t.CacheControl)
}
