package jsonx_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/llm-go/llm/internal/jsonx"
	"github.com/stretchr/testify/require"
)

func parse32(t *testing.T, text string) float32 {
	t.Helper()
	d := jsonx.NewDecoder([]byte("[" + text + "]"))
	fs := d.Float32s(nil)
	require.NoError(t, d.End(), text)
	require.Len(t, fs, 1)
	var one jsonx.Decoder
	one.Reset([]byte(" " + text))
	require.Equal(t, math.Float32bits(fs[0]), math.Float32bits(one.Float32()), text)
	require.NoError(t, one.End())
	return fs[0]
}

func TestFloat32IsTheNearest(t *testing.T) {
	check := func(text string) {
		t.Helper()
		want, err := strconv.ParseFloat(text, 32)
		require.NoError(t, err)
		require.Equal(t, math.Float32bits(float32(want)), math.Float32bits(parse32(t, text)), text)
	}
	for _, text := range []string{
		"0", "-0", "0.0", "-0.0", "1", "-1", "10", "0.1", "1e0", "1e-5", "1E+5", "1.5e-07", "0.0023064255", "-0.024047505110502243",
		"16777217", "16777216.5", "16777217.0000000000001", "33554434", "33554435", "0.50000002980232238769531250", "0.5000000298023224",
		"1.00000005960464477539062499", "1.000000059604644775390625", "1.0000000596046448", "1e-38", "1.1754943508222875e-38", "1e-45", "1e-60", "3.4028234663852886e38",
		"123456789012345678901234567890", "0.00000000000000000000000000000000000001", "0.000000000000000000012345678901234567", "12345678.12345678", "9007199254740993", "18446744073709551615", "18446744073709551616",
	} {
		check(text)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 30_000 {
		f := math.Float32frombits(r.Uint32())
		if f-f != 0 {
			continue
		}
		check(strconv.FormatFloat(float64(f), 'g', -1, 32))
		check(strconv.FormatFloat(float64(f), 'g', -1, 64))
		g := r.Float64()*2 - 1
		check(strconv.FormatFloat(g, 'f', r.IntN(26), 64))
		// Just beside, and at, the middle between two floats: where rounding twice goes wrong.
		small := float32(g)
		mid := (float64(small) + float64(math.Nextafter32(small, 2))) / 2
		check(strconv.FormatFloat(mid, 'g', 9+r.IntN(12), 64))
	}
}

func TestFloat32Refuses(t *testing.T) {
	for _, text := range []string{"", "-", "01", "1.", ".5", "1e", "1e+", "+1", "1.e5", "NaN", "0x1", "1e39", "-3.5e38", "[1]", "{}", "true", `"x"`, "1_0", "00.5", "1.0.0", "1..0"} {
		d := jsonx.NewDecoder([]byte("[" + text + " ,1]"))
		d.Float32s(nil)
		require.Error(t, d.End(), text)
	}
	for _, text := range []string{"[1", "[1,", "[1,2", "[1.", "[0.12345678", "[1 2]", "[1,,2]", "[1,]", "[,1]"} {
		d := jsonx.NewDecoder([]byte(text))
		d.Float32s(nil)
		require.Error(t, d.End(), text)
	}
}

func TestFloat32sAreLenient(t *testing.T) {
	d := jsonx.NewDecoder([]byte("[ 1 , \"2.5\",\n3, null,  -0.25e1 ,4]"))
	require.Equal(t, []float32{9, 1, 2.5, 3, 0, -2.5, 4}, d.Float32s([]float32{9}))
	require.NoError(t, d.End())
	d.Reset([]byte("null"))
	require.Empty(t, d.Float32s(nil))
	require.NoError(t, d.End())
}

func TestBase64Float32s(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for n := range 40 {
		var raw []byte
		want := []float32{}
		for range n {
			f := r.Float32() - 0.5
			want = append(want, f)
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
		}
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding} {
			text, err := json.Marshal(enc.EncodeToString(raw))
			require.NoError(t, err)
			d := jsonx.NewDecoder(text)
			require.Equal(t, append([]float32{7}, want...), d.Base64Float32s([]float32{7}))
			require.NoError(t, d.End())
			// Escaped slashes, as some encoders of JSON write them.
			d.Reset([]byte(strings.ReplaceAll(string(text), "/", `\/`)))
			require.Equal(t, want, append([]float32{}, d.Base64Float32s(nil)...))
			require.NoError(t, d.End())
		}
	}
	for _, bad := range []string{"A", "AAAA", "AAAAAAA*", strings.Repeat("A", 16) + "*" + strings.Repeat("A", 15), strings.Repeat("A", 20) + "é", "AAAAAA==AAAAAA==", "-_-_AA=="} {
		d := jsonx.NewDecoder([]byte(strconv.Quote(bad)))
		require.Empty(t, d.Base64Float32s(nil), bad)
		require.Error(t, d.End(), bad)
		require.NotContains(t, d.Err().Error(), bad)
	}
}

func TestAppendFloat32(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20_000 {
		f := math.Float32frombits(r.Uint32())
		if f-f != 0 {
			var e jsonx.Encoder
			e.Float32(f)
			require.Error(t, e.Err())
			continue
		}
		want, err := json.Marshal(f)
		require.NoError(t, err)
		require.Equal(t, string(want), string(jsonx.AppendFloat32(nil, f)))
	}
}

func FuzzFloat32(f *testing.F) {
	for _, s := range []string{"0.1", "-1e-5", "16777217", "1.0000000596046448", "01", "1.", "0.024047505110502243"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := jsonx.NewDecoder([]byte("[" + s + "]"))
		fs := d.Float32s(nil)
		if d.End() != nil || len(fs) != 1 || !json.Valid([]byte(s)) || strings.ContainsAny(s, "\"n") {
			return
		}
		want, err := strconv.ParseFloat(strings.TrimSpace(s), 32)
		require.NoError(t, err)
		require.Equal(t, math.Float32bits(float32(want)), math.Float32bits(fs[0]), s)
	})
}

func BenchmarkFloat32s(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, bb := range []struct {
		name string
		bits int
	}{{"short", 32}, {"long", 64}} {
		data := []byte{'['}
		for i := range 1536 {
			if i > 0 {
				data = append(data, ',')
			}
			data = strconv.AppendFloat(data, float64(float32(r.NormFloat64()/40)), 'g', -1, bb.bits)
		}
		data = append(data, ']')
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var d jsonx.Decoder
			block := make([]float32, 0, 1536)
			for b.Loop() {
				d.Reset(data)
				if block = d.Float32s(block[:0]); d.End() != nil || len(block) != 1536 {
					b.Fatal(d.Err())
				}
			}
		})
	}
}

func BenchmarkBase64Float32s(b *testing.B) {
	raw := make([]byte, 1536*4)
	for i := range raw {
		raw[i] = byte(i * 7)
	}
	data := []byte(`"` + base64.StdEncoding.EncodeToString(raw) + `"`)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	var d jsonx.Decoder
	block := make([]float32, 0, 1540)
	for b.Loop() {
		d.Reset(data)
		if block = d.Base64Float32s(block[:0]); d.End() != nil || len(block) != 1536 {
			b.Fatal(d.Err())
		}
	}
}
