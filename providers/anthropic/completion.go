package anthropic

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// wire is a request body in the making.
type wire struct {
	e      jsonx.Encoder
	call   *llm.Call
	req    *llm.CompletionRequest
	family *family // nil: the model is not known
	betas  []string
	err    error

	systemAddition string // a text after the system prompt
	pending        []pendingCall
	prefill        bool // the message being written is an answer to continue

	offered          int // tools
	mi, pi           int // the message and the part being written
	blocks           int // written in this turn
	marked, markable bool
}

// warn records what is lost or changed.
func (w *wire) warn(code, param, message string) {
	w.call.Warn(llm.Warning{Code: code, Param: param, Message: message})
}

// fail ends the encoding with the first error.
func (w *wire) fail(param, message string) {
	if w.err == nil {
		w.err = llm.InvalidRequest(param, message)
	}
}

// unsupported is for what the wire or the model does not have. It reports whether the caller allowed dropping it.
func (w *wire) unsupported(param, why string) (dropped bool) {
	err := w.call.Unsupported(param, why)
	if w.err == nil {
		w.err = err
	}
	return err == nil
}

func (w *wire) at() string { return fmt.Sprintf("messages[%d].content[%d]", w.mi, w.pi) }

func (w *wire) beta(name string) {
	if !slices.Contains(w.betas, name) {
		w.betas = append(w.betas, name)
	}
}

// Body is a request body, and the beta features that it needs.
type Body struct {
	JSON  []byte
	Betas []string
}

// EncodeBody writes a completion request as POST /v1/messages takes it, without req.Extra, which is laid over by
// [llm.Call.NewJSONRequest]. The host says what differs from Anthropic's own API; its zero value is that API.
func EncodeBody(call *llm.Call, req *llm.CompletionRequest, host Host) (Body, error) {
	w := wire{call: call, req: req}
	w.family, _ = lookup(call.Model)
	w.e.B = call.Buffer(sizeHint(req.Messages))
	w.begin(host)
	w.refuse()
	t := w.thinkingMode()
	w.e.Name("max_tokens")
	w.e.Int(t.maxTokens)
	w.format()
	w.conversation(req.Messages)
	w.tools()
	w.toolChoice(t)
	w.thinkingMember(t)
	w.outputConfig(t)
	w.sampling(t)
	w.stop()
	w.serviceTier()
	w.user()
	w.cacheControl(req.CacheControl)
	if call.Stream && host.Version == "" {
		w.e.Name("stream")
		w.e.Bool(true)
	}
	return w.body(host)
}

// begin writes what names the model or, for hosts that have it in the path, the version.
func (w *wire) begin(host Host) {
	w.e.Object()
	if host.Version == "" {
		w.e.Name("model")
		w.e.Str(w.call.Model)
	} else {
		w.e.Name("anthropic_version")
		w.e.Str(host.Version)
	}
}

func (w *wire) body(host Host) (Body, error) {
	w.extraBetas()
	if host.Version != "" {
		w.e.Strs("anthropic_beta", w.betas)
	}
	w.e.EndObject()
	if w.err != nil {
		return Body{}, w.err
	}
	if err := w.e.Err(); err != nil {
		return Body{}, llm.InvalidRequest("", "the request cannot be encoded: "+err.Error())
	}
	return Body{JSON: w.e.B, Betas: w.betas}, nil
}

// sizeHint saves growing the body in steps.
func sizeHint(ms []llm.Message) int {
	n := 512
	for i := range ms {
		n += 64
		for j := range ms[i].Content {
			p := &ms[i].Content[j]
			n += len(p.Text) + len(p.Text)/16 + 48
			if p.ImageURL != nil {
				n += len(p.ImageURL.URL)
			}
			if p.File != nil {
				n += len(p.File.FileData)
			}
		}
		for j := range ms[i].ToolCalls {
			n += len(ms[i].ToolCalls[j].Function.Arguments) + 128
		}
		if ms[i].Native != nil {
			n += len(ms[i].Native.Content)
		}
	}
	return n
}

