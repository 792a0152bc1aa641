package llm_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/llm-go/llm"
	"github.com/stretchr/testify/require"
)

// vectorsJSON is an answer with n vectors of the given size, and its vectors.
func vectorsJSON(n, size int, asBase64 bool) ([]byte, [][]float32) {
	r := rand.New(rand.NewPCG(uint64(n), uint64(size)))
	var (
		b    strings.Builder
		want [][]float32
	)
	b.WriteString(`{"object":"list","data":[`)
	for i := range n {
		v := make([]float32, size)
		for j := range v {
			v[j] = float32(r.NormFloat64() / 40)
		}
		want = append(want, v)
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"object":"embedding","index":%d,"embedding":`, i)
		if asBase64 {
			var raw []byte
			for _, f := range v {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
			}
			fmt.Fprintf(&b, "%q", base64.StdEncoding.EncodeToString(raw))
		} else {
			raw, _ := json.Marshal(v)
			b.Write(raw)
		}
		b.WriteByte('}')
	}
	b.WriteString(`],"model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}}`)
	return []byte(b.String()), want
}

func TestEmbeddingVectors(t *testing.T) {
	for _, shape := range [][2]int{{0, 0}, {1, 1}, {1, 3}, {2, 1536}, {7, 5}, {100, 64}, {3, 0}} {
		for _, asBase64 := range []bool{true, false} {
			text, want := vectorsJSON(shape[0], shape[1], asBase64)
			var got llm.EmbeddingResponse
			require.NoError(t, json.Unmarshal(text, &got))
			require.Len(t, got.Data, shape[0])
			for i, v := range got.Data {
				require.Equal(t, i, v.Index)
				require.Equal(t, want[i], append([]float32{}, v.Embedding...))
				require.Equal(t, len(v.Embedding), cap(v.Embedding), "a vector can grow into the next")
				require.Empty(t, v.Extra)
			}
			require.Equal(t, 8, got.Usage.PromptTokens)

			again, err := json.Marshal(got)
			require.NoError(t, err)
			var back llm.EmbeddingResponse
			require.NoError(t, json.Unmarshal(again, &back))
			require.Equal(t, got, back)
		}
	}
}

// The first vector says how large the others will be. When it misleads, the result is the same.
func TestEmbeddingVectorsOfAllSizes(t *testing.T) {
	var got llm.EmbeddingResponse
	require.NoError(t, json.Unmarshal([]byte(`{"data":[{"embedding":[]},{"embedding":[1]},{"embedding":null},{"embedding":"AACAPwAAAEA="},`+
		`{"embedding":[1,2,3],"index":9},{"embedding":[4],"embedding":[5,6]},{"index":6},{"embedding":[0.25,-1e-3`+strings.Repeat(",7", 5000)+`]},{"embedding":[8]}]}`), &got))
	want := [][]float32{nil, {1}, nil, {1, 2}, {1, 2, 3}, {5, 6}, nil, nil, {8}}
	require.Len(t, got.Data, len(want))
	require.Len(t, got.Data[7].Embedding, 5002)
	require.Equal(t, []float32{0.25, -1e-3, 7}, got.Data[7].Embedding[:3])
	got.Data[7].Embedding = nil
	for i := range want {
		require.Equal(t, want[i], got.Data[i].Embedding, i)
	}
	require.Equal(t, 9, got.Data[4].Index)
}

func TestEmbeddingVectorsOfAnotherKind(t *testing.T) {
	const text = `{"object":"list","data":[{"object":"multi","index":0,"embedding":[ [1,2],[3,4]]},{"object":"embedding","index":1,"embedding":{"int8":[1]}}]}`
	var got llm.EmbeddingResponse
	require.NoError(t, json.Unmarshal([]byte(text), &got))
	require.Nil(t, got.Data[0].Embedding)
	require.EqualValues(t, 4, got.Data[0].Extra.Get("embedding.1.1").Int())
	again, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, text, string(again))
}

