package gemini

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// Schemas. Gemini takes them in two forms, and both are less than JSON Schema.
//
// The newer models take JSON Schema in parametersJsonSchema and responseJsonSchema, of which the API reference
// (GenerationConfig, responseJsonSchema) names the keywords that count. What it does not name is taken out here,
// since nothing is promised about it. Some of it can be said otherwise (const as enum, an exclusive bound of an
// integer as the next inclusive one, allOf as one schema); the rest is a list of losses, each a warning.
//
// The older ones take a subset of OpenAPI 3.0 in parameters and responseSchema (API reference, Caching, "Schema"):
// without references, with types in upper case and null as nullable.
//
// The order of properties is kept where the caller's schema has one, because answers follow it.

// loss is a constraint of a schema that the model is not held to.
type loss struct {
	path    string // of the sub-schema: ".properties.name"
	keyword string
}

// keywords of JSON Schema that constrain nothing, or nothing that a model could break.
var annotations = map[string]bool{
	"$schema": true, "$comment": true, "$vocabulary": true, "$dynamicAnchor": true, "default": true, "examples": true,
	"example": true, "deprecated": true, "readOnly": true, "writeOnly": true, "title": true, "description": true,
	"contentMediaType": true, "contentEncoding": true, "contentSchema": true, "discriminator": true, "xml": true,
	"externalDocs": true, "strict": true, "$defs": true, "definitions": true, "$id": true, "$anchor": true, "id": true,
}

// maxInline bounds how many sub-schemas a conversion may write: references that are written out can multiply without
// end.
const maxInline = 20_000

// node is JSON with the order of its members.
type node struct {
	kind jsonx.Kind
	raw  []byte
	keys []string
	vals []node // of an object's members or an array's elements
}

func readNode(d *jsonx.Decoder) node {
	n := node{kind: d.Kind()}
	switch n.kind {
	case jsonx.Object:
		for d.Object(); d.More(); {
			key := string(d.Key())
			val := readNode(d)
			if i := slices.Index(n.keys, key); i >= 0 {
				n.vals[i] = val
				continue
			}
			n.keys, n.vals = append(n.keys, key), append(n.vals, val)
		}
	case jsonx.Array:
		for d.Array(); d.More(); {
			n.vals = append(n.vals, readNode(d))
		}
	default:
		n.raw = d.Raw()
	}
	return n
}

func (n *node) get(key string) *node {
	if i := slices.Index(n.keys, key); i >= 0 {
		return &n.vals[i]
	}
	return nil
}

func (n *node) has(key string) bool { return slices.Contains(n.keys, key) }

func (n *node) set(key string, val node) {
	if i := slices.Index(n.keys, key); i >= 0 {
		n.vals[i] = val
		return
	}
	n.keys, n.vals = append(n.keys, key), append(n.vals, val)
}

// str is a string's value, "" for anything else.
func (n *node) str() string {
	if n == nil || n.kind != jsonx.String {
		return ""
	}
	d := jsonx.NewDecoder(n.raw)
	return d.Str()
}

func (n *node) isTrue() bool { return n != nil && n.kind == jsonx.Bool && string(n.raw) == "true" }

func (n *node) write(e *jsonx.Encoder) {
	switch n.kind {
	case jsonx.Object:
		e.Object()
		for i := range n.keys {
			e.Key(n.keys[i])
			n.vals[i].write(e)
		}
		e.EndObject()
	case jsonx.Array:
		e.Array()
		for i := range n.vals {
			n.vals[i].write(e)
		}
		e.EndArray()
	default:
		e.Raw(n.raw)
	}
}

func (n *node) clone() node {
	c := *n
	c.keys, c.vals = slices.Clone(n.keys), slices.Clone(n.vals)
	return c
}

func stringNode(s string) node { return node{kind: jsonx.String, raw: jsonx.AppendString(nil, s)} }

// converter writes one schema.
type converter struct {
	e     *jsonx.Encoder
	root  node
	lost  []loss
	stack []string // references being written out
	count int
	err   error
}

// parseSchema reads a schema of any Go type.
func parseSchema(v any) (node, error) {
	var e jsonx.Encoder
	e.Any(v)
	if err := e.Err(); err != nil {
		return node{}, err
	}
	d := jsonx.NewDecoder(e.B)
	n := readNode(d)
	return n, d.End()
}

// schemaWriter writes schemas in a family's form and warns of what is lost.
type schemaWriter struct {
	call   *llm.Call
	e      *jsonx.Encoder
	family *family
}

