package gemini

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// groundingSource is a GroundingChunk: where a statement comes from.
type groundingSource struct {
	url, title, text string
	document         bool // of a store of the caller's, not of the web
}

// grounding reads groundingMetadata: each support is a citation of each of its sources. A stream brings the sources in
// pieces, and supports count through all of them ("Grounding with Google Search").
func (t *turn) grounding(raw []byte) {
	t.keepMerged("groundingMetadata", raw)
	var d jsonx.Decoder
	d.Reset(raw)
	type support struct {
		start, end, part int
		sources          []int
	}
	var supports []support
	before, had := len(t.sources), false
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "groundingChunks":
			for d.Array(); d.More(); {
				t.sources = append(t.sources, readSource(&d))
			}
		case "groundingSupports":
			had = true
			for d.Array(); d.More(); {
				var s support
				for d.Object(); d.More(); {
					switch string(d.Key()) {
					case "segment":
						for d.Object(); d.More(); {
							switch string(d.Key()) {
							case "startIndex":
								s.start = d.Int()
							case "endIndex":
								s.end = d.Int()
							case "partIndex":
								s.part = d.Int()
							default:
								d.Skip()
							}
						}
					case "groundingChunkIndices":
						for d.Array(); d.More(); {
							s.sources = append(s.sources, d.Int())
						}
					default:
						d.Skip()
					}
				}
				supports = append(supports, s)
			}
		case "webSearchQueries":
			for d.Array(); d.More(); {
				d.Skip()
				t.queries++
			}
		default:
			d.Skip()
		}
	}
	count := counter{text: t.flatText()}
	for _, s := range supports {
		start, end := count.span(t.base(s.part), s.start, s.end)
		for _, i := range s.sources {
			if i >= 0 && i < len(t.sources) {
				t.annotations = append(t.annotations, t.sources[i].annotation(start, end))
			}
		}
	}
	if !had {
		for i := before; i < len(t.sources); i++ {
			t.annotations = append(t.annotations, t.sources[i].annotation(0, 0))
		}
	}
	t.annotations = slices.DeleteFunc(t.annotations, func(a llm.Annotation) bool { return a.URLCitation == nil && a.FileCitation == nil })
}

func readSource(d *jsonx.Decoder) groundingSource {
	var s groundingSource
	for d.Object(); d.More(); {
		kind := string(d.Key())
		s.document = kind == "retrievedContext"
		if d.Kind() != jsonx.Object {
			d.Skip()
			continue
		}
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "uri", "sourceUri":
				s.url = d.Str()
			case "title":
				s.title = d.Str()
			case "text":
				s.text = d.Str()
			default:
				d.Skip()
			}
		}
	}
	return s
}

func (s *groundingSource) annotation(start, end int) llm.Annotation {
	switch {
	case s.document && !strings.HasPrefix(s.url, "http"):
		return llm.Annotation{Type: "file_citation", FileCitation: &llm.FileCitation{FileID: s.url, Filename: s.title,
			StartIndex: start, EndIndex: end, CitedText: s.text}}
	case s.url == "" && s.title == "":
		return llm.Annotation{}
	}
	return llm.Annotation{Type: "url_citation", URLCitation: &llm.URLCitation{StartIndex: start, EndIndex: end, URL: s.url, Title: s.title,
		CitedText: s.text}}
}

// citations reads citationMetadata: where the answer repeats a known text.
func (t *turn) citations(raw []byte) {
	t.keep("citationMetadata", json.RawMessage(slices.Clone(raw)))
	count := counter{text: t.flatText()}
	var d jsonx.Decoder
	d.Reset(raw)
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "citationSources", "citations":
			for d.Array(); d.More(); {
				var start, end int
				c := &llm.URLCitation{}
				for d.Object(); d.More(); {
					switch string(d.Key()) {
					case "startIndex":
						start = d.Int()
					case "endIndex":
						end = d.Int()
					case "uri":
						c.URL = d.Str()
					case "title":
						c.Title = d.Str()
					default:
						keep(&c.Extra, &d)
					}
				}
				c.StartIndex, c.EndIndex = count.span(0, start, end)
				t.annotations = append(t.annotations, llm.Annotation{Type: "url_citation", URLCitation: c})
			}
		default:
			d.Skip()
		}
	}
}

// flatText is the answer's text so far; nil when it was too long to be kept.
func (t *turn) flatText() []byte {
	if t.streamed {
		return t.answer
	}
	t.join()
	return []byte(t.text)
}

// base is where a part's text begins in the answer's, in bytes. The indices of a stream count through all of it.
func (t *turn) base(part int) int {
	if part < 0 || part >= len(t.starts) || t.starts[part] < 0 {
		return 0
	}
	return t.starts[part]
}

// counter translates offsets in bytes, which is how Gemini counts, to offsets in characters.
type counter struct {
	text  []byte
	marks []int // characters before each stride of bytes
}

const stride = 1024

// span is 0, 0 for a place that is not in the text.
func (c *counter) span(base, start, end int) (int, int) {
	start, end = base+start, base+end
	if start < 0 || end < start || end > len(c.text) {
		return 0, 0
	}
	return c.at(start), c.at(end)
}

func (c *counter) at(offset int) int {
	for len(c.marks) <= offset/stride {
		n := 0
		if k := len(c.marks); k > 0 {
			n = c.marks[k-1] + starts(c.text[(k-1)*stride:k*stride])
		}
		c.marks = append(c.marks, n)
	}
	mark := offset / stride
	return c.marks[mark] + starts(c.text[mark*stride:offset])
}

// starts counts the characters that begin in b.
func starts(b []byte) int {
	n := 0
	for _, c := range b {
		if utf8.RuneStart(c) {
			n++
		}
	}
	return n
}

// keepMerged is keep for metadata that come in pieces: lists add up.
func (t *turn) keepMerged(key string, raw []byte) {
	have, ok := t.extra[key].(json.RawMessage)
	if !ok {
		t.keep(key, json.RawMessage(slices.Clone(raw)))
		return
	}
	var d jsonx.Decoder
	d.Reset(have)
	sum := readNode(&d)
	d.Reset(raw)
	more := readNode(&d)
	for i, k := range more.keys {
		if old := sum.get(k); old != nil && old.kind == jsonx.Array && more.vals[i].kind == jsonx.Array {
			old.vals = append(old.vals, more.vals[i].vals...)
			continue
		}
		sum.set(k, more.vals[i])
	}
	var e jsonx.Encoder
	sum.write(&e)
	t.keep(key, json.RawMessage(e.B))
}
