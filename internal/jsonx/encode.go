package jsonx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Encoder writes JSON by appending to B. The zero value works. Errors are sticky and found with Err; what was
// written for the value that failed is null.
//
// Commas are placed by looking at the last byte of B: one is due unless B is empty or ends with '{', '[' or ':'.
// So B must start empty or hold JSON without white space at its end, and calls must make up a whole: a value for
// every name, a closer for every opener.
type Encoder struct {
	B     []byte
	err   error
	depth int // of the nesting of Any and Members
}

// Err returns the first error.
func (e *Encoder) Err() error { return e.err }

func (e *Encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (e *Encoder) comma() {
	if n := len(e.B); n > 0 {
		if c := e.B[n-1]; c != '{' && c != '[' && c != ':' {
			e.B = append(e.B, ',')
		}
	}
}

// Object opens an object.
//
// The small writers are kept out of line: inlined, each of some hundred call sites would grow tenfold, and a call
// costs less than the bytes that it writes.
//
//go:noinline
func (e *Encoder) Object() { e.comma(); e.B = append(e.B, '{') }

// EndObject closes it.
//
//go:noinline
func (e *Encoder) EndObject() { e.B = append(e.B, '}') }

// Array opens an array.
//
//go:noinline
func (e *Encoder) Array() { e.comma(); e.B = append(e.B, '[') }

// EndArray closes it.
//
//go:noinline
func (e *Encoder) EndArray() { e.B = append(e.B, ']') }

// Name starts a member; its value must follow. The name is written as it is, so it must be one that needs no
// escaping: a literal.
//
//go:noinline
func (e *Encoder) Name(name string) {
	e.comma()
	e.B = append(e.B, '"')
	e.B = append(e.B, name...)
	e.B = append(e.B, '"', ':')
}

// Key is Name for a name that may need escaping.
func (e *Encoder) Key(key string) {
	e.comma()
	e.B = append(AppendString(e.B, key), ':')
}

// Str writes a string as AppendString does.
//
//go:noinline
func (e *Encoder) Str(s string) { e.comma(); e.B = AppendString(e.B, s) }

// Int writes an integer.
func (e *Encoder) Int(n int) { e.Int64(int64(n)) }

// Int64 writes an integer.
func (e *Encoder) Int64(n int64) { e.comma(); e.B = strconv.AppendInt(e.B, n, 10) }

// Float writes a number as AppendFloat does. An infinity or a NaN has no form in JSON and is an error.
func (e *Encoder) Float(f float64) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		e.fail(fmt.Errorf("jsonx: %v is no JSON number", f))
		e.Null()
		return
	}
	e.comma()
	e.B = AppendFloat(e.B, f)
}

// Bool writes true or false.
func (e *Encoder) Bool(b bool) { e.comma(); e.B = strconv.AppendBool(e.B, b) }

// Null writes null.
func (e *Encoder) Null() { e.comma(); e.B = append(e.B, "null"...) }

// Raw writes a complete JSON value as it is, unchecked; an empty one as null.
func (e *Encoder) Raw(json []byte) {
	if len(json) == 0 {
		e.Null()
		return
	}
	e.comma()
	e.B = append(e.B, json...)
}

// Any writes a value of any type. The types that Decoder.Any returns, and a few more, are written without
// reflection; a type with a method AppendJSON([]byte) ([]byte, error) writes itself; everything else goes to
// encoding/json, with HTML escaping off. Members of maps are sorted by key. A json.RawMessage and a json.Number
// are checked, since they may come from a caller and would break the whole body.
func (e *Encoder) Any(v any) {
	switch v := v.(type) {
	case nil:
		e.Null()
	case string:
		e.Str(v)
	case bool:
		e.Bool(v)
	case int:
		e.Int(v)
	case int64:
		e.Int64(v)
	case float64:
		e.Float(v)
	case json.Number:
		b := []byte(v)
		if end, want := number(b, 0); want != "" || end != len(b) {
			e.fail(fmt.Errorf("jsonx: the json.Number is no JSON number"))
			b = nil
		}
		e.Raw(b)
	case json.RawMessage:
		if len(v) > 0 && !valid(v) {
			e.fail(fmt.Errorf("jsonx: the json.RawMessage is not JSON"))
			v = nil
		}
		e.Raw(bytes.Trim(v, " \t\r\n"))
	case map[string]any:
		if v == nil {
			e.Null()
			return
		}
		e.Object()
		e.Members(v)
		e.EndObject()
	case []any:
		if v == nil {
			e.Null()
			return
		}
		if !e.enter() {
			return
		}
		e.Array()
		for _, x := range v {
			e.Any(x)
		}
		e.EndArray()
		e.depth--
	case []string:
		if v == nil {
			e.Null()
			return
		}
		e.strs(v)
	case interface {
		AppendJSON([]byte) ([]byte, error)
	}:
		e.appender(v)
	default:
		e.marshal(v)
	}
}

// enter goes down one level, or fails: a map can hold itself.
func (e *Encoder) enter() bool {
	if e.depth >= MaxDepth {
		e.fail(ErrDepth)
		e.Null()
		return false
	}
	e.depth++
	return true
}

func (e *Encoder) appender(v interface {
	AppendJSON([]byte) ([]byte, error)
}) {
	// As with encoding/json, a nil pointer is null and its method is not called.
	if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && r.IsNil() {
		e.Null()
		return
	}
	e.comma()
	n := len(e.B)
	b, err := v.AppendJSON(e.B)
	if err == nil && len(b) <= n {
		err = fmt.Errorf("jsonx: %T.AppendJSON wrote nothing", v)
	}
	if err != nil {
		e.fail(err)
		e.B = append(e.B[:n], "null"...)
		return
	}
	e.B = b
}

