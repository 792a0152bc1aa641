package jsonx_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm/internal/jsonx"
)

func decodeAny(data []byte) (any, error) {
	d := jsonx.NewDecoder(data)
	v := d.Any()
	return v, d.End()
}

func skip(data []byte) error {
	d := jsonx.NewDecoder(data)
	d.Skip()
	return d.End()
}

func reference(t testing.TB, data []byte) any {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	require.NoError(t, dec.Decode(&v))
	return v
}

const chunk = `{"id":"chatcmpl-9lMvQ2","object":"chat.completion.chunk","created":1721075651,"model":"gpt-4o-mini-2024-07-18",` +
	`"system_fingerprint":"fp_8b761cb050","choices":[{"index":0,"delta":{"content":" everyone"},"logprobs":null,"finish_reason":null}],"usage":null}`

var documents = []string{
	`null`, `true`, `false`, `0`, `-0`, `-1`, `12`, `0.5`, `1e5`, `1E+5`, `-1.25e-7`, `""`, `"a"`, `[]`, `{}`, `[[]]`, `[{}]`,
	` { } `, "\t[\r\n1 , 2,\t3 ] ", `{"a":1,"b":[true,false,null],"c":{"d":"e"}}`, `{"a":1,"a":2}`, `{"":""}`,
	`"\"\\\/\b\f\n\r\t"`, `"\u0041\u00e9\u4e2d\ud83d\ude00"`, `"\ud83d"`, `"\ude00"`, `"\ud83d\ud83d\ude00"`, `"\ud83dx"`, `"\ud83d\n"`,
	`"\ud83d\u0041"`, `"\uFFFD"`, `"héllo wörld, 你好, 😀, and some more plain text"`, `{"k\u00e9y":1,"ké":2,"a\"b":3}`,
	"\"\xff\"", "\"a\xc3\"", "\"\xe2\x80\\u0041\"", "\"\xed\xa0\x80\"", "{\"\xff\":1}", "\"\x7f\"",
	`123456789012345678901234567890`, `1e400`, `-9223372036854775808`, `9223372036854775807`,
	chunk,
}

var damaged = []string{
	``, ` `, `nul`, `nulll`, `True`, `tru e`, `+1`, `01`, `-01`, `00`, `.5`, `1.`, `1.e5`, `1e`, `1e+`, `-`, `0x1`, `1_0`, `NaN`, `Infinity`,
	`"`, `"a`, `"\`, `"\x"`, `"\u12"`, `"\u12g4"`, `"\u"`, "\"\n\"", "\"\x00\"", "\"12345678\x1f\"", `'a'`,
	`[`, `]`, `[,]`, `[1,]`, `[1 2]`, `[1,,2]`, `[1}`, `[1]]`, `{`, `}`, `{,}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a" 1}`, `{a:1}`, `{1:1}`,
	`{"a":1 "b":2}`, `{"a":1]`, `{"a":1}}`, `1 2`, `null,`, "1\x00", "\x00", `{"a":1}x`, "\v1", "\u00a01", `[1]//c`, "\xef\xbb", "\ufeff",
	`{"\ud83":1}`, `{"a`, `{"a":tru}`,
}

func TestDocuments(t *testing.T) {
	for _, s := range documents {
		v, err := decodeAny([]byte(s))
		require.NoError(t, err, s)
		require.Equal(t, reference(t, []byte(s)), v, s)
		require.NoError(t, skip([]byte(s)), s)
		v, err = decodeAny([]byte("\ufeff" + s))
		require.NoError(t, err)
		require.Equal(t, reference(t, []byte(s)), v, s)

		d := jsonx.NewDecoder([]byte(" " + s + " "))
		require.Equal(t, strings.TrimSpace(s), string(d.Raw()))
		require.NoError(t, d.End())
	}
}

func TestDamaged(t *testing.T) {
	for _, s := range damaged {
		require.False(t, json.Valid([]byte(s)), s)
		_, err := decodeAny([]byte(s))
		require.Error(t, err, s)
		require.Error(t, skip([]byte(s)), s)
		var syntax *jsonx.SyntaxError
		require.ErrorAs(t, err, &syntax, s)
		require.LessOrEqual(t, int(syntax.Offset), len(s))
	}
}