// write appends v. param names the schema in warnings and errors.
func (w *schemaWriter) write(v any, param string) error {
	root, err := parseSchema(v)
	if err != nil || root.kind != jsonx.Object {
		return llm.InvalidRequest(param, "the schema is not a JSON object")
	}
	c := converter{e: w.e, root: root}
	if w.family.openAPI {
		c.openAPI(root, "")
	} else {
		c.jsonSchema(root, "")
	}
	if c.err != nil {
		return llm.InvalidRequest(param, c.err.Error())
	}
	for _, l := range c.lost {
		w.call.Warn(llm.Warning{Code: "schema_constraint", Param: param + l.path,
			Message: "Gemini does not hold its answer to " + strconv.Quote(l.keyword)})
	}
	return nil
}

// takesNothing says whether a schema of arguments allows none. Such a function is declared without a schema: an object
// without properties is refused by the older models.
func takesNothing(v any) bool {
	n, err := parseSchema(v)
	if err != nil || n.kind != jsonx.Object {
		return false
	}
	for i, key := range n.keys {
		switch key {
		case "type":
			if n.vals[i].str() != "object" {
				return false
			}
		case "properties", "required":
			if len(n.vals[i].vals) > 0 {
				return false
			}
		case "additionalProperties":
			if n.vals[i].kind != jsonx.Bool {
				return false
			}
		default:
			if !annotations[key] {
				return false
			}
		}
	}
	return true
}

type schemaError string

func (e schemaError) Error() string { return string(e) }

func (c *converter) fail(msg string) {
	if c.err == nil {
		c.err = schemaError(msg)
	}
}

func (c *converter) lose(path, keyword string) {
	if len(c.lost) < 100 {
		c.lost = append(c.lost, loss{path, keyword})
	}
}

// enter counts a sub-schema and says whether to go on.
func (c *converter) enter() bool {
	if c.count++; c.count > maxInline {
		c.fail("the schema is too large once its references are written out; use fewer or smaller definitions")
	}
	if c.err != nil {
		c.e.Object()
		c.e.EndObject()
		return false
	}
	return true
}

// resolve finds what a reference within the schema points to.
func (c *converter) resolve(ref string) *node {
	rest, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	n := &c.root
	for rest != "" {
		if rest[0] != '/' {
			return nil
		}
		var key string
		key, rest, _ = strings.Cut(rest[1:], "/")
		if rest != "" {
			rest = "/" + rest
		}
		key = strings.NewReplacer("~1", "/", "~0", "~", "%24", "$").Replace(key)
		switch n.kind {
		case jsonx.Object:
			n = n.get(key)
		case jsonx.Array:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(n.vals) {
				return nil
			}
			n = &n.vals[i]
		default:
			return nil
		}
		if n == nil {
			return nil
		}
	}
	return n
}

// inlined is a schema with a $ref replaced by what it points to, the members beside the $ref on top. done must be
// called when the schema has been written; ok is false for a reference that leads back to itself or nowhere.
func (c *converter) inlined(n node) (out node, done func(), ok bool) {
	ref := n.get("$ref").str()
	if slices.Contains(c.stack, ref) || len(c.stack) > 100 {
		return n, nil, false
	}
	target := c.resolve(ref)
	if target == nil || target.kind != jsonx.Object {
		return n, nil, false
	}
	out = target.clone()
	for i, key := range n.keys {
		if key != "$ref" {
			out.set(key, n.vals[i])
		}
	}
	c.stack = append(c.stack, ref)
	return out, func() { c.stack = c.stack[:len(c.stack)-1] }, true
}

// merged is a schema with its allOf folded in. A keyword that two of them have stays as the first has it, except
// that properties and required add up.
func (c *converter) merged(n node, path string) node {
	all := n.get("allOf")
	if all == nil {
		return n
	}
	out := node{kind: jsonx.Object}
	for i, key := range n.keys {
		if key != "allOf" {
			out.set(key, n.vals[i])
		}
	}
	for i := range all.vals {
		sub := all.vals[i]
		if sub.kind != jsonx.Object {
			continue
		}
		for range 20 {
			if !sub.has("$ref") {
				break
			}
			target, done, ok := c.inlined(sub)
			if !ok {
				c.lose(path, "allOf")
				sub = node{kind: jsonx.Object}
				break
			}
			done()
			if target.get("$ref").str() == sub.get("$ref").str() {
				sub = node{kind: jsonx.Object}
				break
			}
			sub = target
		}
		if sub.has("allOf") {
			if len(c.stack) > 50 {
				c.lose(path, "allOf")
				continue
			}
			c.stack = append(c.stack, "") // bounds the nesting
			sub = c.merged(sub, path)
			c.stack = c.stack[:len(c.stack)-1]
		}
		for j, key := range sub.keys {
			have := out.get(key)
			switch {
			case have == nil:
				out.set(key, sub.vals[j])
			case key == "properties" && have.kind == jsonx.Object && sub.vals[j].kind == jsonx.Object:
				both := have.clone()
				for k, name := range sub.vals[j].keys {
					if both.has(name) {
						c.lose(path+".properties."+name, "allOf")
						continue
					}
					both.set(name, sub.vals[j].vals[k])
				}
				out.set(key, both)
			case key == "required" && have.kind == jsonx.Array:
				both := have.clone()
				both.vals = append(both.vals, sub.vals[j].vals...)
				out.set(key, both)
			case !annotations[key] && !bytes.Equal(have.raw, sub.vals[j].raw):
				c.lose(path, "allOf")
			}
		}
	}
	return out
}

