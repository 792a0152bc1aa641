package all

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/llmtest"
)

// place is a model and the rules that its vendor has for a conversation.
type place struct {
	model string
	check func(t *testing.T, body gjson.Result)
	// signs: its answers come with blobs that only it can read.
	signs bool
	blind bool // it takes no images
}

var places = []place{
	{model: "openai/gpt-4.1", check: chatRules(`^[a-zA-Z0-9_-]{1,64}$`)},
	{model: "openai/responses/gpt-5", check: responsesRules, signs: true},
	{model: "anthropic/claude-sonnet-4-5", check: anthropicRules, signs: true},
	{model: "gemini/gemini-2.5-pro", check: geminiRules, signs: true},
	{model: "bedrock/amazon.nova-pro-v1:0", check: bedrockRules, signs: true},
	{model: "mistral/mistral-medium-latest", check: chatRules(`^[a-zA-Z0-9]{9}$`)}, // Mistral: "must be a-z, A-Z, 0-9, with a length of 9"
	{model: "deepseek/deepseek-chat", check: chatRules(`^.+$`), blind: true},
}

// storageOnly are members of stored messages that no wire has.
var storageOnly = regexp.MustCompile(`"(thinking_blocks|native|incomplete_tool_calls|is_error|origin)":`)

// calledAndAnswered checks that the results of calls are complete, come once each, and in the calls' order or any other.
func calledAndAnswered(t *testing.T, calls, results []string) {
	t.Helper()
	slices.Sort(calls)
	require.Equal(t, len(calls), len(slices.Compact(slices.Clone(calls))), "two calls have one id")
	slices.Sort(results)
	require.Equal(t, calls, results, "each call is answered right after its turn")
}

func strs(v gjson.Result) (list []string) {
	for _, s := range v.Array() {
		list = append(list, s.String())
	}
	return list
}

// chatRules: OpenAI, "Create chat completion": a message with tool_calls must be followed by one tool message for each.
func chatRules(id string) func(*testing.T, gjson.Result) {
	ids := regexp.MustCompile(id)
	members := []string{"role", "content", "name", "tool_calls", "tool_call_id", "refusal", "reasoning_content"}
	return func(t *testing.T, body gjson.Result) {
		list := body.Get("messages").Array()
		for i := 0; i < len(list); i++ {
			m := list[i]
			m.ForEach(func(k, _ gjson.Result) bool {
				require.Contains(t, members, k.String())
				return true
			})
			require.NotEqual(t, "tool", m.Get("role").String(), "a result without its call")
			if i > 0 && m.Get("role").String() != "system" {
				require.False(t, list[i-1].Get("role").String() == "tool" && m.Get("role").String() == "user", "a user after a tool")
			}
			calls := strs(m.Get("tool_calls.#.id"))
			for _, c := range m.Get("tool_calls").Array() {
				require.Regexp(t, ids, c.Get("id").String())
				require.True(t, gjson.Valid(c.Get("function.arguments").String()))
				require.False(t, c.Get("signature").Exists() || c.Get("index").Exists())
			}
			var results []string
			for len(calls) > 0 && i+1 < len(list) && list[i+1].Get("role").String() == "tool" {
				i++
				results = append(results, list[i].Get("tool_call_id").String())
			}
			calledAndAnswered(t, calls, results)
		}
	}
}

// alternating: Anthropic, "Messages", Gemini, "Contents", and Bedrock, "Message": the user begins, the roles alternate.
func alternating(t *testing.T, list []gjson.Result, model string) {
	t.Helper()
	for i, m := range list {
		require.Equal(t, []string{"user", model}[i%2], m.Get("role").String(), "message %d", i)
	}
	require.Equal(t, 1, len(list)%2, "the user has the last word")
}