// A text that was cut says so, wherever it was cut.
func TestPrefixes(t *testing.T) {
	for _, s := range documents {
		for i := range len(s) {
			p := []byte(s[:i])
			if json.Valid(p) {
				continue // of a number, for instance
			}
			_, err := decodeAny(p)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%s", p)
			require.ErrorIs(t, skip(p), io.ErrUnexpectedEOF, "%s", p)
			if s == chunk {
				require.ErrorIs(t, new(event).decode(p), io.ErrUnexpectedEOF, "%s", p)
			}
		}
	}
}

// Errors must not carry what they are about: prompts are in there.
func TestErrorsQuoteOneByte(t *testing.T) {
	_, err := decodeAny([]byte(`{"secret":"prompt" secret}`))
	require.EqualError(t, err, `jsonx: "s" where a comma or a closing brace should be at offset 19`)
	_, err = decodeAny([]byte("[\xc3\xa9]"))
	require.EqualError(t, err, `jsonx: "\xc3" where a value should be at offset 1`)
	_, err = decodeAny([]byte(`{"secret":`))
	require.EqualError(t, err, `jsonx: the text ends where a value should be at offset 10`)

	d := jsonx.NewDecoder([]byte(`  {"secret":1}`))
	require.Zero(t, d.Int())
	require.EqualError(t, d.Err(), `jsonx: an object where an integer in range is wanted, at offset 2`)
	var mismatch *jsonx.TypeError
	require.ErrorAs(t, d.Err(), &mismatch)
	require.Equal(t, jsonx.TypeError{Offset: 2, Want: "an integer in range", Got: jsonx.Object}, *mismatch)
	require.Equal(t, 2, d.Pos())
}

func TestDepth(t *testing.T) {
	for _, unit := range []string{`[`, `{"a":`, ` [ {"b" : `} {
		levels := strings.Count(unit, "[") + strings.Count(unit, "{")
		nested := func(n int) []byte {
			closers := map[string]string{`[`: `]`, `{"a":`: `}`, ` [ {"b" : `: `}]`}[unit]
			return []byte(strings.Repeat(unit, n/levels) + "1" + strings.Repeat(closers, n/levels))
		}
		for _, read := range []func([]byte) error{skip, func(b []byte) error { _, err := decodeAny(b); return err }} {
			require.NoError(t, read(nested(jsonx.MaxDepth)))
			require.ErrorIs(t, read(nested(jsonx.MaxDepth+levels)), jsonx.ErrDepth)
			require.ErrorIs(t, read(nested(1e6)), jsonx.ErrDepth)
			require.ErrorIs(t, read([]byte(strings.Repeat(unit, 1e6))), jsonx.ErrDepth)
		}
	}
	// The levels a caller has opened count.
	d := jsonx.NewDecoder([]byte(strings.Repeat("[", 1e6)))
	for range jsonx.MaxDepth - 1 {
		d.Array()
		require.True(t, d.More())
	}
	d.Skip()
	require.ErrorIs(t, d.Err(), jsonx.ErrDepth)
}

func TestStrings(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`"a"`, "a"}, {`null`, ""}, {`""`, ""}, {`12.50`, "12.50"}, {`-1e5`, "-1e5"}, {`true`, "true"}, {` false `, "false"},
		{`"\ud83d\ude00"`, "😀"}, {`"é"`, "é"}, {`"tab\there"`, "tab\there"},
	} {
		for i, read := range []func(d *jsonx.Decoder) string{
			(*jsonx.Decoder).Str,
			func(d *jsonx.Decoder) string { return string(d.StrBytes()) },
			func(d *jsonx.Decoder) string { return d.Intern("other") },
			func(d *jsonx.Decoder) string { return d.Intern(tt.want) },
		} {
			d := jsonx.NewDecoder([]byte(tt.in))
			require.Equal(t, tt.want, read(d), "%s %d", tt.in, i)
			require.NoError(t, d.End())
			require.False(t, d.Replaced())
		}
	}
	for _, s := range []string{`[]`, `{}`, `[1]`, ``, `x`, `-`, `truf`} {
		d := jsonx.NewDecoder([]byte(s))
		require.Empty(t, d.Str())
		require.Error(t, d.End(), s)
	}
	for _, s := range []string{"\"\xff\"", `"\ud800"`, `"\udc00x"`, "\"\\n\xff\"", "[\"\xff\",\"\"]", "{\"\xff\":1}"} {
		d := jsonx.NewDecoder([]byte(s))
		d.Any()
		require.NoError(t, d.End())
		require.True(t, d.Replaced(), s)
		d.Reset([]byte(`"ok"`))
		require.False(t, d.Replaced())
	}
}

