package gemini

import (
	"strconv"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// writeTools writes the members tools and toolConfig.
//
// A tool of Gemini's own has the wire's name as its type, in either spelling, and its settings in Extra:
// llm.Tool{Type: "google_search"}, llm.Tool{Type: "fileSearch", Extra: …}.
func (h Host) writeTools(call *llm.Call, e *jsonx.Encoder, f *family, t toolset) error {
	strict, native, functions := false, t.search != nil, 0
	for i := range t.tools {
		switch t.tools[i].Type {
		case "", "function":
			if t.tools[i].Function == nil {
				return llm.InvalidRequest(toolParam(i), "the function is missing")
			}
			functions++
		case "custom":
			if err := call.Unsupported("tools", "Gemini has no tools that take free text (tools["+strconv.Itoa(i)+"]); declare a function with one string"); err != nil {
				return err
			}
		default:
			native = true
		}
	}
	if functions > 0 || native {
		e.Name("tools")
		e.Array()
		if functions > 0 {
			e.Object()
			e.Name("functionDeclarations")
			e.Array()
			for i := range t.tools {
				fn := t.tools[i].Function
				if fn == nil || t.tools[i].Type == "custom" {
					continue
				}
				if t.tools[i].CacheControl != nil {
					call.Warn(llm.Warning{Code: "dropped_param", Param: toolParam(i) + ".cache_control", Message: "Gemini has no cache marks"})
				}
				strict = strict || fn.Strict != nil && *fn.Strict
				w := functionWriter{call: call, e: e, family: f, extra: t.tools[i].Extra}
				if err := w.write(fn, toolParam(i)+".function"); err != nil {
					return err
				}
			}
			e.EndArray()
			e.EndObject()
		}
		for i := range t.tools {
			switch typ := t.tools[i].Type; typ {
			case "", "function", "custom":
			default:
				e.Object()
				e.Key(camel(typ))
				e.Object()
				e.Members(t.tools[i].Extra)
				e.EndObject()
				e.EndObject()
			}
		}
		if err := writeSearch(call, e, t.search); err != nil {
			return err
		}
		e.EndArray()
	}
	return h.writeToolConfig(call, e, toolMode{choice: t.choice, strict: strict, both: functions > 0 && native && f.signed && !h.Vertex})
}

// toolset is what a request says about tools.
type toolset struct {
	tools  []llm.Tool
	choice *llm.ToolChoice
	search *llm.WebSearchOptions
}

func toolParam(i int) string { return "tools[" + strconv.Itoa(i) + "]" }

// functionWriter writes a FunctionDeclaration.
type functionWriter struct {
	call   *llm.Call
	e      *jsonx.Encoder
	family *family
	extra  llm.Extra // of the tool
}

func (w *functionWriter) write(fn *llm.FunctionTool, param string) error {
	e := w.e
	e.Object()
	e.Name("name")
	e.Str(fn.Name)
	e.OptStr("description", fn.Description)
	if fn.Parameters != nil && !takesNothing(fn.Parameters) {
		if w.family.openAPI {
			e.Name("parameters")
		} else {
			e.Name("parametersJsonSchema")
		}
		s := schemaWriter{call: w.call, e: e, family: w.family}
		if err := s.write(fn.Parameters, param+".parameters"); err != nil {
			return err
		}
	}
	e.Members(fn.Extra)
	e.Members(w.extra)
	e.EndObject()
	return nil
}

// writeSearch writes web_search_options as the tool googleSearch.
func writeSearch(call *llm.Call, e *jsonx.Encoder, s *llm.WebSearchOptions) error {
	if s == nil {
		return nil
	}
	if s.SearchContextSize != "" {
		if err := call.Unsupported("web_search_options.search_context_size", "Google Search has no such setting"); err != nil {
			return err
		}
	}
	if s.UserLocation != nil {
		if err := call.Unsupported("web_search_options.user_location", "Gemini takes coordinates: the Extra member toolConfig.retrievalConfig.latLng"); err != nil {
			return err
		}
	}
	e.Object()
	e.Name("googleSearch")
	e.Object()
	e.Members(s.Extra)
	e.EndObject()
	e.EndObject()
	return nil
}

// toolMode is how the model chooses.
type toolMode struct {
	choice *llm.ToolChoice
	strict bool // a function wants its arguments to match the schema
	both   bool // functions beside Gemini's own tools, which the newer models want to be told
}

func (h Host) writeToolConfig(call *llm.Call, e *jsonx.Encoder, m toolMode) error {
	mode, allowed := "", []string(nil)
	if c := m.choice; c != nil {
		allowed = c.Allowed
		switch {
		case c.Name != "":
			mode, allowed = "ANY", []string{c.Name}
		case c.Mode == "required":
			mode = "ANY"
		case c.Mode == "" && len(c.Extra) > 0:
			return call.Unsupported("tool_choice", "Gemini cannot be made to use this kind of tool")
		default:
			mode = strings.ToUpper(c.Mode)
		}
	}
	// Names can be given in the modes ANY and VALIDATED only. VALIDATED is AUTO with calls held to their schemas.
	if (mode == "" || mode == "AUTO") && (m.strict || len(allowed) > 0) {
		mode = "VALIDATED"
	}
	if mode == "" && !m.both {
		return nil
	}
	e.Name("toolConfig")
	e.Object()
	if mode != "" {
		e.Name("functionCallingConfig")
		e.Object()
		e.Name("mode")
		e.Str(mode)
		e.Strs("allowedFunctionNames", allowed)
		e.EndObject()
	}
	e.OptBool("includeServerSideToolInvocations", m.both)
	e.EndObject()
	return nil
}

// camel is google_search as googleSearch.
func camel(name string) string {
	if !strings.Contains(name, "_") {
		return name
	}
	var b strings.Builder
	upper := false
	for _, r := range name {
		if r == '_' {
			upper = b.Len() > 0
			continue
		}
		if upper {
			b.WriteString(strings.ToUpper(string(r)))
		} else {
			b.WriteRune(r)
		}
		upper = false
	}
	return b.String()
}
