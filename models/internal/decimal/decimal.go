// Package decimal reads decimal numbers without a binary float on the way.
package decimal

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// MaxDigits is how many significant digits a number may have before it is taken for a binary float written out.
const MaxDigits = 14

// The errors of this package.
var (
	ErrSyntax = errors.New("not a decimal number")
	ErrFine   = errors.New("it has more decimal places than can be kept")
	ErrLarge  = errors.New("too large")
)

// Decimal is digits × 10^Exp, without zeros at either end: zero has no digits.
type Decimal struct {
	Negative bool
	Digits   string
	Exp      int
}

// Parse reads "-2.50" or "1.5e-07".
func Parse(text string) (Decimal, error) {
	var d Decimal
	rest := text
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		d.Negative, rest = rest[0] == '-', rest[1:]
	}
	if at := strings.IndexAny(rest, "eE"); at >= 0 {
		exp, err := strconv.ParseInt(rest[at+1:], 10, 16)
		if err != nil {
			return Decimal{}, ErrSyntax
		}
		d.Exp, rest = int(exp), rest[:at]
	}
	whole, fraction, _ := strings.Cut(rest, ".")
	d.Digits = whole + fraction
	d.Exp -= len(fraction)
	if d.Digits == "" || len(d.Digits) > 400 {
		return Decimal{}, ErrSyntax
	}
	for _, c := range []byte(d.Digits) {
		if c < '0' || c > '9' {
			return Decimal{}, ErrSyntax
		}
	}
	short := strings.TrimRight(d.Digits, "0")
	d.Exp += len(d.Digits) - len(short)
	d.Digits = strings.TrimLeft(short, "0")
	if d.Digits == "" {
		return Decimal{}, nil
	}
	return d, nil
}

// Int64 is the decimal times 10^shift, exactly.
func (d Decimal) Int64(shift int) (int64, error) {
	if d.Digits == "" {
		return 0, nil
	}
	exp := d.Exp + shift
	if exp < 0 {
		return 0, ErrFine
	}
	if len(d.Digits)+exp > 19 {
		return 0, ErrLarge
	}
	n, err := strconv.ParseUint(d.Digits+strings.Repeat("0", exp), 10, 64)
	if err != nil || n > math.MaxInt64 {
		return 0, ErrLarge
	}
	if d.Negative {
		return -int64(n), nil
	}
	return int64(n), nil
}

// Rounded is Int64 for numbers that others computed in binary floats: one of more than [MaxDigits] significant digits is
// rounded to these, and to a whole.
func (d Decimal) Rounded(shift int) (int64, error) {
	if len(d.Digits) <= MaxDigits {
		return d.Int64(shift)
	}
	return d.round(shift, MaxDigits)
}

// Round is the whole number next to the decimal times 10^shift, halves away from zero.
func (d Decimal) Round(shift int) (int64, error) { return d.round(shift, 19) }

func (d Decimal) round(shift, digits int) (int64, error) {
	keep := min(digits, len(d.Digits)+d.Exp+shift)
	if keep >= len(d.Digits) {
		return d.Int64(shift)
	}
	if keep < 0 {
		return 0, nil
	}
	n := uint64(0)
	if keep > 0 {
		var err error
		if n, err = strconv.ParseUint(d.Digits[:keep], 10, 64); err != nil {
			return 0, ErrLarge
		}
	}
	if d.Digits[keep] >= '5' {
		n++
	}
	if n == 0 {
		return 0, nil
	}
	r := Decimal{Negative: d.Negative, Digits: strconv.FormatUint(n, 10), Exp: d.Exp + len(d.Digits) - keep}
	return r.Int64(shift)
}
