// Package casefile is what the test kits share: archives of text files, HTTP messages as text, and comparisons that show
// where two JSON documents differ.
package casefile

import (
	"bytes"
	"strings"
)

// Archive is a txtar file: a comment, then sections, each begun by a line "-- name --".
type Archive struct {
	Comment  []byte
	Sections []Section
}

// Section is one file of an archive.
type Section struct {
	Name string
	Data []byte
}

// Parse reads an archive. Every text is one.
func Parse(data []byte) *Archive {
	a := new(Archive)
	into := &a.Comment
	for len(data) > 0 {
		line := data
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			line = data[:i+1]
		}
		data = data[len(line):]
		if name, ok := sectionName(line); ok {
			a.Sections = append(a.Sections, Section{Name: name})
			into = &a.Sections[len(a.Sections)-1].Data
			continue
		}
		*into = append(*into, line...)
	}
	return a
}

func sectionName(line []byte) (string, bool) {
	s := strings.TrimRight(string(line), "\r\n")
	if name, ok := strings.CutPrefix(s, "-- "); ok {
		if name, ok = strings.CutSuffix(name, " --"); ok {
			return strings.TrimSpace(name), true
		}
	}
	return "", false
}

// Format writes the archive; what was not changed keeps its bytes.
func (a *Archive) Format() []byte {
	b := bytes.Clone(a.Comment)
	for _, s := range a.Sections {
		b = append(b, "-- "+s.Name+" --\n"...)
		b = append(b, s.Data...)
		if n := len(b); b[n-1] != '\n' {
			b = append(b, '\n')
		}
	}
	return b
}

// Get is the content of a section.
func (a *Archive) Get(name string) ([]byte, bool) {
	for _, s := range a.Sections {
		if s.Name == name {
			return s.Data, true
		}
	}
	return nil, false
}

// Has says whether there is such a section.
func (a *Archive) Has(name string) bool { _, ok := a.Get(name); return ok }

// Set replaces a section where it stands, or adds it at the end.
func (a *Archive) Set(name string, data []byte) {
	for i := range a.Sections {
		if a.Sections[i].Name == name {
			a.Sections[i].Data = data
			return
		}
	}
	a.Sections = append(a.Sections, Section{name, data})
}
