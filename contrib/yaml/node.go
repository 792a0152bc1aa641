package yaml

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// value is a node, with the way to it. Its node is never an alias.
type value struct {
	file string
	line int // of the name, if it has one
	path string
	node *yaml.Node
	more []value // further parts of a list, from other files
}

func (v value) child(name string, node *yaml.Node) value {
	line := node.Line
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return value{file: v.file, line: line, path: v.path + name, node: node}
}

func (v value) null() bool { return v.node.Kind == yaml.ScalarNode && v.node.ShortTag() == "!!null" }

func (r *reader) fail(v value, message string) {
	r.errors = append(r.errors, Note{v.file, v.line, v.path, message})
}

// note is kept once for each place: defaults are read for every deployment.
func (r *reader) note(v value, message string) {
	n := Note{v.file, v.line, v.path, message}
	if !slices.Contains(r.notes, n) {
		r.notes = append(r.notes, n)
	}
}

// parse reads the one document of a file.
func parse(data []byte) (*yaml.Node, *Note) {
	var doc, second yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&doc); err == io.EOF {
		return &yaml.Node{Kind: yaml.MappingNode, Line: 1}, nil
	} else if err != nil {
		return nil, syntaxError(err)
	}
	if err := dec.Decode(&second); err == nil {
		return nil, &Note{Line: second.Line, Message: "the file must hold one document"}
	} else if err != io.EOF {
		return nil, syntaxError(err)
	}
	root := doc.Content[0]
	if root.ShortTag() == "!!null" {
		root = &yaml.Node{Kind: yaml.MappingNode, Line: 1}
	}
	return root, nil
}

var syntax = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntaxError is the parser's error. Its texts are fixed, but for one that has a name from the file.
func syntaxError(err error) *Note {
	n := &Note{Message: "this is not YAML"}
	m := syntax.FindStringSubmatch(err.Error())
	if m == nil {
		return n
	}
	n.Line, _ = strconv.Atoi(m[1])
	if strings.HasPrefix(m[2], "unknown anchor") {
		n.Message = "an alias (*name) has no anchor (&name)"
	} else {
		n.Message += ": " + m[2]
	}
	return n
}

// mapping is a node with members. Those that nobody asks for are found by rest.
type mapping struct {
	value
	members []*member
	under   []*mapping // where members are looked for that this one does not have
}

type member struct {
	name string
	value
	used bool
}

// maxNodes and maxDepth bound what aliases can unfold to.
const (
	maxNodes = 1 << 17
	maxDepth = 100
)

// mapping reads a node's members, with those that "<<" merges in. Without any, it records an error and is empty.
func (r *reader) mapping(v value) *mapping {
	m := &mapping{value: v}
	r.addMembers(m, v, 0)
	return m
}

func (r *reader) addMembers(m *mapping, v value, depth int) {
	if v.null() {
		return
	}
	if v.node.Kind != yaml.MappingNode {
		r.fail(v, "must be a mapping, and is "+kindOf(v.node))
		return
	}
	if r.tooMuch(v, depth) {
		return
	}
	own := make(map[string]bool)
	var merged []value
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		key, node := v.node.Content[i], v.node.Content[i+1]
		for key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			r.fail(v.child("", key), "a name in a mapping must be a text")
			continue
		}
		if key.ShortTag() == "!!merge" {
			merged = append(merged, v.child("", node))
			continue
		}
		if own[key.Value] {
			r.fail(m.child(m.dot(key.Value), key), "stands twice")
			continue
		}
		own[key.Value] = true
		if m.find(key.Value) == nil { // depth > 0: what merges in gives way
			x := &member{name: key.Value, value: m.child(m.dot(key.Value), node)}
			x.file, x.line = v.file, key.Line
			m.members = append(m.members, x)
		}
	}
	for _, from := range merged {
		list := []value{from}
		if from.node.Kind == yaml.SequenceNode {
			list = r.list(from)
		}
		for _, f := range list {
			f.path = m.path
			r.addMembers(m, f, depth+1)
		}
	}
}

