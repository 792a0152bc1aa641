package openai

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// StrictSchema is a JSON Schema in the form that strict mode takes, with what it had to leave out.
//
// Source: OpenAI's guide "Structured outputs", section "Supported schemas". Objects are closed, every property is
// required, and one that was optional may be null instead; oneOf becomes anyOf; keywords that are refused are left
// out. The order of the members is kept, since models answer in it.
type StrictSchema struct {
	JSON []byte
	// Lost are the constraints that an answer must be checked for locally, by their path: "properties.age.minLength".
	Lost []string
}

// AppendJSON makes the schema a value that requests can hold.
func (s *StrictSchema) AppendJSON(b []byte) ([]byte, error) { return append(b, s.JSON...), nil }

// ConvertSchema converts a schema given as map[string]any, json.RawMessage, or anything that encodes to JSON. It
// fails for schemas that strict mode cannot hold: objects of any members, values of any type, several schemas at
// once (allOf), and a root that is no object.
func ConvertSchema(schema any) (*StrictSchema, error) {
	var in jsonx.Encoder
	in.Any(schema)
	if err := in.Err(); err != nil {
		return nil, err
	}
	c := converter{}
	ms, err := keywords(in.B)
	if err != nil {
		return nil, err
	}
	if !hasType(ms, "object") || find(ms, "anyOf") != nil || find(ms, "$ref") != nil {
		return nil, errors.New("the schema is not that of an object")
	}
	c.schema(in.B, "")
	if c.err == nil {
		c.err = c.e.Err()
	}
	if c.err != nil {
		return nil, c.err
	}
	return &StrictSchema{JSON: c.e.B, Lost: c.lost}, nil
}

// strictSchema converts a schema for the wire. One that has no strict form goes as it is, and strict mode is given up;
// either loss is a warning.
func strictSchema(call *llm.Call, schema any, param string) (any, bool) {
	s, err := ConvertSchema(schema)
	if err != nil {
		call.Warn(llm.Warning{Code: "schema_constraint", Param: param, Message: "sent without strict: " + err.Error()})
		return schema, false
	}
	for _, lost := range s.Lost {
		call.Warn(llm.Warning{Code: "schema_constraint", Param: param + "." + lost, Message: "strict mode does not hold answers to it"})
	}
	return s, true
}

type converter struct {
	e    jsonx.Encoder
	lost []string
	err  error
}

// keyword is one keyword of a schema.
type keyword struct {
	key string
	raw []byte
}

func keywords(raw []byte) ([]keyword, error) {
	var ms []keyword
	d := jsonx.NewDecoder(raw)
	if d.Kind() != jsonx.Object {
		return nil, errors.New("a schema is not an object")
	}
	for d.Object(); d.More(); {
		key := string(d.Key())
		value := d.Raw()
		if i := slices.IndexFunc(ms, func(m keyword) bool { return m.key == key }); i >= 0 {
			ms[i].raw = value // as decoders of JSON do, the last one counts
			continue
		}
		ms = append(ms, keyword{key, value})
	}
	return ms, d.End()
}

func find(ms []keyword, key string) []byte {
	for i := range ms {
		if ms[i].key == key {
			return ms[i].raw
		}
	}
	return nil
}

// types are the words of the keyword type.
func types(ms []keyword) (list []string) {
	raw := find(ms, "type")
	if raw == nil {
		if find(ms, "properties") != nil {
			return []string{"object"}
		}
		return nil
	}
	d := jsonx.NewDecoder(raw)
	if d.Kind() == jsonx.String {
		return []string{d.Str()}
	}
	if d.Kind() == jsonx.Array {
		for d.Array(); d.More(); {
			if d.Kind() == jsonx.String {
				list = append(list, d.Str())
			} else {
				d.Skip()
			}
		}
	}
	return list
}

func hasType(ms []keyword, typ string) bool { return slices.Contains(types(ms), typ) }