func TestEmbeddingResponseRefuses(t *testing.T) {
	for _, text := range []string{
		``, `[]`, `{`, `{"data":[{"embedding":[1,]}]}`, `{"data":[{"embedding":"AAA"}]}`, `{"data":[{"embedding":"A*AA"}]}`, `{"data":[{"embedding":["x"]}]}`,
		`{"data":[{"embedding":[1e99]}]}`, `{"data":[{"embedding":[1`, `{"data":[{"embedding":"AACAPw==`, `{"data":[{"embedding":[1]}`, `{"data":[{"embedding":[1]}]} x`, `{"data":{"x":1}}`,
	} {
		require.Error(t, new(llm.EmbeddingResponse).UnmarshalJSON([]byte(text)), text)
	}
}

func TestEmbeddingRequestInputs(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want llm.EmbeddingRequest
	}{
		{`{"input":"a"}`, llm.EmbeddingRequest{Input: []string{"a"}}},
		{`{"input":["a","b"]}`, llm.EmbeddingRequest{Input: []string{"a", "b"}}},
		{`{"input":[1,2]}`, llm.EmbeddingRequest{Tokens: [][]int{{1, 2}}}},
		{`{"input":[[1],[2,3]]}`, llm.EmbeddingRequest{Tokens: [][]int{{1}, {2, 3}}}},
		{`{"input":[]}`, llm.EmbeddingRequest{}},
		{`{"input":null}`, llm.EmbeddingRequest{}},
		{`{"input":{"x":1}}`, llm.EmbeddingRequest{Extra: llm.Extra{"input": json.RawMessage(`{"x":1}`)}}},
		{`{"input":[{"image":"u"}]}`, llm.EmbeddingRequest{Extra: llm.Extra{"input": json.RawMessage(`[{"image":"u"}]`)}}},
		{`{"input":["a",1]}`, llm.EmbeddingRequest{Extra: llm.Extra{"input": json.RawMessage(`["a",1]`)}}},
		{`{"input":[[1],2]}`, llm.EmbeddingRequest{Extra: llm.Extra{"input": json.RawMessage(`[[1],2]`)}}},
		{`{"input":[[1.5]]}`, llm.EmbeddingRequest{Extra: llm.Extra{"input": json.RawMessage(`[[1.5]]`)}}},
	} {
		var got llm.EmbeddingRequest
		require.NoError(t, json.Unmarshal([]byte(tt.in), &got), tt.in)
		require.Equal(t, tt.want, got, tt.in)
	}
}

func FuzzEmbeddingResponse(f *testing.F) {
	for _, s := range []string{
		`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-2e-3]},{"embedding":"AACAPwAAAEA="}],"model":"m","usage":{"prompt_tokens":1,"total_tokens":1}}`,
		`{"data":[{"embedding":[[1]]},{"embedding":[]},{"embedding":[1],"embedding":"AACAPw=="}]}`, `{"data":null}`, `{"data":[null]}`, `{"data":[{"embedding":"AADAfw=="}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var got llm.EmbeddingResponse
		if got.UnmarshalJSON(b) != nil {
			return
		}
		require.True(t, json.Valid(b) || strings.HasPrefix(string(b), "\ufeff"))
		for _, v := range got.Data {
			for _, x := range v.Embedding {
				if x-x != 0 {
					return // a NaN or an infinity has no form in JSON
				}
			}
			if v.Extra["embedding"] != nil {
				return // both forms, by a member that comes twice: one is written
			}
		}
		again, err := got.MarshalJSON()
		require.NoError(t, err)
		var back llm.EmbeddingResponse
		require.NoError(t, back.UnmarshalJSON(again), "%s", again)
		require.Len(t, back.Data, len(got.Data))
		for i := range got.Data {
			require.True(t, reflect.DeepEqual(got.Data[i].Embedding, back.Data[i].Embedding))
		}
	})
}

func BenchmarkEmbeddingResponse(b *testing.B) {
	for _, bb := range []struct {
		name     string
		asBase64 bool
	}{{"base64", true}, {"floats", false}} {
		text, _ := vectorsJSON(100, 1536, bb.asBase64)
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				var r llm.EmbeddingResponse
				if err := r.UnmarshalJSON(text); err != nil || len(r.Data) != 100 {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("encode", func(b *testing.B) {
		text, _ := vectorsJSON(100, 1536, true)
		var r llm.EmbeddingResponse
		if err := r.UnmarshalJSON(text); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.MarshalJSON(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
