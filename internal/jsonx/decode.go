package jsonx

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxScratch bounds the buffers a decoder keeps over Reset, in bytes: one large answer must not pin its size for
// the life of a stream.
const maxScratch = 1 << 20

// Decoder reads one complete JSON text in a single pass. The zero value reads an empty text; use it by value and
// Reset it. Errors are sticky: after the first one every method returns zero and More returns false.
type Decoder struct {
	data  []byte
	pos   int
	key   []byte
	depth int
	state state
	close byte // what closes the innermost open array or object

	replaced bool
	err      error
	errPos   int

	scratch    []byte // the last string that could not alias data
	keyScratch []byte // the same for keys, which live longer
	objects    bitset // for each open level, whether it is an object
}

// state is what More has to expect.
type state uint8

const (
	stateNothing state = iota // More is false: outside of any container, or in a null that was entered
	stateFirst                // an element or the closer
	stateNext                 // a comma or the closer
)

type bitset [(MaxDepth + 63) / 64]uint64

func (b *bitset) get(i int) bool { return b[uint(i)/64%uint(len(b))]>>(uint(i)%64)&1 != 0 }

func (b *bitset) set(i int, v bool) {
	w := &b[uint(i)/64%uint(len(b))]
	*w &^= 1 << (uint(i) % 64)
	if v {
		*w |= 1 << (uint(i) % 64)
	}
}

// NewDecoder returns a decoder of data. It does not copy data, which must not change while values that alias it
// (Key, StrBytes, Raw) are in use.
func NewDecoder(data []byte) *Decoder {
	return &Decoder{data: data, pos: bom(data)}
}

// Reset makes d read data from its start, as NewDecoder does, and keeps its buffers.
func (d *Decoder) Reset(data []byte) {
	d.data, d.pos, d.key = data, bom(data), nil
	d.depth, d.state, d.close = 0, stateNothing, 0
	d.err, d.errPos, d.replaced = nil, 0, false
	if cap(d.scratch) > maxScratch {
		d.scratch = nil
	}
	if cap(d.keyScratch) > maxScratch {
		d.keyScratch = nil
	}
}

// bom returns the length of the byte order mark at the start of b.
func bom(b []byte) int {
	if len(b) >= 3 && string(b[:3]) == "\ufeff" {
		return 3
	}
	return 0
}

// Err returns the first error.
func (d *Decoder) Err() error { return d.err }

// Pos returns the offset of the next unread byte, or the offset of the error. After Kind it is the offset of the
// value's first byte.
func (d *Decoder) Pos() int {
	if d.err != nil {
		return d.errPos
	}
	return d.pos
}

// Replaced reports whether a string or key that was read held invalid UTF-8 or half of a surrogate pair, which
// was replaced by U+FFFD. Values that were skipped, or taken with Raw, are not looked at.
func (d *Decoder) Replaced() bool { return d.replaced }

// End checks that the value was read to its end and that only white space follows, and returns Err.
func (d *Decoder) End() error {
	d.peek()
	switch {
	case d.pos < len(d.data) && d.depth == 0:
		d.unexpected(d.pos, "the end of the text")
	case d.err == nil && d.depth > 0:
		d.unexpected(d.pos, d.closer())
	}
	return d.err
}

// peek skips white space and returns the next byte, 0 at the end of the text.
func (d *Decoder) peek() byte {
	if p := d.pos; p < len(d.data) && d.data[p] > ' ' {
		return d.data[p]
	}
	return d.space()
}

