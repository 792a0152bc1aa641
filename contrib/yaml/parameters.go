package yaml

import (
	"context"
	"encoding/json"
	"reflect"
	"sync"

	"github.com/llm-go/llm"
)

// parameters are what a file says of the requests to a deployment, as members of OpenAI's JSON.
type parameters struct {
	body  []byte                     // of those that requests may have: temperature, max_tokens …
	extra map[string]json.RawMessage // of extra_body: they are sent as they are
	made  sync.Map                   // body as a request, by type
}

// controls are settings of LiteLLM that have the name of a parameter of requests, and why they are not taken for one.
var controls = map[string]string{
	"messages":       "the request has the messages",
	"metadata":       "the labels of LiteLLM's logs have no counterpart",
	"stream":         "the call decides whether it is streamed",
	"stream_options": "the call decides whether it is streamed",
}

// requestParameters takes what nobody has asked for and requests have. Everything else is noted, and not sent: it may
// be a credential.
func (b *builder) requestParameters(params *mapping) *parameters {
	p := &parameters{extra: make(map[string]json.RawMessage)}
	if v, ok := params.get("extra_body"); ok {
		for _, x := range b.mapping(v).members {
			if raw, ok := b.json(x.value); ok {
				p.extra[x.name] = raw
			}
		}
	}
	body := make(map[string]json.RawMessage)
	for _, x := range params.rest() {
		switch {
		case x.null():
		case controls[x.name] != "":
			b.note(x.value, controls[x.name])
		case !isParameter(x.name):
			b.note(x.value, "this setting has no counterpart; what is only for this provider stands under extra_body")
		default:
			if raw, ok := b.json(x.value); ok {
				var req llm.CompletionRequest
				if err := json.Unmarshal(object(x.name, raw), &req); err != nil {
					b.fail(x.value, "is not what a request takes")
				}
				body[x.name] = raw
			}
		}
	}
	if len(body) == 0 && len(p.extra) == 0 {
		return nil
	}
	p.body, _ = json.Marshal(body)
	return p
}

func object(name string, raw json.RawMessage) []byte {
	b, _ := json.Marshal(map[string]json.RawMessage{name: raw})
	return b
}

// isParameter says whether completion requests have a field for a member: one without a field is kept in Extra,
// whatever its value.
func isParameter(name string) bool {
	var req llm.CompletionRequest
	err := json.Unmarshal(object(name, json.RawMessage(`null`)), &req)
	_, unknown := req.Extra[name]
	return err == nil && !unknown
}

// fill is the middleware that adds parameters to requests.
func fill(byID map[string]*parameters) llm.Middleware {
	return func(next llm.Handler) llm.Handler {
		if len(byID) == 0 {
			return next
		}
		return func(ctx context.Context, call *llm.Call) (*llm.Result, error) {
			if call.Route != nil {
				if p := byID[call.Route.Deployment]; p != nil {
					call = call.With()
					call.Request = p.fill(call.Request)
				}
			}
			return next(ctx, call)
		}
	}
}

// fill returns a copy of a request, of whatever operation, with the parameters that it does not have. Those that the
// operation does not know are left out.
func (p *parameters) fill(req any) any {
	old := reflect.ValueOf(req)
	if old.Kind() != reflect.Pointer || old.Elem().Kind() != reflect.Struct {
		return req
	}
	t := old.Elem().Type()
	defaults, ok := p.made.Load(t)
	if !ok {
		d := reflect.New(t)
		if json.Unmarshal(p.body, d.Interface()) != nil {
			d = reflect.New(t)
		}
		defaults, _ = p.made.LoadOrStore(t, d.Elem())
	}
	filled := reflect.New(t)
	filled.Elem().Set(old.Elem())
	for i := range t.NumField() {
		field := filled.Elem().Field(i)
		if !field.CanSet() {
			continue
		}
		if extra, ok := field.Interface().(llm.Extra); ok {
			field.Set(reflect.ValueOf(p.laidUnder(extra)))
		} else if field.IsZero() {
			field.Set(defaults.(reflect.Value).Field(i))
		}
	}
	return filled.Interface()
}

func (p *parameters) laidUnder(extra llm.Extra) llm.Extra {
	if len(p.extra) == 0 {
		return extra
	}
	all := make(llm.Extra, len(p.extra)+len(extra))
	for name, raw := range p.extra {
		all[name] = raw
	}
	for name, v := range extra {
		all[name] = v
	}
	return all
}
