package jsonx

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// Overlay lays the members of extra over the JSON object in body: an object merges with an object member by
// member, at every depth; any other value replaces; members new to body are appended, sorted by key. What is not
// replaced keeps its order and its bytes. A value of extra may be of any type that Encoder.Any takes; it counts
// as an object if it is written as one. A key that body has more than once is treated alike each time.
//
// It is an error if body is not one JSON object or a value cannot be encoded. Body is not modified and the result
// does not alias it.
func Overlay(body []byte, extra map[string]any) ([]byte, error) {
	var d Decoder
	d.Reset(body)
	if k := d.Kind(); k == Null {
		d.wrongKind("an object") // Decoder.Object takes a null; there is nothing to lay members over in one
	}
	o := overlay{body: body, d: &d, from: d.pos}
	o.e.B = make([]byte, 0, len(body)+64*len(extra))
	o.object(extra)
	if err := d.End(); err != nil {
		return nil, err
	}
	if err := o.e.Err(); err != nil {
		return nil, err
	}
	return o.e.B, nil
}

type overlay struct {
	body []byte
	d    *Decoder
	e    Encoder
	from int // body up to here is written or replaced
}

// copy writes the body up to the offset to.
func (o *overlay) copy(to int) {
	if o.d.err == nil {
		o.e.B = append(o.e.B, o.body[o.from:to]...)
		o.from = to
	}
}

// object lays extra over the object that is next in the body. It goes no deeper than the decoder does.
func (o *overlay) object(extra map[string]any) {
	keys := slices.Sorted(maps.Keys(extra))
	found := make([]bool, len(keys))
	o.d.Object()
	for o.d.More() {
		i, ok := slices.BinarySearch(keys, string(o.d.Key()))
		if !ok {
			o.d.Skip()
			continue
		}
		found[i] = true
		o.value(extra[keys[i]])
	}
	if !slices.Contains(found, false) {
		o.copy(o.d.pos)
		return
	}
	o.copy(o.d.pos - 1)
	o.e.B = bytes.TrimRight(o.e.B, " \t\r\n") // the encoder looks at the last byte
	for i, k := range keys {
		if !found[i] {
			o.e.Key(k)
			o.e.Any(extra[k])
		}
	}
	o.copy(o.d.pos)
}

// value lays v over the value that is next in the body.
func (o *overlay) value(v any) {
	kind := o.d.Kind()
	o.copy(o.d.pos)
	if kind == Object {
		if m, ok := members(v); ok {
			o.object(m)
			return
		}
	}
	o.d.Skip()
	if o.d.err != nil {
		return
	}
	o.from = o.d.pos
	o.e.B = bytes.TrimRight(o.e.B, " \t\r\n")
	o.e.Any(v)
}

// members returns v as a map if it is written as an object.
func members(v any) (map[string]any, bool) {
	switch v := v.(type) {
	case map[string]any:
		return v, v != nil
	case nil, string, bool, int, int64, float64, json.Number, []any, []string:
		return nil, false
	}
	var e Encoder
	e.Any(v)
	var d Decoder
	d.Reset(e.B)
	if e.err != nil || d.Kind() != Object {
		return nil, false // an error comes up again where v is written
	}
	m, ok := d.Any().(map[string]any)
	return m, ok
}
