package openai

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStrictSchema(t *testing.T) {
	for _, tc := range []struct {
		name, in, want string
		lost           []string
	}{
		{"optional members become nullable",
			`{"type":"object","properties":{"b":{"type":"string","minLength":1},"a":{"type":"integer"},"c":{"enum":["x"]},"d":{"$ref":"#/$defs/d"}},"required":["a"],"$defs":{"d":{"type":"string"}}}`,
			`{"type":"object","$defs":{"d":{"type":"string"}},"properties":{"b":{"type":["string","null"]},"a":{"type":"integer"},"c":{"anyOf":[{"enum":["x"]},{"type":"null"}]},"d":{"anyOf":[{"$ref":"#/$defs/d"},{"type":"null"}]}},"required":["b","a","c","d"],"additionalProperties":false}`,
			[]string{"minLength at /properties/b"}},
		{"nested, with annotations and const",
			`{"$schema":"x","type":"object","title":"T","properties":{"list":{"type":"array","items":{"type":"object","properties":{"k":{"const":"v","default":"v"}},"required":["k"]},"minItems":1,"uniqueItems":true}},"required":["list"],"additionalProperties":{"not":{}}}`,
			`{"type":"object","title":"T","properties":{"list":{"type":"array","items":{"type":"object","properties":{"k":{"enum":["v"]}},"required":["k"],"additionalProperties":false},"minItems":1}},"required":["list"],"additionalProperties":false}`,
			[]string{"uniqueItems at /properties/list"}},
		{"oneOf and a single allOf",
			`{"type":"object","properties":{"x":{"oneOf":[{"type":"string"},{"type":"null"}]},"y":{"allOf":[{"$ref":"#/$defs/y"}]}},"required":["x","y"],"$defs":{"y":{"type":"object","properties":{}}}}`,
			`{"type":"object","properties":{"x":{"anyOf":[{"type":"string"},{"type":"null"}]},"y":{"$ref":"#/$defs/y"}},"required":["x","y"],"$defs":{"y":{"type":"object","properties":{},"required":[],"additionalProperties":false}},"additionalProperties":false}`,
			[]string{"oneOf (sent as anyOf) at /properties/x"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, lost, err := strictSchema([]byte(tc.in))
			require.NoError(t, err)
			require.JSONEq(t, tc.want, string(got))
			require.Equal(t, tc.lost, lost)
		})
	}
}

func TestStrictSchemaRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"a map":           `{"type":"object","properties":{"m":{"type":"object","additionalProperties":{"type":"string"}}}}`,
		"anything":        `{"type":"object","properties":{"m":{}}}`,
		"any object":      `{"type":"object","properties":{"m":{"type":"object"}}}`,
		"a list root":     `{"type":"array","items":{"type":"string"}}`,
		"a combination":   `{"type":"object","properties":{"m":{"allOf":[{"type":"string"},{"minLength":1}]}}}`,
		"a boolean child": `{"type":"object","properties":{"m":true}}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := strictSchema([]byte(in))
			var open errOpen
			require.ErrorAs(t, err, &open)
		})
	}
	_, _, err := strictSchema([]byte(`[1]`))
	require.Error(t, err)
}

func FuzzStrictSchema(f *testing.F) {
	f.Add([]byte(`{"type":"object","properties":{"b":{"type":"string","minLength":1},"a":{"anyOf":[{"type":"integer"}]}},"required":["a"]}`))
	f.Add([]byte(`{"type":["object","null"],"properties":{"x":{"oneOf":[{"type":"string"}]},"y":{"allOf":[{"$ref":"#/$defs/y"}]}},"$defs":{"y":{"enum":[1]}}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		out, _, err := strictSchema(in)
		if err != nil {
			return
		}
		if !json.Valid(out) {
			t.Fatalf("%s became %s", in, out)
		}
		again, lost, err := strictSchema(out)
		if err != nil || len(lost) > 0 {
			t.Fatalf("the strict form %s is not its own: %v %v", out, err, lost)
		}
		require.JSONEq(t, string(out), string(again))
	})
}
