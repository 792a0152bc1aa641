package jsonx

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
)

// Float32 reads a number, or a string that holds one, as the nearest float32: not by way of float64, which rounds
// twice. A null reads as 0; a number beyond float32 is an error.
func (d *Decoder) Float32() float32 {
	d.peek()
	if f, end := fastFloat32(d.data, d.pos); end > 0 {
		d.pos = end
		return f
	}
	return d.slowFloat32()
}

func (d *Decoder) slowFloat32() float32 {
	const want = "a number in range"
	d.peek()
	p := d.pos
	text, kind := d.numeric(want)
	if text == nil {
		return 0
	}
	f, err := strconv.ParseFloat(string(text), 32)
	if err != nil {
		d.mismatch(p, want, kind)
		return 0
	}
	return float32(f)
}

// Float32s appends the numbers of an array to block, each read as Float32 does, and returns it. A null has none.
func (d *Decoder) Float32s(block []float32) []float32 {
	for d.Array(); d.More(); {
		block = append(block, d.Float32())
		// While the array goes on as it began, More and Float32 need not look at the decoder's state.
		data, p := d.data, d.pos
		for p < len(data) && data[p] == ',' {
			q := p + 1
			if q < len(data) && data[q] == ' ' {
				q++
			}
			f, end := fastFloat32(data, q)
			if end == 0 {
				break
			}
			block = append(block, f)
			p = end
		}
		d.pos = p
	}
	return block
}

