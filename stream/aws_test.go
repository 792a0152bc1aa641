package stream_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/llm-go/llm/stream"
)

func readAWS(r io.Reader, limit int) (messages []stream.Message, err error) {
	a := stream.NewAWS(r, limit)
	for {
		m, err := a.Next()
		if err != nil {
			return messages, err
		}
		c := stream.Message{Payload: append([]byte{}, m.Payload...)}
		for _, h := range m.Headers {
			if v, ok := h.Value.([]byte); ok {
				h.Value = append([]byte{}, v...)
			}
			c.Headers = append(c.Headers, h)
		}
		messages = append(messages, c)
	}
}

var awsMessages = []stream.Message{
	{Payload: []byte{}},
	{Payload: []byte(`{"foo":"bar"}`)},
	{Headers: []stream.Header{{":message-type", "event"}, {":event-type", "chunk"}, {":content-type", "application/json"}}, Payload: []byte(`{"bytes":"e30="}`)},
	{Headers: []stream.Header{{":message-type", "event"}, {":event-type", "other"}}, Payload: []byte(`{}`)},
	{Headers: []stream.Header{
		{"t", true}, {"f", false}, {"i8", int8(-1)}, {"i16", int16(-300)}, {"i32", int32(40972)}, {"i64", int64(-1 << 40)},
		{"bytes", []byte{0, 1, 2}}, {"string", "héllo"}, {"empty", ""}, {"time", time.UnixMilli(1721075651123).UTC()}, {"uuid", [16]byte{1, 15: 16}},
	}, Payload: []byte("x")},
	{Headers: []stream.Header{{strings.Repeat("n", 255), strings.Repeat("v", 65535)}}, Payload: bytes.Repeat([]byte("p"), 10000)},
	{Headers: []stream.Header{{":message-type", "exception"}, {":exception-type", "throttlingException"}}, Payload: []byte(`{"message":"slow down"}`)},
}

func awsStream() (b []byte, ends []int) {
	for _, m := range awsMessages {
		b = stream.AppendAWS(b, m)
		ends = append(ends, len(b))
	}
	return b, ends
}

func TestAWSRoundTrip(t *testing.T) {
	b, _ := awsStream()
	for _, r := range []io.Reader{bytes.NewReader(b), iotest.OneByteReader(bytes.NewReader(b)), iotest.HalfReader(bytes.NewReader(b)), iotest.DataErrReader(bytes.NewReader(b))} {
		got, err := readAWS(r, 0)
		require.Equal(t, io.EOF, err)
		require.Equal(t, awsMessages, got)
	}
	m := awsMessages[6]
	require.Equal(t, "throttlingException", m.Header(":exception-type"))
	require.Empty(t, m.Header("absent"))
	require.Empty(t, awsMessages[4].Header("i8"))
}

// The frames that Amazon publishes with its SDKs as test vectors.
func TestAWSVectors(t *testing.T) {
	for _, tt := range []struct {
		hex  string
		want stream.Message
	}{
		{"000000100000000005c248eb7d98c8ff", stream.Message{Payload: []byte{}}},
		{"0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936",
			stream.Message{Payload: []byte("{'foo':'bar'}")}},
		{"0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a27626172277d8d9c08b1",
			stream.Message{Headers: []stream.Header{{"content-type", "application/json"}}, Payload: []byte("{'foo':'bar'}")}},
		{"0000002d0000001041c424b80a6576656e742d74797065040000a00c7b27666f6f273a27626172277d36f480a0",
			stream.Message{Headers: []stream.Header{{"event-type", int32(40972)}}, Payload: []byte("{'foo':'bar'}")}},
	} {
		b, err := hex.DecodeString(tt.hex)
		require.NoError(t, err)
		got, err := readAWS(bytes.NewReader(b), 0)
		require.Equal(t, io.EOF, err)
		require.Equal(t, []stream.Message{tt.want}, got)
		require.Equal(t, b, stream.AppendAWS(nil, tt.want))
	}
}

func TestAWSCutAndDamaged(t *testing.T) {
	b, ends := awsStream()
	b, ends = b[:ends[4]], ends[:5]
	for cut := range len(b) {
		whole := 0
		for whole < len(ends) && ends[whole] <= cut {
			whole++
		}
		want := io.ErrUnexpectedEOF
		if whole > 0 && ends[whole-1] == cut || cut == 0 {
			want = io.EOF
		}
		got, err := readAWS(bytes.NewReader(b[:cut]), 0)
		require.Equal(t, want, err, cut)
		require.Len(t, got, whole)

		damaged := bytes.Clone(b)
		damaged[cut] ^= 0x10
		got, err = readAWS(bytes.NewReader(damaged), 0)
		require.ErrorIs(t, err, stream.ErrChecksum, cut)
		require.Len(t, got, whole)
	}
	broken := errors.New("broken")
	got, err := readAWS(io.MultiReader(bytes.NewReader(b[:ends[0]+3]), iotest.ErrReader(broken)), 0)
	require.Equal(t, broken, err)
	require.Len(t, got, 1)
	_, err = readAWS(stuck{}, 0)
	require.Equal(t, io.ErrNoProgress, err)
}

