// Package replicate speaks Replicate's HTTP API (replicate.com/docs/reference/http: "Create a prediction",
// "Create a prediction using an official model", "Create a prediction using a deployment", "Get a prediction",
// "Cancel a prediction"; and the topic "Streaming output"). An answer there is a prediction: it is created, then
// polled until it has ended, or its output is streamed from a URL of its own.
//
// Models are named as Replicate names them: an official model "owner/name", a version of a community model
// "owner/name:version", a version alone, or a deployment "deployments/owner/name". For example
// "replicate/meta/meta-llama-3-70b-instruct".
//
// # What is sent
//
// Each model has inputs of its own. Those of language models are most often prompt, system_prompt, max_tokens,
// temperature, top_p, top_k, stop_sequences, seed and the two penalties; that is what the fields of a request
// become, and where the models of an owner name them otherwise, see inputNames. A request of one user
// message is sent as its text. A longer conversation becomes a transcript in the prompt:
//
//	User: Hello.
//
//	Assistant: Hello! How can I help?
//
//	User: Tell me a joke.
//
//	Assistant:
//
// Extra is laid over the body, so Extra{"input": map[string]any{"top_a": 0.1}} sets an input, and may replace the
// prompt.
//
// A prediction that is not streamed is created with "Prefer: wait=5", and polled after that: every half second,
// less often as time passes. "Cancel-After" tells Replicate when the call's time ends. When the call is over
// before the prediction is, because its context ended or its reader left, the prediction is cancelled: one
// request, of at most a second, before the call returns.
package replicate

import (
	"context"
	"fmt"
	"strings"

	"github.com/llm-go/llm"
)

func init() { llm.Register(provider) }

var provider = &llm.Provider{
	Name:       "replicate",
	BaseURL:    "https://api.replicate.com/v1",
	BaseURLEnv: []string{"REPLICATE_API_BASE"},
	// A prediction's stream URL is on one of these; on any other host it is read without the key, as
	// Replicate's own clients do.
	Hosts:  []string{"stream.replicate.com", "streaming.api.replicate.com"},
	KeyEnv: []string{"REPLICATE_API_TOKEN", "REPLICATE_API_KEY"},
	Doc:    "https://replicate.com/docs/reference/http",
	Error:  readError,
	Completion: &llm.Op[llm.CompletionRequest, llm.CompletionResponse, llm.CompletionChunk]{
		Do:       doCompletion,
		DoStream: streamCompletion,
	},
	Image: &llm.Op[llm.ImageRequest, llm.ImageResponse, llm.None]{Do: doImage},
}

// Provider is Replicate.
func Provider() *llm.Provider { return provider }

func doCompletion(ctx context.Context, call *llm.Call, req *llm.CompletionRequest, send llm.Send) (*llm.CompletionResponse, error) {
	input, err := completionInput(call, req)
	if err != nil {
		return nil, err
	}
	job := &job{call: call, send: send}
	p, err := job.create(ctx, input, req.Extra)
	if err != nil {
		return nil, err
	}
	if p, err = job.wait(ctx, p); err != nil {
		return nil, err
	}
	resp := &llm.CompletionResponse{ID: p.id, Object: "chat.completion", Created: p.created, Model: p.modelName(call), Usage: p.usage(), Extra: p.extra}
	text, err := p.text()
	if err != nil {
		return nil, err
	}
	message := llm.Message{Role: llm.RoleAssistant}
	if text != "" {
		message.Content = llm.Content{llm.TextPart(text)}
	}
	resp.Choices = []llm.Choice{{Message: message, FinishReason: llm.FinishStop, NativeFinishReason: p.status}}
	return resp, nil
}

// names are what a model's inputs are called.
type names struct {
	owner     string
	maxTokens string
	// image is the input that takes pictures, "" if none is known; images says that it takes a list.
	image  string
	images bool
	// effort and verbosity are the inputs of that kind, thinking the switch and budget the tokens for it.
	effort, verbosity, thinking, budget string
	// sampling says that the common sampling inputs are there.
	sampling bool
}

