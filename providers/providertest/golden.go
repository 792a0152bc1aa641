package providertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/internal/casefile"
)

// golden is one case file.
type golden struct {
	name    string
	path    string
	archive *casefile.Archive

	op      *operation
	model   string // for the wire
	request json.RawMessage
	options callOptions

	unary, stream *mode // nil: the case says nothing of it
}

// mode is what a case says of one way to call: in one piece, or streamed.
type mode struct {
	streamed  bool
	requests  []*wantRequest
	responses []*canned

	answer   string // the section with the expected answer, "" if there is none
	failure  string // the section with the expected error
	partial  string
	chunks   string
	warnings string
}

func (m *mode) name() string {
	if m.streamed {
		return "stream"
	}
	return "unary"
}

type callFile struct {
	Operation string          `json:"operation"`
	Model     string          `json:"model"`
	Request   json.RawMessage `json:"request"`
	Options   callOptions     `json:"options"`
	Stream    *bool           `json:"stream"`
}

type callOptions struct {
	DropParams    any               `json:"drop_params"`
	Settings      map[string]string `json:"settings"`
	Headers       map[string]string `json:"headers"`
	BaseURL       string            `json:"base_url"`
	NoKey         bool              `json:"no_key"`
	AfterTerminal bool              `json:"after_terminal"`
	EndsByClose   bool              `json:"ends_by_close"`
}

func (o *callOptions) list() ([]llm.Option, error) {
	var opts []llm.Option
	switch v := o.DropParams.(type) {
	case nil:
	case bool:
		if v {
			opts = append(opts, llm.WithDropParams())
		}
	case []any:
		for _, name := range v {
			s, ok := name.(string)
			if !ok {
				return nil, errors.New("options.drop_params is true or a list of names")
			}
			opts = append(opts, llm.WithDropParams(s))
		}
	default:
		return nil, errors.New("options.drop_params is true or a list of names")
	}
	for _, name := range casefile.SortedKeys(o.Settings) {
		opts = append(opts, llm.WithSetting(name, o.Settings[name]))
	}
	if len(o.Headers) > 0 {
		opts = append(opts, llm.WithExtraHeaders(o.Headers))
	}
	if o.BaseURL != "" {
		opts = append(opts, llm.WithBaseURL(o.BaseURL))
	}
	return opts, nil
}

// loadGoldens reads every *.txtar file of dir.
func loadGoldens(p *llm.Provider, dir string) ([]*golden, []error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, []error{err}
	}
	if len(paths) == 0 {
		return nil, []error{fmt.Errorf("no *.txtar in %s", dir)}
	}
	var list []*golden
	var errs []error
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err == nil {
			var g *golden
			if g, err = parseGolden(p, path, data); err == nil {
				list = append(list, g)
				continue
			}
		}
		errs = append(errs, fmt.Errorf("%s: %w", filepath.Base(path), err))
	}
	return list, errs
}

func parseGolden(p *llm.Provider, path string, data []byte) (*golden, error) {
	g := &golden{path: path, name: strings.TrimSuffix(filepath.Base(path), ".txtar"), archive: casefile.Parse(data)}
	if len(bytes.TrimSpace(g.archive.Comment)) == 0 {
		return nil, errors.New("no comment at the top: say what the case shows, and where its facts come from")
	}
	if err := g.checkNames(); err != nil {
		return nil, err
	}
	text, ok := g.archive.Get("call.json")
	if !ok {
		return nil, errors.New("no section call.json")
	}
	var call callFile
	if err := casefile.StrictJSON(text, &call); err != nil {
		return nil, fmt.Errorf("call.json: %w", err)
	}
	var err error
	if g.op, err = findOperation(p, call.Operation); err != nil {
		return nil, fmt.Errorf("call.json: %w", err)
	}
	if !g.op.offered {
		return nil, fmt.Errorf("call.json: provider %q does not offer %s", p.Name, g.op.name)
	}
	if provider, model, ok := strings.Cut(call.Model, "/"); ok && (provider == p.Name || slices.Contains(p.Aliases, provider)) {
		g.model = model
	} else if g.op.name != "models" {
		return nil, fmt.Errorf("call.json: model is %q; want %q", call.Model, p.Name+"/…")
	}
	g.request, g.options = call.Request, call.Options
	if _, err := g.options.list(); err != nil {
		return nil, fmt.Errorf("call.json: %w", err)
	}
	if _, err := g.newRequest(p); err != nil {
		return nil, fmt.Errorf("call.json: request: %w", err)
	}
	if err := g.readModes(); err != nil {
		return nil, err
	}
	if call.Stream != nil {
		if *call.Stream {
			g.unary = nil
		} else {
			g.stream = nil
		}
	}
	if g.unary == nil && g.stream == nil {
		return nil, errors.New("nothing to check: no request, no response, no stream, no error")
	}
	return g, nil
}