func (r *reader) tooMuch(v value, depth int) bool {
	if r.nodes++; r.nodes > maxNodes || depth > maxDepth {
		if r.nodes <= maxNodes+1 {
			r.fail(v, "aliases unfold to too much")
		}
		r.nodes = max(r.nodes, maxNodes+1)
		return true
	}
	return false
}

func (m *mapping) dot(name string) string {
	if len(name) > 60 {
		name = name[:60] + "…"
	}
	if m.path == "" {
		return name
	}
	return "." + name
}

func (m *mapping) find(name string) *member {
	for _, x := range m.members {
		if x.name == name {
			return x
		}
	}
	return nil
}

// get finds a member, here or in what lies under. One that is null is not there.
func (m *mapping) get(name string) (value, bool) {
	var found *member
	for _, from := range append([]*mapping{m}, m.under...) {
		if x := from.find(name); x != nil {
			x.used = true
			if found == nil {
				found = x
			}
		}
	}
	if found == nil || found.null() {
		return value{}, false
	}
	return found.value, true
}

// rest are the members that were not asked for, with those of what lies under unless they stand here too.
func (m *mapping) rest() (list []*member) {
	for _, from := range append([]*mapping{m}, m.under...) {
		for _, x := range from.members {
			if !x.used && !slices.ContainsFunc(list, func(y *member) bool { return y.name == x.name }) {
				list = append(list, x)
			}
		}
	}
	return list
}

// merge adds the members of another file: to lists, or in place of what is there.
func (m *mapping) merge(other *mapping) {
	for _, x := range other.members {
		here := m.find(x.name)
		switch {
		case here == nil:
			m.members = append(m.members, x)
		case here.node.Kind == yaml.SequenceNode && x.node.Kind == yaml.SequenceNode:
			here.more = append(here.more, x.value)
		default:
			here.value = x.value
		}
	}
}

// list is a node's items; without any, it records an error.
func (r *reader) list(v value) (items []value) {
	if v.null() {
		return nil
	}
	if v.node.Kind != yaml.SequenceNode {
		r.fail(v, "must be a list, and is "+kindOf(v.node))
		return nil
	}
	for _, part := range append([]value{v}, v.more...) {
		for i, node := range part.node.Content {
			items = append(items, part.child("["+strconv.Itoa(i)+"]", node))
		}
	}
	return items
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!str":
		return "a text"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "empty"
	}
	return "something else"
}

const reference = "os.environ/"

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// scalar is a node's text, with references to the environment resolved. outside says that it came from there.
func (r *reader) scalar(v value) (text string, outside, ok bool) {
	name, isReference := strings.CutPrefix(v.node.Value, reference)
	if v.node.Kind != yaml.ScalarNode || !isReference {
		return v.node.Value, false, true
	}
	if !variableName.MatchString(name) {
		r.fail(v, "what follows os.environ/ must be the name of an environment variable")
		return "", false, false
	}
	if text, ok = r.vars[name]; !ok {
		text, ok = r.lookup(name)
	}
	if !ok {
		r.fail(v, "the environment variable "+name+" is not set")
	}
	return text, true, ok
}

// text reads a text. Numbers and dates are taken as they are written.
func (r *reader) text(v value) (string, bool) {
	if v.node.Kind != yaml.ScalarNode || v.node.ShortTag() == "!!bool" || v.null() {
		r.fail(v, "must be a text, and is "+kindOf(v.node))
		return "", false
	}
	text, _, ok := r.scalar(v)
	return text, ok
}

// texts reads a list of texts.
func (r *reader) texts(v value) (list []string) {
	for _, item := range r.list(v) {
		if text, ok := r.text(item); ok {
			list = append(list, text)
		}
	}
	return list
}

