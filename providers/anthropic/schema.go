package anthropic

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/llm-go/llm/internal/jsonx"
)

// Schema is a JSON Schema in the form that Anthropic's constrained decoding accepts, with what it had to leave out.
//
// Source: Anthropic's documentation, "Structured outputs", section "JSON Schema limitations". Objects are closed,
// oneOf becomes anyOf, and keywords that are not accepted are left out and written into the description instead,
// where the model can read them.
type Schema struct {
	JSON []byte
	// Lost are the keywords that the answer must be checked for locally, by their path in the schema:
	// "properties.age.minimum".
	Lost []string
}

// ConvertSchema converts a schema given as map[string]any, json.RawMessage, or anything that encodes to JSON.
// It fails for schemas that have no accepted form: recursive ones, and references to other documents.
func ConvertSchema(schema any) (Schema, error) {
	var in jsonx.Encoder
	in.Any(schema)
	if err := in.Err(); err != nil {
		return Schema{}, fmt.Errorf("the schema cannot be encoded as JSON: %w", err)
	}
	c := converter{refs: make(map[string][]string)}
	c.convert(in.B, "")
	if c.err == nil {
		c.err = c.e.Err()
	}
	if c.err == nil {
		c.err = c.cycle()
	}
	if c.err != nil {
		return Schema{}, c.err
	}
	return Schema{JSON: c.e.B, Lost: c.lost}, nil
}

type converter struct {
	e    jsonx.Encoder
	lost []string
	err  error
	// refs are the definitions that each definition refers to; the schema itself is "".
	refs map[string][]string
	def  string // the definition being converted
}

// member is one keyword of a schema; the order of a schema is kept, since models answer in it.
type member struct {
	key string
	raw []byte
}

func members(raw []byte) ([]member, error) {
	var ms []member
	d := jsonx.NewDecoder(raw)
	for d.Object(); d.More(); {
		key := string(d.Key())
		value := d.Raw()
		if i := slices.IndexFunc(ms, func(m member) bool { return m.key == key }); i >= 0 {
			ms[i].raw = value // as decoders of JSON do, the last one counts
			continue
		}
		ms = append(ms, member{key, value})
	}
	return ms, d.End()
}

func find(ms []member, key string) []byte {
	for i := range ms {
		if ms[i].key == key {
			return ms[i].raw
		}
	}
	return nil
}

func kindOf(raw []byte) jsonx.Kind { return jsonx.NewDecoder(raw).Kind() }

func str(raw []byte) string {
	if kindOf(raw) != jsonx.String {
		return ""
	}
	return jsonx.NewDecoder(raw).Str()
}

// convert writes the accepted form of one schema.
func (c *converter) convert(raw []byte, path string) {
	switch kindOf(raw) {
	case jsonx.Object:
	case jsonx.Bool: // true allows everything, false nothing
		if !jsonx.NewDecoder(raw).Bool() {
			c.drop(path, "false")
		}
		c.e.Object()
		c.e.EndObject()
		return
	default:
		c.fail(fmt.Errorf("the schema%s is not an object", at(path)))
		c.e.Null()
		return
	}
	ms, err := members(raw)
	if err != nil {
		c.fail(fmt.Errorf("the schema is not valid JSON: %w", err))
		c.e.Null()
		return
	}
	if ref := find(ms, "$ref"); ref != nil {
		c.reference(ms, str(ref), path)
		return
	}
	if all := soleReference(ms); all != nil {
		c.convert(all, path)
		return
	}
	c.object(ms, path)
}

// soleReference is the element of an allOf that does nothing but wrap one reference, which is the form that some
// generators give to a reference with a description. Inside allOf references are not accepted.
func soleReference(ms []member) (ref []byte) {
	for _, m := range ms {
		switch m.key {
		case "title", "description", "default":
		case "allOf":
			d := jsonx.NewDecoder(m.raw)
			for d.Array(); d.More(); {
				if ref != nil {
					return nil
				}
				ref = d.Raw()
			}
		default:
			return nil
		}
	}
	if kindOf(ref) != jsonx.Object {
		return nil
	}
	if inner, err := members(ref); err != nil || find(inner, "$ref") == nil {
		return nil
	}
	return ref
}

func (c *converter) reference(ms []member, ref, path string) {
	name, ok := strings.CutPrefix(ref, "#/$defs/")
	if !ok {
		name, ok = strings.CutPrefix(ref, "#/definitions/")
	}
	if !ok || strings.Contains(name, "/") {
		why := "refers to something other than its own $defs"
		if ref == "#" {
			why = "is recursive"
		}
		c.fail(fmt.Errorf("the schema%s %s, which Anthropic does not accept", at(path), why))
	}
	c.refs[c.def] = append(c.refs[c.def], name)
	c.e.Object()
	c.e.Name("$ref")
	c.e.Str(ref)
	for _, m := range ms {
		switch m.key {
		case "$ref":
		case "$defs", "definitions":
			c.definitions(m, path)
		default:
			if !annotation(m.key) {
				c.drop(path, m.key)
			}
		}
	}
	c.e.EndObject()
}

// annotation says whether a keyword constrains nothing.
func annotation(key string) bool {
	switch key {
	case "title", "description", "default", "examples", "example", "$schema", "$id", "$anchor", "$comment", "deprecated", "readOnly", "writeOnly":
		return true
	}
	return false
}

func (c *converter) definitions(m member, path string) {
	outer := c.def
	c.e.Name(m.key)
	c.e.Object()
	defs, err := members(m.raw)
	c.fail(err)
	for _, d := range defs {
		c.def = d.key
		c.e.Key(d.key)
		c.convert(d.raw, join(path, m.key+"."+d.key))
	}
	c.e.EndObject()
	c.def = outer
}

