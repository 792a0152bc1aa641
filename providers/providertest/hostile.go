package providertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/llm-go/llm/internal/casefile"
	"github.com/llm-go/llm/stream"
)

// frames are the JSON documents of a body, cut out of their framing: one for a unary answer, one per event or line
// of a stream. join puts them back.
type frames struct {
	docs [][]byte
	join func(docs [][]byte) []byte
}

// split finds the documents of a canned answer.
func split(c *canned) (frames, bool) {
	switch {
	case c.mediaType() == "application/vnd.amazon.eventstream":
		return splitAWS(c.body)
	case c.binary:
		return frames{}, false
	case json.Valid(c.body):
		return frames{docs: [][]byte{c.body}, join: func(d [][]byte) []byte { return bytes.Join(d, nil) }}, true
	}
	return splitLines(c.body)
}

// splitLines takes server-sent events with one data line each, and JSON lines. The lines between them stay
// with the document before.
func splitLines(body []byte) (frames, bool) {
	var f frames
	var before [][]byte // what comes before each document
	var gap []byte
	for line := range bytes.SplitAfterSeq(body, []byte("\n")) {
		rest, isData := bytes.CutPrefix(line, []byte("data:"))
		doc := bytes.TrimSpace(rest)
		if len(doc) == 0 || !json.Valid(doc) {
			gap = append(gap, line...)
			continue
		}
		if isData {
			gap = append(gap, "data: "...)
		}
		before, f.docs = append(before, gap), append(f.docs, doc)
		gap = []byte("\n")
	}
	f.join = func(docs [][]byte) []byte {
		var b []byte
		for i, d := range docs {
			// A doubled or moved document brings the lines of its place along.
			b = append(append(b, before[min(i, len(before)-1)]...), d...)
		}
		return append(b, gap...)
	}
	return f, len(f.docs) > 0
}

func splitAWS(body []byte) (frames, bool) {
	var f frames
	var headers [][]stream.Header
	r := stream.NewAWS(bytes.NewReader(body), 0)
	for {
		m, err := r.Next()
		if err != nil {
			break
		}
		headers = append(headers, slices.Clone(m.Headers))
		f.docs = append(f.docs, bytes.Clone(m.Payload))
	}
	f.join = func(docs [][]byte) []byte {
		var b []byte
		for i, d := range docs {
			b = stream.AppendAWS(b, stream.Message{Headers: headers[min(i, len(headers)-1)], Payload: d})
		}
		return b
	}
	return f, len(f.docs) > 0
}

// mutations yields bodies that are wrong in one place each.
func mutations(c *canned, most int, yield func(what string, body []byte)) {
	f, ok := split(c)
	if !ok {
		return
	}
	n := 0
	give := func(what string, docs [][]byte) {
		if n < most {
			n++
			yield(what, f.join(docs))
		}
	}
	with := func(i int, doc []byte) [][]byte {
		docs := slices.Clone(f.docs)
		docs[i] = doc
		return docs
	}
	for i := range f.docs {
		if len(f.docs) > 1 {
			give("an event is lost", slices.Delete(slices.Clone(f.docs), i, i+1))
			give("an event comes twice", slices.Insert(slices.Clone(f.docs), i, f.docs[i]))
		}
		if i > 0 {
			docs := slices.Clone(f.docs)
			docs[i-1], docs[i] = docs[i], docs[i-1]
			give("two events are swapped", docs)
		}
		give("a document is empty", with(i, nil))
		give("a document is cut", with(i, f.docs[i][:len(f.docs[i])/2]))
		give("a document is followed by another", with(i, append(slices.Clone(f.docs[i]), "{}"...)))
		for _, bad := range []string{"\xff", "\xc3", "\xed\xa0\x80", "\x00", `\ud83d`} {
			if at := bytes.IndexByte(f.docs[i], ':'); at >= 0 {
				if q := bytes.IndexByte(f.docs[i][at:], '"'); q >= 0 {
					give("a text is not UTF-8", with(i, slices.Insert(slices.Clone(f.docs[i]), at+q+1, []byte(bad)...)))
				}
			}
		}
	}
	// One of each kind of place: events of a stream are much alike.
	seen := make(map[string]bool)
	for i, doc := range f.docs {
		v, err := casefile.ParseJSON(doc)
		if err != nil {
			continue
		}
		kind := ""
		if m, ok := v.(map[string]any); ok {
			kind, _ = m["type"].(string)
		}
		eachValue(v, "", func(path string, replace func(any)) {
			if seen[kind+path] {
				return
			}
			seen[kind+path] = true
			for _, other := range []any{nil, json.Number("-1"), json.Number("1e400"), "x", true, []any{}, []any{nil}, map[string]any{}, map[string]any{"x": nil}} {
				replace(other)
				give("the value at "+casefile.At(path)+" is "+casefile.Short(other), with(i, casefile.Compact(v)))
			}
		})
	}
}

