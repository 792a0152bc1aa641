package openai

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// This file turns any JSON Schema into the form that OpenAI's strict mode takes. The rules are those of OpenAI's
// guide "Structured model outputs", section "Supported schemas": the root is an object, every object is closed and
// requires all its members (an optional one becomes nullable), and a closed list of keywords is known.

// errOpen: strict mode cannot express the schema at all; the reason is in the text.
type errOpen string

func (e errOpen) Error() string { return string(e) }

// strictSchema converts a schema. lost names the constraints that the strict form cannot say, as "keyword at
// /path"; annotations that constrain nothing are left out without a word. Order is kept: models write members in
// the order of the schema. The error is an errOpen, or says why the text is no schema.
func strictSchema(schema []byte) (strict json.RawMessage, lost []string, err error) {
	c := &strictConverter{}
	var e jsonx.Encoder
	if err := c.convert(&e, schema, place{}); err != nil {
		return nil, nil, err
	}
	root, err := members(e.B)
	if err != nil {
		return nil, nil, err
	}
	if t, _ := root.get("type"); string(t) != `"object"` {
		return nil, nil, errOpen("its root is not an object")
	}
	if _, ok := root.get("anyOf"); ok {
		return nil, nil, errOpen("its root is a choice (anyOf)")
	}
	return e.B, c.lost, nil
}

// strictForm is a schema, and whether it is sent as strict, for a caller who asked for strictness. What the form
// cannot say is a warning; a schema that has no such form is sent as it is, not strict.
func strictForm(call *llm.Call, param string, schema any) (any, *bool, error) {
	var e jsonx.Encoder
	e.Any(schema)
	if err := e.Err(); err != nil {
		return nil, nil, llm.InvalidRequest(param, "is not a JSON Schema: "+err.Error())
	}
	strict, lost, err := strictSchema(e.B)
	var open errOpen
	if errors.As(err, &open) {
		call.Warn(llm.Warning{Code: "schema_constraint", Param: param,
			Message: "the schema has no strict form (" + open.Error() + "); it is sent without strict, so the model may deviate from it"})
		return schema, new(false), nil
	}
	if err != nil {
		return nil, nil, llm.InvalidRequest(param, "is not a JSON Schema: "+err.Error())
	}
	for _, l := range lost {
		call.Warn(llm.Warning{Code: "schema_constraint", Param: param, Message: "the strict form cannot say " + l})
	}
	return strict, new(true), nil
}

// strictFormat is a response_format whose schema is in the strict form, if it asks for that.
func strictFormat(call *llm.Call, param string, f *llm.ResponseFormat) (*llm.ResponseFormat, error) {
	if f == nil || f.JSONSchema == nil || f.JSONSchema.Schema == nil || f.JSONSchema.Strict == nil || !*f.JSONSchema.Strict {
		return f, nil
	}
	g, s := *f, *f.JSONSchema
	var err error
	if s.Schema, s.Strict, err = strictForm(call, param, s.Schema); err != nil {
		return nil, err
	}
	g.JSONSchema = &s
	return &g, nil
}

type strictConverter struct{ lost []string }

// place is where in the schema the converter is.
type place struct {
	path  string
	depth int
	// nullable: the place is an optional member, so null must be allowed.
	nullable bool
}

func (p place) at(step string) place { return place{path: p.path + "/" + step, depth: p.depth + 1} }

// schemaMember is one member of an object, in its order.
type schemaMember struct {
	name string
	raw  []byte
}

type memberList []schemaMember

func (l memberList) get(name string) ([]byte, bool) {
	for _, m := range l {
		if m.name == name {
			return m.raw, true
		}
	}
	return nil, false
}

func members(raw []byte) (memberList, error) {
	d := jsonx.NewDecoder(raw)
	if d.Kind() != jsonx.Object {
		return nil, errors.New("a JSON Schema must be an object")
	}
	var l memberList
	for d.Object(); d.More(); {
		name := string(d.Key())
		l = append(l, schemaMember{name, d.Raw()})
	}
	return l, d.End()
}

// maxSchemaDepth is far beyond the 10 levels that OpenAI allows; it bounds the recursion.
const maxSchemaDepth = 100

func (c *strictConverter) convert(e *jsonx.Encoder, raw []byte, p place) error {
	if p.depth > maxSchemaDepth {
		return errors.New("the schema is nested too deeply")
	}
	switch strings.TrimSpace(string(raw)) {
	case "true":
		return errOpen("anything is allowed at " + p.name())
	case "false":
		return errOpen("nothing is allowed at " + p.name())
	}
	l, err := members(raw)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(l, func(m schemaMember) bool { return saysWhat(m.name) }) {
		return errOpen("anything is allowed at " + p.name())
	}
	// An allOf of one schema is that schema; generators wrap references so.
	if all, ok := l.get("allOf"); ok {
		if only := elements(all); len(only) == 1 {
			rest := slices.DeleteFunc(slices.Clone(l), func(m schemaMember) bool { return m.name == "allOf" || isAnnotation(m.name) })
			if len(rest) == 0 {
				return c.convert(e, only[0], p)
			}
		}
		return errOpen("schemas are combined by allOf at " + p.name())
	}
	if _, ok := l.get("$ref"); ok && p.nullable {
		return c.orNull(e, raw, p)
	}
	_, typed := l.get("type")
	if p.nullable && !typed {
		return c.orNull(e, raw, p)
	}
	e.Object()
	if _, ok := l.get("properties"); ok && !typed {
		e.Name("type")
		e.Str("object")
	}
	for _, m := range l {
		if err := c.keyword(e, m, l, p); err != nil {
			return err
		}
	}
	if isObjectType(l) {
		if err := c.object(e, l, p); err != nil {
			return err
		}
	}
	e.EndObject()
	return nil
}

