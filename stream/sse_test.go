package stream_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm/stream"
)

// event is a copy of a stream.Event that outlives it.
type event struct {
	name, data, id string
	unterminated   bool
}

func readSSE(r io.Reader, limit int) (events []event, comments int, err error) {
	s := stream.NewSSE(r, limit)
	for {
		e, err := s.Next()
		if err != nil {
			return events, s.Comments(), err
		}
		events = append(events, event{string(e.Name), string(e.Data), string(e.ID), e.Unterminated})
	}
}

// reference is the standard's algorithm on a whole text, line by line.
func reference(text string) (events []event, comments int) {
	text = strings.TrimPrefix(text, "\ufeff")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	var e event
	var data []string
	lines := strings.Split(text, "\n")
	last := lines[len(lines)-1] // without its end
	for i, line := range lines {
		atEnd := i == len(lines)-1
		if line == "" && (!atEnd || last == "") {
			if data != nil {
				e.data, e.unterminated = strings.Join(data, "\n"), atEnd
				events = append(events, e)
			}
			e, data = event{}, nil
			continue
		}
		if strings.HasPrefix(line, ":") {
			comments++
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "data":
			data = append(data, value)
		case "event":
			e.name = value
		case "id":
			if !strings.Contains(value, "\x00") {
				e.id = value
			}
		}
	}
	if last != "" && data != nil {
		e.data, e.unterminated = strings.Join(data, "\n"), true
		events = append(events, e)
	}
	return events, comments
}

var sseCases = []struct {
	name, in string
	want     []event
	comments int
}{
	{"empty", "", nil, 0},
	{"one", "data: hello\n\n", []event{{data: "hello"}}, 0},
	{"name and id", "event: delta\nid: 7\ndata: {}\n\n", []event{{name: "delta", id: "7", data: "{}"}}, 0},
	{"fields after data", "data: {}\nid: 7\nevent: delta\n\n", []event{{name: "delta", id: "7", data: "{}"}}, 0},
	{"nothing is carried over", "event: a\nid: 1\ndata: 1\n\ndata: 2\n\n", []event{{name: "a", id: "1", data: "1"}, {data: "2"}}, 0},
	{"the standard's stocks", "data: YHOO\ndata: +2\ndata: 10\n\n", []event{{data: "YHOO\n+2\n10"}}, 0},
	{"the standard's second", ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
		[]event{{data: "first event", id: "1"}, {data: "second event"}, {data: " third event"}}, 1},
	{"the standard's third", "data\n\ndata\ndata\n\ndata:", []event{{}, {data: "\n"}, {unterminated: true}}, 0},
	{"the standard's fourth", "data:test\n\ndata: test\n\n", []event{{data: "test"}, {data: "test"}}, 0},
	{"one space", "data:   a \n\n", []event{{data: "  a "}}, 0},
	{"tab is kept", "data:\ta\n\n", []event{{data: "\ta"}}, 0},
	{"colons", "data: a:b: c\n\n", []event{{data: "a:b: c"}}, 0},
	{"blank lines", "\n\n\ndata: a\n\n\n\n", []event{{data: "a"}}, 0},
	{"empty data between", "data: a\ndata:\ndata: b\n\n", []event{{data: "a\n\nb"}}, 0},
	{"no data, no event", "event: ping\n\nid: 3\n\nretry: 10\n\n", nil, 0},
	{"a name does not leak", "event: ping\n\ndata: a\n\n", []event{{data: "a"}}, 0},
	{"last name wins", "event: a\nevent: b\ndata: x\n\n", []event{{name: "b", data: "x"}}, 0},
	{"unknown fields", "foo: bar\nDATA: x\n data: y\ndatax: z\ndat: w\ndata: a\n\n", []event{{data: "a"}}, 0},
	{"comments", ":\n: ping\n:data: x\n\ndata: a\n: between\ndata: b\n\n", []event{{data: "a\nb"}}, 4},
	{"bom", "\ufeffdata: a\n\n\ufeffdata: b\n\n", []event{{data: "a"}}, 0},
	{"bom, then nothing", "\ufeff\n\ndata: a\n\n", []event{{data: "a"}}, 0},
	{"no bom after a line", "\n\ufeffdata: a\n\n", nil, 0},
	{"bom alone", "\ufeff", nil, 0},
	{"half a bom", "\xef\xbbdata: a\n\ndata: b\n\n", []event{{data: "b"}}, 0},
	{"id with a null", "id: a\nid: b\x00\ndata: x\n\n", []event{{id: "a", data: "x"}}, 0},
	{"no blank line", "data: a\n\ndata: b\n", []event{{data: "a"}, {data: "b", unterminated: true}}, 0},
	{"no line end", "event: e\ndata: b", []event{{name: "e", data: "b", unterminated: true}}, 0},
	{"cut in a name", "data: a\nev", []event{{data: "a", unterminated: true}}, 0},
	{"cut before data", "event: e\nid: 1\ndat", nil, 0},
	{"comment at the end", "data: a\n\n: bye", []event{{data: "a"}}, 1},
	{"done", "data: {\"a\":1}\n\ndata: [DONE]\n\n", []event{{data: `{"a":1}`}, {data: "[DONE]"}}, 0},
	{"runes", "data: 你好😀\n\n", []event{{data: "你好😀"}}, 0},
	{"mixed line ends", "data: a\rdata: b\r\ndata: c\n\r\ndata: d\r\rdata: e\n\r", []event{{data: "a\nb\nc"}, {data: "d"}, {data: "e"}}, 0},
	{"longer than the first buffer", "event: long\ndata: " + strings.Repeat("x", 5000) + "\ndata: " + strings.Repeat("y", 9000) + "\n\ndata: z\n\n",
		[]event{{name: "long", data: strings.Repeat("x", 5000) + "\n" + strings.Repeat("y", 9000)}, {data: "z"}}, 0},
}

