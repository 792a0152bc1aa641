package models_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-go/llm/models"
	"github.com/stretchr/testify/require"
)

func TestParseAmount(t *testing.T) {
	for text, want := range map[string]models.Amount{
		"0": 0, "-0.0": 0, "0e99": 0, "1": models.Dollar, "2.50": 2_500_000_000_000, "1.5e-07": 150_000, "1.5E-7": 150_000, "+3": 3 * models.Dollar,
		".5": models.Dollar / 2, "5.": 5 * models.Dollar, "0.000000000001": 1, "1e-12": 1, "10e-13": 1, "-0.000000000001": -1,
		"9223372.036854775807": math.MaxInt64, "2.5e3": 2500 * models.Dollar, "0.30000000000000": models.Dollar * 3 / 10,
	} {
		got, err := models.ParseAmount(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, why := range map[string]string{
		"": "not a decimal", "-": "not a decimal", ".": "not a decimal", "1.2.3": "not a decimal", "1e": "not a decimal", "0x10": "not a decimal",
		"1,5": "not a decimal", " 1": "not a decimal", "NaN": "not a decimal", "Inf": "not a decimal", "1e99999": "not a decimal",
		"1e-13": "more decimal places", "0.30000000000000004": "more decimal places",
		"9223372.036854775808": "too large", "1e30": "too large", "99999999": "too large",
	} {
		_, err := models.ParseAmount(text)
		require.ErrorContains(t, err, why, text)
		require.ErrorContains(t, err, text)
	}
}

// What an amount prints is the number that it was read from, whatever way that was written.
func TestAmountRoundTrip(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		a := models.Amount(random.Int64() >> random.IntN(63))
		if random.IntN(4) == 0 {
			a = -a
		}
		back, err := models.ParseAmount(a.String())
		require.NoError(t, err)
		require.Equal(t, a, back)

		exact, ok := new(big.Rat).SetString(a.String())
		require.True(t, ok)
		require.Zero(t, exact.Cmp(big.NewRat(int64(a), int64(models.Dollar))), "%d prints as %s", a, a)

		// The same number with an exponent.
		digits, zeros := big.NewInt(int64(a)).String(), random.IntN(5)
		shifted, err := models.ParseAmount(digits + strings.Repeat("0", zeros) + "e-" + big.NewInt(int64(12+zeros)).String())
		require.NoError(t, err)
		require.Equal(t, a, shifted)
	}
}

func TestAmountJSON(t *testing.T) {
	var v struct{ A, B models.Amount }
	require.NoError(t, json.Unmarshal([]byte(`{"A": 1.5e-07, "B": "2.50"}`), &v))
	require.Equal(t, models.Amount(150_000), v.A)
	require.Equal(t, models.Dollar*5/2, v.B)
	b, err := json.Marshal(v)
	require.NoError(t, err)
	require.Equal(t, `{"A":"0.00000015","B":"2.5"}`, string(b))
	require.ErrorContains(t, json.Unmarshal([]byte(`{"A": true}`), &v), "true")
}

// No binary float is anywhere between the text of a price and its count of picodollars.
func TestNoFloats(t *testing.T) {
	for _, dir := range []string{".", "internal/decimal", "internal/gen"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			file, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
			require.NoError(t, err)
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.Ident:
					require.NotContains(t, []string{"float64", "float32", "ParseFloat", "Float64"}, n.Name, name)
				case *ast.BasicLit:
					require.False(t, n.Kind == token.FLOAT, "%s: %s", name, n.Value)
				}
				return true
			})
		}
	}
}