func anthropicRules(t *testing.T, body gjson.Result) {
	list := body.Get("messages").Array()
	alternating(t, list, "assistant")
	require.Positive(t, body.Get("max_tokens").Int())
	for i, m := range list {
		calls := strs(m.Get(`content.#(type=="tool_use")#.id`))
		if len(calls) == 0 {
			continue
		}
		for _, id := range calls {
			require.Regexp(t, `^[a-zA-Z0-9_-]+$`, id)
		}
		next := list[i+1]
		results := strs(next.Get(`content.#(type=="tool_result")#.tool_use_id`))
		calledAndAnswered(t, calls, results)
		for j := range results { // "tool_result blocks come first in the content"
			require.Equal(t, "tool_result", next.Get(fmt.Sprintf("content.%d.type", j)).String())
		}
	}
}

func geminiRules(t *testing.T, body gjson.Result) {
	list := body.Get("contents").Array()
	alternating(t, list, "model")
	for i, m := range list {
		if calls := strs(m.Get("parts.#.functionCall.name")); len(calls) > 0 {
			calledAndAnswered(t, append(calls, strs(m.Get("parts.#.functionCall.id"))...),
				append(strs(list[i+1].Get("parts.#.functionResponse.name")), strs(list[i+1].Get("parts.#.functionResponse.id"))...))
		}
	}
}

func bedrockRules(t *testing.T, body gjson.Result) {
	list := body.Get("messages").Array()
	alternating(t, list, "assistant")
	for i, m := range list {
		calls := strs(m.Get("content.#.toolUse.toolUseId"))
		for _, id := range calls {
			require.Regexp(t, `^[a-zA-Z0-9_-]{1,64}$`, id)
		}
		if len(calls) > 0 {
			calledAndAnswered(t, calls, strs(list[i+1].Get("content.#.toolResult.toolUseId")))
		}
	}
}

func responsesRules(t *testing.T, body gjson.Result) {
	calledAndAnswered(t, strs(body.Get(`input.#(type=="function_call")#.call_id`)), strs(body.Get(`input.#(type=="function_call_output")#.call_id`)))
	open := map[string]bool{}
	for _, it := range body.Get("input").Array() {
		switch it.Get("type").String() {
		case "function_call":
			require.LessOrEqual(t, len(it.Get("call_id").String()), 64)
			open[it.Get("call_id").String()] = true
		case "function_call_output":
			require.True(t, open[it.Get("call_id").String()], "an output before its call")
			delete(open, it.Get("call_id").String())
		case "reasoning":
			require.True(t, it.Get("summary").IsArray(), "a reasoning item has a summary, be it empty")
			require.True(t, it.Get("encrypted_content").Exists() || it.Get("id").Exists())
		default:
			require.Empty(t, open, "a message between a call and its output")
		}
	}
}

// talk is a conversation and the server that it is held with.
type talk struct {
	t        *testing.T
	srv      *llmtest.Server
	client   *llm.Client
	messages []llm.Message
	signed   []string // the signatures of the answers that came so far
}

func newTalk(t *testing.T) *talk {
	srv := llmtest.NewServer(t)
	return &talk{t: t, srv: srv, client: llm.New(srv.Options("openai", "anthropic", "gemini", "bedrock", "mistral", "deepseek")...)}
}

// turn asks a model, adds its answer to the conversation, stores and reads that, and returns what was sent.
func (c *talk) turn(p place, answer llmtest.Answer, add ...llm.Message) (*llm.CompletionResponse, string) {
	c.t.Helper()
	answer.Reasoning = fmt.Sprintf("Let me think, part %d.", len(c.messages))
	answer.Signature = base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "signed by %s at %d", p.model, len(c.messages)))
	c.messages = append(c.messages, add...)
	c.srv.Handle(func(llmtest.Request) llmtest.Answer { return answer })
	tools := []llm.Tool{{Function: &llm.FunctionTool{Name: "get_weather"}}, {Function: &llm.FunctionTool{Name: "get_time"}}}
	req := &llm.CompletionRequest{Model: p.model, Messages: c.messages, Tools: tools}
	if strings.Contains(p.model, "/responses/") {
		req.Store = new(bool) // what is not kept there is encrypted, and kept here
	}
	r, err := c.client.Completion(c.t.Context(), req)
	require.NoError(c.t, err)
	c.messages = throughJSON(c.t, append(c.messages, *r.Message()))
	if p.signs {
		c.signed = append(c.signed, answer.Signature)
	}
	requests := c.srv.Requests()
	return r, string(requests[len(requests)-1].Body)
}