// number reads a number, which must not be negative.
func (r *reader) number(v value) (*big.Rat, bool) {
	text, outside, ok := r.scalar(v)
	if !ok {
		return nil, false
	}
	if tag := v.node.ShortTag(); v.node.Kind != yaml.ScalarNode || !outside && tag != "!!int" && tag != "!!float" {
		message := "must be a number, and is " + kindOf(v.node)
		if tag == "!!str" && v.node.Style != 0 {
			message += ": leave out the quotes"
		}
		r.fail(v, message)
		return nil, false
	}
	text = strings.TrimSpace(strings.ReplaceAll(text, "_", ""))
	f, err := strconv.ParseFloat(text, 64)
	if i, e := strconv.ParseInt(text, 0, 64); err != nil && e == nil {
		f, err = float64(i), nil
	}
	switch {
	case err != nil || math.IsNaN(f):
		r.fail(v, "must be a number")
		return nil, false
	case len(text) > 40 || math.Abs(f) > 1e15 || f != 0 && math.Abs(f) < 1e-30: // 1e999999999 would fill the memory
		r.fail(v, "is too large or too small a number")
		return nil, false
	}
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		n = new(big.Rat).SetFloat64(f)
	}
	if n.Sign() < 0 {
		r.fail(v, "must not be negative")
		return nil, false
	}
	return n, true
}

// whole reads a whole number.
func (r *reader) whole(v value) (int, bool) {
	n, ok := r.number(v)
	if !ok {
		return 0, false
	}
	if !n.IsInt() || n.Num().BitLen() > 53 {
		r.fail(v, "must be a whole number")
		return 0, false
	}
	return int(n.Num().Int64()), true
}

// seconds reads a time in seconds, of at most a year.
func (r *reader) seconds(v value) (time.Duration, bool) {
	n, ok := r.number(v)
	if !ok {
		return 0, false
	}
	f, _ := n.Float64()
	if f > (365 * 24 * time.Hour).Seconds() {
		r.fail(v, "must be seconds, a year at most")
		return 0, false
	}
	return time.Duration(math.Round(f * float64(time.Second))), true
}

// switched reads true or false, in the words of YAML 1.1, which LiteLLM's reader takes.
func (r *reader) switched(v value) (on, ok bool) {
	text, outside, ok := r.scalar(v)
	if !ok {
		return false, false
	}
	if v.node.Kind == yaml.ScalarNode && (outside || v.node.Style == 0) {
		switch strings.ToLower(text) {
		case "true", "yes", "on":
			return true, true
		case "false", "no", "off":
			return false, true
		}
	}
	r.fail(v, "must be true or false")
	return false, false
}

// json is a node of any shape as JSON.
func (r *reader) json(v value) (json.RawMessage, bool) {
	x, ok := r.any(v, 0)
	if !ok {
		return nil, false
	}
	b, err := json.Marshal(x)
	if err != nil { // .inf, .nan
		r.fail(v, "cannot be sent as JSON")
	}
	return b, err == nil
}

func (r *reader) any(v value, depth int) (any, bool) {
	if r.tooMuch(v, depth) {
		return nil, false
	}
	switch v.node.Kind {
	case yaml.MappingNode:
		object := make(map[string]any)
		for _, x := range r.mapping(v).members {
			y, ok := r.any(x.value, depth+1)
			if !ok {
				return nil, false
			}
			object[x.name] = y
		}
		return object, true
	case yaml.SequenceNode:
		list := make([]any, 0, len(v.node.Content))
		for _, item := range r.list(v) {
			y, ok := r.any(item, depth+1)
			if !ok {
				return nil, false
			}
			list = append(list, y)
		}
		return list, true
	}
	text, outside, ok := r.scalar(v)
	if !ok || outside {
		return text, ok
	}
	switch v.node.ShortTag() {
	case "!!null", "!!bool", "!!int", "!!float":
		var x any
		if err := v.node.Decode(&x); err != nil {
			r.fail(v, "is not "+kindOf(v.node))
			return nil, false
		}
		return x, true
	}
	return text, true
}
