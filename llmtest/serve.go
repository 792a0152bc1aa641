package llmtest

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const redirectMark = "llmtest-redirected"

// plan is an answer in bytes, cut where a fault may strike.
type plan struct {
	status      int
	contentType string
	frames      [][]byte // of a whole answer: two halves
	parts       []part
	streamed    bool
}

// serve answers as the script and the fault have it.
func (e *exchange) serve() {
	if f, header, ok := e.fault.reported(e.r, e.key); ok {
		e.fail(f, header)
		return
	}
	switch e.fault.name() {
	case Reset, Hangup:
		e.breakOff()
		return
	case HeadersNever:
		e.hang()
		return
	case SlowHeaders:
		e.slowHeaders()
		return
	case HugeHeaders:
		for i := range 2048 {
			e.w.Header().Set(fmt.Sprintf("X-Filler-%d", i), strings.Repeat("x", 1000))
		}
	case RedirectSameHost, RedirectOtherHost, RedirectDowngrade, RedirectLoop:
		e.redirect()
		return
	}
	for name, v := range e.answer.Header {
		e.w.Header().Set(name, v)
	}
	if a := e.answer; a.Body != nil {
		e.w.Header().Set("Content-Type", or(a.ContentType, "application/json"))
		e.w.WriteHeader(max(a.Status, 200))
		e.w.Write(a.Body)
		return
	}
	if a := e.answer; a.Status >= 400 {
		e.fail(failure{status: a.Status, message: or(a.Text, http.StatusText(a.Status))}, nil)
		return
	}
	h, _ := e.codec.failure(failure{id: e.id})
	for name, v := range h { // the request's id is on good answers as well
		if strings.Contains(strings.ToLower(name), "id") {
			e.w.Header()[name] = v
		}
	}
	e.send(e.plan())
}

func or(s, other string) string {
	if s != "" {
		return s
	}
	return other
}

// plan makes the answer, with the faults that are in what is said.
func (e *exchange) plan() *plan {
	streamed := e.r.Stream && e.streams()
	if e.fault.name() == ErrorBody {
		_, body := e.codec.failure(e.overloaded())
		return &plan{status: 200, contentType: "application/json", frames: [][]byte{marshal(body)}, parts: []part{content}}
	}
	if !streamed {
		body, contentType := e.whole()
		return e.planWhole(body, contentType)
	}
	var frames []frame
	if e.r.Operation == "speech" || e.r.Operation == "transcription" {
		frames = e.mediaStream()
	} else {
		frames = e.codec.stream(e.answer, e.r)
	}
	p := &plan{status: 200, contentType: e.codec.contentType, streamed: true}
	for _, f := range e.spoil(frames) {
		p.frames, p.parts = append(p.frames, e.codec.pack(f)), append(p.parts, f.part)
		if e.r.listed() {
			p.frames[len(p.frames)-1] = append([]byte(",\n"), f.data...)
		}
	}
	if e.r.listed() {
		p.contentType = "application/json"
		last := len(p.frames) - 1
		p.frames[0][0] = '['
		p.frames[last] = append(p.frames[last], ']')
	}
	return p
}

// listed: Gemini streams a JSON list, unless it is asked for events.
func (r *Request) listed() bool { return r.Dialect == Gemini && r.Query.Get("alt") != "sse" }

func (e *exchange) planWhole(body []byte, contentType string) *plan {
	f := frame{data: body}
	if strings.Contains(contentType, "json") {
		f = e.spoil([]frame{{data: body, part: content}})[0]
	}
	half := len(f.data) / 2
	return &plan{status: 200, contentType: contentType, frames: [][]byte{f.data[:half], f.data[half:]}, parts: []part{content, terminal}}
}