func TestSSE(t *testing.T) {
	for _, tt := range sseCases {
		t.Run(tt.name, func(t *testing.T) {
			for _, end := range []string{"\n", "\r", "\r\n"} {
				in := tt.in
				if !strings.Contains(in, "\r") {
					in = strings.ReplaceAll(in, "\n", end)
				}
				ref, n := reference(in)
				require.Equal(t, tt.want, ref, "the test's reference, %q", in)
				require.Equal(t, tt.comments, n)
				check := func(r io.Reader) {
					t.Helper()
					got, comments, err := readSSE(r, 0)
					require.Equal(t, io.EOF, err)
					require.Equal(t, tt.want, got, "%q", in)
					require.Equal(t, tt.comments, comments)
				}
				check(strings.NewReader(in))
				check(iotest.OneByteReader(strings.NewReader(in)))
				check(iotest.DataErrReader(strings.NewReader(in)))
				if len(in) < 1000 {
					for i := range len(in) {
						check(io.MultiReader(strings.NewReader(in[:i]), strings.NewReader(in[i:])))
					}
				}
			}
		})
	}
}

// stalled fails the test if it is read after its bytes have been.
type stalled struct {
	t  *testing.T
	in string
}

func (r *stalled) Read(p []byte) (int, error) {
	require.NotEmpty(r.t, r.in, "waits for bytes it does not need")
	n := copy(p, r.in)
	r.in = r.in[n:]
	return n, nil
}

func TestSSEDoesNotWait(t *testing.T) {
	for _, end := range []string{"\n", "\r", "\r\n"} {
		s := stream.NewSSE(&stalled{t, strings.ReplaceAll("data: a\n\ndata: b\n\n", "\n", end)}, 0)
		for _, want := range []string{"a", "b"} {
			e, err := s.Next()
			require.NoError(t, err)
			require.Equal(t, want, string(e.Data))
		}
	}
}