// inputNames holds the exceptions, by owner. Sources: the "Input schema" of openai/o4-mini, openai/gpt-5.1 and
// anthropic/claude-4-sonnet at replicate.com.
var inputNames = []names{
	{owner: "openai", maxTokens: "max_completion_tokens", image: "image_input", images: true, effort: "reasoning_effort", verbosity: "verbosity", sampling: true},
	{owner: "anthropic", maxTokens: "max_tokens", image: "image", thinking: "extended_thinking", budget: "thinking_budget_tokens"},
}

// common are the inputs of meta/meta-llama-3-70b-instruct and most of the open models.
var common = names{maxTokens: "max_tokens", sampling: true}

func namesOf(model string) *names {
	owner, _, _ := strings.Cut(model, "/")
	for i := range inputNames {
		if inputNames[i].owner == owner {
			return &inputNames[i]
		}
	}
	return &common
}

// inputs gathers a model's inputs. Its first error is kept.
type inputs struct {
	call   *llm.Call
	values map[string]any
	err    error
}

func (in *inputs) fail(err error) {
	if in.err == nil {
		in.err = err
	}
}

func (in *inputs) unsupported(param string, set bool, why string) {
	if set && in.err == nil {
		in.fail(in.call.Unsupported(param, why))
	}
}

// put sets an input that the model is known to have; without a name it is unsupported.
func (in *inputs) put(name, param string, v any) {
	if name == "" {
		in.unsupported(param, true, "no input of this model's is known for it; set one in Extra")
		return
	}
	in.values[name] = v
}

func completionInput(call *llm.Call, req *llm.CompletionRequest) (map[string]any, error) {
	n := namesOf(call.Model)
	in := &inputs{call: call, values: make(map[string]any, 8)}
	in.prompt(req.Messages, n)
	if req.MaxTokens != 0 {
		in.put(n.maxTokens, "max_tokens", req.MaxTokens)
	}
	sampling := func(name string) string {
		if !n.sampling {
			return ""
		}
		return name
	}
	if req.Temperature != nil {
		in.put(sampling("temperature"), "temperature", *req.Temperature)
	}
	if req.TopP != nil {
		in.put(sampling("top_p"), "top_p", *req.TopP)
	}
	if req.TopK != 0 {
		in.put(sampling("top_k"), "top_k", req.TopK)
	}
	if len(req.Stop) > 0 {
		if stop := strings.Join(req.Stop, ","); strings.Count(stop, ",") >= len(req.Stop) {
			in.unsupported("stop", true, "the input is a list separated by commas, so that a sequence cannot hold one")
		} else {
			in.put(sampling("stop_sequences"), "stop", stop)
		}
	}
	if req.Seed != nil {
		in.put(sampling("seed"), "seed", *req.Seed)
	}
	if req.FrequencyPenalty != nil {
		in.put(sampling("frequency_penalty"), "frequency_penalty", *req.FrequencyPenalty)
	}
	if req.PresencePenalty != nil {
		in.put(sampling("presence_penalty"), "presence_penalty", *req.PresencePenalty)
	}
	if req.ReasoningEffort != "" {
		in.put(n.effort, "reasoning_effort", req.ReasoningEffort)
	}
	if req.Verbosity != "" {
		in.put(n.verbosity, "verbosity", req.Verbosity)
	}
	if t := req.Thinking; t != nil {
		in.put(n.thinking, "thinking", t.Type != "disabled")
		if t.BudgetTokens != nil && n.thinking != "" {
			in.put(n.budget, "thinking.budget_tokens", *t.BudgetTokens)
		}
		in.unsupported("thinking.display", t.Display != "", "Replicate's models have no such input")
	}
	const none = "Replicate's models have no such input"
	in.unsupported("n", req.N > 1, "a prediction is one answer")
	in.unsupported("tools", len(req.Tools) > 0, "Replicate's models take text; describe tools in the prompt")
	in.unsupported("tool_choice", req.ToolChoice != nil && req.ToolChoice.Mode != "none", "Replicate's models take text")
	in.unsupported("parallel_tool_calls", req.ParallelToolCalls != nil, "Replicate's models take text")
	in.unsupported("response_format", req.ResponseFormat != nil && req.ResponseFormat.Type != "text", none)
	in.unsupported("logit_bias", len(req.LogitBias) > 0, none)
	in.unsupported("logprobs", req.Logprobs, none)
	in.unsupported("top_logprobs", req.TopLogprobs != nil, none)
	in.unsupported("prediction", req.Prediction != nil, none)
	in.unsupported("modalities", len(req.Modalities) > 0 && !(len(req.Modalities) == 1 && req.Modalities[0] == "text"), none)
	in.unsupported("audio", req.Audio != nil, none)
	in.unsupported("service_tier", req.ServiceTier != "", none)
	in.unsupported("store", req.Store != nil && *req.Store, none)
	in.unsupported("metadata", len(req.Metadata) > 0, none)
	in.unsupported("user", req.User != "", none)
	in.unsupported("safety_identifier", req.SafetyIdentifier != "", none)
	in.unsupported("prompt_cache_key", req.PromptCacheKey != "", none)
	in.unsupported("prompt_cache_retention", req.PromptCacheRetention != "", none)
	in.unsupported("cache_control", req.CacheControl != nil, none)
	in.unsupported("web_search_options", req.WebSearchOptions != nil, none)
	return in.values, in.err
}