// types are the names in a schema's type, without null, and whether null was among them.
func types(n *node) (names []string, null bool) {
	t := n.get("type")
	if t == nil {
		return nil, n.get("nullable").isTrue()
	}
	list := t.vals
	if t.kind == jsonx.String {
		list = []node{*t}
	}
	for i := range list {
		name := strings.ToLower(list[i].str())
		if name == "null" {
			null = true
		} else if name != "" {
			names = append(names, name)
		}
	}
	return names, null || n.get("nullable").isTrue()
}

// bound is an inclusive bound for an exclusive one, which only integers have.
func bound(n *node, keyword string, step int64) (string, bool) {
	names, _ := types(n)
	v := n.get(keyword)
	if len(names) != 1 || names[0] != "integer" || v == nil || v.kind != jsonx.Number {
		return "", false
	}
	i, err := strconv.ParseInt(string(v.raw), 10, 64)
	if err != nil || i > 1<<53 || i < -1<<53 {
		return "", false
	}
	return strconv.FormatInt(i+step, 10), true
}

// jsonSchema writes n with the keywords that responseJsonSchema names.
func (c *converter) jsonSchema(n node, path string) {
	if !c.enter() {
		return
	}
	if n.kind == jsonx.Bool { // true allows everything, and there is no way to say false
		if !n.isTrue() {
			c.lose(path, "false")
		}
		c.e.Object()
		c.e.EndObject()
		return
	}
	if n.kind != jsonx.Object {
		c.fail("the schema" + path + " is neither an object nor a bool")
		n = node{kind: jsonx.Object}
	}
	if ref := n.get("$ref"); ref != nil {
		if c.reference(n, path) {
			return
		}
	}
	n = c.merged(n, path)
	if n.has("$ref") && c.reference(n, path) {
		return
	}
	names, null := types(&n)
	e := c.e
	e.Object()
	for i, key := range n.keys {
		v := n.vals[i]
		at := path + "." + key
		switch key {
		case "$id", "$anchor", "format", "title", "description", "minItems", "maxItems", "minimum", "maximum", "required",
			"propertyOrdering":
			e.Key(key)
			v.write(e)
		case "type":
			e.Name("type")
			if null && len(names) > 0 && v.kind == jsonx.String && v.str() != "null" {
				e.Array()
				e.Str(v.str())
				e.Str("null")
				e.EndArray()
				continue
			}
			v.write(e)
		case "enum":
			c.enum(v, path, &n)
		case "const":
			if !n.has("enum") {
				c.enum(node{kind: jsonx.Array, vals: []node{v}}, path, &n)
			}
		case "items":
			if v.kind == jsonx.Array { // a tuple, as JSON Schema before 2020-12 has it
				e.Name("prefixItems")
				c.list(v, at)
				continue
			}
			e.Name("items")
			c.jsonSchema(v, at)
		case "prefixItems", "anyOf", "oneOf":
			e.Key(key)
			c.list(v, at)
		case "properties":
			e.Name("properties")
			c.members(v, at)
		case "$defs", "definitions":
			if key == "definitions" && n.has("$defs") {
				continue
			}
			e.Name("$defs")
			c.members(v, at)
		case "additionalProperties":
			e.Name("additionalProperties")
			if v.kind == jsonx.Bool {
				v.write(e)
				continue
			}
			c.jsonSchema(v, at)
		case "exclusiveMinimum":
			c.exclusive(&n, "minimum", path)
		case "exclusiveMaximum":
			c.exclusive(&n, "maximum", path)
		case "nullable", "$ref":
		case "additionalItems", "unevaluatedProperties", "unevaluatedItems":
			if v.kind != jsonx.Bool {
				c.lose(path, key)
			}
		default:
			if !annotations[key] && !strings.HasPrefix(key, "x-") {
				c.lose(path, key)
			}
		}
	}
	e.EndObject()
}