// frame returns a frame with right checksums around what may be wrong.
func frame(total, headers uint32, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, total)
	b = binary.BigEndian.AppendUint32(b, headers)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(b, body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func TestAWSMalformed(t *testing.T) {
	for _, b := range [][]byte{
		frame(0, 0, nil), frame(15, 0, nil), frame(16, 1, nil), frame(20, 0xFFFFFFFF, make([]byte, 4)),
	} {
		_, err := readAWS(bytes.NewReader(b), 0)
		require.ErrorIs(t, err, stream.ErrMalformed)
	}
	for _, h := range []string{
		"\x00", "\x00\x00", "\x01", "\x01a", "\x05a\x00", "\x01a\x0a", "\x01a\xff", "\x01a\x02", "\x01a\x03\x00", "\x01a\x04\x00\x00\x00",
		"\x01a\x05\x00", "\x01a\x06", "\x01a\x06\x00", "\x01a\x06\x00\x01", "\x01a\x07\x00\x02x", "\x01a\x08\x00", "\x01a\x09\x00", "\x01a\x00\x01",
	} {
		a := stream.NewAWS(bytes.NewReader(frame(uint32(16+len(h)), uint32(len(h)), []byte(h))), 0)
		for range 2 {
			_, err := a.Next()
			require.ErrorIs(t, err, stream.ErrMalformed, "%q", h)
		}
	}
}

func TestAWSLimit(t *testing.T) {
	for _, limit := range []int{16, 100, 4096, 5000} {
		fits := stream.AppendAWS(nil, stream.Message{Payload: make([]byte, limit-16)})
		_, err := readAWS(bytes.NewReader(fits), limit)
		require.Equal(t, io.EOF, err)
		over := stream.AppendAWS(nil, stream.Message{Payload: make([]byte, limit-15)})
		_, err = readAWS(bytes.NewReader(over), limit)
		require.ErrorIs(t, err, stream.ErrEventTooLarge)
	}
	// A length alone allocates nothing.
	b := frame(stream.DefaultLimit, 0, nil)
	require.Less(t, allocated(func() {
		_, err := stream.NewAWS(bytes.NewReader(b), 0).Next()
		require.Equal(t, io.ErrUnexpectedEOF, err)
	}), uint64(64<<10))
}

func TestAppendAWSPanics(t *testing.T) {
	for _, h := range []stream.Header{{"", true}, {strings.Repeat("x", 256), true}, {"a", 1}, {"a", nil}, {"a", strings.Repeat("x", 65536)}, {"a", make([]byte, 65536)}} {
		require.Panics(t, func() { stream.AppendAWS(nil, stream.Message{Headers: []stream.Header{h}}) })
	}
}

func FuzzAWS(f *testing.F) {
	b, ends := awsStream()
	f.Add(b[:ends[4]], []byte{0, 3, 200}, false)
	f.Add(b[ends[0]:ends[1]], []byte{9}, true)
	f.Add([]byte("\x01a\x07\x00\x01x"), []byte{}, true)
	f.Fuzz(func(t *testing.T, in, sizes []byte, wrap bool) {
		if wrap { // else the checksums keep the fuzzer out of the headers
			in = frame(uint32(16+len(in)), uint32(len(in)), in)
		}
		one, err1 := readAWS(bytes.NewReader(in), 0)
		two, err2 := readAWS(&chunks{text: string(in), sizes: sizes}, 0)
		require.Equal(t, one, two)
		require.Equal(t, err1.Error(), err2.Error())
		// What was read is written as it was.
		var again []byte
		for _, m := range one {
			again = stream.AppendAWS(again, m)
		}
		require.True(t, bytes.HasPrefix(in, again))
		if err1 == io.EOF {
			require.Len(t, again, len(in))
		}
	})
}

func BenchmarkAWS(b *testing.B) {
	unit := stream.AppendAWS(nil, stream.Message{Headers: awsMessages[2].Headers, Payload: bytes.Repeat([]byte("x"), 150)})
	a := stream.NewAWS(&looped{data: bytes.Repeat(unit, 64)}, 0)
	b.SetBytes(int64(len(unit)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Next(); err != nil {
			b.Fatal(err)
		}
	}
}
