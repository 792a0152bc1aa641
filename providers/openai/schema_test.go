package openai

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm"
)

func TestConvertSchema(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		lost           []string
		err            string
	}{
		{"strict already",
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":["integer","null"]}},"required":["a","b"],"additionalProperties":false}`,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":["integer","null"]}},"required":["a","b"],"additionalProperties":false}`, nil, ""},
		{"optional becomes nullable",
			`{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string","enum":["x"]},"r":{"$ref":"#/$defs/d"},"n":{"anyOf":[{"type":"string"},{"type":"null"}]},"c":{"const":1}},"required":["z"],"$defs":{"d":{"type":"object","properties":{}}}}`,
			`{"type":"object","properties":{"z":{"type":"string"},"a":{"anyOf":[{"type":"string","enum":["x"]},{"type":"null"}]},"r":{"anyOf":[{"$ref":"#/$defs/d"},{"type":"null"}]},"n":{"anyOf":[{"type":"string"},{"type":"null"}]},"c":{"anyOf":[{"const":1},{"type":"null"}]}},"$defs":{"d":{"type":"object","properties":{},"required":[],"additionalProperties":false}},"required":["z","a","r","n","c"],"additionalProperties":false}`, nil, ""},
		{"nested and lost",
			`{"$schema":"x","type":"object","properties":{"list":{"type":"array","items":{"properties":{"s":{"type":"string","minLength":2,"format":"uri","default":"x"}}},"uniqueItems":true,"minItems":1},"n":{"type":"number","minimum":0}},"required":["list","n"],"additionalProperties":true}`,
			`{"type":"object","properties":{"list":{"type":"array","items":{"type":"object","properties":{"s":{"type":["string","null"]}},"required":["s"],"additionalProperties":false},"minItems":1},"n":{"type":"number","minimum":0}},"required":["list","n"],"additionalProperties":false}`,
			[]string{"properties.list.items.properties.s.minLength", "properties.list.items.properties.s.format", "properties.list.uniqueItems"}, ""},
		{"oneOf, wrapped reference",
			`{"type":"object","properties":{"u":{"oneOf":[{"type":"string"},{"type":"integer"}]},"r":{"allOf":[{"$ref":"#"}],"description":"d"}},"required":["u","r"]}`,
			`{"type":"object","properties":{"u":{"anyOf":[{"type":"string"},{"type":"integer"}]},"r":{"$ref":"#"}},"required":["u","r"],"additionalProperties":false}`,
			[]string{"properties.u.oneOf"}, ""},
		{"map", `{"type":"object","properties":{"m":{"type":"object","additionalProperties":{"type":"string"}}},"required":["m"]}`, "", nil, "properties.m is an object of any members"},
		{"any object", `{"type":"object"}`, "", nil, "any members"},
		{"any value", `{"type":"object","properties":{"x":{}},"required":["x"]}`, "", nil, "properties.x allows values of any type"},
		{"true", `{"type":"object","properties":{"x":true},"required":["x"]}`, "", nil, "properties.x is not the schema of a type"},
		{"allOf", `{"type":"object","properties":{"x":{"allOf":[{"type":"string"},{"minLength":1}]}},"required":["x"]}`, "", nil, "properties.x has allOf"},
		{"list at the root", `{"type":"array","items":{"type":"string"}}`, "", nil, "not that of an object"},
		{"no schema", `12`, "", nil, "not an object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ConvertSchema(json.RawMessage(c.in))
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, string(got.JSON)) // the order counts
			require.Equal(t, c.lost, got.Lost)
			again, err := ConvertSchema(json.RawMessage(got.JSON))
			require.NoError(t, err)
			require.JSONEq(t, c.want, string(again.JSON))
			require.Empty(t, again.Lost)
		})
	}
}

// TestStrictIsSent: what strict mode cannot hold is a warning, and what it cannot take at all goes without it.
func TestStrictIsSent(t *testing.T) {
	format := func(schema string) *llm.ResponseFormat {
		return &llm.ResponseFormat{Type: "json_schema", JSONSchema: &llm.JSONSchema{Name: "a", Schema: json.RawMessage(schema), Strict: new(true)}}
	}
	q := Quirks{StrictSchema: true}
	sent, warnings, err := sentBy(t, q, &llm.CompletionRequest{ResponseFormat: format(`{"type":"object","properties":{"a":{"type":"string","minLength":1}}}`),
		Tools: []llm.Tool{{Function: &llm.FunctionTool{Name: "f", Strict: new(true), Parameters: json.RawMessage(`{"type":"object","properties":{"x":{}}}`)}}}})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"name": "a", "strict": true, "schema": map[string]any{"type": "object",
		"properties": map[string]any{"a": map[string]any{"type": []any{"string", "null"}}}, "required": []any{"a"}, "additionalProperties": false}},
		sent["response_format"].(map[string]any)["json_schema"])
	require.NotContains(t, sent["tools"].([]any)[0].(map[string]any)["function"], "strict")
	require.Len(t, warnings, 2)
	require.Equal(t, "response_format.properties.a.minLength", warnings[0].Param)
	require.Equal(t, "tools[0].function.parameters", warnings[1].Param)
	for _, w := range warnings {
		require.Equal(t, "schema_constraint", w.Code)
	}

	sent, warnings, err = sentBy(t, Quirks{}, &llm.CompletionRequest{ResponseFormat: format(`{"type":"array"}`)})
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, map[string]any{"type": "array"}, sent["response_format"].(map[string]any)["json_schema"].(map[string]any)["schema"])
}

func FuzzConvertSchema(f *testing.F) {
	f.Add([]byte(`{"type":"object","properties":{"a":{"type":"string","enum":["x"]},"b":{"oneOf":[{"type":"null"},{"$ref":"#"}]}},"required":["a"],"$defs":{"d":{"type":"object","additionalProperties":false}}}`))
	f.Add([]byte(`{"properties":{"a":{"allOf":[{"type":["object","null"],"properties":{}}]}},"additionalProperties":{}}`))
	f.Fuzz(func(t *testing.T, schema []byte) {
		s, err := ConvertSchema(json.RawMessage(schema))
		if err != nil {
			return
		}
		if !json.Valid(s.JSON) {
			t.Fatalf("not JSON: %s", s.JSON)
		}
		again, err := ConvertSchema(json.RawMessage(s.JSON))
		if err != nil {
			t.Fatalf("%s has no strict form: %v", s.JSON, err)
		}
		if len(again.Lost) > 0 || string(again.JSON) != string(s.JSON) {
			t.Fatalf("a second conversion changes\n%s to\n%s, without %v", s.JSON, again.JSON, again.Lost)
		}
	})
}