// checkNames refuses a section that nothing reads: a misspelt name would switch a check off.
func (g *golden) checkNames() error {
	known := []string{"call.json", "answer.json", "warnings.json", "error.json", "stream_answer.json", "stream_warnings.json",
		"stream_error.json", "partial.json", "chunks.json"}
	seen := make(map[string]bool)
	for _, s := range g.archive.Sections {
		if seen[s.Name] {
			return fmt.Errorf("section %s is there twice", s.Name)
		}
		seen[s.Name] = true
		if slices.Contains(known, s.Name) {
			continue
		}
		base, ext := s.Name, filepath.Ext(s.Name)
		base = strings.TrimSuffix(base, ext)
		if i := strings.LastIndexByte(base, '.'); i >= 0 {
			base = base[:i]
		}
		if ext == ".http" && slices.Contains([]string{"request", "response", "stream", "stream_request", "stream_response"}, base) || ext == ".aws" && base == "stream" {
			continue
		}
		return fmt.Errorf("section %s is not known", s.Name)
	}
	return nil
}

// numbered are the sections base.ext, base.1.ext, base.2.ext …
func (g *golden) numbered(base, ext string) [][]byte {
	var list [][]byte
	if data, ok := g.archive.Get(base + ext); ok {
		list = append(list, data)
	}
	for i := 1; ; i++ {
		data, ok := g.archive.Get(fmt.Sprintf("%s.%d%s", base, i, ext))
		if !ok {
			return list
		}
		list = append(list, data)
	}
}

func parseAll[T any](sections [][]byte, name string, parse func([]byte) (T, error)) ([]T, error) {
	var list []T
	for i, data := range sections {
		v, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s %d: %w", name, i+1, err)
		}
		list = append(list, v)
	}
	return list, nil
}

func (g *golden) readModes() error {
	a := g.archive
	requests, err := parseAll(g.numbered("request", ".http"), "request.http", parseRequest)
	if err != nil {
		return err
	}
	responses, err := parseAll(g.numbered("response", ".http"), "response.http", parseResponse)
	if err != nil {
		return err
	}
	streamRequests, err := parseAll(g.numbered("stream_request", ".http"), "stream_request.http", parseRequest)
	if err != nil {
		return err
	}
	// The exchanges that come before the stream itself, if it takes several.
	streams, err := parseAll(g.numbered("stream_response", ".http"), "stream_response.http", parseResponse)
	if err != nil {
		return err
	}
	last, err := parseAll(g.numbered("stream", ".http"), "stream.http", parseResponse)
	if err != nil {
		return err
	}
	aws, err := parseAll(g.numbered("stream", ".aws"), "stream.aws", parseAWS)
	if err != nil {
		return err
	}
	streams = append(append(streams, last...), aws...)

	firstOf := func(names ...string) string {
		for _, n := range names {
			if a.Has(n) {
				return n
			}
		}
		return ""
	}
	encodeOnly := len(requests) == 0 && len(responses) == 0 && len(streams) == 0 && len(streamRequests) == 0
	if len(requests) > 0 || len(responses) > 0 || encodeOnly && a.Has("error.json") {
		g.unary = &mode{requests: requests, responses: responses, answer: firstOf("answer.json"), failure: firstOf("error.json"),
			warnings: firstOf("warnings.json")}
		if len(responses) > 0 && (g.unary.answer == "") == (g.unary.failure == "") && !*update {
			return errors.New("with response.http there is either answer.json or error.json")
		}
	}
	if len(streams) > 0 || len(streamRequests) > 0 || encodeOnly && g.op.streams && (a.Has("error.json") || a.Has("stream_error.json")) {
		if g.op.open == nil || !g.op.streams {
			return fmt.Errorf("there is a stream, but the provider does not stream %s", g.op.name)
		}
		g.stream = &mode{streamed: true, requests: streamRequests, responses: streams, chunks: firstOf("chunks.json"),
			partial: firstOf("partial.json"), failure: firstOf("stream_error.json"), warnings: firstOf("stream_warnings.json", "warnings.json")}
		if g.stream.failure == "" {
			g.stream.answer = firstOf("stream_answer.json", "answer.json")
		}
		if g.stream.failure == "" && g.stream.answer == "" {
			g.stream.failure = firstOf("error.json")
		}
		if len(streams) > 0 && g.stream.answer == "" && g.stream.failure == "" && !*update {
			return errors.New("with a stream there is answer.json, stream_answer.json or stream_error.json")
		}
	}
	return nil
}

// newRequest decodes the request anew: every run has its own.
func (g *golden) newRequest(p *llm.Provider) (any, error) {
	req := g.op.newRequest()
	if len(g.request) > 0 {
		if err := json.Unmarshal(g.request, req); err != nil {
			return nil, err
		}
	}
	setModel(p, req, p.Name+"/"+g.model)
	return req, nil
}

// cloneValue copies v to any depth, so that writing to the one is not seen in the other.
func cloneValue(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		c := reflect.New(v.Type().Elem())
		c.Elem().Set(cloneValue(v.Elem()))
		return c
	case reflect.Interface:
		if v.IsNil() {
			return v
		}
		c := reflect.New(v.Type()).Elem()
		c.Set(cloneValue(v.Elem()))
		return c
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			c.Index(i).Set(cloneValue(v.Index(i)))
		}
		return c
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		c := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			c.SetMapIndex(it.Key(), cloneValue(it.Value()))
		}
		return c
	case reflect.Struct:
		c := reflect.New(v.Type()).Elem()
		c.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				c.Field(i).Set(cloneValue(v.Field(i)))
			}
		}
		return c
	}
	return v
}

func clone(req any) any { return cloneValue(reflect.ValueOf(req)).Interface() }
