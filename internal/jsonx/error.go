package jsonx

import (
	"errors"
	"io"
	"strconv"
)

// MaxDepth is the number of arrays and objects that may be open at a time, in reading as in writing. Real answers
// stay below twenty; encoding/json stops at 10,000.
const MaxDepth = 1000

// ErrDepth is the error, found with errors.Is, for a text or a value nested deeper than MaxDepth.
var ErrDepth = errors.New("jsonx: nested deeper than " + strconv.Itoa(MaxDepth) + " levels")

// SyntaxError reports a text that is not JSON. The text itself may hold a prompt, so no more of it than one byte
// is ever quoted. A text that ends too early is a SyntaxError for which errors.Is(err, io.ErrUnexpectedEOF) holds.
type SyntaxError struct {
	Offset int64 // in bytes, of the byte that cannot be
	Msg    string
	err    error
}

func (e *SyntaxError) Error() string {
	return "jsonx: " + e.Msg + " at offset " + strconv.FormatInt(e.Offset, 10)
}

// Unwrap returns io.ErrUnexpectedEOF or ErrDepth where one of them is the reason.
func (e *SyntaxError) Unwrap() error { return e.err }

// TypeError reports a value that is JSON but not of the kind that was asked for: a host that answers in another
// shape, rather than an answer that was damaged on its way.
type TypeError struct {
	Offset int64 // in bytes, of the value
	Want   string
	Got    Kind
}

func (e *TypeError) Error() string {
	return "jsonx: " + e.Got.String() + " where " + e.Want + " is wanted, at offset " + strconv.FormatInt(e.Offset, 10)
}

// Kind is the kind of a JSON value.
type Kind uint8

const (
	Invalid Kind = iota // no value starts here; also the end of the text
	Null
	Bool
	Number
	String
	Array
	Object
)

var kindNames = [...]string{"nothing", "null", "a bool", "a number", "a string", "an array", "an object"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// kinds maps the first byte of a value to its kind.
var kinds = [256]Kind{
	'n': Null, 't': Bool, 'f': Bool, '"': String, '[': Array, '{': Object, '-': Number,
	'0': Number, '1': Number, '2': Number, '3': Number, '4': Number,
	'5': Number, '6': Number, '7': Number, '8': Number, '9': Number,
}

// Fail records err as the decoder's error if it has none yet; nil is ignored. Use it for what only the caller
// can judge, such as an unknown value of a closed set.
func (d *Decoder) Fail(err error) {
	if err == nil {
		return
	}
	if d.err == nil {
		d.err, d.errPos = err, d.pos
	}
	// With nothing left to read, every method runs into its end-of-text path and returns zero: this is what makes
	// errors sticky without a check in any of the hot ones.
	d.data, d.pos, d.key = nil, 0, nil
}

// syntax fails at off.
func (d *Decoder) syntax(off int, msg string, err error) {
	if d.err != nil {
		return
	}
	d.pos = off
	d.Fail(&SyntaxError{Offset: int64(off), Msg: msg, err: err})
}

// unexpected fails at off, where want should be: because the text ends there, or for the byte that is there.
func (d *Decoder) unexpected(off int, want string) {
	if d.err != nil {
		return
	}
	if off >= len(d.data) {
		d.syntax(len(d.data), "the text ends where "+want+" should be", io.ErrUnexpectedEOF)
		return
	}
	d.syntax(off, strconv.QuoteToASCII(string(d.data[off:off+1]))+" where "+want+" should be", nil)
}

// mismatch fails at off for a value of the wrong kind.
func (d *Decoder) mismatch(off int, want string, got Kind) {
	if d.err != nil {
		return
	}
	d.pos = off
	d.Fail(&TypeError{Offset: int64(off), Want: want, Got: got})
}