// reference writes a $ref. Beside one only members that begin with $ may stand, so a reference with more to it is
// written out instead, if it can be. It says whether n has been written.
func (c *converter) reference(n node, path string) bool {
	ref := n.get("$ref").str()
	beside := false
	for _, key := range n.keys {
		beside = beside || key != "$ref" && key != "$comment" && key != "$defs" && key != "definitions" && key != "$schema"
	}
	if beside {
		if out, done, ok := c.inlined(n); ok {
			defer done()
			c.jsonSchema(out, path)
			return true
		}
		for _, key := range n.keys {
			if !annotations[key] && key != "$ref" {
				c.lose(path, key)
			}
		}
	}
	if rest, ok := strings.CutPrefix(ref, "#/definitions/"); ok {
		ref = "#/$defs/" + rest
	}
	e := c.e
	e.Object()
	e.Name("$ref")
	e.Str(ref)
	if defs := cmpDefs(&n); defs != nil {
		e.Name("$defs")
		c.members(*defs, path+".$defs")
	}
	e.EndObject()
	return true
}

func cmpDefs(n *node) *node {
	if defs := n.get("$defs"); defs != nil {
		return defs
	}
	return n.get("definitions")
}

// exclusive writes an exclusive bound as an inclusive one, where there is one.
func (c *converter) exclusive(n *node, inclusive, path string) {
	keyword, step := "exclusiveMinimum", int64(1)
	if inclusive == "maximum" {
		keyword, step = "exclusiveMaximum", -1
	}
	if v, ok := bound(n, keyword, step); ok && !n.has(inclusive) {
		c.e.Name(inclusive)
		c.e.Raw([]byte(v))
		return
	}
	if v := n.get(keyword); v.kind != jsonx.Bool || v.isTrue() {
		c.lose(path, keyword)
	}
}

// enum writes the strings and numbers among a schema's values; others cannot be said.
func (c *converter) enum(v node, path string, schema *node) {
	_, null := types(schema)
	var keep []node
	for i := range v.vals {
		switch v.vals[i].kind {
		case jsonx.String, jsonx.Number:
			keep = append(keep, v.vals[i])
		case jsonx.Null:
			if !null {
				c.lose(path, "enum")
			}
		default:
			c.lose(path, "enum")
			return // without one of its values it would forbid what the caller allows
		}
	}
	if len(keep) == 0 {
		return
	}
	c.e.Name("enum")
	c.e.Array()
	for i := range keep {
		keep[i].write(c.e)
	}
	c.e.EndArray()
}

func (c *converter) list(v node, path string) {
	c.e.Array()
	for i := range v.vals {
		c.jsonSchema(v.vals[i], path+"["+strconv.Itoa(i)+"]")
	}
	c.e.EndArray()
}

func (c *converter) members(v node, path string) {
	c.e.Object()
	for i, name := range v.keys {
		c.e.Key(name)
		c.jsonSchema(v.vals[i], path+"."+name)
	}
	c.e.EndObject()
}