func TestStrBytesAliases(t *testing.T) {
	data := []byte(`["plain","你好","esc\n","esc2\n"]`)
	d := jsonx.NewDecoder(data)
	d.Array()
	require.True(t, d.More())
	plain := d.StrBytes()
	require.True(t, &data[2] == &plain[0])
	_ = append(plain, 'x') // must not write into the text
	require.True(t, d.More())
	unicode := d.StrBytes()
	require.True(t, d.More())
	require.Equal(t, "esc\n", string(d.StrBytes()))
	require.True(t, d.More())
	require.Equal(t, "esc2\n", string(d.StrBytes()))
	require.Equal(t, "plain", string(plain))
	require.Equal(t, "你好", string(unicode))
	require.False(t, d.More())
	require.NoError(t, d.End())
}

func TestKeyOutlivesValue(t *testing.T) {
	d := jsonx.NewDecoder([]byte(`{"k\n":"v\n"}`))
	d.Object()
	require.True(t, d.More())
	k := d.Key()
	require.Equal(t, "v\n", d.Str())
	require.Equal(t, "k\n", string(k))
}

func TestIntegers(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want int64
		ok   bool
	}{
		{"0", 0, true}, {"-0", 0, true}, {"7", 7, true}, {"-7", -7, true}, {"null", 0, true}, {`"123"`, 123, true}, {`"-5"`, -5, true},
		{"1e3", 1000, true}, {"12.0", 12, true}, {"12.50e1", 125, true}, {"1200e-2", 12, true}, {"0.0", 0, true}, {"0e99999999999999999999", 0, true},
		{"0e-99999999999999999999", 0, true}, {"1E+2", 100, true}, {"100.000", 100, true}, {"0.001e3", 1, true}, {"0.0010e3", 1, true},
		{"9223372036854775807", math.MaxInt64, true}, {"-9223372036854775808", math.MinInt64, true}, {"9223372036854775807.0", math.MaxInt64, true},
		{"9007199254740993.0", 9007199254740993, true}, {"922337203685477580700e-2", math.MaxInt64, true}, {"999999999999999999", 999999999999999999, true},
		{"9223372036854775808", 0, false}, {"-9223372036854775809", 0, false}, {"18446744073709551616", 0, false}, {"1e19", 0, false},
		{"1e99999999999999999999", 0, false}, {"1e-99999999999999999999", 0, false}, {"1e1099511627776", 0, false}, {"12.5", 0, false}, {"1e-1", 0, false},
		{strings.Repeat("9", 100000), 0, false}, {"1" + strings.Repeat("0", 100000) + "e-100000", 1, true},
		{`""`, 0, false}, {`"x"`, 0, false}, {`" 1"`, 0, false}, {`"01"`, 0, false}, {"true", 0, false}, {"[]", 0, false}, {"{}", 0, false},
		{"01", 0, false}, {"-", 0, false}, {"1.", 0, false}, {"", 0, false}, {"1x", 0, false}, {"nul", 0, false},
	} {
		for _, form := range []string{"%", " %\n", "[%]", `{"a":%}`, "[%,1]"} {
			in := strings.Replace(form, "%", tt.in, 1)
			d := jsonx.NewDecoder([]byte(in))
			switch strings.TrimSpace(form)[0] {
			case '[':
				d.Array()
				d.More()
			case '{':
				d.Object()
				d.More()
			}
			n := d.Int64()
			for d.More() {
				d.Skip()
			}
			if err := d.End(); tt.ok {
				require.NoError(t, err, in)
				require.Equal(t, tt.want, n, in)
			} else {
				require.Error(t, err, in)
			}
		}
	}
	require.Equal(t, 42, jsonx.NewDecoder([]byte("42")).Int())
}

func TestFloats(t *testing.T) {
	for in, want := range map[string]float64{"0": 0, "1": 1, "-1.5e3": -1500, "null": 0, `"0.25"`: 0.25, "1e-400": 0, " 3 ": 3} {
		d := jsonx.NewDecoder([]byte(in))
		require.Equal(t, want, d.Float(), in)
		require.NoError(t, d.End())
	}
	for _, in := range []string{"1e400", `"1e400"`, `"NaN"`, `"Inf"`, `"0x1p4"`, `""`, "true", "{}", "1.", `"1`} {
		d := jsonx.NewDecoder([]byte(in))
		require.Zero(t, d.Float(), in)
		require.Error(t, d.End(), in)
	}
}

