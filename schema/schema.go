// Package schema makes [llm.CompletionAs], [llm.CompletionStreamAs] and [llm.NewTool] work: it makes JSON Schemas of
// Go types, and judges answers by them. Import it for its effect, as providers/all does:
//
//	import _ "github.com/llm-go/llm/schema"
//
// It stands apart because github.com/google/jsonschema-go, which does the work, compiles expressions and reads the
// environment when a program starts; who does not use it should not pay for it.
//
// Names come from json tags, descriptions from jsonschema tags; fields with omitempty or omitzero are optional, all
// others required, and objects of structs are closed. Pointers, slices and maps may be null. A type that is no
// object by itself travels as {"value": …}: models answer, and call tools, with objects.
package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/llm-go/llm"
)

func init() { llm.RegisterSchemas(Of, Parse) }

// Schema is a JSON Schema that judges answers. It implements [llm.Schema].
type Schema struct {
	schema   *jsonschema.Schema
	resolved *jsonschema.Resolved
	wrapped  bool
}

var known sync.Map // reflect.Type -> *Schema; bounded by the types of the program

// Of makes the schema of a type. It fails for types that hold channels, functions or themselves.
func Of(t reflect.Type) (llm.Schema, error) {
	if s, ok := known.Load(t); ok {
		return s.(*Schema), nil
	}
	inferred, err := jsonschema.ForType(t, nil)
	if err != nil {
		return nil, fmt.Errorf("no JSON Schema can be made from the type %s: %w", t, err)
	}
	s, err := wrap(inferred)
	if err != nil {
		return nil, err
	}
	known.Store(t, s)
	return s, nil
}

// Parse reads a schema as it is; nothing is wrapped.
func Parse(raw []byte) (llm.Schema, error) {
	schema := &jsonschema.Schema{}
	if err := json.Unmarshal(raw, schema); err != nil {
		return nil, err
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		return nil, err
	}
	return &Schema{schema: schema, resolved: resolved}, nil
}

func wrap(schema *jsonschema.Schema) (*Schema, error) {
	s := &Schema{schema: schema}
	// A pointer to a struct is inferred as ["null","object"]; at the top there is no null.
	if slices.Contains(schema.Types, "object") && len(schema.Types) == 2 && slices.Contains(schema.Types, "null") {
		schema.Types, schema.Type = nil, "object"
	}
	if schema.Type != "object" {
		s.wrapped = true
		s.schema = &jsonschema.Schema{Type: "object", Properties: map[string]*jsonschema.Schema{"value": schema},
			Required: []string{"value"}, AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}}}
	}
	var err error
	s.resolved, err = s.schema.Resolve(nil)
	return s, err
}

// Wrapped says that the value travels as {"value": …}.
func (s *Schema) Wrapped() bool { return s.wrapped }

// MarshalJSON is the schema.
func (s *Schema) MarshalJSON() ([]byte, error) { return json.Marshal(s.schema) }

// Check validates a JSON text and returns it in the form that the Go type takes: without wrapping, and without the
// nulls that stand for absent members in the strict forms of some providers. What does not fit is a
// [*llm.SchemaMismatch].
func (s *Schema) Check(text []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, &llm.SchemaMismatch{Place: "it is not JSON", Detail: "it is not valid JSON: " + err.Error()}
	}
	if d.More() {
		return nil, &llm.SchemaMismatch{Place: "something follows the JSON value", Detail: "something follows the JSON value"}
	}
	dropped := dropNulls(v, s.schema)
	if err := s.resolved.Validate(v); err != nil {
		return nil, &llm.SchemaMismatch{Place: placeOf(err), Detail: err.Error()}
	}
	if s.wrapped {
		v = v.(map[string]any)["value"]
	} else if !dropped {
		return text, nil
	}
	return json.Marshal(v)
}

// dropNulls removes members that are null although their schema does not allow it and they are not required.
func dropNulls(v any, s *jsonschema.Schema) (dropped bool) {
	if s == nil {
		return false
	}
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			ms := s.Properties[name]
			if ms == nil {
				ms = s.AdditionalProperties
			}
			if member == nil && ms != nil && !slices.Contains(s.Required, name) && !allowsNull(ms) {
				delete(v, name)
				dropped = true
				continue
			}
			dropped = dropNulls(member, ms) || dropped
		}
	case []any:
		for _, item := range v {
			dropped = dropNulls(item, s.Items) || dropped
		}
	}
	return dropped
}

func allowsNull(s *jsonschema.Schema) bool {
	return s.Type == "null" || slices.Contains(s.Types, "null") || s.Type == "" && len(s.Types) == 0
}

// placeOf keeps of a validation error what speaks of the schema, not of the answer.
func placeOf(err error) string {
	var place string
	for _, part := range strings.Split(err.Error(), ": ") {
		if p, ok := strings.CutPrefix(part, "validating "); ok {
			place = p
			continue
		}
		if rule, _, _ := strings.Cut(part, " "); len(rule) <= 40 {
			return "it breaks the rule " + rule + " at " + place
		}
		break
	}
	return "it does not match at " + place
}