// orNull allows null beside a schema that has no type of its own.
func (c *strictConverter) orNull(e *jsonx.Encoder, raw []byte, p place) error {
	p.nullable = false
	e.Object()
	e.Name("anyOf")
	e.Array()
	if err := c.convert(e, raw, p); err != nil {
		return err
	}
	e.Raw([]byte(`{"type":"null"}`))
	e.EndArray()
	e.EndObject()
	return nil
}

func (c *strictConverter) keyword(e *jsonx.Encoder, m schemaMember, l memberList, p place) error {
	switch m.name {
	case "type":
		e.Name("type")
		e.Raw(withNull(m.raw, p.nullable))
	case "enum":
		e.Name("enum")
		e.Raw(enumWithNull(m.raw, p.nullable))
	case "const":
		e.Name("enum")
		e.Raw(enumWithNull(append(append([]byte{'['}, m.raw...), ']'), p.nullable))
	case "description", "title", "$ref", "format", "pattern", "multipleOf", "minimum", "maximum",
		"exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems":
		e.Name(m.name)
		e.Raw(m.raw)
	case "items":
		e.Name("items")
		return c.convert(e, m.raw, p.at("items"))
	case "anyOf", "oneOf":
		if m.name == "oneOf" {
			c.lose("oneOf (sent as anyOf)", p)
		}
		e.Name("anyOf")
		e.Array()
		for _, alternative := range elements(m.raw) {
			if err := c.convert(e, alternative, p.at(m.name)); err != nil {
				return err
			}
		}
		e.EndArray()
	case "$defs", "definitions":
		e.Name(m.name)
		return c.named(e, m.raw, p.at(m.name))
	case "properties", "required", "additionalProperties": // written by object
	case "$schema", "$id", "$comment", "$anchor", "default", "examples", "example", "deprecated", "readOnly", "writeOnly":
	default:
		c.lose(m.name, p)
	}
	return nil
}

func (c *strictConverter) lose(keyword string, p place) {
	c.lost = append(c.lost, keyword+" at "+p.name())
}

func (p place) name() string {
	if p.path == "" {
		return "/"
	}
	return p.path
}

// saysWhat is for keywords without which a schema allows anything.
func saysWhat(keyword string) bool {
	switch keyword {
	case "type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf", "properties":
		return true
	}
	return false
}

func isAnnotation(keyword string) bool {
	switch keyword {
	case "title", "description", "default", "$comment", "examples":
		return true
	}
	return false
}

// named converts a map of schemas.
func (c *strictConverter) named(e *jsonx.Encoder, raw []byte, p place) error {
	l, err := members(raw)
	if err != nil {
		return err
	}
	e.Object()
	for _, m := range l {
		e.Key(m.name)
		if err := c.convert(e, m.raw, p.at(m.name)); err != nil {
			return err
		}
	}
	e.EndObject()
	return nil
}

// object writes the members of a closed object that requires all of them.
func (c *strictConverter) object(e *jsonx.Encoder, l memberList, p place) error {
	if more, ok := l.get("additionalProperties"); ok && !isFalse(more) {
		return errOpen("members without a name are allowed at " + p.name())
	}
	var required []string
	if raw, ok := l.get("required"); ok {
		for _, name := range elements(raw) {
			required = append(required, jsonx.NewDecoder(name).Str())
		}
	}
	var props memberList
	if raw, ok := l.get("properties"); ok {
		var err error
		if props, err = members(raw); err != nil {
			return err
		}
	} else if _, closed := l.get("additionalProperties"); !closed {
		return errOpen("any object is allowed at " + p.name())
	}
	names := make([]string, 0, len(props))
	e.Name("properties")
	e.Object()
	for _, m := range props {
		at := p.at("properties/" + m.name)
		at.nullable = !slices.Contains(required, m.name)
		e.Key(m.name)
		if err := c.convert(e, m.raw, at); err != nil {
			return err
		}
		names = append(names, m.name)
	}
	e.EndObject()
	e.Name("required")
	e.Any(names)
	e.Name("additionalProperties")
	e.Bool(false)
	return nil
}

func isObjectType(l memberList) bool {
	if t, ok := l.get("type"); ok {
		return strings.Contains(string(t), `"object"`)
	}
	_, ok := l.get("properties")
	return ok
}

// isFalse also knows the form {"not": {}}, which some generators write.
func isFalse(raw []byte) bool {
	s := strings.Join(strings.Fields(string(raw)), "")
	return s == "false" || s == `{"not":{}}`
}

// elements are the items of a JSON array; nil if raw is none.
func elements(raw []byte) [][]byte {
	d := jsonx.NewDecoder(raw)
	if d.Kind() != jsonx.Array {
		return nil
	}
	var list [][]byte
	for d.Array(); d.More(); {
		list = append(list, d.Raw())
	}
	if d.End() != nil {
		return nil
	}
	return list
}

// withNull adds "null" to a type or list of types.
func withNull(raw []byte, nullable bool) []byte {
	if !nullable {
		return raw
	}
	types := elements(raw)
	if types == nil {
		types = [][]byte{raw}
	}
	return appendNull(types, `"null"`)
}

func enumWithNull(raw []byte, nullable bool) []byte {
	if !nullable {
		return raw
	}
	return appendNull(elements(raw), "null")
}

func appendNull(list [][]byte, null string) []byte {
	var e jsonx.Encoder
	e.Array()
	had := false
	for _, v := range list {
		e.Raw(v)
		had = had || string(v) == null
	}
	if !had {
		e.Raw([]byte(null))
	}
	e.EndArray()
	return e.B
}
