package cache

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"testing"
	"time"

	"github.com/llm-go/llm"
	"github.com/stretchr/testify/require"
)

func testEntry(size int) *entry {
	return &entry{created: time.UnixMilli(1_700_000_000_123), expires: time.UnixMilli(1_700_000_900_000),
		meta:   meta{Provider: "openai", Status: 200, Warnings: []llm.Warning{{Code: "c", Message: "m"}}},
		answer: bytes.Repeat([]byte("text "), size/5)}
}

func TestEntryRoundTrip(t *testing.T) {
	key := Key{1, 2}
	for _, size := range []int{0, 100, compressAbove, 1 << 20} {
		for _, compress := range []bool{false, true} {
			e := testEntry(size)
			b := e.encode(key, compress)
			require.Equal(t, compress && size >= compressAbove, len(b) < size, "%d bytes", size)
			got, err := decode(key, b, 1<<20)
			require.NoError(t, err)
			require.Equal(t, e.meta, got.meta)
			require.Equal(t, string(e.answer), string(got.answer))
			require.True(t, e.created.Equal(got.created) && e.expires.Equal(got.expires))
		}
	}
}

// A flipped bit, a cut, a value under another key or of another version: a miss.
func TestDamagedEntries(t *testing.T) {
	key := Key{1, 2}
	for _, compress := range []bool{false, true} {
		b := testEntry(5000).encode(key, compress)
		for i := range b {
			bad := bytes.Clone(b)
			bad[i] ^= 1 << (i % 8)
			_, err := decode(key, bad, 1<<20)
			require.Error(t, err, "byte %d", i)
			_, err = decode(key, b[:i], 1<<20)
			require.Error(t, err, "cut at %d", i)
		}
		_, err := decode(Key{1, 3}, b, 1<<20)
		require.Error(t, err)
		_, err = decode(key, append(bytes.Clone(b), 0), 1<<20)
		require.Error(t, err)
		other := bytes.Clone(b)
		other[4] = version + 1
		binary.BigEndian.PutUint32(other[6:], checksum(key, other))
		_, err = decode(key, other, 1<<20)
		require.Error(t, err, "a version that is not known")
	}
}

// seal makes the checksum right, so that what is behind it is tested.
func seal(key Key, b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) >= headerSize {
		copy(b, magic)
		b[4] = version
		binary.BigEndian.PutUint32(b[6:], checksum(key, b))
	}
	return b
}

// A value that unpacks to more than it says, or than is allowed, is read no further.
func TestEntryBombs(t *testing.T) {
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	require.NoError(t, err)
	_, err = w.Write(make([]byte, 16<<20))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	for _, says := range []uint32{10, 1 << 20, 100 << 20, 1<<32 - 1} {
		b := append(make([]byte, headerSize), packed.Bytes()...)
		b[5] = flagDeflate
		binary.BigEndian.PutUint32(b[26:], says)
		b = seal(Key{}, b)
		most := testing.AllocsPerRun(1, func() {
			_, err = decode(Key{}, b, 1<<20)
		})
		require.Error(t, err)
		require.Less(t, most, 200.0)
	}
}

// Hostile bytes are misses: decoding never panics, and what it returns is within the bounds.
func FuzzDecode(f *testing.F) {
	for _, size := range []int{0, 50, 5000} {
		for _, compress := range []bool{false, true} {
			f.Add(testEntry(size).encode(Key{}, compress))
		}
	}
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := decode(Key{}, b, 10_000)
		sealed := seal(Key{}, b)
		e, sealedErr := decode(Key{}, sealed, 10_000)
		if err == nil {
			require.NoError(t, sealedErr)
		}
		if sealedErr != nil {
			return
		}
		require.LessOrEqual(t, len(e.answer), 10_000+maxMeta)
		for _, fresh := range answers {
			_ = fresh().UnmarshalJSON(e.answer)
		}
	})
}