func TestBools(t *testing.T) {
	for in, want := range map[string]bool{"true": true, "false": false, "null": false, `"true"`: true, `"false"`: false} {
		d := jsonx.NewDecoder([]byte(in))
		require.Equal(t, want, d.Bool(), in)
		require.NoError(t, d.End())
	}
	for _, in := range []string{"1", `"yes"`, `""`, "[]", "t", "fals", `"true`} {
		d := jsonx.NewDecoder([]byte(in))
		require.False(t, d.Bool(), in)
		require.Error(t, d.End(), in)
	}
}

func TestKind(t *testing.T) {
	for in, want := range map[string]jsonx.Kind{
		"": jsonx.Invalid, "x": jsonx.Invalid, "]": jsonx.Invalid, " null": jsonx.Null, "true": jsonx.Bool, "false": jsonx.Bool,
		"-1": jsonx.Number, "9": jsonx.Number, `"`: jsonx.String, "[": jsonx.Array, "\n{": jsonx.Object,
	} {
		d := jsonx.NewDecoder([]byte(in))
		require.Equal(t, want, d.Kind(), in)
		require.NoError(t, d.Err())
	}
	require.Equal(t, "an object", jsonx.Object.String())
	require.Equal(t, "Kind(99)", jsonx.Kind(99).String())
}

func TestNullContainers(t *testing.T) {
	d := jsonx.NewDecoder([]byte(`{"a":null,"b":[null,null],"c":{"d":null}}`))
	var keys []string
	for d.Object(); d.More(); {
		keys = append(keys, string(d.Key()))
		switch string(d.Key()) {
		case "b":
			for d.Array(); d.More(); {
				for d.Object(); d.More(); {
					t.Fatal("a null has no members")
				}
			}
		case "c":
			for d.Object(); d.More(); {
				for d.Array(); d.More(); {
					t.Fatal("a null has no elements")
				}
			}
		default:
			for d.Array(); d.More(); {
				t.Fatal("a null has no elements")
			}
		}
	}
	require.NoError(t, d.End())
	require.Equal(t, []string{"a", "b", "c"}, keys)

	d = jsonx.NewDecoder([]byte(`null`))
	for d.Object(); d.More(); {
		t.Fatal("a null has no members")
	}
	require.NoError(t, d.End())
}

func TestSticky(t *testing.T) {
	d := jsonx.NewDecoder([]byte(`{"a":1,"b":"x"}`))
	d.Object()
	require.True(t, d.More())
	first := errors.New("first")
	d.Fail(nil)
	require.NoError(t, d.Err())
	d.Fail(first)
	d.Fail(errors.New("second"))
	require.False(t, d.More())
	require.Zero(t, d.Int())
	require.Zero(t, d.Int64())
	require.Zero(t, d.Float())
	require.Zero(t, d.Str())
	require.Zero(t, d.Intern("x"))
	require.Empty(t, d.StrBytes())
	require.Empty(t, d.Key())
	require.False(t, d.Bool())
	require.Nil(t, d.Raw())
	require.Nil(t, d.Any())
	require.Equal(t, jsonx.Invalid, d.Kind())
	d.Skip()
	d.Object()
	require.False(t, d.More())
	require.Equal(t, first, d.End())
	require.Equal(t, 5, d.Pos())
	d.Reset([]byte(`1`))
	require.Equal(t, 1, d.Int())
	require.NoError(t, d.End())
}

// Misuse ends in an error, not in a loop or a panic.
func TestMisuse(t *testing.T) {
	d := jsonx.NewDecoder([]byte(`{"a":1,"b":2}`))
	d.Object()
	require.True(t, d.More())
	require.False(t, d.More(), "the value was not consumed")
	require.Error(t, d.End())

	d = jsonx.NewDecoder([]byte(`[1,2]`))
	d.Array()
	require.True(t, d.More())
	require.Equal(t, 1, d.Int())
	require.Error(t, d.End(), "left early")

	d = jsonx.NewDecoder([]byte(`1`))
	require.False(t, d.More())
	require.Equal(t, 1, d.Int())
	require.False(t, d.More())
	require.NoError(t, d.End())

	var zero jsonx.Decoder
	require.Nil(t, zero.Any())
	require.ErrorIs(t, zero.End(), io.ErrUnexpectedEOF)
}

