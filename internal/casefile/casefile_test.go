package casefile

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestArchive(t *testing.T) {
	text := "What it is.\n\n-- a.json --\n{}\n-- b --\n-- not a name\ntext\n\n-- c --\n"
	a := Parse([]byte(text))
	require.Equal(t, "What it is.\n\n", string(a.Comment))
	require.Len(t, a.Sections, 3)
	b, ok := a.Get("b")
	require.True(t, ok)
	require.Equal(t, "-- not a name\ntext\n\n", string(b))
	require.Equal(t, text, string(a.Format()), "what is not changed keeps its bytes")
	a.Set("a.json", []byte(`[1]`))
	a.Set("new", []byte("x\n"))
	require.Equal(t, "What it is.\n\n-- a.json --\n[1]\n-- b --\n-- not a name\ntext\n\n-- c --\n-- new --\nx\n", string(a.Format()))
}

func TestDiffJSON(t *testing.T) {
	require.Empty(t, DiffJSON([]byte(`{"a":1.0,"b":[true,null,"x"],"c":1e2}`), []byte(` {"c":100, "b":[true,null,"x"],"a":1}`)))
	require.Empty(t, DiffJSON([]byte(`{"id":"call_7f"}`), []byte(`{"id":"$ANY"}`)))
	for _, pair := range [][3]string{
		{`{"a":1}`, `{"a":2}`, "at a: got 1, want 2"},
		{`{"a":1}`, `{"a":"1"}`, `at a: got 1, want "1"`},
		{`{"a":1}`, `{}`, "at a: unexpected 1"},
		{`{}`, `{"a":{"b":null}}`, `at a: missing, want {"b":null}`},
		{`{"a":null}`, `{"a":false}`, "at a: got null, want false"},
		{`[1,2]`, `[1]`, "at the top: got [1,2], want [1]"},
		{`{"id":""}`, `{"id":"$ANY"}`, `at id: got "", want "$ANY"`},
		{`{"a":9007199254740993}`, `{"a":9007199254740992}`, "at a: got 9007199254740993"},
		{`{"a":1}x`, `{"a":1}`, "not JSON"},
		{`<p>`, `{"a":1}`, "not JSON"},
	} {
		require.Contains(t, DiffJSON([]byte(pair[0]), []byte(pair[1])), pair[2])
	}
	require.Contains(t, DiffJSON([]byte(`{"a":1,"b":2}`), []byte(`{"a":1,"b":3}`)), "    \"a\": 1,\n-   \"b\": 3\n+   \"b\": 2\n")
}
