package llm

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync/atomic"
)

// Schema is a JSON Schema that judges answers. Package schema makes them, of Go types and of JSON.
type Schema interface {
	json.Marshaler
	// Check validates a JSON text and returns it in the form that the Go type takes. What does not fit is a
	// *SchemaMismatch.
	Check(text []byte) ([]byte, error)
	// Wrapped says that the value is no object by itself and travels as {"value": …}.
	Wrapped() bool
}

// SchemaMismatch is an answer that does not fit its schema. Its text names the place and the rule, never the answer;
// Detail may quote the answer, for the model that gave it.
type SchemaMismatch struct{ Place, Detail string }

// Error is Place.
func (m *SchemaMismatch) Error() string { return m.Place }

type schemaMaker struct {
	of    func(reflect.Type) (Schema, error)
	parse func([]byte) (Schema, error)
}

var schemas atomic.Pointer[schemaMaker]

// RegisterSchemas tells this package how to make a schema of a Go type and of JSON. Package schema calls it.
func RegisterSchemas(of func(reflect.Type) (Schema, error), parse func([]byte) (Schema, error)) {
	schemas.Store(&schemaMaker{of, parse})
}

var errNoSchemas = errors.New(`schemas are not linked in (forgotten import? add _ "github.com/llm-go/llm/schema", or providers/all)`)

func schemaFor[T any]() (Schema, error) {
	m := schemas.Load()
	if m == nil {
		return nil, errNoSchemas
	}
	return m.of(reflect.TypeFor[T]())
}

// givenSchema is the schema that the caller put into a request, as any value that marshals to one.
func givenSchema(v any) (Schema, error) {
	m := schemas.Load()
	if m == nil {
		return nil, errNoSchemas
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return m.parse(raw)
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
