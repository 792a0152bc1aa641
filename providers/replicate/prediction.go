package replicate

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/jsonx"
)

const (
	firstPoll  = 500 * time.Millisecond
	slowPoll   = 5 * time.Second
	waitHeader = 5 // seconds in which the answer to a create may hold the whole prediction; it cannot be cancelled in them

	// cancelTime bounds the request that cancels a prediction, leastDeadline is the least that Cancel-After takes.
	cancelTime    = time.Second
	leastDeadline = 5 * time.Second
)

// job is one prediction from its creation to its end.
type job struct {
	call  *llm.Call
	send  llm.Send
	id    string
	ended bool // at Replicate: nothing to cancel
}

// prediction is what Replicate says of it.
type prediction struct {
	id, status string
	model      string
	created    int64
	output     json.RawMessage
	problem    string
	stream     string
	extra      llm.Extra // metrics, version, logs …
	in, out    int       // tokens
	counted    bool
}

// create begins a prediction, and sees to it that it is cancelled if the call is over before it.
func (j *job) create(ctx context.Context, input map[string]any, extra llm.Extra) (*prediction, error) {
	path, version := target(j.call.Model)
	var e jsonx.Encoder
	e.Object()
	e.OptStr("version", version)
	e.Name("input")
	e.Any(input)
	e.EndObject()
	if err := e.Err(); err != nil {
		return nil, llm.InvalidRequest("", "the input cannot be encoded: "+err.Error())
	}
	r, err := j.call.NewJSONRequest(path, e.B, extra)
	if err != nil {
		return nil, err
	}
	if !j.call.Stream {
		r.Header.Set("Prefer", "wait="+strconv.Itoa(waitHeader))
	}
	if d, ok := ctx.Deadline(); ok {
		left := max(time.Until(d), leastDeadline).Round(time.Second)
		r.Header.Set("Cancel-After", strconv.Itoa(int(left/time.Second))+"s")
	}
	p, err := j.exchange(ctx, r)
	if err != nil {
		return nil, err
	}
	if !plainID(p.id) {
		return nil, llm.Malformed("the answer has no prediction id", nil)
	}
	j.id = p.id
	j.call.OnEnd(func() { j.cancel(ctx) })
	return p, nil
}

// target is where a model's predictions are created, and the version that the body names.
func target(model string) (path, version string) {
	switch parts := strings.Split(model, "/"); {
	case len(parts) == 3 && parts[0] == "deployments":
		return "/deployments/" + url.PathEscape(parts[1]) + "/" + url.PathEscape(parts[2]) + "/predictions", ""
	case len(parts) == 2 && strings.Contains(parts[1], ":"):
		_, version, _ = strings.Cut(parts[1], ":")
		return "/predictions", version
	case len(parts) == 2:
		return "/models/" + url.PathEscape(parts[0]) + "/" + url.PathEscape(parts[1]) + "/predictions", ""
	}
	return "/predictions", model
}

