package anthropic

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// tools writes the member tools: functions, Anthropic's own tools as they are, and web search where
// WebSearchOptions asks for it.
func (w *wire) tools() {
	list, search := w.req.Tools, w.req.WebSearchOptions
	if len(list) == 0 && search == nil {
		return
	}
	start := len(w.e.B)
	w.e.Name("tools")
	w.e.Array()
	for i := range list {
		t := &list[i]
		if strings.HasPrefix(t.Type, "web_search_") {
			search = nil // the caller set it up by hand
		}
		if !w.allowed(t) {
			continue
		}
		w.offered++
		switch {
		case t.Function != nil:
			w.function(t, i)
		case t.Custom != nil:
			w.fail(fmt.Sprintf("tools[%d]", i), "Anthropic has no tools with free text input; offer a function with one string parameter")
		case t.Type == "" || t.Type == "function":
			w.fail(fmt.Sprintf("tools[%d].function", i), "is missing")
		default:
			w.nativeTool(t)
		}
	}
	if search != nil {
		w.offered++
		w.webSearch(search)
	}
	w.e.EndArray()
	if w.offered == 0 {
		w.e.B = w.e.B[:start]
	}
}

// allowed says whether a tool passes ToolChoice.Allowed. Anthropic has no such list: the others are not offered.
func (w *wire) allowed(t *llm.Tool) bool {
	c := w.req.ToolChoice
	if c == nil || len(c.Allowed) == 0 {
		return true
	}
	name := ""
	if t.Function != nil {
		name = t.Function.Name
	} else {
		name, _ = t.Extra["name"].(string)
	}
	return slices.Contains(c.Allowed, name)
}

func (w *wire) function(t *llm.Tool, i int) {
	f := t.Function
	w.e.Object()
	w.e.Name("name")
	w.e.Str(f.Name)
	w.e.OptStr("description", f.Description)
	w.e.Name("input_schema")
	strict := f.Strict != nil && *f.Strict
	if strict && w.family != nil && !w.family.has(structured) {
		w.unsupported(fmt.Sprintf("tools[%d].function.strict", i), w.call.Model+" has no strict tools")
		strict = false
	}
	param := fmt.Sprintf("tools[%d].function.parameters", i)
	switch {
	case f.Parameters == nil:
		w.e.Raw([]byte(`{"type":"object","properties":{}}`))
	case strict:
		w.schema(f.Parameters, param)
	default:
		w.inputSchema(f.Parameters, param)
	}
	if strict {
		w.e.Name("strict")
		w.e.Bool(true)
	}
	w.cacheControl(t.CacheControl)
	w.e.Members(f.Extra)
	w.e.Members(t.Extra)
	w.e.EndObject()
}

// inputSchema writes the schema as it is. Anthropic wants the type of its root said.
func (w *wire) inputSchema(schema any, param string) {
	start := len(w.e.B)
	w.e.Any(schema)
	raw := w.e.B[start:]
	if raw[0] == ':' || raw[0] == ',' {
		raw = raw[1:]
	}
	typed := false
	d := jsonx.NewDecoder(raw)
	if d.Kind() != jsonx.Object {
		w.fail(param, "the schema is not an object")
		return
	}
	for d.Object(); d.More(); d.Skip() {
		typed = typed || string(d.Key()) == "type"
	}
	if !typed {
		w.e.B = w.e.B[:len(w.e.B)-1]
		w.e.Name("type")
		w.e.Str("object")
		w.e.EndObject()
	}
}

// nativeTool writes one of Anthropic's own tools.
func (w *wire) nativeTool(t *llm.Tool) {
	w.e.Object()
	w.e.Name("type")
	w.e.Str(t.Type)
	w.cacheControl(t.CacheControl)
	w.e.Members(t.Extra)
	w.e.EndObject()
	if b := toolBetas[t.Type]; b != "" {
		w.beta(b)
	}
}

// webSearch offers Anthropic's web search. The size of the context asked for becomes a number of searches.
func (w *wire) webSearch(o *llm.WebSearchOptions) {
	w.e.Object()
	w.e.Name("type")
	w.e.Str("web_search_20250305")
	w.e.Name("name")
	w.e.Str("web_search")
	w.e.OptInt("max_uses", searchUses[o.SearchContextSize])
	if l := o.UserLocation; l != nil {
		w.e.Name("user_location")
		w.e.Object()
		w.e.Name("type")
		w.e.Str("approximate")
		w.e.OptStr("city", l.City)
		w.e.OptStr("region", l.Region)
		w.e.OptStr("country", l.Country)
		w.e.OptStr("timezone", l.Timezone)
		w.e.EndObject()
	}
	w.e.Members(o.Extra)
	w.e.EndObject()
}

// searchUses is max_uses for OpenAI's search_context_size; without one Anthropic sets no limit.
var searchUses = map[string]int{"low": 1, "medium": 5, "high": 10}

func (w *wire) toolChoice(t thinkingPlan) {
	c := w.req.ToolChoice
	single := w.req.ParallelToolCalls != nil && !*w.req.ParallelToolCalls
	if c != nil && len(c.Allowed) > 0 {
		w.warn("changed_param", "tool_choice", "only the allowed tools were offered; the prompt cache of the others is lost")
	}
	typ, name := "", ""
	switch {
	case c == nil:
	case c.Name != "":
		typ, name = "tool", c.Name
	case c.Mode == "required":
		typ = "any"
	case c.Mode == "none" || c.Mode == "auto":
		typ = c.Mode
	case c.Mode == "":
		typ = c.Type
		if typ == "" && len(c.Allowed) > 0 {
			typ = "auto"
		}
	default:
		typ = c.Mode
	}
	forced := typ == "any" || typ == "tool"
	switch {
	case w.offered == 0 && forced:
		w.fail("tool_choice", "it asks for a tool call, but no tool is offered")
	case w.offered == 0:
		return
	case forced && w.family.has(noForcedTool):
		w.unsupported("tool_choice", w.call.Model+" cannot be made to call a tool; ask for it in the prompt")
		typ, name = "auto", ""
	case forced && t.byBudget():
		w.unsupported("tool_choice", "a tool call cannot be forced while the model thinks by budget")
		typ, name = "auto", ""
	}
	if typ == "" && single {
		typ = "auto"
	}
	if typ == "" {
		return
	}
	w.e.Name("tool_choice")
	w.e.Object()
	w.e.Name("type")
	w.e.Str(typ)
	w.e.OptStr("name", name)
	if single && typ != "none" {
		w.e.Name("disable_parallel_tool_use")
		w.e.Bool(true)
	}
	if c != nil {
		w.e.Members(c.Extra)
	}
	w.e.EndObject()
}
