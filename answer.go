package llm

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"maps"
	"mime"
	"slices"
	"strings"
	"time"
)

// What middleware that keeps answers, such as a cache, needs: which answers may stand for each other, whole answers
// out of streams, and streams out of whole answers.

// CacheInfo is about an answer that a response cache gave, and no provider. The Usage of such an answer is what it
// used when it was made: it is not billed again, but is what the cache has saved.
type CacheInfo struct {
	// Age is how long ago the answer was made.
	Age time.Duration
	// Similarity is that of this question to the one that was answered: the cosine of their embeddings, and 1 for
	// the same request.
	Similarity float64
}

// Target is a digest of what, beside the request, decides who answers and how: the provider and its base URL, as far
// as the model's name tells them, and the caller's headers, settings and droppable parameters. Keys, timeouts and the
// settings whose names say that they are secret (KEY, SECRET, TOKEN, PASSWORD, CREDENTIAL) are not in it. It is the
// same in all processes whose options and base URLs are the same.
func (c *Call) Target() [sha256.Size]byte {
	d, h := *c, sha256.New()
	s := c.settings
	d.account = &account{} // what is looked up here concerns no attempt
	_ = d.resolve()        // behind a router the name may be a group's, which the engine does not know
	if d.Provider != nil {
		write(h, "provider", d.Provider.Name, d.BaseURL)
	}
	write(h, "default", s.defaultPrefix)
	for _, name := range slices.Sorted(maps.Keys(s.baseURLs)) {
		write(h, "base", name, s.baseURLs[name])
	}
	write(h, "base", s.baseURL)
	for _, name := range slices.Sorted(maps.Keys(s.headers)) {
		write(h, append([]string{"header", name}, s.headers[name]...)...)
	}
	for _, name := range slices.Sorted(maps.Keys(s.vars)) {
		if !secretName(name) {
			write(h, "setting", name, s.vars[name].Reveal())
		}
	}
	if s.dropAll {
		write(h, "drop all")
	}
	write(h, append([]string{"drop"}, slices.Sorted(slices.Values(s.dropNames))...)...)
	if s.mock != nil { // what a test made up must not answer a real call
		write(h, "mock")
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// write adds a record whose parts cannot run into each other.
func write(h hash.Hash, parts ...string) {
	b := binary.AppendUvarint(make([]byte, 0, 64), uint64(len(parts)))
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	h.Write(b)
}

func secretName(name string) bool {
	name = strings.ToUpper(name)
	return slices.ContainsFunc([]string{"KEY", "SECRET", "TOKEN", "PASSWORD", "CREDENTIAL"},
		func(word string) bool { return strings.Contains(name, word) })
}

// Answer is a whole answer (a *CompletionResponse for a completion …) as the result of the call, in the form that the
// caller wants: where that is a stream, the answer is replayed. It is for middleware that answers by itself; meta
// becomes the answer's Meta.
func (c *Call) Answer(response any, meta Meta) (*Result, error) {
	return c.runner.replayed(c, response, &meta)
}

// OnAnswer has f called once with the whole answer of the call, if it ends well: now, if res is whole; a stream is
// folded while its reader reads it, and f called at its end, before the reader hears of that. f is not called for a
// stream that fails or is left early, that has the words of several attempts ([Marker]), that cannot be folded, or
// whose text is longer than limit bytes. f must not keep or change the answer.
func (c *Call) OnAnswer(res *Result, limit int, f func(response any, meta *Meta)) {
	c.runner.whole(c, res, &whole{limit: limit, f: f})
}

// whole is what OnAnswer was given.
type whole struct {
	limit int
	f     func(response any, meta *Meta)
}

func (e *endpoint[Req, Resp, Chunk]) replayed(call *Call, response any, meta *Meta) (*Result, error) {
	resp, ok := response.(*Resp)
	if !ok || resp == nil {
		return nil, &Error{Kind: ErrProtocol, Scope: ScopeLocal, Message: fmt.Sprintf("a %T cannot answer %s", response, e.name)}
	}
	*e.meta(resp) = *meta
	if !call.Stream {
		return &Result{Response: resp}, nil
	}
	if e.replay == nil {
		return nil, &Error{Kind: ErrUnsupported, Scope: ScopeRequest, Message: fmt.Sprintf("%s cannot be streamed", e.name)}
	}
	s := NewStream(e.replay(resp), nil)
	s.meta, s.firstContent = e.meta(resp), time.Since(call.start)
	return &Result{Stream: s}, nil
}

func (e *endpoint[Req, Resp, Chunk]) whole(call *Call, res *Result, w *whole) {
	if !call.Stream {
		if resp, ok := res.Response.(*Resp); ok && resp != nil {
			w.f(resp, e.meta(resp))
		}
		return
	}
	s, ok := res.Stream.(*Stream[Chunk])
	if !ok || e.folder == nil {
		return
	}
	fold := e.folder(w.limit)
	seen, settle := s.seen, s.settle
	s.seen = func(c *Chunk) {
		if seen != nil {
			seen(c)
		}
		if fold != nil && !fold.add(c) {
			fold = nil
		}
	}
	s.settle = func(err error) error {
		if err = settle(err); err == io.EOF && fold != nil {
			if resp := fold.response(s.meta); resp != nil {
				w.f(resp, s.meta)
			}
		}
		fold = nil
		return err
	}
}

// folder makes a whole answer of a stream's chunks, which it must not change.
type folder[Resp, Chunk any] interface {
	// add is false when the answer cannot be kept whole: it is longer than the limit, or of several attempts.
	add(c *Chunk) bool
	// response is nil if the chunks do not make an answer.
	response(m *Meta) *Resp
}

type completionFolder struct{ acc Accumulator }

func newCompletionFolder(limit int) folder[CompletionResponse, CompletionChunk] {
	return &completionFolder{Accumulator{limit: limit}}
}

func (f *completionFolder) add(c *CompletionChunk) bool {
	f.acc.Add(c)
	return c.Marker == "" && !f.acc.full
}

func (f *completionFolder) response(*Meta) *CompletionResponse { return f.acc.Response() }

// responsesFolder collects as [CollectResponses] does: the last event has the answer.
type responsesFolder struct {
	room  int
	final *ResponsesResponse
	items []responsesEnd
}

// responsesEnd is an item that is done.
type responsesEnd struct {
	index int
	item  *ResponsesItem
}

func newResponsesFolder(limit int) folder[ResponsesResponse, ResponsesChunk] {
	return &responsesFolder{room: limit}
}

func (f *responsesFolder) add(c *ResponsesChunk) bool {
	if c.Response != nil {
		f.final = c.Response
	}
	if c.Type == eventItemDone && c.Item != nil {
		f.items = append(f.items, responsesEnd{c.OutputIndex, c.Item})
	}
	f.room -= len(c.Delta) // the items repeat it
	return f.room >= 0
}

func (f *responsesFolder) response(*Meta) *ResponsesResponse {
	if f.final == nil {
		return nil
	}
	r := *f.final
	if len(r.Output) == 0 && len(f.items) > 0 {
		slices.SortStableFunc(f.items, func(a, b responsesEnd) int { return a.index - b.index })
		r.Output = make([]ResponsesItem, 0, len(f.items))
		for _, it := range f.items {
			r.Output = append(r.Output, *it.item)
		}
	}
	return &r
}

// textFolder joins the texts of each choice.
type textFolder struct {
	room  int
	r     TextCompletionResponse
	texts []*textFold
}

type textFold struct {
	TextChoice
	text []byte
}

func newTextFolder(limit int) folder[TextCompletionResponse, TextCompletionChunk] {
	return &textFolder{room: limit}
}

func (f *textFolder) add(c *TextCompletionChunk) bool {
	r := &f.r
	setString(&r.ID, c.ID)
	setString(&r.Object, c.Object)
	setString(&r.Model, c.Model)
	setString(&r.SystemFingerprint, c.SystemFingerprint)
	if c.Created != 0 {
		r.Created = c.Created
	}
	if c.Usage != nil {
		r.Usage = c.Usage
	}
	for k, v := range c.Extra {
		r.Extra = r.Extra.set(k, v)
	}
	for i := range c.Choices {
		from := &c.Choices[i]
		to := f.choice(from.Index)
		to.text = append(to.text, from.Text...)
		if from.FinishReason != "" {
			to.FinishReason = from.FinishReason
		}
		setString(&to.NativeFinishReason, from.NativeFinishReason)
		for k, v := range from.Extra {
			to.Extra = to.Extra.set(k, v)
		}
		f.room -= len(from.Text)
		if l := from.Logprobs; l != nil {
			if to.Logprobs == nil {
				to.Logprobs = &TextLogprobs{}
			}
			to.Logprobs.Tokens = append(to.Logprobs.Tokens, l.Tokens...)
			to.Logprobs.TokenLogprobs = append(to.Logprobs.TokenLogprobs, l.TokenLogprobs...)
			to.Logprobs.TopLogprobs = append(to.Logprobs.TopLogprobs, l.TopLogprobs...)
			to.Logprobs.TextOffset = append(to.Logprobs.TextOffset, l.TextOffset...)
			f.room -= 64 * len(l.Tokens)
		}
	}
	return f.room >= 0
}

func (f *textFolder) choice(index int) *textFold {
	for _, c := range f.texts {
		if c.Index == index {
			return c
		}
	}
	c := &textFold{TextChoice: TextChoice{Index: index}}
	f.texts = append(f.texts, c)
	return c
}

func (f *textFolder) response(*Meta) *TextCompletionResponse {
	if len(f.texts) == 0 {
		return nil
	}
	slices.SortFunc(f.texts, func(a, b *textFold) int { return a.Index - b.Index })
	r := f.r
	for _, c := range f.texts {
		c.Text = string(c.text)
		r.Choices = append(r.Choices, c.TextChoice)
	}
	return &r
}

type speechFolder struct {
	room int
	r    SpeechResponse
}

func newSpeechFolder(limit int) folder[SpeechResponse, SpeechChunk] {
	return &speechFolder{room: limit}
}

func (f *speechFolder) add(c *SpeechChunk) bool {
	f.r.Audio = append(f.r.Audio, c.Audio...)
	if c.Usage != nil {
		f.r.Usage = c.Usage
	}
	f.room -= len(c.Audio)
	return f.room >= 0
}

// response is nil for sound that came in events: they do not tell its media type, which a whole answer has.
func (f *speechFolder) response(m *Meta) *SpeechResponse {
	mediaType, _, _ := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if !strings.HasPrefix(mediaType, "audio/") {
		return nil
	}
	r := f.r
	r.MediaType = mediaType
	return &r
}

// transcriptionFolder undoes what [TranscriptionResponse.replay] does.
type transcriptionFolder struct {
	room int
	r    TranscriptionResponse
	text []byte
	done bool
}

func newTranscriptionFolder(limit int) folder[TranscriptionResponse, TranscriptionChunk] {
	return &transcriptionFolder{room: limit}
}

func (f *transcriptionFolder) add(c *TranscriptionChunk) bool {
	r := &f.r
	f.text = append(f.text, c.Delta...)
	f.room -= len(c.Delta) + len(c.Text) + 64*len(c.Logprobs)
	if c.Segment != nil {
		r.Segments = append(r.Segments, *c.Segment)
		f.room -= len(c.Segment.Text) + 8*len(c.Segment.Tokens)
	}
	if c.Type != transcriptDone {
		return f.room >= 0
	}
	f.done = true
	r.Text, r.Logprobs, r.Languages, r.Usage, r.UsageSeconds = c.Text, c.Logprobs, c.Languages, c.Usage, c.UsageSeconds
	for k, v := range c.Extra {
		var to any
		switch k {
		case "words":
			to = &r.Words
		case "duration":
			to = &r.Duration
		case "language":
			to = &r.Language
		case "task":
			to = &r.Task
		}
		if to != nil {
			if raw, err := json.Marshal(v); err == nil && json.Unmarshal(raw, to) == nil {
				continue
			}
		}
		r.Extra = r.Extra.set(k, v)
	}
	return f.room >= 0
}

func (f *transcriptionFolder) response(*Meta) *TranscriptionResponse {
	if !f.done {
		return nil
	}
	if f.r.Text == "" {
		f.r.Text = string(f.text)
	}
	return &f.r
}