func (d *Decoder) space() byte {
	d.pos = skipSpace(d.data, d.pos)
	if d.pos < len(d.data) {
		return d.data[d.pos]
	}
	return 0
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// Kind returns the kind of the next value without reading it, judged by its first byte. It is Invalid where no
// value starts, at the end of the text too.
func (d *Decoder) Kind() Kind { return kinds[d.peek()] }

// Object enters an object; More and Key then walk its members. A null has no members; any other kind is an error.
func (d *Decoder) Object() { d.enter('{') }

// Array enters an array; More then walks its elements. A null has no elements; any other kind is an error.
func (d *Decoder) Array() { d.enter('[') }

func (d *Decoder) enter(open byte) {
	switch c := d.peek(); {
	case c == open:
		if d.depth >= MaxDepth {
			d.tooDeep(d.pos)
			return
		}
		d.objects.set(d.depth, open == '{')
		d.depth++
		d.pos++
		d.close = open + 2 // '{' and '}', '[' and ']' are two apart
		d.state = stateFirst
	case c == 'n':
		d.literal("null")
		d.state = stateNothing
	default:
		d.wrongKind(kinds[open].String())
	}
}

// leave closes the innermost container.
func (d *Decoder) leave() {
	d.depth--
	if d.depth == 0 {
		d.close, d.state = 0, stateNothing
		return
	}
	d.state = stateNext
	d.close = ']'
	if d.objects.get(d.depth - 1) {
		d.close = '}'
	}
}

// More reports whether the container that was entered last has another element or member, and moves to it. In an
// object it reads the key and the colon, so that the value is next; in either it consumes the commas and, when it
// returns false, the closer. The value must be consumed before More is called again.
func (d *Decoder) More() bool {
	if d.state == stateNothing {
		if d.depth > 0 {
			d.state = stateNext // a null was entered and left
		}
		return false
	}
	c := d.peek()
	if c == d.close {
		d.pos++
		d.leave()
		return false
	}
	if d.state == stateFirst {
		d.state = stateNext
	} else {
		if c != ',' {
			d.unexpected(d.pos, "a comma or "+d.closer())
			return false
		}
		d.pos++
		c = d.peek()
	}
	if d.close == ']' {
		// What is no value, as in [1,], fails when it is read; at the end there is nothing to return true for.
		if c == 0 {
			d.unexpected(d.pos, "a value")
			return false
		}
		return true
	}
	return d.member(c)
}

// member reads a key and its colon.
func (d *Decoder) member(c byte) bool {
	if c != '"' {
		d.unexpected(d.pos, "a key")
		return false
	}
	p := d.pos + 1
	i := plain(d.data, p)
	if i < len(d.data) && d.data[i] == '"' {
		d.key = d.data[p:i:i]
		d.pos = i + 1
	} else {
		d.key, d.keyScratch = d.unquote(p, i, d.keyScratch)
	}
	if d.peek() != ':' {
		d.unexpected(d.pos, "a colon")
		return false
	}
	d.pos++
	return true
}

func (d *Decoder) closer() string {
	if d.close == '}' {
		return "a closing brace"
	}
	return "a closing bracket"
}

// Key returns the member's key as More read it, unescaped. It is valid until the next call of More.
func (d *Decoder) Key() []byte { return d.key }

// Str reads a string. A null reads as "", and for hosts that are careless about types a number or a bool reads as
// its literal text; an array or object is an error. It costs the one allocation of the string returned.
func (d *Decoder) Str() string { return string(d.StrBytes()) }

// Intern is Str, but returns prev, and allocates nothing, when the value equals it. It is for members that are
// the same in every event of a stream: id, model, object.
func (d *Decoder) Intern(prev string) string {
	b := d.StrBytes()
	if string(b) == prev {
		return prev
	}
	return string(b)
}

// StrBytes is Str without the allocation: the bytes alias the text where it has no escape and is valid UTF-8, and
// a buffer of the decoder otherwise. They are valid until the next call of a method that reads a value.
func (d *Decoder) StrBytes() []byte {
	if d.peek() != '"' {
		return d.sloppyString()
	}
	p := d.pos + 1
	i := plain(d.data, p)
	if i < len(d.data) && d.data[i] == '"' {
		d.pos = i + 1
		return d.data[p:i:i]
	}
	var s []byte
	s, d.scratch = d.unquote(p, i, d.scratch)
	return s
}

func (d *Decoder) sloppyString() []byte {
	p := d.pos
	switch k := kinds[d.peek()]; k {
	case Null:
		d.literal("null")
		return nil
	case Bool:
		d.boolean()
	case Number:
		d.pos = d.number(p)
	default:
		d.wrongKind("a string")
	}
	if d.err != nil {
		return nil
	}
	return d.data[p:d.pos:d.pos]
}

// wrongKind fails at the next byte, for the value that starts there or because none does.
func (d *Decoder) wrongKind(want string) {
	if k := d.Kind(); k != Invalid {
		d.mismatch(d.pos, want, k)
		return
	}
	d.unexpected(d.pos, want)
}

// unquote reads the string whose first byte is at p and which is plain up to i. It returns the string, which
// aliases the text or buf, and buf as it may have grown.
func (d *Decoder) unquote(p, i int, buf []byte) (s, _ []byte) {
	data := d.data
	i = text(data, i)
	if i < len(data) && data[i] == '"' {
		d.pos = i + 1
		if s = data[p:i:i]; utf8.Valid(s) {
			return s, buf
		}
		d.replaced = true
		buf = appendRepaired(buf[:0], s)
		return buf, buf
	}
	buf = buf[:0]
	for {
		if n := i - p; n > cap(buf)-len(buf) {
			// It doubles, where append alone would grow large slices by a quarter, and starts with room for a page of
			// text if there is so much left.
			buf = slices.Grow(buf, max(n+len(buf)+64, min(len(data)-p, 8<<10)))
		}
		buf = append(buf, data[p:i]...)
		if i >= len(data) || data[i] < ' ' {
			d.unexpected(i, "the rest of a string")
			return nil, buf
		}
		if data[i] == '"' {
			break
		}
		// A backslash.
		if i+1 >= len(data) {
			d.unexpected(i+1, "an escaped character")
			return nil, buf
		}
		if c := escapes[data[i+1]]; c != 0 {
			buf = append(buf, c)
			i += 2
		} else {
			r := rune(-1)
			if data[i+1] == 'u' {
				r = hex4(data[i+2:])
			}
			if r < 0 {
				d.escape(i)
				return nil, buf
			}
			i += 6
			if utf16.IsSurrogate(r) {
				// What follows belongs to the first half only if it makes a pair with it; else it is read again.
				low := rune(-1)
				if i+6 <= len(data) && data[i] == '\\' && data[i+1] == 'u' {
					low = hex4(data[i+2:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				} else {
					d.replaced = true
				}
			}
			buf = utf8.AppendRune(buf, r)
		}
		p = i
		i = text(data, i)
	}
	d.pos = i + 1
	if utf8.Valid(buf) {
		return buf, buf
	}
	d.replaced = true
	n := len(buf)
	buf = appendRepaired(buf, buf)
	return buf[n:], buf
}

// appendRepaired appends s with each byte that is not UTF-8 replaced by U+FFFD, as encoding/json has it.
func appendRepaired(b, s []byte) []byte {
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		b = utf8.AppendRune(b, r)
		s = s[n:]
	}
	return b
}

// escape checks the escape whose backslash is at i and returns the offset after it, or -1 having failed.
func (d *Decoder) escape(i int) int {
	data := d.data
	if i+1 < len(data) {
		if escapes[data[i+1]] != 0 {
			return i + 2
		}
		if data[i+1] == 'u' {
			if hex4(data[i+2:]) >= 0 {
				return i + 6
			}
			for i += 2; i < len(data) && hex[data[i]] >= 0; i++ {
			}
			d.unexpected(i, "a hexadecimal digit")
			return -1
		}
	}
	d.unexpected(i+1, "an escaped character")
	return -1
}

// literal reads word, whose first byte was seen, and reports whether it is there.
func (d *Decoder) literal(word string) bool {
	p := d.pos
	if end := p + len(word); end <= len(d.data) && string(d.data[p:end]) == word {
		d.pos = end
		return true
	}
	for i := 0; p < len(d.data) && d.data[p] == word[i]; i++ {
		p++
	}
	d.unexpected(p, word)
	return false
}

// boolean reads true or false, whose first byte was seen.
func (d *Decoder) boolean() bool {
	if d.data[d.pos] == 't' {
		return d.literal("true")
	}
	d.literal("false")
	return false
}

// number checks the number at p and returns the offset after it; having failed, 0.
func (d *Decoder) number(p int) int {
	end, want := number(d.data, p)
	if want != "" {
		d.unexpected(end, want)
		return 0
	}
	return end
}

// number returns the offset after the number at p of b; or the offset of what should be something else, and what.
func number(b []byte, p int) (end int, want string) {
	if p < len(b) && b[p] == '-' {
		p++
	}
	i := digits(b, p)
	if i == p {
		return i, "a digit"
	}
	if b[p] == '0' && i > p+1 {
		return p + 1, "the end of a number that starts with zero"
	}
	if i < len(b) && b[i] == '.' {
		p = i + 1
		if i = digits(b, p); i == p {
			return i, "a digit"
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		p = i + 1
		if p < len(b) && (b[p] == '+' || b[p] == '-') {
			p++
		}
		if i = digits(b, p); i == p {
			return i, "a digit"
		}
	}
	return i, ""
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// Int is Int64 for the size of int.
func (d *Decoder) Int() int {
	p := d.pos
	n := d.Int64()
	if int64(int(n)) != n {
		d.mismatch(p, "an integer in range", Number)
		return 0
	}
	return int(n)
}

// Int64 reads an integer. It may be written with a fraction or an exponent as long as its value is an integer
// (12.0, 1e3), or as a string ("12"); it is converted exactly. A null reads as 0. A value out of range, or not an
// integer, is an error.
func (d *Decoder) Int64() int64 {
	data, p := d.data, d.pos
	// Up to 18 digits cannot overflow.
	var n int64
	i := p
	for i < len(data) && i-p < 18 && data[i]-'0' <= 9 {
		n = n*10 + int64(data[i]-'0')
		i++
	}
	if i > p && i < len(data) && (data[p] != '0' || i == p+1) {
		if c := data[i]; c == ',' || c == '}' || c == ']' {
			d.pos = i
			return n
		}
	}
	return d.slowInt64()
}

func (d *Decoder) slowInt64() int64 {
	const want = "an integer in range"
	d.peek()
	p := d.pos
	text, kind := d.numeric(want)
	if text == nil {
		return 0
	}
	n, ok := integer(text)
	if !ok {
		d.mismatch(p, want, kind)
		return 0
	}
	return n
}

// numeric reads a number, or a string that holds one, and returns its text: nil after a null and after an error.
func (d *Decoder) numeric(want string) ([]byte, Kind) {
	kind, p := d.Kind(), d.pos
	switch kind {
	case Null:
		d.literal("null")
	case Number:
		if end := d.number(p); d.err == nil {
			d.pos = end
			return d.data[p:end], kind
		}
	case String:
		b := d.StrBytes()
		if d.err != nil {
			break
		}
		if end, wrong := number(b, 0); wrong == "" && end == len(b) {
			return b, kind
		}
		d.mismatch(p, want, kind)
	default:
		d.wrongKind(want)
	}
	return nil, kind
}

// integer returns the value of the JSON number b if it is an integer that fits. It works on the digits, since a
// float64 between would round from 2^53 on.
func integer(b []byte) (int64, bool) {
	neg := b[0] == '-'
	if neg {
		b = b[1:]
	}
	const huge = 1 << 40 // beyond any exponent that could be made up for by digits; cannot overflow
	var (
		m     uint64 // the digits without trailing zeros
		exp   int64  // the power of ten to multiply m with
		zeros int64  // not yet in m
		frac  bool
	)
	for i, c := range b {
		switch {
		case c == '.':
			frac = true
			continue
		case c|0x20 == 'e':
			e, err := strconv.ParseInt(string(b[i+1:]), 10, 64)
			if err != nil || e > huge || e < -huge {
				// Only zero can have such an exponent.
				if e = huge; b[i+1] == '-' {
					e = -huge
				}
			}
			exp += e
		case c == '0':
			zeros++
		default:
			if m != 0 {
				for ; zeros > 0; zeros-- {
					if m > math.MaxUint64/10 {
						return 0, false
					}
					m *= 10
				}
			}
			zeros = 0
			if m > (math.MaxUint64-9)/10 {
				return 0, false
			}
			m = m*10 + uint64(c-'0')
		}
		if c|0x20 == 'e' {
			break
		}
		if frac {
			exp--
		}
	}
	if m == 0 {
		return 0, true
	}
	exp += zeros
	if exp < 0 {
		return 0, false
	}
	for ; exp > 0; exp-- {
		if m > math.MaxUint64/10 {
			return 0, false
		}
		m *= 10
	}
	if neg {
		return -int64(m), m <= 1<<63
	}
	return int64(m), m <= math.MaxInt64
}

// Float reads a number, or a string that holds one. A null reads as 0; a number beyond float64 is an error.
func (d *Decoder) Float() float64 {
	const want = "a number in range"
	d.peek()
	p := d.pos
	text, kind := d.numeric(want)
	if text == nil {
		return 0
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		d.mismatch(p, want, kind)
		return 0
	}
	return f
}

// Bool reads true or false, or a string that holds one of them. A null reads as false.
func (d *Decoder) Bool() bool {
	switch d.Kind() {
	case Null:
		d.literal("null")
	case Bool:
		return d.boolean()
	case String:
		p := d.pos
		switch b := d.StrBytes(); {
		case d.err != nil:
		case string(b) == "true":
			return true
		case string(b) != "false":
			d.mismatch(p, "a bool", String)
		}
	default:
		d.wrongKind("a bool")
	}
	return false
}

// Any reads a value of any kind: nil, bool, string, json.Number, []any or map[string]any. Numbers keep their text,
// since a float64 would change large ids. Of members with the same key the last wins.
func (d *Decoder) Any() any {
	v := d.value()
	if d.err != nil {
		return nil
	}
	return v
}

// value is Any before its check for errors. It calls itself no deeper than MaxDepth.
func (d *Decoder) value() any {
	switch d.Kind() {
	case Null:
		d.literal("null")
		return nil
	case Bool:
		return d.boolean()
	case Number:
		return json.Number(d.StrBytes())
	case String:
		return d.Str()
	case Array:
		s := []any{}
		for d.Array(); d.More(); {
			s = append(s, d.value())
		}
		return s
	case Object:
		m := map[string]any{}
		for d.Object(); d.More(); {
			k := string(d.key)
			m[k] = d.value()
		}
		return m
	}
	d.unexpected(d.pos, "a value")
	return nil
}

// Raw passes over one value and returns its bytes, which alias the text. They are checked as everything else is,
// except that invalid UTF-8 stays as it is.
func (d *Decoder) Raw() []byte {
	d.peek()
	p := d.pos
	d.Skip()
	if d.err != nil {
		return nil
	}
	return d.data[p:d.pos:d.pos]
}

func (d *Decoder) tooDeep(off int) {
	d.syntax(off, "nested deeper than "+strconv.Itoa(MaxDepth)+" levels", ErrDepth)
}

// Skip passes over one value of any kind, checking it. It does not call itself: its levels are kept beside the
// decoder's own.
func (d *Decoder) Skip() {
	data, p, base := d.data, d.pos, d.depth
	depth, object := base, false
value:
	if p >= len(data) || data[p] <= ' ' {
		p = skipSpace(data, p)
		if p >= len(data) {
			d.unexpected(p, "a value")
			return
		}
	}
	switch c := data[p]; kinds[c] {
	case String:
		if p = d.skipString(p + 1); p < 0 {
			return
		}
	case Number:
		if p = d.number(p); p == 0 {
			return
		}
	case Object, Array:
		if depth >= MaxDepth {
			d.tooDeep(p)
			return
		}
		object = c == '{'
		d.objects.set(depth, object)
		depth++
		p = skipSpace(data, p+1)
		if p < len(data) && data[p] == c+2 {
			p++
			goto leave
		}
		if object {
			goto key
		}
		goto value
	case Null, Bool:
		word := "null"
		if c == 't' {
			word = "true"
		} else if c == 'f' {
			word = "false"
		}
		d.pos = p
		if !d.literal(word) {
			return
		}
		p = d.pos
	default:
		d.unexpected(p, "a value")
		return
	}

after:
	if depth == base {
		d.pos = p
		return
	}
	if p >= len(data) || data[p] <= ' ' {
		p = skipSpace(data, p)
	}
	if p < len(data) {
		switch c := data[p]; {
		case c == ',':
			p++
			if !object {
				goto value
			}
			p = skipSpace(data, p)
			goto key
		case c == '}' && object, c == ']' && !object:
			p++
			goto leave
		}
	}
	if object {
		d.unexpected(p, "a comma or a closing brace")
	} else {
		d.unexpected(p, "a comma or a closing bracket")
	}
	return

leave:
	depth--
	object = depth > base && d.objects.get(depth-1)
	goto after

key:
	if p >= len(data) || data[p] != '"' {
		d.unexpected(p, "a key")
		return
	}
	if p = d.skipString(p + 1); p < 0 {
		return
	}
	p = skipSpace(data, p)
	if p >= len(data) || data[p] != ':' {
		d.unexpected(p, "a colon")
		return
	}
	p++
	goto value
}

// skipString returns the offset after the string whose first byte is at i, or -1 having failed.
func (d *Decoder) skipString(i int) int {
	data := d.data
	for {
		i = text(data, i)
		if i >= len(data) || data[i] < ' ' {
			d.unexpected(i, "the rest of a string")
			return -1
		}
		if data[i] == '"' {
			return i + 1
		}
		if i = d.escape(i); i < 0 {
			return -1
		}
	}
}