func (e *Encoder) marshal(v any) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		e.fail(err)
		e.Null()
		return
	}
	e.Raw(bytes.TrimSuffix(buf.Bytes(), []byte("\n")))
}

func valid(b []byte) bool {
	var d Decoder
	d.Reset(b)
	d.Skip()
	return d.End() == nil
}

// Members writes the members of m, sorted by key, into the object that is open.
func (e *Encoder) Members(m map[string]any) {
	if len(m) == 0 {
		return
	}
	if e.depth >= MaxDepth {
		e.fail(ErrDepth)
		return
	}
	e.depth++
	for _, k := range slices.Sorted(maps.Keys(m)) {
		e.Key(k)
		e.Any(m[k])
	}
	e.depth--
}

// OptStr writes a member unless its value is the zero value, as the other Opt methods do.
func (e *Encoder) OptStr(name, s string) {
	if s != "" {
		e.Name(name)
		e.B = AppendString(e.B, s)
	}
}

// OptInt writes a member unless it is 0.
func (e *Encoder) OptInt(name string, n int) { e.OptInt64(name, int64(n)) }

// OptInt64 writes a member unless it is 0.
func (e *Encoder) OptInt64(name string, n int64) {
	if n != 0 {
		e.Name(name)
		e.B = strconv.AppendInt(e.B, n, 10)
	}
}

// OptBool writes a member unless it is false.
func (e *Encoder) OptBool(name string, b bool) {
	if b {
		e.Name(name)
		e.B = append(e.B, "true"...)
	}
}

// PtrFloat writes a member unless p is nil, as the other Ptr methods do: a zero that is pointed to is written.
func (e *Encoder) PtrFloat(name string, p *float64) {
	if p != nil {
		e.Name(name)
		e.Float(*p)
	}
}

// PtrInt writes a member unless p is nil.
func (e *Encoder) PtrInt(name string, p *int) {
	if p != nil {
		e.Name(name)
		e.Int(*p)
	}
}

// PtrInt64 writes a member unless p is nil.
func (e *Encoder) PtrInt64(name string, p *int64) {
	if p != nil {
		e.Name(name)
		e.Int64(*p)
	}
}

// PtrBool writes a member unless p is nil.
func (e *Encoder) PtrBool(name string, p *bool) {
	if p != nil {
		e.Name(name)
		e.Bool(*p)
	}
}

// Strs writes a member that is an array of strings, unless ss is empty.
func (e *Encoder) Strs(name string, ss []string) {
	if len(ss) > 0 {
		e.Name(name)
		e.strs(ss)
	}
}

func (e *Encoder) strs(ss []string) {
	e.Array()
	for _, s := range ss {
		e.Str(s)
	}
	e.EndArray()
}

// AppendString appends s as a JSON string. It escapes what RFC 8259 demands, and U+2028 and U+2029 as
// encoding/json does, but not HTML: '<', '>' and '&' would cost tokens where a model is shown the text. A byte
// that is not UTF-8 becomes \ufffd.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	p := 0 // s up to here is written
	i := plainString(s, 0)
	for i < len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			if n := commonRune(s, i); n > 0 {
				i += n
				if i < len(s) && s[i] < utf8.RuneSelf {
					i = plainString(s, i)
				}
				continue
			}
			r, n := utf8.DecodeRuneInString(s[i:])
			switch {
			case r == utf8.RuneError && n == 1:
				b = append(append(b, s[p:i]...), `\ufffd`...)
				p = i + 1
			case r == '\u2028' || r == '\u2029':
				b = append(append(b, s[p:i]...), `\u202`...)
				b = append(b, byte('0'+r&0xF))
				p = i + n
			}
			i += n
			// In a text that is not ASCII the next character is most likely not either.
			if i < len(s) && s[i] >= utf8.RuneSelf {
				continue
			}
		} else {
			b = append(b, s[p:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			case '\b':
				b = append(b, '\\', 'b')
			case '\f':
				b = append(b, '\\', 'f')
			default:
				const digits = "0123456789abcdef"
				b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&0xF])
			}
			i++
			p = i
		}
		i = plainString(s, i)
	}
	return append(append(b, s[p:]...), '"')
}

// commonRune is the length of the well-formed character of two or three bytes at s[i:], most of all text that is
// not ASCII; 0 sends the rest, and what has to be escaped, to the thorough way.
func commonRune(s string, i int) int {
	switch c := s[i]; {
	case c < 0xC2:
		return 0
	case c < 0xE0:
		if i+1 < len(s) && s[i+1]&0xC0 == 0x80 {
			return 2
		}
	case c < 0xF0 && c != 0xE0 && c != 0xED: // the two whose second byte is restricted
		if i+2 >= len(s) || s[i+1]&0xC0 != 0x80 || s[i+2]&0xC0 != 0x80 {
			return 0
		}
		if c == 0xE2 && s[i+1] == 0x80 && s[i+2]&^1 == 0xA8 { // U+2028, U+2029
			return 0
		}
		return 3
	}
	return 0
}

// AppendFloat appends f in the shortest form that reads back as f, as encoding/json does: with an exponent only
// below 1e-6 and from 1e21 on. It must be finite.
func AppendFloat(b []byte, f float64) []byte {
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, f, format, -1, 64)
	// e-09 is written e-9.
	if n := len(b); format == 'e' && n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' {
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}
