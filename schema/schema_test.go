package schema_test

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/schema"
)

type person struct {
	Name string            `json:"name" jsonschema:"as in the passport"`
	Age  int               `json:"age,omitempty"`
	Tags map[string]string `json:"tags,omitempty"`
}

func TestOf(t *testing.T) {
	s, err := schema.Of(reflect.TypeFor[person]())
	require.NoError(t, err)
	require.False(t, s.Wrapped())
	b, err := s.MarshalJSON()
	require.NoError(t, err)
	require.JSONEq(t, `{"type":"object","properties":{"name":{"type":"string","description":"as in the passport"},"age":{"type":"integer"},
		"tags":{"type":"object","additionalProperties":{"type":"string"}}},"required":["name"],"additionalProperties":false}`, string(b))

	s, err = schema.Of(reflect.TypeFor[[]int]())
	require.NoError(t, err)
	require.True(t, s.Wrapped())
	fit, err := s.Check([]byte(`{"value":[1,2]}`))
	require.NoError(t, err)
	require.JSONEq(t, `[1,2]`, string(fit))

	_, err = schema.Of(reflect.TypeFor[chan int]())
	require.ErrorContains(t, err, "chan int")
}

func TestCheck(t *testing.T) {
	s, err := schema.Of(reflect.TypeFor[person]())
	require.NoError(t, err)
	for in, want := range map[string]string{
		`{"name":"Ada"}`: `{"name":"Ada"}`,
		`{"name":"Ada","age":null,"tags":{"a":null}}`: `{"name":"Ada","tags":{}}`,
	} {
		fit, err := s.Check([]byte(in))
		require.NoError(t, err)
		require.JSONEq(t, want, string(fit))
	}
	for _, in := range []string{`{"name":null}`, `{"name":"Secret","age":"Secret"}`, `{}`, `"Secret"`, `{"name":"Secret"`, `{"name":"a"}x`, `{"Secret":1,"name":"a"}`} {
		_, err := s.Check([]byte(in))
		var m *llm.SchemaMismatch
		require.ErrorAs(t, err, &m, in)
		require.NotContains(t, m.Error(), "Secret")
		require.NotEmpty(t, m.Detail)
	}
}

func TestParse(t *testing.T) {
	s, err := schema.Parse([]byte(`{"type":"object","properties":{"n":{"type":"integer","minimum":3}},"required":["n"]}`))
	require.NoError(t, err)
	_, err = s.Check([]byte(`{"n":3}`))
	require.NoError(t, err)
	_, err = s.Check([]byte(`{"n":2}`))
	require.ErrorContains(t, err, "minimum")
	_, err = schema.Parse([]byte(`[]`))
	require.Error(t, err)
}