// eachValue visits every value below v, and v itself. replace puts another in its place; the old one is back
// when the visit is over. List elements count as one place.
func eachValue(v any, path string, visit func(path string, replace func(any))) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range casefile.SortedKeys(v) {
			old := v[k]
			visit(path+"."+k, func(n any) { v[k] = n })
			v[k] = old
			eachValue(old, path+"."+k, visit)
		}
	case []any:
		for i, old := range v {
			visit(path+"[]", func(n any) { v[i] = n })
			v[i] = old
			eachValue(old, path+"[]", visit)
		}
	}
}

func (k *kit) ruleHostile(t *testing.T) {
	most := 3000
	if testing.Short() {
		most = 300
	}
	k.each(t, "no case", succeeds, func(t *testing.T, g *golden, m *mode) {
		try := func(what string, i int, body []byte) {
			responses := slices.Clone(m.responses)
			responses[i] = responses[i].with(body)
			defer func() {
				if t.Failed() {
					t.Logf("with a hostile answer %d: %s:\n%s", i+1, what, casefile.Clip(body))
				}
			}()
			out := k.run(t, trial{g: g, m: m, responses: responses}) // it fails on a panic
			if errors.Is(out.err, errTooMany) {
				return // it went on asking, as a poll may
			}
			if t.Failed() {
				t.FailNow()
			}
		}
		for i, c := range m.responses {
			mutations(c, most, func(what string, body []byte) { try(what, i, body) })
			if c.isJSON() {
				for _, body := range []string{"null", "true", "1", `"x"`, "[]", "{}", "[{}]", "[[[[", `{"a":{"a":{"a":`, strings.Repeat("[", 20000),
					strings.Repeat(`{"a":`, 20000), "\xef\xbb\xbf{}", "\x00", "{}{}"} {
					try("another document", i, []byte(body))
				}
			}
		}
	})
}

// echoes are forms of the canned answer in which texts say s.
func echoes(c *canned, s string) []*canned {
	var list []*canned
	f, ok := split(c)
	if !ok {
		return nil
	}
	add := func(i int, doc string) {
		docs := slices.Clone(f.docs)
		docs[i] = []byte(strings.ReplaceAll(doc, "KEY", s))
		list = append(list, c.with(f.join(docs)))
	}
	for _, i := range []int{0, len(f.docs) / 2, len(f.docs) - 1} {
		for _, doc := range []string{`{"error":{"message":"bad key KEY","type":"KEY","code":"KEY"}}`, `{"type":"error","error":{"type":"KEY","message":"bad key KEY"}}`,
			`{"KEY":"KEY","type":"KEY","message":"KEY"}`, `"KEY"`, `{"choices":"KEY","candidates":"KEY","content":"KEY","output":"KEY"}`, `KEY`, `{"KEY`} {
			add(i, doc)
		}
	}
	return list
}
