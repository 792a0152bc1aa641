package gemini

import (
	"bytes"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// native watches whether the flat message can hold a candidate, and keeps what is needed to write its parts if not.
//
// The flat message is sent back as signed thoughts, text, pictures, calls, in this order, and the signature of the
// text stands with its last part. What came in another order, or has parts of other kinds, goes back as it came.
type native struct {
	need   bool
	rank   rank // the highest so far
	signed bool // the text has a signature
	starts []int
	length int // of the text so far, in bytes

	parts []byte // of a whole answer, as it came

	// Of a stream, whose pieces are put together.
	segments      []segment
	answer, ideas []byte
	raws          int
	full          bool
}

type rank uint8

const (
	rankThought rank = iota
	rankText
	rankMedium
	rankCall
)

// segment is a part of a streamed answer: text, in answer or ideas, or any other as it came.
type segment struct {
	thought   bool
	from, to  int
	signature string
	raw       []byte
}

// Bounds of what is kept of a stream, in bytes. Beyond them Native is given up; a very long answer consists of text and
// does not need it.
const (
	maxKeptText = 1 << 20
	maxKeptRaw  = 32 << 20
)

// place takes note of a part before it is added.
func (n *turn) place(p *part) {
	r := rankText
	switch {
	case p.foreign:
		n.need = true
		r = n.rank
	case p.call != nil:
		r = rankCall
	case p.data != "" || p.uri != "":
		r = rankMedium
		n.need = n.need || p.thought
	case p.thought:
		if r = rankThought; p.signature == "" {
			r = n.rank // moving an unsigned thought to the front changes nothing
		}
	case p.text == "" && p.signature == "":
		r = n.rank
	default:
		if n.signed {
			n.need = true
		}
		n.signed = p.signature != ""
	}
	n.need = n.need || r < n.rank
	n.rank = max(n.rank, r)

	if !n.streamed {
		start := -1
		if p.isText() && !p.thought {
			start = n.length
			n.length += len(p.text)
		}
		n.starts = append(n.starts, start)
		return
	}
	n.record(p)
}

// isText says whether a part is text, said or thought, and nothing else.
func (p *part) isText() bool { return p.call == nil && p.data == "" && p.uri == "" && !p.foreign }

// record keeps a part of a stream.
func (n *native) record(p *part) {
	if n.full || p.call != nil && (p.call.willContinue || p.call.partial != nil || p.call.name == "") {
		return // a call in fragments is recorded when it is complete
	}
	if !p.isText() {
		n.raws += len(p.raw)
		n.segments = append(n.segments, segment{raw: bytes.Clone(p.raw)})
		n.bound()
		return
	}
	if p.text == "" && p.signature == "" {
		return
	}
	buf := &n.answer
	if p.thought {
		buf = &n.ideas
	}
	from := len(*buf)
	*buf = append(*buf, p.text...)
	if k := len(n.segments); k > 0 {
		last := &n.segments[k-1]
		if last.raw == nil && last.thought == p.thought && last.signature == "" {
			last.to, last.signature = len(*buf), p.signature
			n.bound()
			return
		}
	}
	n.segments = append(n.segments, segment{thought: p.thought, from: from, to: len(*buf), signature: p.signature})
	n.bound()
}

func (n *native) bound() {
	if len(n.answer)+len(n.ideas) > maxKeptText || n.raws > maxKeptRaw {
		n.full = true
		n.segments, n.answer, n.ideas = nil, nil, nil
	}
}

// recordCall keeps a call that came in fragments.
func (n *native) recordCall(o *openCall, args string) {
	if n.full {
		return
	}
	var e jsonx.Encoder
	e.Object()
	e.Name("functionCall")
	e.Object()
	e.OptStr("id", o.id)
	e.Name("name")
	e.Str(o.name)
	e.Name("args")
	e.Raw([]byte(args))
	e.EndObject()
	e.OptStr("thoughtSignature", o.signature)
	e.EndObject()
	n.raws += len(e.B)
	n.segments = append(n.segments, segment{raw: e.B})
	n.bound()
}

// nativeContent is the candidate's parts if the flat message does not hold them.
func (n *native) nativeContent() *llm.NativeContent {
	switch {
	case !n.need || n.full:
		return nil
	case n.parts != nil:
		return &llm.NativeContent{Origin: Dialect, Content: bytes.Clone(n.parts)}
	}
	var e jsonx.Encoder
	e.Array()
	for i := range n.segments {
		s := &n.segments[i]
		if s.raw != nil {
			e.Raw(s.raw)
			continue
		}
		e.Object()
		e.Name("text")
		if s.thought {
			e.Str(string(n.ideas[s.from:s.to]))
			e.Name("thought")
			e.Bool(true)
		} else {
			e.Str(string(n.answer[s.from:s.to]))
		}
		e.OptStr("thoughtSignature", s.signature)
		e.EndObject()
	}
	e.EndArray()
	return &llm.NativeContent{Origin: Dialect, Content: e.B}
}
