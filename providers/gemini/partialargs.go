package gemini

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/llm-go/llm/internal/jsonx"
)

// openCall is a function call whose arguments arrive one by one: Vertex AI's streamFunctionCallArguments. Each fragment
// names its place by a JSON path ("$.recipe.steps[0]") and brings a value, or the next part of a string. Source: Vertex
// AI API reference, "FunctionCall" and "PartialArg".
type openCall struct {
	id, name, signature string
	index               int
	root                arg
	count               int
}

// arg is a value of the arguments. Its members keep the order in which they came.
type arg struct {
	kind  byte // 0 nothing yet, '{', '[', '"', or 'v' for a literal
	keys  []string
	vals  []*arg
	text  []byte
	value json.RawMessage
}

// Bounds of what is built from paths: a number in one must not cost memory by itself.
const (
	maxArgs  = 100_000
	maxIndex = 10_000
	maxPath  = 200
)

// apply puts fragments in their places. What cannot be placed is left out: the call is not lost for it, and its
// arguments are checked against their schema by whoever runs it.
func (o *openCall) apply(partial []byte) {
	if partial == nil {
		return
	}
	var d jsonx.Decoder
	d.Reset(partial)
	for d.Array(); d.More(); {
		var path, text string
		var value json.RawMessage
		isText := false
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "jsonPath":
				path = d.Str()
			case "stringValue":
				text, isText = d.Str(), true
			case "numberValue", "boolValue":
				value = json.RawMessage(append([]byte(nil), d.Raw()...))
			case "nullValue":
				d.Skip()
				value = json.RawMessage("null")
			default:
				d.Skip()
			}
		}
		if d.Err() != nil {
			return
		}
		at := o.find(path)
		switch {
		case at == nil:
		case isText && (at.kind == 0 || at.kind == '"'):
			at.kind = '"'
			at.text = append(at.text, text...)
		case value != nil && (at.kind == 0 || at.kind == 'v'):
			at.kind, at.value = 'v', value
		}
	}
}

// find walks a path, making what is not there.
func (o *openCall) find(path string) *arg {
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return nil
	}
	if o.root.kind == 0 {
		o.root.kind = '{'
	}
	at := &o.root
	for steps := 0; rest != ""; steps++ {
		if steps > maxPath || o.count > maxArgs {
			return nil
		}
		var key string
		switch {
		case rest[0] == '.':
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			key, rest = rest[1:1+end], rest[1+end:]
		case rest[0] == '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return nil
			}
			inside := rest[1:end]
			if len(inside) > 1 && (inside[0] == '\'' || inside[0] == '"') {
				quote := inside[0]
				closing := strings.Index(rest, string(quote)+"]")
				if closing < 2 {
					return nil
				}
				key, rest = rest[2:closing], rest[closing+2:]
				break
			}
			i, err := strconv.Atoi(inside)
			if err != nil || i < 0 || i > maxIndex {
				return nil
			}
			rest = rest[end+1:]
			if at.kind == 0 {
				at.kind = '['
			}
			if at.kind != '[' {
				return nil
			}
			for len(at.vals) <= i {
				at.vals = append(at.vals, &arg{})
				o.count++
			}
			at = at.vals[i]
			continue
		default:
			return nil
		}
		if at.kind == 0 {
			at.kind = '{'
		}
		if at.kind != '{' {
			return nil
		}
		at = o.member(at, key)
	}
	return at
}

func (o *openCall) member(at *arg, key string) *arg {
	for i := range at.keys {
		if at.keys[i] == key {
			return at.vals[i]
		}
	}
	o.count++
	at.keys, at.vals = append(at.keys, key), append(at.vals, &arg{})
	return at.vals[len(at.vals)-1]
}

// arguments is what has come so far, as JSON.
func (o *openCall) arguments() string {
	var e jsonx.Encoder
	if o.root.kind == 0 {
		o.root.kind = '{'
	}
	o.root.write(&e)
	return string(e.B)
}

func (a *arg) write(e *jsonx.Encoder) {
	switch a.kind {
	case '{':
		e.Object()
		for i := range a.keys {
			e.Key(a.keys[i])
			a.vals[i].write(e)
		}
		e.EndObject()
	case '[':
		e.Array()
		for i := range a.vals {
			a.vals[i].write(e)
		}
		e.EndArray()
	case '"':
		e.Str(string(a.text))
	default:
		e.Raw(a.value)
	}
}
