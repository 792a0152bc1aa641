// Readme fills in the generated parts of README.md: the code of the examples, from example_test.go or the file that the
// marker names, and the table of providers, from the registry.
//
//	go generate .                      writes README.md
//	go run ./internal/readme -check    fails if that would change it
package main

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"log"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/llm-go/llm"
	_ "github.com/llm-go/llm/providers/all"
)

func main() {
	log.SetFlags(0)
	check := flag.Bool("check", false, "fail if README.md is not as it would be written")
	flag.Parse()
	old, err := os.ReadFile("README.md")
	if err != nil {
		log.Fatal(err)
	}
	text, err := fill(string(old))
	switch {
	case err != nil:
		log.Fatal(err)
	case text == string(old):
	case *check:
		log.Fatal("README.md is out of date: run go generate .")
	default:
		if err := os.WriteFile("README.md", []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// part is a generated part of the page: from a marker to the next end.
var part = regexp.MustCompile(`(?s)<!-- (example|providers) ?(\w*) ?([\w/.]*) -->\n.*?<!-- end -->`)

func fill(text string) (string, error) {
	examples, err := bodies("example_test.go")
	if err != nil {
		return "", err
	}
	text = part.ReplaceAllStringFunc(text, func(old string) string {
		m := part.FindStringSubmatch(old)
		content := table()
		if m[1] == "example" {
			from, file := examples, cmp.Or(m[3], "example_test.go")
			if m[3] != "" {
				var failed error
				if from, failed = bodies(file); failed != nil {
					err = failed
				}
			}
			code, ok := from[m[2]]
			if !ok && err == nil {
				err = fmt.Errorf("%s has no %s", file, m[2])
			}
			delete(from, m[2])
			content = "```go\n" + code + "```\n"
		}
		return strings.SplitAfter(old, "\n")[0] + content + "<!-- end -->"
	})
	for name := range examples { // those of other packages are shown by their own documentation
		err = fmt.Errorf("README.md does not show %s", name)
	}
	return text, err
}

// bodies are the examples' statements, without the comment that says what they print.
func bodies(file string) (map[string]string, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n"))
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	code := make(map[string]string)
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || !strings.HasPrefix(fn.Name.Name, "Example") {
			continue
		}
		body := string(src[fset.Position(fn.Body.Lbrace).Offset+1 : fset.Position(fn.Body.Rbrace).Offset])
		body, _, _ = strings.Cut(body, "\t// Output:")
		body = strings.ReplaceAll(strings.TrimPrefix(body, "\n"), "\n\t", "\n")
		out, err := format.Source([]byte(strings.TrimPrefix(body, "\t")))
		if err != nil {
			return nil, err
		}
		code[fn.Name.Name] = strings.TrimRight(string(out), "\n") + "\n"
	}
	return code, nil
}

// operations are the table's columns.
var operations = []struct {
	title string
	mark  func(*llm.Provider) string
}{
	{"chat", func(p *llm.Provider) string { return tick(p.Completion != nil) }},
	{"responses", func(p *llm.Provider) string {
		if p.Responses == nil && p.Completion != nil {
			return "~"
		}
		return tick(p.Responses != nil)
	}},
	{"text", func(p *llm.Provider) string { return tick(p.TextCompletion != nil) }},
	{"embed", func(p *llm.Provider) string { return tick(p.Embedding != nil) }},
	{"image", func(p *llm.Provider) string { return tick(p.Image != nil) }},
	{"edit", func(p *llm.Provider) string { return tick(p.ImageEdit != nil || p.ImageVariation != nil) }},
	{"speak", func(p *llm.Provider) string { return tick(p.Speech != nil) }},
	{"hear", func(p *llm.Provider) string { return tick(p.Transcription != nil || p.Translation != nil) }},
	{"moderate", func(p *llm.Provider) string { return tick(p.Moderation != nil) }},
	{"tokens", func(p *llm.Provider) string { return tick(p.CountTokens != nil) }},
	{"models", func(p *llm.Provider) string { return tick(p.Models != nil) }},
}

func tick(b bool) string {
	if b {
		return "✓"
	}
	return ""
}

func table() string {
	var b strings.Builder
	b.WriteString("| provider |")
	for _, op := range operations {
		b.WriteString(" " + op.title + " |")
	}
	b.WriteString(" key | host |\n|" + strings.Repeat("---|", len(operations)+3) + "\n")
	n := 0
	for p := range llm.Providers() {
		n++
		name := "`" + p.Name + "`"
		if p.Doc != "" {
			name = "[" + name + "](" + p.Doc + ")"
		}
		if len(p.Aliases) > 0 {
			name += " (" + strings.Join(p.Aliases, ", ") + ")"
		}
		b.WriteString("| " + name + " |")
		for _, op := range operations {
			b.WriteString(" " + op.mark(p) + " |")
		}
		key := strings.Join(p.KeyEnv, ", ")
		if key == "" {
			key = "none"
		} else if p.KeyOptional {
			key += ", or none"
		}
		b.WriteString(" " + key + " | " + host(p) + " |\n")
	}
	fmt.Fprintf(&b, "\n%d providers.\n", n)
	return b.String()
}

// host is where the provider is; the caller says it where the provider has no address of its own.
func host(p *llm.Provider) string {
	if p.BaseURL == "" {
		if len(p.BaseURLEnv) > 0 {
			return "yours: " + p.BaseURLEnv[0]
		}
		return "yours: `WithBaseURL`"
	}
	u, err := url.Parse(strings.NewReplacer("{", "", "}", "", "|", "_", ",", "_").Replace(p.BaseURL))
	if strings.ContainsAny(p.BaseURL, "{|") || err != nil {
		_, rest, _ := strings.Cut(p.BaseURL, "://")
		rest, _, _ = strings.Cut(rest, "/")
		return "`" + strings.ReplaceAll(rest, "|", " or ") + "`"
	}
	return u.Host
}
