package decimal_test

import (
	"math"
	"testing"

	"github.com/llm-go/llm/models/internal/decimal"
	"github.com/stretchr/testify/require"
)

func TestInt64(t *testing.T) {
	for text, want := range map[string]int64{"1.5": 1500, "-0.001": -1, "0": 0, "0.000e-99": 0, "12e1": 120000, "9223372036854775.807": math.MaxInt64} {
		d, err := decimal.Parse(text)
		require.NoError(t, err, text)
		n, err := d.Int64(3)
		require.NoError(t, err, text)
		require.Equal(t, want, n, text)
	}
	for text, want := range map[string]error{"0.0001": decimal.ErrFine, "9223372036854775.808": decimal.ErrLarge, "1e17": decimal.ErrLarge} {
		d, err := decimal.Parse(text)
		require.NoError(t, err, text)
		_, err = d.Int64(3)
		require.ErrorIs(t, err, want, text)
	}
}

// A number is rounded only if it has more digits than anyone writes by hand.
func TestRounded(t *testing.T) {
	for text, want := range map[string]int64{
		"0.30000000000000004": 300_000_000_000, "0.049999999999999996": 50_000_000_000, "0.0002833333333333333": 283_333_333,
		"-0.30000000000000004": -300_000_000_000, "0.99999999999999999": 1_000_000_000_000, "0.000000000000000499999999999999999": 0,
		"0.3": 300_000_000_000,
	} {
		d, err := decimal.Parse(text)
		require.NoError(t, err, text)
		n, err := d.Rounded(12)
		require.NoError(t, err, text)
		require.Equal(t, want, n, text)
	}
	d, err := decimal.Parse("0.0000000000001")
	require.NoError(t, err)
	_, err = d.Rounded(12)
	require.ErrorIs(t, err, decimal.ErrFine, "a short number is not rounded away")
	for text, want := range map[string]int64{"0.0000000000005": 1, "0.0000000000004": 0, "2.0751953125e-15": 0, "1.0000000000015": 1_000_000_000_002} {
		d, err := decimal.Parse(text)
		require.NoError(t, err, text)
		n, err := d.Round(12)
		require.NoError(t, err, text)
		require.Equal(t, want, n, text)
	}
}