// prompt makes prompt and system_prompt of a conversation, and sets the input for pictures.
func (in *inputs) prompt(messages []llm.Message, n *names) {
	var system, turns []string
	var pictures []string
	users, others := 0, 0
	for i := range messages {
		m := &messages[i]
		var text strings.Builder
		for j := range m.Content {
			switch p := &m.Content[j]; {
			case p.Type == "text":
				text.WriteString(p.Text)
			case p.Type == "refusal":
				text.WriteString(p.Refusal)
			case p.Type == "image_url" && p.ImageURL != nil && m.Role == llm.RoleUser && n.image != "":
				pictures = append(pictures, p.ImageURL.URL)
			default:
				in.fail(llm.InvalidRequest(fmt.Sprintf("messages[%d].content[%d]", i, j),
					"no input of this model's is known for a part of type "+p.Type+`; leave it out and set the input in Extra: {"input": {"image": …}}`))
			}
		}
		in.losses(i, m)
		switch m.Role {
		case llm.RoleSystem, llm.RoleDeveloper:
			system = append(system, text.String())
		case llm.RoleUser:
			users++
			turns = append(turns, "User: "+text.String())
			in.values["prompt"] = text.String()
		case llm.RoleAssistant:
			others++
			turns = append(turns, "Assistant: "+text.String())
		default:
			in.fail(llm.InvalidRequest(fmt.Sprintf("messages[%d].role", i), "Replicate's models take a prompt of text: there is no place for a message of role "+string(m.Role)))
		}
	}
	if users != 1 || others > 0 {
		if n := len(messages); n > 0 && messages[n-1].Role == llm.RoleAssistant {
			// The beginning of the answer that is wanted.
			in.values["prompt"] = strings.Join(turns, "\n\n")
		} else {
			in.values["prompt"] = strings.Join(append(turns, "Assistant:"), "\n\n")
		}
	}
	if len(system) > 0 {
		in.values["system_prompt"] = strings.Join(system, "\n\n")
	}
	switch {
	case len(pictures) == 0:
	case n.images:
		in.values[n.image] = pictures
	case len(pictures) == 1:
		in.values[n.image] = pictures[0]
	default:
		in.fail(llm.InvalidRequest("messages", "this model takes one picture"))
	}
}

// losses refuses or reports what a message has beside its text.
func (in *inputs) losses(i int, m *llm.Message) {
	if len(m.ToolCalls) > 0 {
		in.fail(llm.InvalidRequest(fmt.Sprintf("messages[%d].tool_calls", i), "Replicate's models take a prompt of text: there is no place for tool calls"))
	}
	if len(m.ThinkingBlocks) > 0 {
		in.call.Warn(llm.Warning{Code: "dropped_blob", Param: fmt.Sprintf("messages[%d].thinking_blocks", i), Message: "a prompt of text has no place for them"})
	}
	if m.Native != nil {
		in.call.Warn(llm.Warning{Code: "dropped_blob", Param: fmt.Sprintf("messages[%d].native", i), Message: "native content of " + m.Native.Origin + " is bound to it"})
	}
	if m.Name != "" {
		in.call.Warn(llm.Warning{Code: "dropped_param", Param: fmt.Sprintf("messages[%d].name", i), Message: "the prompt names the two sides only"})
	}
}
