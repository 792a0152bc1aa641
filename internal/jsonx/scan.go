package jsonx

import (
	"encoding/binary"
	"math/bits"
)

// The scanners look at eight bytes at a time. With every byte of a word below 0x80, subtracting n from each sets a
// byte's top bit exactly where the byte was below n, up to and including the lowest such byte: only a byte that is
// itself marked borrows from the one above it. The lowest mark is all that is used, so borrows do no harm.
const (
	ones  = 0x0101010101010101
	tops  = 0x80 * ones
	ctrl  = 0x20 * ones
	quote = '"' * ones
	slash = '\\' * ones
)

// plain returns the index, at or after i, of the first byte that is a quote, a backslash, a control character or
// not ASCII; len(b) if there is none.
func plain(b []byte, i int) int {
	for ; i <= len(b)-8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		if m := (x | (x - ctrl) | ((x ^ quote) - ones) | ((x ^ slash) - ones)) & tops; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < 0x20 || c >= 0x80 || c == '"' || c == '\\' {
			break
		}
	}
	return i
}

// text is plain without the stop at bytes that are not ASCII.
func text(b []byte, i int) int {
	for ; i <= len(b)-8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		if m := ((x - ctrl) | ((x ^ quote) - ones) | ((x ^ slash) - ones)) &^ x & tops; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < 0x20 || c == '"' || c == '\\' {
			break
		}
	}
	return i
}

// plainString is plain for strings. The compiler merges the eight loads into one.
func plainString(s string, i int) int {
	for ; i <= len(s)-8; i += 8 {
		w := s[i : i+8]
		x := uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
			uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
		if m := (x | (x - ctrl) | ((x ^ quote) - ones) | ((x ^ slash) - ones)) & tops; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x80 || c == '"' || c == '\\' {
			break
		}
	}
	return i
}

// hex4 returns the value of the four hexadecimal digits at the start of b, or a negative number.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	return rune(hex[b[0]])<<12 | rune(hex[b[1]])<<8 | rune(hex[b[2]])<<4 | rune(hex[b[3]])
}

// hex maps a hexadecimal digit to its value and every other byte to -1, which stays negative when shifted and
// joined with others.
var hex = func() (t [256]int8) {
	for i := range t {
		t[i] = -1
	}
	for i := range int8(10) {
		t['0'+i] = i
	}
	for i := range int8(6) {
		t['a'+i], t['A'+i] = 10+i, 10+i
	}
	return t
}()

// escapes maps the byte after a backslash to what the two stand for; \u is not among them.
var escapes = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}