// plainID says that an id can stand in a path as it is: it comes from the answer.
func plainID(id string) bool {
	for i := 0; i < len(id); i++ {
		if c := id[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return id != ""
}

func (j *job) exchange(ctx context.Context, r *http.Request) (*prediction, error) {
	answer, err := j.send(ctx, r)
	if err != nil {
		return nil, err
	}
	body, err := j.call.ReadAll(answer)
	if err != nil {
		return nil, err
	}
	p, err := decodePrediction(body)
	if err != nil {
		return nil, err
	}
	j.ended = p.over()
	return p, nil
}

// get asks for the prediction at the base URL rather than at its urls.get, which comes from the answer: the two
// are the same, and so the key cannot be led to another host.
func (j *job) get(ctx context.Context) (*prediction, error) {
	r, err := j.call.NewRequest(http.MethodGet, "/predictions/"+j.id, "", nil)
	if err != nil {
		return nil, err
	}
	return j.exchange(ctx, r)
}

// wait polls until the prediction has ended. A prediction that is still "processing" may have its output already;
// only its end proves that this is all of it.
func (j *job) wait(ctx context.Context, p *prediction) (*prediction, error) {
	for pause := firstPoll; !p.over(); pause = min(pause*3/2, slowPoll) {
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil, context.Cause(ctx)
		case <-t.C:
		}
		var err error
		if p, err = j.get(ctx); err != nil {
			return nil, err
		}
	}
	return p, p.err()
}

// cancel ends the prediction at Replicate if it has not ended by itself. Whether that succeeds changes nothing
// for the caller; Cancel-After is the net below.
func (j *job) cancel(ctx context.Context) {
	if j.ended || j.id == "" {
		return
	}
	ctx, done := llm.Parting(ctx, cancelTime)
	defer done()
	r, err := j.call.NewRequest(http.MethodPost, "/predictions/"+j.id+"/cancel", "", nil)
	if err != nil {
		return
	}
	if answer, err := j.send(ctx, r); err == nil {
		answer.Body.Close()
	}
}

// over says that the prediction has ended, however it did.
func (p *prediction) over() bool {
	switch p.status {
	case "succeeded", "failed", "canceled", "aborted":
		return true
	}
	return false
}

func decodePrediction(body []byte) (*prediction, error) {
	p := &prediction{}
	var d jsonx.Decoder
	d.Reset(body)
	for d.Object(); d.More(); {
		switch string(d.Key()) {
		case "id":
			p.id = d.Str()
		case "status":
			p.status = d.Str()
		case "model":
			p.model = d.Str()
		case "output":
			p.output = append(p.output[:0], d.Raw()...)
		case "error":
			if d.Kind() == jsonx.String {
				p.problem = d.Str()
			} else {
				p.problem = string(d.Raw())
			}
		case "created_at":
			if t, err := time.Parse(time.RFC3339Nano, d.Str()); err == nil {
				p.created = t.Unix()
			}
		case "urls":
			for d.Object(); d.More(); {
				if string(d.Key()) == "stream" {
					p.stream = d.Str()
				} else {
					d.Skip()
				}
			}
		case "metrics":
			p.metrics(&d)
		case "input", "webhook", "webhook_events_filter", "data_removed":
			d.Skip() // what was sent
		default:
			p.keep(string(d.Key()), d.Raw())
		}
	}
	if err := d.End(); err != nil {
		return nil, llm.Malformed("the answer is not a prediction in JSON", err)
	}
	if p.status == "" {
		return nil, llm.Malformed("the answer is not a prediction: it has no status", nil)
	}
	return p, nil
}

// keep stores a member that has no field, unless it is null or empty.
func (p *prediction) keep(key string, raw []byte) {
	switch string(raw) {
	case "", "null", `""`:
		return
	}
	if p.extra == nil {
		p.extra = make(llm.Extra, 4)
	}
	p.extra[key] = append(json.RawMessage(nil), raw...)
}

func (p *prediction) metrics(d *jsonx.Decoder) {
	raw := d.Raw()
	p.keep("metrics", raw)
	in := jsonx.NewDecoder(raw)
	if in.Kind() != jsonx.Object {
		return
	}
	for in.Object(); in.More(); {
		switch string(in.Key()) {
		case "input_token_count":
			p.in, p.counted = in.Int(), true
		case "output_token_count":
			p.out, p.counted = in.Int(), true
		default:
			in.Skip()
		}
	}
	d.Fail(in.Err())
}

func (p *prediction) usage() *llm.Usage {
	if !p.counted {
		return nil
	}
	return &llm.Usage{PromptTokens: p.in, CompletionTokens: p.out, TotalTokens: p.in + p.out}
}

func (p *prediction) modelName(call *llm.Call) string {
	if p.model != "" {
		return p.model
	}
	return call.Model
}

// text is the output as a text: a string, or a list of strings, which are its pieces. Any other output is given
// as the JSON that it is.
func (p *prediction) text() (string, error) {
	if len(p.output) == 0 {
		return "", nil
	}
	d := jsonx.NewDecoder(p.output)
	switch d.Kind() {
	case jsonx.Null:
		return "", nil
	case jsonx.String:
		s := d.Str()
		return s, d.Err()
	case jsonx.Array:
		var b strings.Builder
		for d.Array(); d.More(); {
			if k := d.Kind(); k == jsonx.Array || k == jsonx.Object {
				return string(p.output), nil
			}
			b.Write(d.StrBytes())
		}
		return b.String(), d.End()
	}
	return string(p.output), nil
}
