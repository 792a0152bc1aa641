// Command gen makes the embedded catalogue of package models, and docs/price-conflicts.md, from public price lists that
// are given as files:
//
//	go run ./internal/gen -genai prices.json@2026-09-22 -litellm model_prices.json@2026-08-01 \
//		-modelsdev api.json@2026-07-02 -portkey pricing.json@2026-08-21
//
// Each is optional and is followed by its date. Beside them stand the facts of verified.json, which were read on the
// vendors' own pages. Without any file the command unpacks the catalogue that is there and packs it again.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/llm-go/llm/models"
)

func main() {
	log.SetFlags(0)
	genai := flag.String("genai", "", "genai-prices `file@date`")
	litellm := flag.String("litellm", "", "LiteLLM's model prices `file@date`")
	modelsdev := flag.String("modelsdev", "", "models.dev `file@date`")
	portkey := flag.String("portkey", "", "Portkey's pricing `file@date`, by provider")
	verified := flag.String("verified", "internal/gen/verified.json", "facts read on vendors' pages, a `file` in the form of models.Parse")
	out := flag.String("out", "catalogue.bin.gz", "the catalogue, a `file`")
	report := flag.String("report", "../docs/price-conflicts.md", "the report, a `file`")
	flag.Parse()
	if err := run(inputs{*genai, *litellm, *modelsdev, *portkey, *verified}, *out, *report); err != nil {
		log.Fatal("gen: ", err)
	}
}

type inputs struct{ genai, litellm, modelsdev, portkey, verified string }

func run(in inputs, out, report string) error {
	if in.genai+in.litellm+in.modelsdev+in.portkey == "" {
		return write(models.Default(), out)
	}
	sources, err := in.read()
	if err != nil {
		return err
	}
	c, text, err := generate(sources)
	if err != nil {
		return err
	}
	if err := os.WriteFile(report, []byte(text), 0o644); err != nil {
		return err
	}
	return write(c, out)
}

func write(c *models.Catalogue, out string) error {
	b, err := c.MarshalBinary()
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s, %d bytes\n", filepath.Base(out), c, len(b))
	return os.WriteFile(out, b, 0o644)
}

// source is one price list, in the form of the catalogue. Each of its lists of prices that names its own source has it
// in Source.
type source struct {
	name    string
	date    models.Date
	models  map[string]*models.Model
	aliases map[string][]string // by ID
	// partial says that a name was matched by a pattern: its prices confirm others, and do not stand alone.
	partial map[string]bool
}

// read opens the files, the oldest first.
func (in inputs) read() ([]*source, error) {
	var list []*source
	for _, f := range []struct {
		name, at string
		read     func(*os.File, *source) error
	}{
		{"models.dev", in.modelsdev, readModelsDev},
		{"LiteLLM", in.litellm, readLiteLLM},
		{"Portkey", in.portkey, readPortkey},
	} {
		s, err := open(f.name, f.at, f.read)
		if err != nil {
			return nil, err
		}
		if s != nil {
			list = append(list, s)
		}
	}
	names := make(map[string]bool)
	for _, s := range list {
		for id := range s.models {
			names[id] = true
		}
	}
	s, err := open("genai-prices", in.genai, func(f *os.File, s *source) error { return readGenAI(f, s, names) })
	if err != nil {
		return nil, err
	}
	if s != nil {
		list = append(list, s)
	}
	if in.verified != "" {
		s, err := open("verified", in.verified+"@2100-01-01", readVerified)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func open(name, at string, read func(*os.File, *source) error) (*source, error) {
	if at == "" {
		return nil, nil
	}
	path, day, _ := strings.Cut(at, "@")
	date, err := models.ParseDate(day)
	if err != nil {
		return nil, fmt.Errorf("%s: give it as file@date: %w", name, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &source{name: name, date: date, models: make(map[string]*models.Model), aliases: make(map[string][]string),
		partial: make(map[string]bool)}
	if err := read(f, s); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

func readVerified(f *os.File, s *source) error {
	c, err := models.Parse(f)
	if err != nil {
		return err
	}
	for m := range c.List(models.Filter{}) {
		for _, l := range m.Prices {
			if l.Source == "" || l.Checked == 0 {
				return fmt.Errorf("%s: its prices do not name their source and day", m.ID)
			}
		}
		s.models[m.ID] = m
	}
	return nil
}

func readLiteLLM(f *os.File, s *source) error {
	c, err := models.ParseLiteLLM(f)
	if err != nil {
		return err
	}
	for m := range c.List(models.Filter{}) {
		if providerNames[m.Provider] == nil || notAModel(m.Name) {
			continue
		}
		if m.Provider == "databricks" { // quotients of a price in other units
			m = withoutPages(m)
		}
		s.models[m.ID] = m
	}
	return nil
}

// withoutPages is the model with prices that do not stand alone.
func withoutPages(m *models.Model) *models.Model {
	c := *m
	c.Prices = slices.Clone(m.Prices)
	for i := range c.Prices {
		c.Prices[i].Source = ""
	}
	return &c
}

// notAModel tells the names that stand for a class of models by size, or for a default.
func notAModel(name string) bool {
	return name == "default" || strings.ContainsAny(name, "* ") || strings.HasPrefix(name, "fireworks-ai-") || strings.HasPrefix(name, "together-ai-")
}
