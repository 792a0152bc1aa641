package llm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/google/jsonschema-go/jsonschema"
)

// schemaOf is the JSON Schema of a Go type, in the form that models and this package work with.
type schemaOf struct {
	schema   *jsonschema.Schema
	resolved *jsonschema.Resolved
	// wrapped says that the type is not an object by itself and travels as {"value": …}: models answer, and
	// call tools, with objects.
	wrapped bool
}

var schemas sync.Map // reflect.Type -> *schemaOf; bounded by the types of the program

func schemaFor[T any]() (*schemaOf, error) {
	t := reflect.TypeFor[T]()
	if s, ok := schemas.Load(t); ok {
		return s.(*schemaOf), nil
	}
	inferred, err := jsonschema.For[T](nil)
	if err != nil {
		return nil, fmt.Errorf("no JSON Schema can be made from the type %s: %w", t, err)
	}
	s, err := newSchema(inferred)
	if err != nil {
		return nil, err
	}
	schemas.Store(t, s)
	return s, nil
}

func newSchema(schema *jsonschema.Schema) (*schemaOf, error) {
	s := &schemaOf{schema: schema}
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

// givenSchema is the schema that the caller put into a request, as any value that marshals to one.
func givenSchema(v any) (*schemaOf, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	schema := &jsonschema.Schema{}
	if err := json.Unmarshal(raw, schema); err != nil {
		return nil, err
	}
	resolved, err := schema.Resolve(nil)
	return &schemaOf{schema: schema, resolved: resolved}, err
}

// mismatch is an answer that does not fit its schema. Its text names the place and the rule, never the answer;
// detail has both, for the model.
type mismatch struct {
	place  string
	detail string
}

func (m *mismatch) Error() string { return m.place }

// check validates JSON text and returns it in the form that the Go type takes: without wrapping, and without
// the nulls that stand for absent members in the strict forms of some providers.
func (s *schemaOf) check(text []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, &mismatch{"it is not JSON", "it is not valid JSON: " + err.Error()}
	}
	if d.More() {
		return nil, &mismatch{"something follows the JSON value", "something follows the JSON value"}
	}
	dropped := dropNulls(v, s.schema)
	if err := s.resolved.Validate(v); err != nil {
		return nil, &mismatch{placeOf(err), err.Error()}
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
		return "it breaks the rule " + shorten(part, 40) + " at " + place
	}
	return "it does not match at " + place
}

// jsonText cuts the JSON out of an answer: models that are not constrained like to fence it.
func jsonText(s string) []byte {
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(s, "```"); ok {
		if _, body, ok := strings.Cut(rest, "\n"); ok {
			s = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(body), "```"))
		}
	}
	return []byte(s)
}