func (c *converter) fail(path, why string) {
	if c.err == nil {
		if path == "" {
			path = "the schema"
		}
		c.err = fmt.Errorf("%s %s", path, why)
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// schema writes the strict form of one schema.
func (c *converter) schema(raw []byte, path string) {
	ms, err := keywords(raw)
	if err != nil {
		c.fail(path, "is not the schema of a type")
		c.e.Null()
		return
	}
	if all := find(ms, "allOf"); all != nil {
		if one := soleElement(all); one != nil && !slices.ContainsFunc(ms, func(m keyword) bool { return m.key != "allOf" && !annotation(m.key) }) {
			c.schema(one, path)
			return
		}
		c.fail(path, "has allOf")
	}
	if ref := find(ms, "$ref"); ref != nil {
		c.e.Object()
		c.e.Name("$ref")
		c.e.Raw(ref)
		for _, m := range ms { // nothing may stand beside a reference
			if m.key == "$defs" || m.key == "definitions" {
				c.named(m, path)
			} else if m.key != "$ref" && !annotation(m.key) {
				c.lost = append(c.lost, join(path, m.key))
			}
		}
		c.e.EndObject()
		return
	}
	if len(types(ms)) == 0 && find(ms, "enum") == nil && find(ms, "const") == nil && find(ms, "anyOf") == nil && find(ms, "oneOf") == nil {
		c.fail(path, "allows values of any type")
	}
	c.object(ms, path)
}

// soleElement is the element of a list of one.
func soleElement(raw []byte) (one []byte) {
	d := jsonx.NewDecoder(raw)
	if d.Kind() != jsonx.Array {
		return nil
	}
	n := 0
	for d.Array(); d.More(); n++ {
		one = d.Raw()
	}
	if n != 1 {
		return nil
	}
	return one
}

// annotation says whether a keyword constrains nothing.
func annotation(key string) bool {
	switch key {
	case "title", "description", "default", "examples", "example", "$schema", "$id", "$anchor", "$comment", "deprecated", "readOnly", "writeOnly":
		return true
	}
	return strings.HasPrefix(key, "x-")
}

// object writes a schema that is not a reference.
func (c *converter) object(ms []keyword, path string) {
	isObject := hasType(ms, "object")
	c.e.Object()
	if isObject && find(ms, "type") == nil {
		c.e.Name("type")
		c.e.Str("object")
	}
	var names []string
	for _, m := range ms {
		switch m.key {
		case "type", "title", "description", "enum", "const", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
			"multipleOf", "minItems", "maxItems":
			c.copy(m)
		case "format":
			if d := jsonx.NewDecoder(m.raw); d.Kind() == jsonx.String && slices.Contains(formats, d.Str()) {
				c.copy(m)
			} else {
				c.lost = append(c.lost, join(path, m.key))
			}
		case "properties":
			names = c.properties(m, find(ms, "required"), path)
		case "items":
			c.e.Name("items")
			c.schema(m.raw, join(path, "items"))
		case "anyOf":
			c.anyOf(m, path)
		case "oneOf":
			c.lost = append(c.lost, join(path, "oneOf")) // that only one may match
			if find(ms, "anyOf") == nil {
				c.anyOf(m, path)
			}
		case "$defs", "definitions":
			c.named(m, path)
		case "additionalProperties":
			if isObject && jsonx.NewDecoder(m.raw).Kind() == jsonx.Object {
				c.fail(path, "is an object of any members")
			}
		case "required", "allOf":
		default:
			if !annotation(m.key) {
				c.lost = append(c.lost, join(path, m.key))
			}
		}
	}
	if isObject {
		if find(ms, "properties") == nil {
			if string(find(ms, "additionalProperties")) != "false" {
				c.fail(path, "is an object of any members")
			}
			c.e.Name("properties")
			c.e.Object()
			c.e.EndObject()
		}
		c.e.Name("required")
		c.e.Array()
		for _, n := range names {
			c.e.Str(n)
		}
		c.e.EndArray()
		c.e.Name("additionalProperties")
		c.e.Bool(false)
	}
	c.e.EndObject()
}

var formats = []string{"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}

func (c *converter) copy(m keyword) {
	c.e.Name(m.key)
	c.e.Raw(m.raw)
}

// properties writes the properties, those that were optional as nullable, and returns their names.
func (c *converter) properties(m keyword, required []byte, path string) (names []string) {
	var must []string
	if d := jsonx.NewDecoder(required); d.Kind() == jsonx.Array {
		for d.Array(); d.More(); {
			if d.Kind() == jsonx.String {
				must = append(must, d.Str())
			} else {
				d.Skip()
			}
		}
	}
	ps, err := keywords(m.raw)
	if err != nil {
		c.fail(join(path, "properties"), "is not an object")
	}
	c.e.Name("properties")
	c.e.Object()
	for _, p := range ps {
		names = append(names, p.key)
		c.e.Key(p.key)
		at := join(path, "properties."+p.key)
		if slices.Contains(must, p.key) {
			c.schema(p.raw, at)
		} else {
			c.nullable(p.raw, at)
		}
	}
	c.e.EndObject()
	return names
}

// nullable writes a schema or null.
func (c *converter) nullable(raw []byte, path string) {
	ms, err := keywords(raw)
	if err != nil {
		c.schema(raw, path)
		return
	}
	if hasType(ms, "null") {
		c.schema(raw, path)
		return
	}
	list := types(ms)
	if len(list) > 0 && find(ms, "type") != nil && find(ms, "enum") == nil && find(ms, "const") == nil &&
		find(ms, "anyOf") == nil && find(ms, "oneOf") == nil && find(ms, "allOf") == nil && find(ms, "$ref") == nil {
		var e jsonx.Encoder
		e.Any(append(list, "null"))
		i := slices.IndexFunc(ms, func(m keyword) bool { return m.key == "type" })
		ms[i].raw = e.B
		c.object(ms, path)
		return
	}
	if any := find(ms, "anyOf"); any != nil && allowsNull(any) {
		c.schema(raw, path)
		return
	}
	c.e.Object()
	c.e.Name("anyOf")
	c.e.Array()
	c.schema(raw, path)
	c.e.Raw([]byte(`{"type":"null"}`))
	c.e.EndArray()
	c.e.EndObject()
}

// allowsNull says whether one of the schemas in a list is that of null.
func allowsNull(list []byte) bool {
	d := jsonx.NewDecoder(list)
	if d.Kind() != jsonx.Array {
		return false
	}
	found := false
	for d.Array(); d.More(); {
		if ms, err := keywords(d.Raw()); err == nil && hasType(ms, "null") {
			found = true
		}
	}
	return found
}

func (c *converter) anyOf(m keyword, path string) {
	d := jsonx.NewDecoder(m.raw)
	if d.Kind() != jsonx.Array {
		c.fail(join(path, m.key), "is not a list")
		return
	}
	c.e.Name("anyOf")
	c.e.Array()
	for d.Array(); d.More(); {
		c.schema(d.Raw(), join(path, m.key))
	}
	c.e.EndArray()
}

// named writes definitions.
func (c *converter) named(m keyword, path string) {
	defs, err := keywords(m.raw)
	if err != nil {
		c.fail(join(path, m.key), "is not an object")
	}
	c.e.Name(m.key)
	c.e.Object()
	for _, d := range defs {
		c.e.Key(d.key)
		c.schema(d.raw, join(path, m.key+"."+d.key))
	}
	c.e.EndObject()
}