// object writes a schema that is not a reference.
func (c *converter) object(ms []member, path string) {
	isObject := hasType(find(ms, "type"), "object") || find(ms, "type") == nil && find(ms, "properties") != nil
	var notes []string // for the description
	lose := func(m member) {
		c.drop(path, m.key)
		if len(m.raw) <= 200 {
			notes = append(notes, m.key+": "+string(m.raw))
		}
	}
	c.e.Object()
	if isObject && find(ms, "type") == nil {
		c.e.Name("type")
		c.e.Str("object")
	}
	for _, m := range ms {
		switch m.key {
		case "type", "title", "default", "required":
			c.copy(m)
		case "description": // last, with the notes
		case "enum":
			if scalars(m.raw) {
				c.copy(m)
			} else {
				lose(m)
			}
		case "const":
			if k := kindOf(m.raw); k != jsonx.Object && k != jsonx.Array {
				c.copy(m)
			} else {
				lose(m)
			}
		case "format":
			if slices.Contains(formats, str(m.raw)) {
				c.copy(m)
			} else {
				lose(m)
			}
		case "pattern":
			if simplePattern(str(m.raw)) {
				c.copy(m)
			} else {
				lose(m)
			}
		case "minItems":
			n, err := strconv.Atoi(string(m.raw))
			if err != nil || n > 1 {
				lose(m)
				n = min(max(n, 0), 1)
			}
			c.e.Name("minItems")
			c.e.Int(max(n, 0))
		case "properties":
			c.properties(m, path)
		case "items":
			if kindOf(m.raw) == jsonx.Array { // the old form of prefixItems
				lose(m)
				continue
			}
			c.e.Name("items")
			c.convert(m.raw, join(path, "items"))
		case "anyOf", "allOf":
			c.list(m.key, m, path)
		case "oneOf":
			if find(ms, "anyOf") != nil {
				lose(m)
				continue
			}
			c.drop(path, m.key) // that only one may match
			c.list("anyOf", m, path)
		case "$defs", "definitions":
			c.definitions(m, path)
		case "additionalProperties":
			if isObject && string(m.raw) != "false" {
				lose(m)
			}
		default:
			if !annotation(m.key) {
				lose(m)
			}
		}
	}
	if isObject {
		c.e.Name("additionalProperties")
		c.e.Bool(false)
	}
	text := str(find(ms, "description"))
	if len(notes) > 0 {
		if text != "" {
			text += "\n\n"
		}
		text += "{" + strings.Join(notes, ", ") + "}"
	}
	c.e.OptStr("description", text)
	c.e.EndObject()
}

var formats = []string{"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}

// simplePattern says whether a regular expression does without look-around, back-references and word boundaries.
func simplePattern(p string) bool {
	for i := 0; i < len(p)-1; i++ {
		switch {
		case p[i] == '\\':
			i++
			if c := p[i]; c == 'b' || c == 'B' || c >= '1' && c <= '9' || c == 'k' {
				return false
			}
		case p[i] == '(' && p[i+1] == '?' && !strings.HasPrefix(p[i:], "(?:"):
			return false
		}
	}
	return p != ""
}

func scalars(raw []byte) bool {
	d := jsonx.NewDecoder(raw)
	if d.Kind() != jsonx.Array {
		return false
	}
	for d.Array(); d.More(); d.Skip() {
		if k := d.Kind(); k == jsonx.Array || k == jsonx.Object {
			return false
		}
	}
	return d.End() == nil
}

// hasType says whether a type keyword, a name or a list of names, has the name.
func hasType(raw []byte, name string) bool {
	if raw == nil {
		return false
	}
	d := jsonx.NewDecoder(raw)
	if d.Kind() != jsonx.Array {
		return str(raw) == name
	}
	for d.Array(); d.More(); {
		if d.Kind() == jsonx.String && d.Str() == name {
			return true
		}
		if d.Kind() != jsonx.String {
			d.Skip()
		}
	}
	return false
}

func (c *converter) copy(m member) {
	c.e.Key(m.key)
	c.e.Raw(m.raw)
}

func (c *converter) properties(m member, path string) {
	c.e.Name("properties")
	c.e.Object()
	if kindOf(m.raw) != jsonx.Object {
		c.fail(fmt.Errorf("the properties%s are not an object", at(path)))
	}
	ms, err := members(m.raw)
	c.fail(err)
	for _, p := range ms {
		c.e.Key(p.key)
		c.convert(p.raw, join(path, "properties."+p.key))
	}
	c.e.EndObject()
}

func (c *converter) list(key string, m member, path string) {
	c.e.Name(key)
	c.e.Array()
	d := jsonx.NewDecoder(m.raw)
	i := 0
	for d.Array(); d.More(); i++ {
		c.convert(d.Raw(), join(path, m.key+"."+strconv.Itoa(i)))
	}
	c.fail(d.End())
	c.e.EndArray()
}

func (c *converter) drop(path, key string) { c.lost = append(c.lost, join(path, key)) }

func (c *converter) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

var errRecursive = errors.New("the schema is recursive, which Anthropic does not accept")

// cycle fails if a definition leads to itself.
func (c *converter) cycle() error {
	const (
		open = 1
		done = 2
	)
	seen := make(map[string]int)
	var visit func(def string) error
	visit = func(def string) error {
		switch seen[def] {
		case open:
			return errRecursive
		case done:
			return nil
		}
		seen[def] = open
		for _, next := range c.refs[def] {
			if err := visit(next); err != nil {
				return err
			}
		}
		seen[def] = done
		return nil
	}
	for def := range c.refs {
		if err := visit(def); err != nil {
			return err
		}
	}
	return nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func at(path string) string {
	if path == "" {
		return ""
	}
	return " at " + path
}
