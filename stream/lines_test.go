package stream_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm/stream"
)

func readLines(r io.Reader, limit int) (lines []string, unterminated bool, err error) {
	l := stream.NewLines(r, limit)
	for {
		line, u, err := l.Next()
		if err != nil {
			return lines, unterminated, err
		}
		lines, unterminated = append(lines, string(line)), u
	}
}

var linesCases = []struct {
	in           string
	want         []string
	unterminated bool
}{
	{"", nil, false},
	{"\n \r\n\t\n", nil, false},
	{"{}\n", []string{"{}"}, false},
	{"{}\r\n[]\r\n", []string{"{}", "[]"}, false},
	{"\ufeff{}\n\ufeff{}\n", []string{"{}", "\ufeff{}"}, false},
	{"\ufeff", nil, false},
	{"{}\n\n\r\n[]", []string{"{}", "[]"}, true},
	{"{}\n[]\r", []string{"{}", "[]"}, true},
	{"{}\n  ", []string{"{}"}, false},
	{" {\"a\": 1} \n", []string{" {\"a\": 1} "}, false},
	{"a\rb\r\r\n", []string{"a\rb\r"}, false},
	{strings.Repeat("x", 10000) + "\n" + strings.Repeat("y", 5000) + "\nz\n", []string{strings.Repeat("x", 10000), strings.Repeat("y", 5000), "z"}, false},
}

func TestLines(t *testing.T) {
	for _, tt := range linesCases {
		check := func(r io.Reader) {
			t.Helper()
			got, u, err := readLines(r, 0)
			require.Equal(t, io.EOF, err)
			require.Equal(t, tt.want, got, "%q", tt.in)
			require.Equal(t, tt.unterminated, u, "%q", tt.in)
		}
		check(strings.NewReader(tt.in))
		check(iotest.OneByteReader(strings.NewReader(tt.in)))
		check(iotest.DataErrReader(strings.NewReader(tt.in)))
		if len(tt.in) < 1000 {
			for i := range len(tt.in) {
				check(io.MultiReader(strings.NewReader(tt.in[:i]), strings.NewReader(tt.in[i:])))
			}
		}
	}
}

func TestLinesDoNotWait(t *testing.T) {
	l := stream.NewLines(&stalled{t, "{}\r\n[]\n"}, 0)
	for _, want := range []string{"{}", "[]"} {
		line, _, err := l.Next()
		require.NoError(t, err)
		require.Equal(t, want, string(line))
	}
}

func TestLinesLimit(t *testing.T) {
	for _, limit := range []int{1, 10, 4096, 5000} {
		for _, wrap := range []func(io.Reader) io.Reader{iotest.HalfReader, iotest.OneByteReader, iotest.DataErrReader} {
			fits := "a\n" + strings.Repeat("x", limit) + "\nb\n"
			got, _, err := readLines(wrap(strings.NewReader(fits)), limit)
			require.Equal(t, io.EOF, err)
			require.Len(t, got, 3)
			for _, over := range []string{"a\n" + strings.Repeat("x", limit+1) + "\nb\n", "a\n" + strings.Repeat("x", limit+1)} {
				got, _, err = readLines(wrap(strings.NewReader(over)), limit)
				require.ErrorIs(t, err, stream.ErrEventTooLarge)
				require.Equal(t, []string{"a"}, got)
			}
		}
	}
	_, _, err := stream.NewLines(&endless{100 << 20}, 0).Next()
	require.ErrorIs(t, err, stream.ErrEventTooLarge)
}

func TestLinesReadErrors(t *testing.T) {
	broken := errors.New("broken")
	l := stream.NewLines(io.MultiReader(strings.NewReader("{}\n{\"a\""), iotest.ErrReader(broken)), 0)
	line, u, err := l.Next()
	require.NoError(t, err)
	require.False(t, u)
	require.Equal(t, "{}", string(line))
	for range 2 {
		_, _, err = l.Next()
		require.Equal(t, broken, err)
	}
	for _, r := range []io.Reader{stuck{}, liar(-1), liar(1 << 30)} {
		l = stream.NewLines(r, 0)
		for range 2 {
			_, _, err = l.Next()
			require.Error(t, err)
			require.NotEqual(t, io.EOF, err)
		}
	}
}

func FuzzLines(f *testing.F) {
	for _, tt := range linesCases {
		f.Add(tt.in, []byte{0, 3, 200})
	}
	f.Add("\u2003\n \u2003\n\v\n", []byte{1})
	f.Fuzz(func(t *testing.T, in string, sizes []byte) {
		var want []string
		text := strings.TrimPrefix(in, "\ufeff")
		for line := range strings.SplitSeq(text, "\n") {
			if line = strings.TrimSuffix(line, "\r"); strings.Trim(line, " \t\r") != "" {
				want = append(want, line)
			}
		}
		for _, r := range []io.Reader{strings.NewReader(in), &chunks{text: in, sizes: sizes}} {
			got, _, err := readLines(r, 0)
			require.Equal(t, io.EOF, err)
			require.Equal(t, want, got)
		}
		one, u1, err1 := readLines(strings.NewReader(in), 16)
		two, u2, err2 := readLines(&chunks{text: in, sizes: sizes}, 16)
		require.Equal(t, err1, err2)
		require.Equal(t, u1, u2)
		require.Equal(t, one, two)
	})
}

func BenchmarkLines(b *testing.B) {
	unit := strings.Repeat("x", 249) + "\n"
	l := stream.NewLines(&looped{data: bytes.Repeat([]byte(unit), 64)}, 0)
	b.SetBytes(int64(len(unit)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := l.Next(); err != nil {
			b.Fatal(err)
		}
	}
}