// refuse names what Anthropic's wire has no place for.
func (w *wire) refuse() {
	r := w.req
	for _, f := range []struct {
		set   bool
		param string
		why   string
	}{
		{r.N > 1, "n", "Anthropic gives one answer a request"},
		{r.Seed != nil, "seed", "Anthropic's sampling cannot be seeded"},
		{r.FrequencyPenalty != nil, "frequency_penalty", ""},
		{r.PresencePenalty != nil, "presence_penalty", ""},
		{len(r.LogitBias) > 0, "logit_bias", ""},
		{r.Logprobs, "logprobs", "Anthropic gives no log probabilities"},
		{r.TopLogprobs != nil, "top_logprobs", "Anthropic gives no log probabilities"},
		{r.Verbosity != "", "verbosity", "ask for the length in the prompt"},
		{r.Prediction != nil, "prediction", ""},
		{slices.ContainsFunc(r.Modalities, func(m string) bool { return m != "text" }), "modalities", "Anthropic's models answer in text"},
		{r.Audio != nil, "audio", "Anthropic's models answer in text"},
		{r.Store != nil && *r.Store, "store", "Anthropic keeps no answers"},
		{len(r.Metadata) > 0, "metadata", "Anthropic's metadata holds the user's id only; set safety_identifier"},
		{r.PromptCacheKey != "", "prompt_cache_key", "Anthropic's cache is set by cache_control"},
		{r.PromptCacheRetention != "", "prompt_cache_retention", "set the ttl of cache_control"},
	} {
		if f.set {
			w.unsupported(f.param, f.why)
		}
	}
}

// thinkingPlan is what is sent about thinking and length.
type thinkingPlan struct {
	typ       string // "" for nothing
	budget    int
	display   string
	effort    llm.ReasoningEffort // "" for nothing
	maxTokens int
}

// byBudget says whether thinking of the kind that restricts other members is on.
func (t thinkingPlan) byBudget() bool { return t.typ == "enabled" }

// thinkingMode decides from Thinking and ReasoningEffort what the model takes. Thinking wins.
func (w *wire) thinkingMode() thinkingPlan {
	var t thinkingPlan
	effort := w.req.ReasoningEffort
	switch {
	case w.req.Thinking != nil:
		t = w.explicitThinking(w.req.Thinking)
		if effort != "" && effort != llm.EffortNone {
			w.setEffort(&t, effort)
		}
	case effort == llm.EffortNone:
		t = w.withoutThinking("reasoning_effort")
	case effort != "":
		t = w.thinkingByEffort(effort)
	}
	w.limits(&t)
	return t
}

func (w *wire) explicitThinking(k *llm.Thinking) thinkingPlan {
	t := thinkingPlan{typ: k.Type, display: k.Display}
	switch k.Type {
	case "enabled":
		switch {
		case w.family == nil || w.family.thinking&enabled != 0:
			t.budget = thinkingBudgets[llm.EffortHigh]
			if k.BudgetTokens != nil {
				t.budget = *k.BudgetTokens
			} else if b, ok := thinkingBudgets[w.req.ReasoningEffort]; ok {
				t.budget = b
			}
			if t.budget < minThinkingBudget {
				w.warn("changed_param", "thinking.budget_tokens", fmt.Sprintf("raised to %d, the least that Anthropic takes", minThinkingBudget))
				t.budget = minThinkingBudget
			}
		case w.family.thinking&adaptive != 0:
			w.warn("changed_param", "thinking", w.call.Model+" takes no thinking budget; it was asked to think adaptively")
			t.typ = "adaptive"
		default:
			w.unsupported("thinking", w.call.Model+" does not think")
			return thinkingPlan{}
		}
	case "adaptive":
		if w.family.lacks(adaptive) {
			w.unsupported("thinking", w.call.Model+` has no adaptive thinking; use type "enabled" with budget_tokens`)
			return thinkingPlan{}
		}
	case "disabled":
		return w.withoutThinking("thinking")
	case "":
		w.fail("thinking.type", `is missing: "enabled", "adaptive" or "disabled"`)
	default: // a mode that this package does not know
		if k.BudgetTokens != nil {
			t.budget = *k.BudgetTokens
		}
	}
	return t
}

// withoutThinking is the least thinking that the model has.
func (w *wire) withoutThinking(param string) thinkingPlan {
	switch {
	case w.family == nil || w.family.thinking&disabled != 0:
		return thinkingPlan{typ: "disabled"}
	case w.family.thinking&betweenTools != 0:
		w.warn("changed_param", param, w.call.Model+` cannot be kept from thinking; "between_tools" was sent, its least`)
		return thinkingPlan{typ: "between_tools"}
	case w.family.thinking == 0: // nothing to turn off
	default:
		w.unsupported(param, w.call.Model+" always thinks; lower reasoning_effort instead")
	}
	return thinkingPlan{}
}

