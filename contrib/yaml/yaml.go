package yaml

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/llm-go/llm"
	"github.com/llm-go/llm/router"
	"go.yaml.in/yaml/v3"
)

// Config is what a file says, in this library's terms. Keys in it print as REDACTED or not at all.
type Config struct {
	// Router may be completed (Store, OnEvent, Limits …) before router.New.
	Router router.Config
	// Options are for the client.
	Options []llm.Option
	// Middleware adds the parameters that the file gives to a deployment to requests that do not have them. It stands
	// inside the router: llm.WithMiddleware(rt.Middleware, conf.Middleware).
	Middleware llm.Middleware
	// Redis is where LiteLLM keeps what its instances share, for a store of contrib/redis; nil: nowhere.
	Redis *Redis
	// Notes are what could not be carried over, or only in another form, in the order of the file.
	Notes []Note
}

// Redis says how a server is reached: by URL, or by Host and Port.
type Redis struct {
	URL      llm.Secret // redis://user:password@host:port/db
	Host     string
	Port     int // default 6379
	DB       int
	Username string
	Password llm.Secret
	TLS      bool
}

// Note says what of a file could not be carried over, or what is wrong with it: the errors of [Load] and [Parse] wrap
// one for each fault, which errors.As finds. It holds names of settings, and no values.
type Note struct {
	File    string // "" for [Parse]
	Line    int    // from 1; 0: unknown
	Setting string // "model_list[2].litellm_params.rpm"
	Message string
}

// Error is "litellm.yaml:12: model_list[2].litellm_params.rpm: …".
func (n Note) Error() string {
	s := n.Message
	if n.Setting != "" {
		s = n.Setting + ": " + s
	}
	switch {
	case n.File != "" && n.Line > 0:
		return fmt.Sprintf("%s:%d: %s", n.File, n.Line, s)
	case n.File != "":
		return n.File + ": " + s
	case n.Line > 0:
		return fmt.Sprintf("line %d: %s", n.Line, s)
	}
	return s
}

// Option changes how a file is read.
type Option func(*reader)

// Strict makes errors of all notes.
func Strict() Option { return func(r *reader) { r.strict = true } }

// WithLookup replaces os.LookupEnv for os.environ/NAME, to take values from a secret store.
func WithLookup(lookup func(name string) (value string, ok bool)) Option {
	return func(r *reader) { r.lookup = lookup }
}

// Load reads a file, and those that it includes.
func Load(path string, opts ...Option) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("yaml: %w", err)
	}
	r := newReader(opts)
	r.dir = filepath.Dir(path)
	return r.read(filepath.Base(path), data)
}

// Parse reads the contents of a file.
func Parse(data []byte, opts ...Option) (*Config, error) {
	return newReader(opts).read("", data)
}

// Client makes the router, and a client that uses it. Options given here come on top of those of the file; middleware
// among them stands outside the router.
func (c *Config) Client(opts ...llm.Option) (*llm.Client, *router.Router, error) {
	rt, err := router.New(c.Router)
	if err != nil {
		return nil, nil, err
	}
	all := slices.Concat(c.Options, opts, []llm.Option{llm.WithMiddleware(rt.Middleware, c.Middleware)})
	return llm.New(all...), rt, nil
}

// reader reads one configuration.
type reader struct {
	strict bool
	lookup func(string) (string, bool)
	dir    string // of the including file; "" if there is none

	vars   map[string]string // environment_variables
	nodes  int               // read so far, of values of any shape
	notes  []Note
	errors []Note
}

func newReader(opts []Option) *reader {
	r := &reader{lookup: os.LookupEnv, vars: make(map[string]string)}
	for _, o := range opts {
		o(r)
	}
	return r
}

func (r *reader) read(file string, data []byte) (*Config, error) {
	var conf *Config
	if doc := r.document(file, data); doc != nil {
		conf = r.config(r.include(doc))
	}
	slices.SortStableFunc(r.notes, func(a, b Note) int {
		return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line)
	})
	if r.strict {
		r.errors = append(r.errors, r.notes...)
	}
	if len(r.errors) > 0 {
		list := make([]error, len(r.errors))
		for i, e := range r.errors {
			list[i] = e
		}
		return nil, fmt.Errorf("yaml: %w", errors.Join(list...))
	}
	conf.Notes = r.notes
	return conf, nil
}

// document parses a file; nil with an error recorded.
func (r *reader) document(file string, data []byte) *mapping {
	root, err := parse(data)
	if err != nil {
		err.File = file
		r.errors = append(r.errors, *err)
		return nil
	}
	return r.mapping(value{file: file, line: root.Line, node: root})
}

// include puts the sections of other files beside those of the first: lists go on, the rest is replaced.
func (r *reader) include(doc *mapping) *mapping {
	v, ok := doc.get("include")
	if !ok {
		return doc
	}
	names := []value{v}
	if v.node.Kind == yaml.SequenceNode {
		names = r.list(v)
	}
	for _, v := range names {
		name, ok := r.text(v)
		if !ok {
			continue
		}
		if r.dir == "" {
			r.fail(v, "other files are read by yaml.Load only")
			continue
		}
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(r.dir, path)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			r.fail(v, "the file cannot be read: "+reason(err))
			continue
		}
		if other := r.document(filepath.Base(path), data); other != nil {
			doc.merge(other)
		}
	}
	return doc
}

// reason is an error of the file system without the path, which is a value of the file.
func reason(err error) string {
	var e *os.PathError
	if errors.As(err, &e) {
		return e.Err.Error()
	}
	return "unknown error"
}