func TestSSELimit(t *testing.T) {
	readers := map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "half": iotest.HalfReader,
	}
	for name, wrap := range readers {
		for _, limit := range []int{6, 10, 100, 4095, 4096, 5000} {
			for _, end := range []string{"\n", "\r", "\r\n"} {
				at := "data: ok" + end + end
				if limit < 8 {
					at = ""
				}
				fits := at + "data: " + strings.Repeat("x", limit-6) + end + end + ":" + end + end + "data" + end + end
				got, _, err := readSSE(wrap(strings.NewReader(fits)), limit)
				require.Equal(t, io.EOF, err, "%s %d", name, limit)
				require.Len(t, got, strings.Count(fits, "data"))
				over := at + "data: " + strings.Repeat("x", limit-5) + end + end
				got, _, err = readSSE(wrap(strings.NewReader(over)), limit)
				require.ErrorIs(t, err, stream.ErrEventTooLarge, "%s %d", name, limit)
				require.Len(t, got, strings.Count(at, "data"))
				_, _, err = readSSE(wrap(strings.NewReader(over[:len(over)-2*len(end)])), limit)
				require.ErrorIs(t, err, stream.ErrEventTooLarge, "%s %d", name, limit)
			}
		}
		// The lines of an event are taken together; comments that have passed are not.
		_, _, err := readSSE(wrap(strings.NewReader("event: abc\ndata: abcd\n\n")), 20)
		require.Equal(t, io.EOF, err)
		_, _, err = readSSE(wrap(strings.NewReader("event: abc\ndata: abcde\n\n")), 20)
		require.ErrorIs(t, err, stream.ErrEventTooLarge)
		_, _, err = readSSE(wrap(strings.NewReader(strings.Repeat("data\n", 1001))), 4000)
		require.ErrorIs(t, err, stream.ErrEventTooLarge)
		got, n, err := readSSE(wrap(strings.NewReader("data: a\n"+strings.Repeat(": 123456789\n", 2000)+"data: b\n\n")), 30)
		require.Equal(t, io.EOF, err)
		require.Equal(t, 2000, n)
		require.Equal(t, []event{{data: "a\nb"}}, got)
	}
	s := stream.NewSSE(strings.NewReader("data: 12345\n\ndata: 1\n\n"), 8)
	for range 3 {
		_, err := s.Next()
		require.ErrorIs(t, err, stream.ErrEventTooLarge, "errors stay")
	}
}

// endless gives n bytes of one line.
type endless struct{ n int }

func (r *endless) Read(p []byte) (int, error) {
	if r.n == 0 {
		return 0, io.EOF
	}
	n := min(len(p), r.n, 64<<10)
	for i := range p[:n] {
		p[i] = 'x'
	}
	r.n -= n
	return n, nil
}

// allocated returns the bytes that f allocates, freed ones included.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestSSEMemory(t *testing.T) {
	body := func(n int) io.Reader {
		return io.MultiReader(strings.NewReader("data:"), &endless{n - len("data:")}, strings.NewReader("\n\n"))
	}
	// All that was ever allocated is 4 KiB and its doublings, so at no time was more than 1.5 times the limit in use.
	n := allocated(func() {
		e, err := stream.NewSSE(body(stream.DefaultLimit), 0).Next()
		require.NoError(t, err)
		require.Len(t, e.Data, stream.DefaultLimit-len("data:"))
	})
	require.Less(t, n, uint64(2*stream.DefaultLimit+1<<20))
	for _, size := range []int{stream.DefaultLimit + 1, 100 << 20} {
		n = allocated(func() {
			_, err := stream.NewSSE(body(size), 0).Next()
			require.ErrorIs(t, err, stream.ErrEventTooLarge)
		})
		require.Less(t, n, uint64(2*stream.DefaultLimit+1<<20))
	}
}

// Work is linear in the input, whatever the line ends and the size of reads.
func TestSSELinear(t *testing.T) {
	for _, in := range []string{
		strings.Repeat("data\r", 1<<20), strings.Repeat(":\r", 1<<20), strings.Repeat("data\n", 1<<20), "data:" + strings.Repeat("x", 1<<21),
	} {
		_, _, err := readSSE(iotest.HalfReader(strings.NewReader(in)), 0)
		require.Equal(t, io.EOF, err)
	}
	in := "data: " + strings.Repeat("x", 1<<20) + "\n" + strings.Repeat(":\n", 1<<16)
	_, _, err := readSSE(iotest.OneByteReader(strings.NewReader(in)), 0)
	require.Equal(t, io.EOF, err)
}

func TestSSEReadErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, in := range []string{"data: a\n\n", "data: a\n\ndata: b", "data: a\n\ndata: b\n", "data: a\n\nevent: x\r"} {
		s := stream.NewSSE(io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken)), 0)
		e, err := s.Next()
		require.NoError(t, err)
		require.Equal(t, "a", string(e.Data))
		for range 2 {
			_, err = s.Next()
			require.Equal(t, broken, err, "%q", in)
		}
	}
	_, err := stream.NewSSE(stuck{}, 0).Next()
	require.Equal(t, io.ErrNoProgress, err)
	for _, n := range []int{-1, 1 << 30} {
		s := stream.NewSSE(liar(n), 0)
		for range 2 {
			_, err = s.Next()
			require.Error(t, err)
		}
	}
	s := stream.NewSSE(strings.NewReader("data: a\n\n"), 0)
	_, err = s.Next()
	require.NoError(t, err)
	for range 3 {
		_, err = s.Next()
		require.Equal(t, io.EOF, err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

type liar int

func (n liar) Read([]byte) (int, error) { return int(n), nil }

// chunks returns text in pieces whose sizes are those of sizes, over and over.
type chunks struct {
	text  string
	sizes []byte
	i     int
}

func (c *chunks) Read(p []byte) (int, error) {
	if c.text == "" {
		return 0, io.EOF
	}
	n := 1
	if len(c.sizes) > 0 {
		n += int(c.sizes[c.i%len(c.sizes)])
		c.i++
	}
	n = copy(p[:min(n, len(p))], c.text)
	c.text = c.text[n:]
	return n, nil
}

func FuzzSSE(f *testing.F) {
	for _, tt := range sseCases {
		f.Add(tt.in, []byte{0, 3, 200})
		f.Add(strings.ReplaceAll(tt.in, "\n", "\r\n"), []byte{7})
	}
	f.Fuzz(func(t *testing.T, in string, sizes []byte) {
		want, n := reference(in)
		for _, r := range []io.Reader{strings.NewReader(in), &chunks{text: in, sizes: sizes}} {
			got, comments, err := readSSE(r, 0)
			require.Equal(t, io.EOF, err)
			require.Equal(t, want, got)
			require.Equal(t, n, comments)
		}
		// A limit cuts at the same place however the bytes arrive.
		one, _, err1 := readSSE(strings.NewReader(in), 16)
		two, _, err2 := readSSE(&chunks{text: in, sizes: sizes}, 16)
		require.Equal(t, err1, err2)
		require.Equal(t, one, two)
	})
}

// looped repeats data n times without cost.
type looped struct {
	data []byte
	at   int
}

func (r *looped) Read(p []byte) (int, error) {
	n := copy(p, r.data[r.at:])
	r.at = (r.at + n) % len(r.data)
	return n, nil
}

func BenchmarkSSE(b *testing.B) {
	for name, unit := range map[string]string{
		"line":  "data: " + strings.Repeat("x", 242) + "\n\n",
		"crlf":  "data: " + strings.Repeat("x", 240) + "\r\n\r\n",
		"named": "event: content_block_delta\ndata: " + strings.Repeat("x", 215) + "\n\n",
		"multi": "data: " + strings.Repeat("x", 115) + "\ndata: " + strings.Repeat("x", 120) + "\n\n",
		"64KiB": "data: " + strings.Repeat("x", 64<<10) + "\n\n",
	} {
		b.Run(name, func(b *testing.B) {
			s := stream.NewSSE(&looped{data: bytes.Repeat([]byte(unit), 64)}, 0)
			b.SetBytes(int64(len(unit)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestBuffered(t *testing.T) {
	in := "data: one\n\ndata: two\n\nrest"
	s := stream.NewSSE(strings.NewReader(in), 0)
	require.Empty(t, s.Buffered(), "it does not read")
	for _, rest := range []string{"data: two\n\nrest", "rest"} {
		_, err := s.Next()
		require.NoError(t, err)
		require.Equal(t, rest, string(s.Buffered()))
	}
	_, err := s.Next()
	require.ErrorIs(t, err, io.EOF)
	require.Empty(t, s.Buffered())
	l := stream.NewLines(strings.NewReader("1\n2\n"), 0)
	_, _, err = l.Next()
	require.NoError(t, err)
	require.Equal(t, "2\n", string(l.Buffered()))
}