func (w *wire) thinkingByEffort(effort llm.ReasoningEffort) thinkingPlan {
	var t thinkingPlan
	switch {
	case w.family == nil || w.family.thinking&adaptive != 0:
		t.typ = "adaptive"
	case w.family.thinking&enabled != 0:
		b, ok := thinkingBudgets[effort]
		if !ok {
			w.unsupported("reasoning_effort", "no thinking budget is known for this level; set thinking")
			return t
		}
		t.typ, t.budget = "enabled", b
	default:
		w.unsupported("reasoning_effort", w.call.Model+" does not think")
		return t
	}
	if w.family == nil || len(w.family.efforts) > 0 {
		w.setEffort(&t, effort)
	}
	return t
}

func (w *wire) setEffort(t *thinkingPlan, effort llm.ReasoningEffort) {
	if w.family != nil && len(w.family.efforts) == 0 {
		return // thinking, which wins, says all that there is to say
	}
	t.effort = w.family.effort(effort)
	if (t.typ == "disabled" || t.typ == "between_tools") && w.family.has(lightUnthinking) &&
		(t.effort == llm.EffortXHigh || t.effort == llm.EffortMax) {
		t.effort = llm.EffortHigh
	}
	if t.effort != effort {
		w.warn("changed_param", "reasoning_effort", fmt.Sprintf("%q was sent, the nearest that %s takes", t.effort, w.call.Model))
	}
}

// limits sets max_tokens, which Anthropic demands, and keeps the thinking budget below it.
func (w *wire) limits(t *thinkingPlan) {
	t.maxTokens = w.req.MaxTokens
	if t.maxTokens == 0 {
		t.maxTokens = unknownMaxTokens
		if w.family != nil {
			t.maxTokens = w.family.maxTokens
		} else if t.budget > 0 {
			t.maxTokens += t.budget
		}
	}
	if t.budget < t.maxTokens {
		return
	}
	if t.maxTokens <= minThinkingBudget {
		w.fail("max_tokens", fmt.Sprintf("thinking takes at least %d tokens of it; raise it or turn thinking off", minThinkingBudget))
		return
	}
	t.budget = t.maxTokens - 1
	w.warn("changed_param", "thinking.budget_tokens", fmt.Sprintf("lowered to %d: it must be below max_tokens", t.budget))
}

func (w *wire) thinkingMember(t thinkingPlan) {
	if t.typ == "" {
		return
	}
	w.e.Name("thinking")
	w.e.Object()
	w.e.Name("type")
	w.e.Str(t.typ)
	w.e.OptInt("budget_tokens", t.budget)
	w.e.OptStr("display", t.display)
	w.e.EndObject()
}

// format prepares an answer in JSON. Anthropic has no mode for JSON without a schema: it is asked for in the
// system prompt.
func (w *wire) format() {
	f := w.req.ResponseFormat
	if f == nil {
		return
	}
	switch f.Type {
	case "json_object":
		w.systemAddition = "Answer with one valid JSON object and nothing else: no explanation, no code fence."
		w.warn("changed_param", "response_format", "Anthropic has no JSON mode without a schema; the system prompt asks for JSON")
	case "json_schema":
		if f.JSONSchema == nil || f.JSONSchema.Schema == nil {
			w.fail("response_format.json_schema.schema", "is missing")
		}
	}
}

func (w *wire) outputConfig(t thinkingPlan) {
	f := w.req.ResponseFormat
	native := f != nil && f.Type != "" && f.Type != "text" && f.Type != "json_object"
	if native && w.family != nil && !w.family.has(structured) {
		w.unsupported("response_format", w.call.Model+" has no structured outputs; offer a tool with the schema instead")
		native = false
	}
	if t.effort == "" && !native || w.err != nil {
		return
	}
	w.e.Name("output_config")
	w.e.Object()
	w.e.OptStr("effort", string(t.effort))
	switch {
	case !native:
	case f.Type == "json_schema":
		w.e.Name("format")
		w.e.Object()
		w.e.Name("type")
		w.e.Str("json_schema")
		w.e.Name("schema")
		w.schema(f.JSONSchema.Schema, "response_format.json_schema.schema")
		w.e.Members(f.JSONSchema.Extra)
		w.e.Members(f.Extra)
		w.e.EndObject()
	default: // a format that this package does not know
		w.e.Name("format")
		w.e.Object()
		w.e.Name("type")
		w.e.Str(f.Type)
		w.e.Members(f.Extra)
		w.e.EndObject()
	}
	w.e.EndObject()
}

