package jsonx_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm/internal/jsonx"
)

func stdlib(t testing.TB, v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	require.NoError(t, enc.Encode(v))
	return strings.TrimSuffix(b.String(), "\n")
}

func TestEncoder(t *testing.T) {
	var e jsonx.Encoder
	e.Object()
	e.Name("s")
	e.Str("a\"b")
	e.Name("empty")
	e.Object()
	e.EndObject()
	e.Name("list")
	e.Array()
	e.Int(-1)
	e.Int64(math.MinInt64)
	e.Float(0.5)
	e.Bool(true)
	e.Null()
	e.Raw([]byte(`{"raw":1}`))
	e.Raw(nil)
	e.Str("")
	e.Array()
	e.EndArray()
	e.Object()
	e.Key("k\n")
	e.Str("v")
	e.EndObject()
	e.EndArray()
	e.OptStr("absent", "")
	e.OptStr("present", "x")
	e.OptInt("absent", 0)
	e.OptInt("n", 1)
	e.OptInt64("absent", 0)
	e.OptInt64("n64", 2)
	e.OptBool("absent", false)
	e.OptBool("b", true)
	e.PtrFloat("absent", nil)
	e.PtrInt("absent", nil)
	e.PtrInt64("absent", nil)
	e.PtrBool("absent", nil)
	e.PtrFloat("pf", new(0.0))
	e.PtrInt("pi", new(0))
	e.PtrInt64("pi64", new(int64(0)))
	e.PtrBool("pb", new(false))
	e.Strs("absent", nil)
	e.Strs("ss", []string{"a", "b["})
	e.Members(map[string]any{"z": 1, "y": "{"})
	e.EndObject()
	require.NoError(t, e.Err())
	require.Equal(t, `{"s":"a\"b","empty":{},"list":[-1,-9223372036854775808,0.5,true,null,{"raw":1},null,"",[],{"k\n":"v"}],`+
		`"present":"x","n":1,"n64":2,"b":true,"pf":0,"pi":0,"pi64":0,"pb":false,"ss":["a","b["],"y":"{","z":1}`, string(e.B))
	require.True(t, json.Valid(e.B))
}

type appender struct{ s string }

func (a *appender) AppendJSON(b []byte) ([]byte, error) {
	switch a.s {
	case "":
		return b, nil
	case "bad":
		return append(b, "half"...), errors.New("bad")
	}
	return jsonx.AppendString(b, a.s), nil
}

func TestAny(t *testing.T) {
	loop := map[string]any{}
	loop["loop"] = []any{loop}
	for _, v := range []any{
		nil, "a<b>&c\u2028", true, 1, int64(2), 1.5, 1e21, 1e-7, math.Copysign(0, -1), json.Number("12"), json.RawMessage(`{"a":1}`), json.RawMessage(nil), uint8(3),
		map[string]any{"b": 1, "a": []any{nil, map[string]any{}}}, map[string]any(nil), []any(nil), []any{}, []string(nil), []string{"x"}, []byte("hi"),
		map[string]string{"k": "<v>"}, struct {
			A int `json:"a,omitempty"`
		}{1}, (*int)(nil), time.Unix(0, 0).UTC(), [2]float32{0.1, 2},
	} {
		var e jsonx.Encoder
		e.Array()
		e.Any(v)
		e.Any(v)
		e.EndArray()
		require.NoError(t, e.Err())
		require.Equal(t, stdlib(t, []any{v, v}), string(e.B))
	}
	var e jsonx.Encoder
	e.Any([]any{&appender{"x"}, (*appender)(nil), json.RawMessage(" {} \n"), 1})
	require.NoError(t, e.Err())
	require.Equal(t, `["x",null,{},1]`, string(e.B))

	for _, v := range []any{
		math.NaN(), math.Inf(-1), json.Number("x"), json.Number(""), json.Number("1 "), json.RawMessage(`{`), json.RawMessage(` `), make(chan int), &appender{""}, &appender{"bad"}, loop,
	} {
		var e jsonx.Encoder
		e.Any([]any{v, 1})
		require.Error(t, e.Err(), "%T", v)
		require.True(t, json.Valid(e.B), "%s", e.B)
	}
}

// escaped makes one of the two ways in which the standard library's implementations write what replaces
// invalid UTF-8.
func escaped(s string) string { return strings.ReplaceAll(s, "\uFFFD", `\ufffd`) }

func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "a", "\x00\x01\x1f\x7f", "\"\\/\b\f\n\r\t", "<&>", "\u2028\u2029\u2027\u202a", "é你😀", "\xff", "a\xc3", "\xe2\x80", "\xed\xa0\x80", "\ufffd", strings.Repeat("é\n", 20)} {
		for n := range 18 {
			s := strings.Repeat("x", n) + s + strings.Repeat("y", n%5)
			require.Equal(t, escaped(stdlib(t, s)), escaped(string(jsonx.AppendString(nil, s))), "%q", s)
		}
	}
}

func TestAppendFloat(t *testing.T) {
	for _, f := range []float64{0, 1, -1, 0.1, 1e-6, 9.9e-7, 1e-10, 1e20, 1e21, -1e-9, 1e100, math.MaxFloat64, math.SmallestNonzeroFloat64, 1.0 / 3, 100} {
		require.Equal(t, stdlib(t, f), string(jsonx.AppendFloat(nil, f)))
	}
}

func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\n<\u2028\xff")
	f.Add("你好\xe2\x80world")
	f.Fuzz(func(t *testing.T, s string) {
		require.Equal(t, escaped(stdlib(t, s)), escaped(string(jsonx.AppendString(nil, s))))
	})
}