// results answers the calls of the last message.
func (c *talk) results() (list []llm.Message) {
	for _, call := range c.messages[len(c.messages)-1].ToolCalls {
		list = append(list, llm.ToolResult(call.ID, "It is 18 degrees at "+call.Function.Name))
	}
	require.NotEmpty(c.t, list)
	return list
}

// sixTurns holds a conversation with two rounds of tool calls, the first of them parallel.
func (c *talk) sixTurns(p place, image bool) {
	call := func(name string) llm.ToolCall {
		return llm.ToolCall{Type: "function", Function: llm.FunctionCall{Name: name, Arguments: `{"city":"Köln"}`}}
	}
	look := llm.User("Where is this?")
	if image {
		look = llm.User("Where is this?", llm.ImageDataPart("image/png", []byte("\x89PNG\r\n\x1a\n picture")))
	}
	c.turn(p, llmtest.Text("Hello."), llm.System("Be brief."), llm.User("Hi."))
	c.turn(p, llmtest.Text("In Köln."), look)
	c.turn(p, llmtest.Answer{ToolCalls: []llm.ToolCall{call("get_weather"), call("get_time")}}, llm.User("How is it there?"))
	c.turn(p, llmtest.Answer{ToolCalls: []llm.ToolCall{call("get_weather")}}, c.results()...)
	c.turn(p, llmtest.Text("Mild."), c.results()...)
	c.turn(p, llmtest.Text("You are welcome."), llm.User("Thanks."))
}

// TestPortableConversation: a conversation begun at one provider continues at every other, and can go back.
func TestPortableConversation(t *testing.T) {
	for _, x := range places {
		for _, y := range places {
			t.Run(strings.ReplaceAll(x.model, "/", "-")+" to "+strings.ReplaceAll(y.model, "/", "-"), func(t *testing.T) {
				c := newTalk(t)
				c.sixTurns(x, !x.blind && !y.blind)
				own := slices.Clone(c.signed)
				stored := slices.Clone(c.messages)

				r, sent := c.turn(y, llmtest.Text("Go on."), llm.User("And tomorrow?"))
				y.check(t, gjson.Parse(sent))
				require.NotRegexp(t, storageOnly, sent)
				for _, text := range []string{"Hello.", "In Köln.", "Mild.", "You are welcome.", "Köln", "18 degrees", "And tomorrow?"} {
					require.Contains(t, sent, text)
				}
				if !x.blind && !y.blind {
					require.Contains(t, sent, base64.StdEncoding.EncodeToString([]byte("\x89PNG\r\n\x1a\n picture")))
				}
				for _, blob := range own {
					require.Equal(t, x.model == y.model, strings.Contains(sent, blob), "%s", blob)
				}
				dropped := slices.ContainsFunc(r.Meta.Warnings, func(w llm.Warning) bool { return w.Code == "dropped_blob" })
				require.Equal(t, x.signs && x.model != y.model, dropped, "%v", r.Meta.Warnings)
				if x.signs && x.model != y.model {
					for i, m := range stored {
						blob := m.Native != nil || slices.ContainsFunc(m.ThinkingBlocks, func(b llm.ThinkingBlock) bool { return b.Signature != "" || b.Data != "" }) ||
							slices.ContainsFunc(m.ToolCalls, func(c llm.ToolCall) bool { return c.Signature != "" })
						at := fmt.Sprintf("messages[%d]", i)
						told := slices.ContainsFunc(r.Meta.Warnings, func(w llm.Warning) bool { return w.Code == "dropped_blob" && strings.HasPrefix(w.Param, at) })
						require.Equal(t, blob, told, "%s: %v", at, r.Meta.Warnings)
					}
				}

				_, back := c.turn(x, llmtest.Text("Bye."), llm.User("Thanks again."))
				x.check(t, gjson.Parse(back))
				for _, blob := range own {
					require.Contains(t, back, blob)
				}
			})
		}
	}
}
