package bedrock

import (
	"encoding/json"

	"github.com/llm-go/llm/internal/jsonx"
)

// maxHistory bounds what a stream keeps of its own answer, in bytes, for the case that the native form is
// needed at its end. A longer answer whose order matters is told of by a warning.
const maxHistory = 1 << 20

// history is a streamed answer as blocks, in their order on the wire.
type history struct {
	entries []entry
	size    int
	lost    bool
}

type entry struct {
	kind      blockKind
	id, name  string
	typ       string
	status    string
	body      []byte // text, or a tool's input
	signature string
	redacted  string
	items     []json.RawMessage // a result's parts, or citations
}

func (h *history) room(n int) bool {
	if h.lost {
		return false
	}
	if h.size += n; h.size > maxHistory {
		h.lost, h.entries = true, nil
		return false
	}
	return true
}

func (h *history) add(e entry) int {
	if !h.room(64 + len(e.id) + len(e.name)) {
		return -1
	}
	h.entries = append(h.entries, e)
	return len(h.entries) - 1
}

func (h *history) text(i int, s string) {
	if i >= 0 && h.room(len(s)) {
		h.entries[i].body = append(h.entries[i].body, s...)
	}
}

func (h *history) sign(i int, s string) {
	if i >= 0 && h.room(len(s)) {
		h.entries[i].signature += s
	}
}

func (h *history) redact(i int, s string) {
	if i >= 0 && h.room(len(s)) {
		h.entries[i].redacted = s
	}
}

func (h *history) item(i int, raw []byte) {
	if i >= 0 && h.room(len(raw)) {
		h.entries[i].items = append(h.entries[i].items, append(json.RawMessage(nil), raw...))
	}
}

// content is the answer as an array of ContentBlock, nil if it was not kept whole or a tool's input is not JSON.
func (h *history) content() []byte {
	if h.lost {
		return nil
	}
	var e jsonx.Encoder
	e.Array()
	for i := range h.entries {
		if !h.entries[i].write(&e) {
			return nil
		}
	}
	e.EndArray()
	return e.B
}

func (b *entry) write(e *jsonx.Encoder) bool {
	e.Object()
	defer e.EndObject()
	switch {
	case b.kind == blockText && len(b.items) > 0:
		e.Name("citationsContent")
		e.Object()
		e.Name("content")
		e.Array()
		e.Object()
		e.Name("text")
		e.Str(string(b.body))
		e.EndObject()
		e.EndArray()
		b.list(e, "citations")
		e.EndObject()
	case b.kind == blockText:
		e.Name("text")
		e.Str(string(b.body))
	case b.kind == blockReasoning:
		e.Name("reasoningContent")
		e.Object()
		if b.redacted != "" {
			e.OptStr("redactedContent", b.redacted)
		} else {
			e.Name("reasoningText")
			e.Object()
			e.Name("text")
			e.Str(string(b.body))
			e.OptStr("signature", b.signature)
			e.EndObject()
		}
		e.EndObject()
	case b.name != "": // a call, the caller's tool or the provider's
		input := b.body
		if len(input) == 0 {
			input = []byte("{}")
		}
		if !object(input) {
			return false
		}
		e.Name("toolUse")
		e.Object()
		e.OptStr("toolUseId", b.id)
		e.OptStr("name", b.name)
		e.Name("input")
		e.Raw(input)
		e.OptStr("type", b.typ)
		e.EndObject()
	default:
		e.Name("toolResult")
		e.Object()
		e.OptStr("toolUseId", b.id)
		b.list(e, "content")
		e.OptStr("status", b.status)
		e.OptStr("type", b.typ)
		e.EndObject()
	}
	return true
}

func (b *entry) list(e *jsonx.Encoder, name string) {
	e.Name(name)
	e.Array()
	for _, raw := range b.items {
		e.Raw(raw)
	}
	e.EndArray()
}