// Strings of every length around the eight bytes of a word, with each special byte at each place.
func TestWordBoundaries(t *testing.T) {
	for n := range 40 {
		for at := range n {
			for _, c := range []string{"é", "\x7f", " ", "!", "#", "[", "]", "\\n", "\\\"", "\\u00e9", "\x80", "\xff", "\x1f", "\x00", "\""} {
				s := `"` + strings.Repeat("x", at) + c + strings.Repeat("y", n-at) + `"`
				v, err := decodeAny([]byte(s))
				require.Equal(t, json.Valid([]byte(s)), err == nil, "%q", s)
				require.Equal(t, err == nil, skip([]byte(s)) == nil, "%q", s)
				if err == nil {
					require.Equal(t, reference(t, []byte(s)), v)
				}
			}
		}
	}
}

// event is what a dialect's stream decoder looks like.
type event struct {
	id, object, model, content, reason string
	created                            int64
	index                              int
}

func (e *event) decode(data []byte) error {
	var d jsonx.Decoder
	d.Reset(data)
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "id":
			e.id = d.Intern(e.id)
		case "object":
			e.object = d.Intern(e.object)
		case "created":
			e.created = d.Int64()
		case "model":
			e.model = d.Intern(e.model)
		case "choices":
			for d.Array(); d.More(); {
				for d.Object(); d.More(); {
					switch string(d.Key()) {
					case "index":
						e.index = d.Int()
					case "delta":
						for d.Object(); d.More(); {
							switch string(d.Key()) {
							case "content":
								e.content = d.Str()
							default:
								d.Skip()
							}
						}
					case "finish_reason":
						e.reason = d.Str()
					default:
						d.Skip()
					}
				}
			}
		default:
			d.Skip()
		}
	}
	return d.End()
}

func TestEvent(t *testing.T) {
	var e event
	require.NoError(t, e.decode([]byte(chunk)))
	require.Equal(t, event{"chatcmpl-9lMvQ2", "chat.completion.chunk", "gpt-4o-mini-2024-07-18", " everyone", "", 1721075651, 0}, e)
	data := []byte(chunk)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _ = e.decode(data) }), 1.0, "the content alone is new")
}

func FuzzDecoder(f *testing.F) {
	for _, s := range append(documents, damaged...) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := decodeAny(data)
		serr := skip(data)
		require.Equal(t, err == nil, serr == nil, "Any: %v, Skip: %v", err, serr)
		if errors.Is(err, jsonx.ErrDepth) {
			return
		}
		text := bytes.TrimPrefix(data, []byte("\ufeff"))
		require.Equal(t, json.Valid(text), err == nil, "%v", err)
		_ = new(event).decode(data) // must not panic
		if err != nil {
			return
		}
		want := reference(t, text)
		require.True(t, reflect.DeepEqual(want, v), "%#v != %#v", v, want)

		var e jsonx.Encoder
		e.Any(v)
		require.NoError(t, e.Err())
		var ref bytes.Buffer
		enc := json.NewEncoder(&ref)
		enc.SetEscapeHTML(false)
		require.NoError(t, enc.Encode(want))
		require.Equal(t, strings.TrimSuffix(ref.String(), "\n"), string(e.B))
	})
}

// A number as an integer is right or refused, in every form.
func FuzzInt(f *testing.F) {
	for _, s := range []string{"0", "-1", "12.0", "1e3", "120e-1", "9223372036854775807", "1e19", "0.00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := jsonx.NewDecoder([]byte(s))
		if len(s) > 40 || d.Kind() != jsonx.Number || !json.Valid([]byte(s)) {
			return
		}
		n := d.Int64()
		if i := strings.IndexAny(s, "eE"); i >= 0 && len(s)-i > 5 {
			return // big.Rat would write the exponent out
		}
		want, ok := exact(strings.TrimSpace(s))
		require.Equal(t, ok, d.End() == nil, s)
		if ok {
			require.Equal(t, want, n, s)
		}
	})
}

// exact is Decoder.Int64 by other means.
func exact(s string) (int64, bool) {
	r, ok := new(big.Rat).SetString(s)
	if !ok || !r.IsInt() || !r.Num().IsInt64() {
		return 0, false
	}
	return r.Num().Int64(), true
}