func TestOverlay(t *testing.T) {
	for _, tt := range []struct {
		body  string
		extra map[string]any
		want  string
	}{
		{`{}`, nil, `{}`},
		{`{"a":1}`, map[string]any{}, `{"a":1}`},
		{`{}`, map[string]any{"b": 1, "a": 2}, `{"a":2,"b":1}`},
		{" { } ", map[string]any{"a": 1}, `{"a":1}`},
		{`{"a":1,"b":2,"c":3}`, map[string]any{"b": "x"}, `{"a":1,"b":"x","c":3}`},
		{`{"a":1}`, map[string]any{"a": nil}, `{"a":null}`},
		{`{"a" : 1.50 , "b":[ 1 ]}`, map[string]any{"b": 2, "c": 3}, `{"a" : 1.50 , "b":2,"c":3}`},
		{"{\n  \"a\": 1\n}", map[string]any{"b": 2}, "{\n  \"a\": 1,\"b\":2}"},
		{"{\n  \"a\": 1\n}", map[string]any{"a": 2}, "{\n  \"a\":2\n}"},
		{`{"o":{"x":1,"y":{"z":1}},"k":0}`, map[string]any{"o": map[string]any{"y": map[string]any{"w": 2}, "n": 3}}, `{"o":{"x":1,"y":{"z":1,"w":2},"n":3},"k":0}`},
		{`{"o":[1]}`, map[string]any{"o": map[string]any{"x": 1}}, `{"o":{"x":1}}`},
		{`{"o":{"x":1}}`, map[string]any{"o": []any{1}}, `{"o":[1]}`},
		{`{"o":{"x":1}}`, map[string]any{"o": map[string]any{}}, `{"o":{"x":1}}`},
		{`{"o":{"x":1}}`, map[string]any{"o": map[string]any(nil)}, `{"o":null}`},
		{`{"o":{"x":1}}`, map[string]any{"o": map[string]string{"y": "<"}}, `{"o":{"x":1,"y":"<"}}`},
		{`{"o":{"x":1}}`, map[string]any{"o": json.RawMessage(`{"x":12345678901234567890,"y":{}}`)}, `{"o":{"x":12345678901234567890,"y":{}}}`},
		{`{"o":{"x":1}}`, map[string]any{"o": json.RawMessage(`[]`)}, `{"o":[]}`},
		{`{"k\u00e9y":1,"a\"":2}`, map[string]any{"kéy": 2, "a\"": 3, "n\"": 4}, `{"k\u00e9y":2,"a\"":3,"n\"":4}`},
		{`{"a":1,"a":2}`, map[string]any{"a": 3}, `{"a":3,"a":3}`},
		{"\ufeff{\"a\":1}\n", map[string]any{"b": 2}, `{"a":1,"b":2}`},
	} {
		body := []byte(tt.body)
		got, err := jsonx.Overlay(body, tt.extra)
		require.NoError(t, err, tt.body)
		require.Equal(t, tt.want, string(got))
		require.Equal(t, tt.body, string(body), "body was modified")
		require.True(t, json.Valid(got))
	}
	for _, body := range []string{``, `null`, `[]`, `1`, `"x"`, `{`, `{"a":1}}`, `{"a":}`, `{"o":{"x":}}`, strings.Repeat(`{"o":`, 1e5)} {
		_, err := jsonx.Overlay([]byte(body), map[string]any{"o": map[string]any{"x": 1}})
		require.Error(t, err, body)
	}
	loop := map[string]any{}
	loop["o"] = loop
	for _, v := range []any{math.NaN(), make(chan int), json.RawMessage(`{`), loop} {
		for _, body := range []string{`{}`, `{"o":1}`, `{"o":{"o":1}}`} {
			_, err := jsonx.Overlay([]byte(body), map[string]any{"o": v})
			require.Error(t, err)
		}
	}
}

// The overlay means what it means for decoded values.
func FuzzOverlay(f *testing.F) {
	f.Add(`{"a":{"b":1},"c":2}`, `{"a":{"d":[]},"c":{"x":1}}`)
	f.Add(` { "a" : 1 } `, `{"b":null}`)
	f.Fuzz(func(t *testing.T, body, extra string) {
		var b, x map[string]any
		dec := func(s string) (m map[string]any, ok bool) {
			v, err := decodeAny([]byte(s))
			m, ok = v.(map[string]any)
			return m, ok && err == nil
		}
		x, ok := dec(extra)
		if !ok {
			return
		}
		got, err := jsonx.Overlay([]byte(body), x)
		b, ok = dec(body)
		if !ok {
			require.Error(t, err)
			return
		}
		if errors.Is(err, jsonx.ErrDepth) {
			return
		}
		require.NoError(t, err)
		v, err := decodeAny(got)
		require.NoError(t, err, "%s", got)
		if strings.Count(body, `"`) < 60 && !duplicates(body) {
			require.Equal(t, merge(b, x), v)
		}
	})
}

func merge(b, x map[string]any) map[string]any {
	for k, v := range x {
		if bo, ok := b[k].(map[string]any); ok {
			if xo, ok := v.(map[string]any); ok {
				b[k] = merge(bo, xo)
				continue
			}
		}
		b[k] = v
	}
	return b
}

// duplicates reports whether an object in the JSON text s has a key twice.
func duplicates(s string) bool {
	var e jsonx.Encoder
	v, _ := decodeAny([]byte(s))
	e.Any(v)
	count := func(s string) int {
		n := 0
		for d, i := json.NewDecoder(strings.NewReader(s)), 0; i < 1e4; i++ {
			if _, err := d.Token(); err != nil {
				break
			}
			n++
		}
		return n
	}
	return count(s) != count(string(e.B))
}