// schema writes the part of a schema that Anthropic holds answers to, and records the rest.
func (w *wire) schema(schema any, param string) {
	s, err := ConvertSchema(schema)
	if err != nil {
		w.fail(param, err.Error())
		w.e.Null()
		return
	}
	for _, lost := range s.Lost {
		w.warn("schema_constraint", param+"."+lost, "Anthropic does not hold answers to it")
	}
	w.e.Raw(s.JSON)
}

// sampling writes temperature, top_p and top_k. Anthropic's temperature ends at 1.
func (w *wire) sampling(t thinkingPlan) {
	temperature, topP, topK := w.req.Temperature, w.req.TopP, w.req.TopK
	if temperature != nil && (*temperature < 0 || *temperature > 1) {
		w.fail("temperature", "Anthropic's temperature is between 0 and 1")
		return
	}
	drop := func(why string) {
		if temperature != nil && *temperature != 1 {
			w.unsupported("temperature", why)
		}
		if topK != 0 {
			w.unsupported("top_k", why)
		}
		temperature, topK = nil, 0 // a temperature of 1 is the default
	}
	switch {
	case w.family.has(noSampling):
		if topP != nil && *topP != 1 {
			w.unsupported("top_p", w.call.Model+" takes no sampling parameters")
		}
		topP = nil
		drop(w.call.Model + " takes no sampling parameters")
	case w.family != nil && (t.typ == "enabled" || t.typ == "adaptive"):
		drop("it cannot be set while " + w.call.Model + " thinks")
		if topP != nil && *topP < 0.95 {
			w.unsupported("top_p", "it must be at least 0.95 while "+w.call.Model+" thinks")
			topP = nil
		}
	}
	if temperature != nil && topP != nil && w.family.has(oneSampling) {
		w.unsupported("top_p", w.call.Model+" takes temperature or top_p, not both")
		topP = nil
	}
	w.e.PtrFloat("temperature", temperature)
	w.e.PtrFloat("top_p", topP)
	w.e.OptInt("top_k", topK)
}

func (w *wire) stop() {
	stop := w.req.Stop
	if slices.ContainsFunc(stop, blank) {
		w.unsupported("stop", "Anthropic's stop sequences hold more than white space")
		stop = slices.DeleteFunc(slices.Clone(stop), blank)
	}
	w.e.Strs("stop_sequences", stop)
}

// serviceTier: Anthropic knows "auto", which uses priority capacity where the account has it, and
// "standard_only".
func (w *wire) serviceTier() {
	tier := w.req.ServiceTier
	switch tier {
	case "default", "standard":
		tier = "standard_only"
	case "priority":
		tier = "auto"
	case "flex", "scale":
		w.unsupported("service_tier", `Anthropic's tiers are "auto" and "standard_only"`)
		return
	}
	w.e.OptStr("service_tier", tier)
}

func (w *wire) user() {
	id := w.req.SafetyIdentifier
	if id == "" {
		id = w.req.User
	} else if w.req.User != "" && w.req.User != id {
		w.warn("dropped_param", "user", "Anthropic takes one id; safety_identifier was sent")
	}
	if id == "" {
		return
	}
	w.e.Name("metadata")
	w.e.Object()
	w.e.Name("user_id")
	w.e.Str(id)
	w.e.EndObject()
}

// extraBetas are the beta headers that members in Extra are known to need; see toolBetas.
func (w *wire) extraBetas() {
	for _, x := range extraBetas {
		if _, ok := w.req.Extra[x.member]; ok {
			w.beta(x.beta)
		}
	}
}

// request makes the HTTP request around a body.
func (b Body) request(call *llm.Call, path string, extra llm.Extra, h Host) (*http.Request, error) {
	r, err := call.NewJSONRequest(path, b.JSON, extra)
	if err != nil {
		return nil, err
	}
	if h.Version != "" {
		return r, nil
	}
	r.Header["Anthropic-Version"] = []string{apiVersion}
	if len(b.Betas) > 0 {
		betas := slices.Clone(b.Betas)
		for beta := range strings.SplitSeq(call.Header("Anthropic-Beta"), ",") {
			if beta = strings.TrimSpace(beta); beta != "" && !slices.Contains(betas, beta) {
				betas = append(betas, beta)
			}
		}
		r.Header["Anthropic-Beta"] = []string{strings.Join(betas, ",")}
	}
	return r, nil
}