// openAPI writes n as a Schema of the API: the subset of OpenAPI 3.0.
func (c *converter) openAPI(n node, path string) {
	if !c.enter() {
		return
	}
	if n.kind == jsonx.Bool {
		if !n.isTrue() {
			c.lose(path, "false")
		}
		c.e.Object()
		c.e.EndObject()
		return
	}
	if n.kind != jsonx.Object {
		c.fail("the schema" + path + " is neither an object nor a bool")
		n = node{kind: jsonx.Object}
	}
	if n.has("$ref") {
		out, done, ok := c.inlined(n)
		if !ok {
			c.lose(path, "$ref")
			c.e.Object()
			c.e.Name("type")
			c.e.Str("OBJECT")
			c.e.OptStr("description", n.get("description").str())
			c.e.EndObject()
			return
		}
		defer done()
		c.openAPI(out, path)
		return
	}
	n = c.merged(n, path)
	names, null := types(&n)
	alternatives := n.get("anyOf")
	exclusive := alternatives == nil
	if exclusive {
		alternatives = n.get("oneOf")
	}
	if alternatives != nil {
		var rest []node
		for i := range alternatives.vals {
			alt := &alternatives.vals[i]
			if t, isNull := types(alt); isNull && len(t) == 0 && !alt.has("anyOf") {
				null = true
				continue
			}
			rest = append(rest, *alt)
		}
		if len(rest) == 1 && rest[0].kind == jsonx.Object { // "x or null" is x, nullable
			one := rest[0].clone()
			for i, key := range n.keys {
				if key != "anyOf" && key != "oneOf" && !one.has(key) {
					one.set(key, n.vals[i])
				}
			}
			if null {
				one.set("nullable", node{kind: jsonx.Bool, raw: []byte("true")})
			}
			c.openAPI(one, path)
			return
		}
		if exclusive { // it is sent as anyOf
			c.lose(path, "oneOf")
		}
		alternatives = &node{kind: jsonx.Array, vals: rest}
	}
	if len(names) == 0 && alternatives == nil {
		names = guessType(&n)
	}
	e := c.e
	e.Object()
	switch {
	case len(names) == 1:
		e.Name("type")
		e.Str(strings.ToUpper(names[0]))
	case len(names) > 1 && alternatives == nil:
		alternatives = &node{kind: jsonx.Array}
		for _, name := range names {
			alternatives.vals = append(alternatives.vals, node{kind: jsonx.Object, keys: []string{"type"}, vals: []node{stringNode(name)}})
		}
	}
	e.OptBool("nullable", null)
	if alternatives != nil && len(alternatives.vals) > 0 {
		e.Name("anyOf")
		e.Array()
		for i := range alternatives.vals {
			c.openAPI(alternatives.vals[i], path+".anyOf["+strconv.Itoa(i)+"]")
		}
		e.EndArray()
	}
	for i, key := range n.keys {
		v := n.vals[i]
		switch key {
		case "title", "description", "minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength", "pattern",
			"minimum", "maximum", "propertyOrdering", "default", "example":
			e.Key(key)
			v.write(e)
		case "format":
			if slices.Contains([]string{"float", "double", "int32", "int64", "enum", "date-time"}, v.str()) {
				e.Name("format")
				v.write(e)
				continue
			}
			c.lose(path, key)
		case "enum", "const":
			if key == "const" && n.has("enum") {
				continue
			}
			list := v
			if key == "const" {
				list = node{kind: jsonx.Array, vals: []node{v}}
			}
			c.stringEnum(list, path, &n)
		case "items":
			if v.kind == jsonx.Array {
				c.lose(path, key)
				continue
			}
			e.Name("items")
			c.openAPI(v, path+".items")
		case "properties":
			if len(v.keys) == 0 {
				continue
			}
			e.Name("properties")
			e.Object()
			for j, name := range v.keys {
				e.Key(name)
				c.openAPI(v.vals[j], path+".properties."+name)
			}
			e.EndObject()
		case "required":
			c.required(v, n.get("properties"), path)
		case "exclusiveMinimum":
			c.exclusive(&n, "minimum", path)
		case "exclusiveMaximum":
			c.exclusive(&n, "maximum", path)
		case "additionalProperties":
			if v.kind != jsonx.Bool {
				c.lose(path, key)
			}
		case "type", "nullable", "anyOf", "oneOf":
		default:
			if !annotations[key] && !strings.HasPrefix(key, "x-") {
				c.lose(path, key)
			}
		}
	}
	e.EndObject()
}

func guessType(n *node) []string {
	switch {
	case n.has("properties"):
		return []string{"object"}
	case n.has("items"):
		return []string{"array"}
	case n.has("enum"), n.has("const"), n.has("pattern"), n.has("minLength"), n.has("maxLength"):
		return []string{"string"}
	}
	return nil
}

// stringEnum writes an enum of strings, the only one that a Schema has.
func (c *converter) stringEnum(v node, path string, schema *node) {
	_, null := types(schema)
	var keep []node
	for i := range v.vals {
		switch {
		case v.vals[i].kind == jsonx.String:
			keep = append(keep, v.vals[i])
		case v.vals[i].kind == jsonx.Null && null:
		default:
			c.lose(path, "enum")
			return
		}
	}
	if len(keep) == 0 {
		return
	}
	c.e.Name("enum")
	c.e.Array()
	for i := range keep {
		keep[i].write(c.e)
	}
	c.e.EndArray()
}

// required writes the names that are properties: others are refused.
func (c *converter) required(v node, properties *node, path string) {
	var names []string
	for i := range v.vals {
		name := v.vals[i].str()
		if properties != nil && properties.has(name) {
			names = append(names, name)
		} else {
			c.lose(path, "required")
		}
	}
	c.e.Strs("required", names)
}

// withDescription is a schema with a description, if it has none of its own.
func withDescription(v any, description string) any {
	if description == "" {
		return v
	}
	n, err := parseSchema(v)
	if err != nil || n.kind != jsonx.Object || n.has("description") {
		return v
	}
	n.set("description", stringNode(description))
	var e jsonx.Encoder
	n.write(&e)
	return json.RawMessage(e.B)
}
