package openai

import (
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

// reasoning_details is a list of records that OpenRouter and MiniMax put beside the content (OpenRouter's API
// reference, "Reasoning tokens", "Preserving reasoning blocks"): {"type": "reasoning.text", "text": …, "signature":
// …}, {"type": "reasoning.summary", "summary": …}, {"type": "reasoning.encrypted", "data": …}, each with id, format
// and index. They must go back unchanged in the next request. Here they are thinking blocks of the host's origin,
// with the record's own type.

// detailState numbers the records of one message. Index alone does not tell records apart: an encrypted one may
// share it with the text before it.
type detailState struct {
	seen       []detailKey
	cumulative bool     // a fragment may repeat the text before it
	texts      []string // if so, the text of each record so far
}

type detailKey struct {
	typ, id string
	index   int
}

// read makes thinking blocks of a list of records or, in a stream, of their fragments.
func (s *detailState) read(raw []byte, origin string) ([]llm.ThinkingBlock, error) {
	var blocks []llm.ThinkingBlock
	d := jsonx.NewDecoder(raw)
	for d.Array(); d.More(); {
		b := llm.ThinkingBlock{Origin: origin}
		key := detailKey{index: -1}
		var text, summary string
		for d.Object(); d.More(); {
			switch string(d.Key()) {
			case "type":
				b.Type = d.Str()
			case "id":
				b.ID = d.Str()
			case "index":
				if d.Kind() == jsonx.Number {
					key.index = d.Int()
				} else {
					d.Skip()
				}
			case "text":
				text = d.Str()
			case "summary":
				summary = d.Str()
			case "signature":
				b.Signature = d.Str()
			case "data":
				b.Data = d.Str()
			default:
				keep(&b.Extra, d)
			}
		}
		b.Thinking = text + summary
		key.typ, key.id = b.Type, b.ID
		b.Index = s.number(key)
		if s.cumulative {
			b.Thinking = s.fresh(b.Index, b.Thinking)
		}
		blocks = append(blocks, b)
	}
	return blocks, d.End()
}

// number is the position of the record among those of its message. A fragment need not repeat the id.
func (s *detailState) number(key detailKey) int {
	for i := len(s.seen) - 1; i >= 0; i-- {
		have := &s.seen[i]
		if have.typ == key.typ && have.index == key.index && (have.id == key.id || key.id == "" || have.id == "") {
			if have.id == "" {
				have.id = key.id
			}
			return i
		}
	}
	s.seen = append(s.seen, key)
	return len(s.seen) - 1
}

// fresh is what a fragment adds to the record's text. A fragment that does not begin with all of that text is an
// addition itself: the same host sends both kinds.
func (s *detailState) fresh(i int, text string) string {
	for len(s.texts) <= i {
		s.texts = append(s.texts, "")
	}
	if have := s.texts[i]; have != "" && len(text) > len(have) && strings.HasPrefix(text, have) {
		s.texts[i] = text
		return text[len(have):]
	}
	s.texts[i] += text
	return text
}

// mergeBlocks joins fragments with the same index.
func mergeBlocks(fragments []llm.ThinkingBlock) []llm.ThinkingBlock {
	var out []llm.ThinkingBlock
	for _, f := range fragments {
		if f.Index == len(out) {
			out = append(out, f)
			continue
		}
		b := &out[f.Index]
		if b.ID == "" {
			b.ID = f.ID
		}
		b.Thinking += f.Thinking
		b.Signature += f.Signature
		b.Data += f.Data
		for k, v := range f.Extra {
			if b.Extra == nil {
				b.Extra = make(llm.Extra)
			}
			b.Extra[k] = v
		}
	}
	return out
}

// blocksText is the readable part.
func blocksText(blocks []llm.ThinkingBlock) string {
	if len(blocks) == 1 {
		return blocks[0].Thinking
	}
	var b strings.Builder
	for i := range blocks {
		b.WriteString(blocks[i].Thinking)
	}
	return b.String()
}

// writeDetails is the reverse of read.
func writeDetails(blocks []llm.ThinkingBlock) details { return blocks }

type details []llm.ThinkingBlock

// AppendJSON makes details a value that an Extra can hold.
func (blocks details) AppendJSON(buf []byte) ([]byte, error) {
	e := jsonx.Encoder{B: buf}
	e.Array()
	for i := range blocks {
		b := &blocks[i]
		e.Object()
		e.Name("type")
		e.Str(b.Type)
		e.OptStr("id", b.ID)
		switch b.Type {
		case "reasoning.summary":
			e.Name("summary")
			e.Str(b.Thinking)
		case "reasoning.encrypted":
			e.Name("data")
			e.Str(b.Data)
		default:
			e.OptStr("text", b.Thinking)
			e.OptStr("data", b.Data)
		}
		e.OptStr("signature", b.Signature)
		e.Name("index")
		e.Int(i)
		e.Members(b.Extra)
		e.EndObject()
	}
	e.EndArray()
	return e.B, e.Err()
}

// keep stores a member that has no field.
func keep(e *llm.Extra, d *jsonx.Decoder) {
	key := string(d.Key())
	if d.Kind() == jsonx.Null {
		d.Skip()
		return
	}
	put(e, key, append([]byte(nil), d.Raw()...))
}
