package models

import (
	"fmt"
	"math"
	"strconv"

	"github.com/llm-go/llm/models/internal/decimal"
)

// Amount is money: a count of picodollars, 1e-12 US dollars. What it is for, one image or a million tokens, is said
// by the [Unit] beside it. The largest is 9.2 million dollars.
type Amount int64

// Dollar is one US dollar.
const Dollar Amount = 1_000_000_000_000

// ParseAmount reads a decimal number of dollars: "2.50", "1.5e-07". It is exact: what an Amount cannot hold is an
// error, and no binary float is on the way.
func ParseAmount(dollars string) (Amount, error) { return parseAmount(dollars, 0) }

// parseAmount reads dollars times 10^shift.
func parseAmount(text string, shift int) (Amount, error) {
	d, err := decimal.Parse(text)
	if err != nil {
		return 0, amountError(text, err)
	}
	n, err := d.Int64(picodollars + shift)
	if err != nil {
		return 0, amountError(text, err)
	}
	return Amount(n), nil
}

// picodollars is the power of ten from a dollar.
const picodollars = 12

func amountError(text string, err error) error {
	if len(text) > 40 {
		text = text[:40] + "…"
	}
	return fmt.Errorf("the amount %q: %w", text, err)
}

// String is the amount in dollars, exact and without an exponent: "2.5", "0.00000015".
func (a Amount) String() string { return string(a.append(nil)) }

func (a Amount) append(b []byte) []byte {
	n := uint64(a)
	if a < 0 {
		b, n = append(b, '-'), -n
	}
	b = strconv.AppendUint(b, n/uint64(Dollar), 10)
	fraction := n % uint64(Dollar)
	if fraction == 0 {
		return b
	}
	b = append(b, '.')
	for unit := uint64(Dollar) / 10; fraction > 0; unit /= 10 {
		b = append(b, '0'+byte(fraction/unit))
		fraction %= unit
	}
	return b
}

// MarshalText is [Amount.String].
func (a Amount) MarshalText() ([]byte, error) { return a.append(nil), nil }

// UnmarshalText is [ParseAmount].
func (a *Amount) UnmarshalText(text []byte) (err error) {
	*a, err = ParseAmount(string(text))
	return err
}

// UnmarshalJSON takes a number as well as a string, both exactly.
func (a *Amount) UnmarshalJSON(text []byte) error {
	s := string(text)
	if s == "null" {
		return nil
	}
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	return a.UnmarshalText([]byte(s))
}

// times is the amount times num/den, where that is exact.
func (a Amount) times(num, den int64) (Amount, bool) {
	if num != 0 && (int64(a) > math.MaxInt64/num || int64(a) < math.MinInt64/num) {
		return 0, false
	}
	n := int64(a) * num
	return Amount(n / den), n%den == 0
}