// fastFloat32 reads the number at p and returns the offset after it; 0 if another way is needed: for what is not
// a number, has an unusual form or size, or lies so near to the middle between two float32 that the error of the
// quick conversion could pick the wrong one.
//
// The quick conversion is a multiplication in float64. The digits as an integer, the power of ten and the product
// are each rounded once, so that the result is within a few units of the last place of the truth. A float32 has 29
// bits fewer: as long as those bits are further from a half than that error, rounding gives the float32 nearest to
// the truth.
func fastFloat32(b []byte, p int) (f float32, end int) {
	i := p
	neg := i < len(b) && b[i] == '-'
	if neg {
		i++
	}
	var m uint64
	start := i
	for i < len(b) && b[i]-'0' <= 9 {
		m = m*10 + uint64(b[i]-'0')
		i++
	}
	n := i - start // digits in m
	if n == 0 || n > 1 && b[start] == '0' {
		return 0, 0
	}
	exp := 0
	if i < len(b) && b[i] == '.' {
		i++
		start = i
		for i+8 <= len(b) {
			x, ok := eightDigits(b[i:])
			if !ok {
				break
			}
			m = m*1e8 + x
			i += 8
			if i-start > 24 {
				return 0, 0
			}
		}
		for i < len(b) && b[i]-'0' <= 9 {
			m = m*10 + uint64(b[i]-'0')
			i++
		}
		if exp = start - i; exp == 0 {
			return 0, 0
		}
		n -= exp
	}
	if n > 19 {
		// Leading zeros do not count; anything else may not have fitted.
		if n -= leadingZeros(b[p:i]); n > 19 {
			return 0, 0
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		negExp := false
		if i < len(b) && (b[i] == '-' || b[i] == '+') {
			negExp = b[i] == '-'
			i++
		}
		start, e := i, 0
		for i < len(b) && b[i]-'0' <= 9 && i-start < 3 {
			e = e*10 + int(b[i]-'0')
			i++
		}
		if i == start || i < len(b) && b[i]-'0' <= 9 {
			return 0, 0
		}
		if negExp {
			e = -e
		}
		exp += e
	}
	if i >= len(b) {
		return 0, 0 // the number may go on, or be all there is
	}
	v := float64(m)
	if exp != 0 && m != 0 {
		if exp < -len(smaller)+1 || exp > 0 {
			return 0, 0
		}
		v *= smaller[-exp]
	}
	if m != 0 && (v < 0x1p-125 || v > 0x1p+127) {
		return 0, 0
	}
	const margin = 8
	if low := math.Float64bits(v) & (1<<29 - 1); low-(1<<28-margin) <= 2*margin {
		return 0, 0
	}
	if neg {
		v = -v
	}
	return float32(v), i
}

// leadingZeros counts the zeros at the start of a number, the one before the point included.
func leadingZeros(b []byte) (n int) {
	for _, c := range b {
		switch c {
		case '0':
			n++
		case '-', '.':
		default:
			return n
		}
	}
	return n
}

// smaller[n] is 10 to the power of -n.
var smaller = func() (t [38]float64) {
	for n := range t {
		t[n], _ = strconv.ParseFloat("1e-"+strconv.Itoa(n), 64)
	}
	return t
}()

// eightDigits returns the value of the eight digits at the start of b; ok is false if one of them is none.
func eightDigits(b []byte) (v uint64, ok bool) {
	x := binary.LittleEndian.Uint64(b)
	x ^= '0' * ones // a digit is now 0 to 9
	if (x|(x+6*ones))&(0xF0*ones) != 0 {
		return 0, false
	}
	// Neighbours are joined: to pairs, fours and all eight. The first digit is in the lowest byte.
	x = (x*10 + x>>8) & 0x00FF00FF00FF00FF
	x = (x*100 + x>>16) & 0x0000FFFF0000FFFF
	return x&0xFFFFFFFF*10000 + x>>32, true
}

var errVector = errors.New("jsonx: a base64 text that does not hold a list of float32")

// Base64Float32s reads a string that holds, in base64, little-endian float32, appends them to block and returns
// it. A null has none.
func (d *Decoder) Base64Float32s(block []float32) []float32 {
	text := d.StrBytes()
	if d.err != nil {
		return block
	}
	n := len(block)
	var ok bool
	if block, ok = appendFloat32s(block, text); !ok {
		d.Fail(errVector)
		return block[:n]
	}
	return block
}

func appendFloat32s(block []float32, text []byte) (_ []float32, ok bool) {
	size := base64.StdEncoding.DecodedLen(len(text))
	block = slices.Grow(block, size/4)
	// Sixteen characters are twelve bytes are three numbers.
	for len(text) > 16 {
		c := text[:16:16]
		a := sixBits[c[0]]<<18 | sixBits[c[1]]<<12 | sixBits[c[2]]<<6 | sixBits[c[3]]
		b := sixBits[c[4]]<<18 | sixBits[c[5]]<<12 | sixBits[c[6]]<<6 | sixBits[c[7]]
		e := sixBits[c[8]]<<18 | sixBits[c[9]]<<12 | sixBits[c[10]]<<6 | sixBits[c[11]]
		f := sixBits[c[12]]<<18 | sixBits[c[13]]<<12 | sixBits[c[14]]<<6 | sixBits[c[15]]
		if (a|b|e|f)>>24 != 0 {
			break
		}
		block = append(block,
			math.Float32frombits(bits.ReverseBytes32(a<<8|b>>16)),
			math.Float32frombits(bits.ReverseBytes32(b<<16|e>>8)),
			math.Float32frombits(bits.ReverseBytes32(e<<24|f)))
		text = text[16:]
	}
	// The rest: the end with its padding, or line breaks, or what is no base64.
	enc := base64.StdEncoding
	if len(text)%4 != 0 {
		enc = base64.RawStdEncoding
	}
	var buf [16]byte // enough for what a clean text leaves
	rest, err := enc.AppendDecode(buf[:0], text)
	if err != nil || len(rest)%4 != 0 {
		return block, false
	}
	for ; len(rest) > 0; rest = rest[4:] {
		block = append(block, math.Float32frombits(binary.LittleEndian.Uint32(rest)))
	}
	return block, true
}

// sixBits maps the characters of base64 to their values, all else to a value with the top bit set even if it is
// shifted by 18.
var sixBits = func() (t [256]uint32) {
	for i := range t {
		t[i] = 0xFFFFFFFF
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = uint32(i)
	}
	return t
}()

// Float32 writes a number as AppendFloat32 does. An infinity or a NaN has no form in JSON and is an error.
func (e *Encoder) Float32(f float32) {
	if f-f != 0 {
		e.fail(fmt.Errorf("jsonx: %v is no JSON number", f))
		e.Null()
		return
	}
	e.comma()
	e.B = AppendFloat32(e.B, f)
}

// AppendFloat32 is AppendFloat for a float32: the shortest form that reads back as the same float32.
func AppendFloat32(b []byte, f float32) []byte {
	format := byte('f')
	if a := math.Abs(float64(f)); a != 0 && (float32(a) < 1e-6 || float32(a) >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, float64(f), format, -1, 32)
	if n := len(b); format == 'e' && n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' {
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}