// spoil works the faults into the events.
func (e *exchange) spoil(frames []frame) []frame {
	first, last := -1, -1 // the events with content
	for i, f := range frames {
		if f.part == content {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 {
		first, last = len(frames)-1, len(frames)-1
	}
	at := last // where a single fault strikes
	if first < last {
		at = first + 1
	}
	if e.fault.before() {
		at = first
	}
	insert := func(i int, list ...frame) []frame {
		return append(append(append([]frame{}, frames[:i]...), list...), frames[i:]...)
	}
	streamed := len(frames) > 1
	switch e.fault.name() {
	case ErrorEvent:
		if !streamed {
			_, body := e.codec.failure(e.overloaded())
			return []frame{{data: marshal(body), part: terminal}}
		}
		return append(frames[:at:at], e.codec.event(e.overloaded()))
	case NoTerminal:
		if streamed {
			return frames[:last+1]
		}
		return change(frames, 0, func(b []byte) []byte { return b[:len(b)-1] })
	case MalformedEvent:
		if streamed {
			return insert(at, frame{name: frames[at].name, data: []byte(`{"oops": [1, 2,, }`), part: content})
		}
		return change(frames, 0, func(b []byte) []byte { return append([]byte(`{"oops": [1, 2,, `), b...) })
	case AfterTerminal:
		if streamed {
			return append(frames, frame{name: frames[at].name, data: frames[at].data, part: terminal})
		}
		return change(frames, 0, func(b []byte) []byte { return append(b, `{"and":"more"}`...) })
	case Doubled:
		var list []frame
		for _, f := range frames {
			if list = append(list, f); f.part == content {
				list = append(list, f)
			}
		}
		return list[:max(len(list), 1)]
	case OutOfOrder:
		if at+1 <= last && streamed {
			frames[at], frames[at+1] = frames[at+1], frames[at]
		}
		return frames
	case ZeroToolIndexes, NoToolIndexes, LateToolName:
		if e.r.Dialect == OpenAI && streamed {
			return e.fault.name().tools(frames)
		}
	case NoChoices, NoUsage:
		return e.without(frames)
	case InvalidUTF8:
		return change(frames, at, func(b []byte) []byte { return inText(b, "\xff\xc3") })
	case LoneSurrogate:
		return change(frames, at, func(b []byte) []byte { return inText(b, `\ud83d`) })
	case HugeNumber:
		return change(frames, at, func(b []byte) []byte { return inObject(b, `"x_number":1e999999,"x_long":`+strings.Repeat("9", 4000)) })
	case DeepJSON:
		return change(frames, at, func(b []byte) []byte {
			return inObject(b, `"x_deep":`+strings.Repeat("[", 1_000_000)+strings.Repeat("]", 1_000_000))
		})
	case DoubledKeys:
		return change(frames, at, func(b []byte) []byte {
			s := strings.TrimSuffix(string(b), "}")
			return []byte(s + "," + strings.TrimPrefix(string(b), "{"))
		})
	case CutJSON:
		return change(frames, at, func(b []byte) []byte { return b[:len(b)*2/3] })
	}
	return frames
}

// tools spoils the tool calls of a streamed chat completion.
func (f Fault) tools(frames []frame) []frame {
	list := append([]frame{}, frames...)
	var held obj // the id and name that come late
	for i, fr := range list {
		var chunk obj
		if json.Unmarshal(fr.data, &chunk) != nil {
			continue
		}
		call, ok := firstCall(chunk)
		if !ok {
			continue
		}
		switch f {
		case ZeroToolIndexes:
			call["index"] = 0
		case NoToolIndexes:
			delete(call, "index")
		case LateToolName:
			function := call["function"].(obj)
			if _, begins := call["id"]; begins {
				held = obj{"id": call["id"], "name": function["name"]}
				delete(call, "id")
				delete(function, "name")
			} else if held != nil {
				call["id"], function["name"], held = held["id"], held["name"], nil
			}
		}
		list[i].data = marshal(chunk)
	}
	return list
}

// firstCall finds the tool call in a chunk, of which there is at most one.
func firstCall(chunk obj) (obj, bool) {
	choices, _ := chunk["choices"].([]any)
	if len(choices) == 0 {
		return nil, false
	}
	choice, _ := choices[0].(obj)
	delta, _ := choice["delta"].(obj)
	calls, _ := delta["tool_calls"].([]any)
	if len(calls) == 0 {
		return nil, false
	}
	call, ok := calls[0].(obj)
	return call, ok
}

// overloaded is the error of a host that has too much to do, with the status that it carries at each.
func (e *exchange) overloaded() failure {
	f := failure{status: 503, message: "Overloaded", id: e.id}
	if e.r.Dialect == Anthropic {
		f.status = 529
	}
	return f
}

func change(frames []frame, i int, f func([]byte) []byte) []frame {
	list := append([]frame{}, frames...)
	list[i].data = f(bytes.Clone(list[i].data))
	return list
}

// inText puts bytes into the first text of the answer, and inObject members into the object.
func inText(b []byte, s string) []byte {
	for _, key := range []string{`"content":"`, `"text":"`, `"delta":"`, `"thinking":"`, `"partial_json":"`, `"arguments":"`, `"input":"`, `"reasoning_content":"`} {
		if i := bytes.Index(b, []byte(key)); i >= 0 {
			i += len(key)
			return append(append(append([]byte{}, b[:i]...), s...), b[i:]...)
		}
	}
	return inObject(b, `"x_text":"`+s+`"`)
}

func inObject(b []byte, members string) []byte {
	if len(b) < 2 || b[0] != '{' {
		return b
	}
	if string(b) == "{}" {
		return []byte("{" + members + "}")
	}
	return append([]byte("{"+members+","), b[1:]...)
}

// send writes the plan, with the faults that are in how it is sent.
func (e *exchange) send(p *plan) {
	w := e.w
	h := w.Header()
	h.Set("Content-Type", p.contentType)
	if p.streamed {
		h.Set("Cache-Control", "no-cache")
	}
	total := 0
	for _, f := range p.frames {
		total += len(f)
	}
	// before is how many frames come before the fault.
	before := 1
	if p.streamed {
		before = len(p.frames) - 1
		for i, part := range p.parts {
			if part == content {
				if before = i; !e.fault.before() {
					before++
				}
				break
			}
		}
	} else if e.fault.before() {
		before = 0
	}
	frame := func(i int) []byte {
		if i < len(p.frames) {
			return p.frames[i]
		}
		return nil
	}
	switch e.fault.name() {
	case Stall:
		e.write(p.frames[:before], true)
		e.hang()
	case Pings:
		e.write(p.frames[:before], true)
		for e.sleep(20*time.Millisecond) && e.write([][]byte{e.pingBytes(p)}, true) {
		}
	case Drip:
		// About a second in all, in pieces of a few bytes.
		size := max(total/100, 1)
		for _, f := range p.frames {
			for len(f) > 0 {
				n := min(size, len(f))
				if !e.write([][]byte{f[:n]}, true) || !e.sleep(8*time.Millisecond) {
					return
				}
				f = f[n:]
			}
		}
	case SplitRunes:
		for _, f := range p.frames {
			for i := range f {
				if !e.write([][]byte{f[i : i+1]}, true) {
					return
				}
			}
		}
	case CutEvent:
		h.Set("Transfer-Encoding", "identity") // the end of the connection is the end of the body
		e.write(p.frames[:before], true)
		next := frame(before)
		e.write([][]byte{next[:len(next)/2]}, true)
	case NoTerminal:
		if !p.streamed {
			h.Set("Transfer-Encoding", "identity")
		}
		e.write(p.frames, true)
	case NoLastChunk:
		e.write(p.frames[:before], true)
		next := frame(before)
		e.write([][]byte{next[:len(next)/2]}, true)
		panic(http.ErrAbortHandler)
	case ResetBody:
		e.write(p.frames[:before], true)
		next := frame(before)
		e.write([][]byte{next[:len(next)/2]}, true)
		e.sleep(10 * time.Millisecond) // some systems drop at a reset what the client has not read
		e.breakOff()
	case LengthTooLong:
		h.Set("Content-Length", strconv.Itoa(total+100))
		e.write(p.frames[:before], true)
		if !e.fault.before() {
			e.write(p.frames[before:], true)
		}
		panic(http.ErrAbortHandler)
	case OpenEnd:
		if !p.streamed {
			h.Set("Content-Length", strconv.Itoa(total))
		}
		e.paced(p)
		e.write(nil, true)
		e.hang()
	case Empty:
		w.WriteHeader(p.status)
	case HTML, HTMLAsJSON:
		if e.fault.name() == HTML {
			h.Set("Content-Type", "text/html; charset=utf-8")
		}
		e.write([][]byte{[]byte("<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Please sign in to the network</h1></body></html>")}, true)
	case HugeLine:
		e.fill(p, before, 100<<20)
	case LongBody:
		e.fill(p, before, 300<<20)
	case Endless:
		e.endless(p, before)
	case EmptyDeltas:
		e.emptyDeltas(p, before)
	case GzipBomb:
		h.Set("Content-Encoding", "gzip")
		e.write([][]byte{gzipBomb()}, true)
	case BadGzip:
		h.Set("Content-Encoding", "gzip")
		e.write(p.frames, true)
	case UnknownEncoding:
		h.Set("Content-Encoding", "zorp")
		e.write(p.frames, true)
	case Stale:
		e.stale(p)
	default:
		if !p.streamed && e.fault == "" {
			h.Set("Content-Length", strconv.Itoa(total))
		}
		e.paced(p)
	}
}

// write sends pieces; false says that the client has gone.
func (e *exchange) write(list [][]byte, flush bool) bool {
	for _, b := range list {
		if _, err := e.w.Write(b); err != nil {
			return false
		}
	}
	if flush {
		http.NewResponseController(e.w).Flush()
	}
	select {
	case <-e.s.ctx.Done():
		return false
	default:
		return e.hr.Context().Err() == nil
	}
}

// paced sends the answer at the script's pace.
func (e *exchange) paced(p *plan) {
	for i, f := range p.frames {
		if p.streamed && p.parts[i] == content && !e.sleep(e.answer.ChunkDelay) {
			return
		}
		if !e.write([][]byte{f}, p.streamed) {
			return
		}
	}
}

func (e *exchange) pingBytes(p *plan) []byte {
	if !p.streamed {
		return []byte("\n") // white space is all that JSON allows
	}
	return e.codec.pack(e.codec.ping)
}

// fill sends an event, or a body, of n bytes.
func (e *exchange) fill(p *plan, before, n int) {
	open, end := []byte(`{"x_fill":"`), []byte(`"}`)
	if p.streamed {
		e.write(p.frames[:before], true)
		if e.r.Dialect == Bedrock { // a frame says its length: this one lies about it
			e.write([][]byte{hugeFrame(n)}, true)
		} else {
			open, end = []byte(`data: {"x_fill":"`), []byte("\"}\n\n")
		}
	}
	if !e.write([][]byte{open}, false) {
		return
	}
	block := bytes.Repeat([]byte("x"), 64<<10)
	for ; n > 0; n -= len(block) {
		if !e.write([][]byte{block}, false) {
			return
		}
	}
	e.write([][]byte{end}, true)
	e.write(p.frames[before:], true)
}

func (e *exchange) endless(p *plan, before int) {
	if !p.streamed {
		e.write(p.frames[:1], true)
		blank := bytes.Repeat([]byte(" "), 16<<10)
		for e.write([][]byte{blank}, false) {
		}
		return
	}
	e.write(p.frames[:before], true)
	again := p.frames[max(before-1, 0)]
	for e.write([][]byte{again}, false) {
	}
}

func (e *exchange) emptyDeltas(p *plan, before int) {
	if !p.streamed {
		e.paced(p)
		return
	}
	before = max(before-1, 0)
	e.write(p.frames[:before], true)
	ping := e.pingBytes(p)
	if e.r.Dialect == OpenAI {
		ping = e.codec.pack(frame{data: marshal(obj{"id": e.answer.ID, "object": "chat.completion.chunk", "model": e.answer.Model,
			"choices": []obj{{"index": 0, "delta": obj{"content": ""}, "finish_reason": nil}}})})
	}
	block := bytes.Repeat(ping, 1000)
	for range 1000 {
		if !e.write([][]byte{block}, false) {
			return
		}
	}
	e.write(p.frames[before:], true)
}

// breakOff closes the connection; in HTTP/2 it resets the stream.
func (e *exchange) breakOff() {
	conn, _, err := http.NewResponseController(e.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if c, ok := conn.(*tls.Conn); ok && e.fault.name() != Hangup {
		conn = c.NetConn() // or it would say goodbye
	}
	if c, ok := conn.(*countedConn); ok && e.fault.name() != Hangup {
		c.SetLinger(0) // unsent data is dropped, and the peer is sent RST
	}
	conn.Close()
}

func (e *exchange) slowHeaders() {
	conn, _, err := http.NewResponseController(e.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	head := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Slow: " + strings.Repeat("z", 36000)
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for i := range head {
		if _, err := conn.Write([]byte{head[i]}); err != nil {
			return
		}
		select {
		case <-t.C:
		case <-e.s.ctx.Done():
			return
		}
	}
}

// stale answers, and closes the connection when the next request comes.
func (e *exchange) stale(p *plan) {
	conn, buf, err := http.NewResponseController(e.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	defer context.AfterFunc(e.s.ctx, func() { conn.Close() })()
	body := bytes.Join(p.frames, nil)
	fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", p.contentType, len(body), body)
	buf.Peek(1)
}

func (e *exchange) redirect() {
	if e.r.Redirected && e.fault.name() != RedirectLoop {
		e.fault = ""
		e.send(e.plan())
		return
	}
	target := e.hr.URL.Path
	switch e.fault.name() {
	case RedirectSameHost:
		target = "/elsewhere" + target
	case RedirectOtherHost:
		scheme, _, _ := strings.Cut(e.s.URL, ":")
		target = scheme + "://localhost:" + e.s.port + target
	case RedirectDowngrade:
		target = strings.Replace(e.s.URL, "https:", "http:", 1) + target
	}
	e.w.Header().Set("Location", target+"?"+redirectMark+"=1")
	e.w.WriteHeader(http.StatusTemporaryRedirect)
}

// gzipBomb is made once, of one compressed megabyte repeated: gzip allows its members to follow one another.
var gzipBomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	z.Write(bytes.Repeat([]byte(" "), 1<<20))
	z.Close()
	return bytes.Repeat(b.Bytes(), 300)
})
