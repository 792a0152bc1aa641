package anthropic_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm/providers/anthropic"
)

func TestConvertSchema(t *testing.T) {
	for _, tt := range []struct {
		name, in, out string
		lost          []string
	}{
		{"closed objects", `{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"object","properties":{}}}}`,
			`{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"object","properties":{},"additionalProperties":false}},"additionalProperties":false}`, nil},
		{"a type that is not said", `{"properties":{"a":{"type":"null"}}}`,
			`{"type":"object","properties":{"a":{"type":"null"}},"additionalProperties":false}`, nil},
		{"nullable object", `{"type":["object","null"],"properties":{}}`,
			`{"type":["object","null"],"properties":{},"additionalProperties":false}`, nil},
		{"open object", `{"type":"object","additionalProperties":{"type":"integer"}}`,
			`{"type":"object","additionalProperties":false,"description":"{additionalProperties: {\"type\":\"integer\"}}"}`, []string{"additionalProperties"}},
		{"numbers", `{"type":"number","minimum":0,"maximum":1,"multipleOf":0.5,"description":"Share"}`,
			`{"type":"number","description":"Share\n\n{minimum: 0, maximum: 1, multipleOf: 0.5}"}`, []string{"minimum", "maximum", "multipleOf"}},
		{"strings", `{"type":"string","pattern":"^[a-z]+(?:-[a-z]+)*$","format":"uuid"}`, `{"type":"string","pattern":"^[a-z]+(?:-[a-z]+)*$","format":"uuid"}`, nil},
		{"look-ahead", `{"type":"string","pattern":"^(?=a)"}`, `{"type":"string","description":"{pattern: \"^(?=a)\"}"}`, []string{"pattern"}},
		{"word boundary", `{"type":"string","pattern":"\\bx"}`, `{"type":"string","description":"{pattern: \"\\\\bx\"}"}`, []string{"pattern"}},
		{"format", `{"type":"string","format":"regex"}`, `{"type":"string","description":"{format: \"regex\"}"}`, []string{"format"}},
		{"arrays", `{"type":"array","items":{"type":"string","maxLength":3},"minItems":1,"maxItems":4}`,
			`{"type":"array","items":{"type":"string","description":"{maxLength: 3}"},"minItems":1,"description":"{maxItems: 4}"}`, []string{"items.maxLength", "maxItems"}},
		{"tuples", `{"type":"array","items":[{"type":"string"}]}`, `{"type":"array","description":"{items: [{\"type\":\"string\"}]}"}`, []string{"items"}},
		{"unions", `{"oneOf":[{"type":"string"},{"type":"integer","minimum":3}]}`, `{"anyOf":[{"type":"string"},{"type":"integer","description":"{minimum: 3}"}]}`, []string{"oneOf", "oneOf.1.minimum"}},
		{"enums", `{"enum":["a",1,null,true],"default":"a","examples":["a"]}`, `{"enum":["a",1,null,true],"default":"a"}`, nil},
		{"enum of objects", `{"enum":[{"a":1}]}`, `{"description":"{enum: [{\"a\":1}]}"}`, []string{"enum"}},
		{"definitions", `{"$schema":"x","$defs":{"p":{"type":"object","properties":{"n":{"type":"integer","minimum":1}}}},"type":"object","properties":{"a":{"$ref":"#/$defs/p","description":"Who"},"b":{"allOf":[{"$ref":"#/$defs/p"}],"description":"Whom"}}}`,
			`{"$defs":{"p":{"type":"object","properties":{"n":{"type":"integer","description":"{minimum: 1}"}},"additionalProperties":false}},"type":"object","properties":{"a":{"$ref":"#/$defs/p"},"b":{"$ref":"#/$defs/p"}},"additionalProperties":false}`,
			[]string{"$defs.p.properties.n.minimum"}},
		{"anything", `{"type":"object","properties":{"a":true,"b":{}}}`, `{"type":"object","properties":{"a":{},"b":{}},"additionalProperties":false}`, nil},
		{"unknown keywords", `{"type":"object","properties":{},"if":{},"dependentRequired":{"a":["b"]}}`,
			`{"type":"object","properties":{},"additionalProperties":false,"description":"{if: {}, dependentRequired: {\"a\":[\"b\"]}}"}`, []string{"if", "dependentRequired"}},
	} {
		s, err := anthropic.ConvertSchema(json.RawMessage(tt.in))
		require.NoError(t, err, tt.name)
		require.Equal(t, tt.out, string(s.JSON), tt.name)
		require.Equal(t, tt.lost, s.Lost, tt.name)
	}
	for name, in := range map[string]string{
		"not an object":         `[]`,
		"recursive":             `{"$defs":{"a":{"anyOf":[{"type":"null"},{"type":"array","items":{"$ref":"#/$defs/b"}}]},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}`,
		"recursive root":        `{"type":"object","properties":{"a":{"$ref":"#"}}}`,
		"other document":        `{"$ref":"https://example.com/schema.json"}`,
		"inner place":           `{"type":"object","properties":{"a":{"type":"null"},"b":{"$ref":"#/properties/a"}}}`,
		"property not a schema": `{"type":"object","properties":{"a":1}}`,
	} {
		_, err := anthropic.ConvertSchema(json.RawMessage(in))
		require.Error(t, err, name)
	}
	_, err := anthropic.ConvertSchema(make(chan int))
	require.Error(t, err)
}

// What comes out of the converter is a schema that the converter has nothing more to take from.
func FuzzConvertSchema(f *testing.F) {
	f.Add(`{"type":"object","properties":{"a":{"type":"integer","minimum":1},"b":{"$ref":"#/$defs/x"}},"$defs":{"x":{"oneOf":[{"type":"null"},true]}}}`)
	f.Add(`{"type":["array","null"],"items":{"enum":[1,"a",null]},"minItems":7,"description":"x"}`)
	f.Add(`{"properties":{"\u0000":{"pattern":"(?:a)\\1"}},"required":["b"]}`)
	f.Add(strings.Repeat(`{"items":`, 1200))
	f.Fuzz(func(t *testing.T, in string) {
		s, err := anthropic.ConvertSchema(json.RawMessage(in))
		if err != nil {
			return
		}
		require.True(t, json.Valid(s.JSON), "%s", s.JSON)
		again, err := anthropic.ConvertSchema(json.RawMessage(s.JSON))
		require.NoError(t, err, "%s", s.JSON)
		require.Empty(t, again.Lost, "%s", s.JSON)
		require.JSONEq(t, string(s.JSON), string(again.JSON))
	})
}
