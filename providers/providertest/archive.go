package providertest

import (
	"bytes"
	"strings"
)

// An archive is a txtar file: a comment, then sections, each begun by a line "-- name --".
type archive struct {
	comment  []byte
	sections []section
}

type section struct {
	name string
	data []byte
}

func parseArchive(data []byte) *archive {
	a := new(archive)
	into := &a.comment
	for len(data) > 0 {
		line := data
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			line = data[:i+1]
		}
		data = data[len(line):]
		if name, ok := sectionName(line); ok {
			a.sections = append(a.sections, section{name: name})
			into = &a.sections[len(a.sections)-1].data
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

func (a *archive) format() []byte {
	b := bytes.Clone(a.comment)
	for _, s := range a.sections {
		b = append(b, "-- "+s.name+" --\n"...)
		b = append(b, s.data...)
		if n := len(b); b[n-1] != '\n' {
			b = append(b, '\n')
		}
	}
	return b
}

func (a *archive) get(name string) ([]byte, bool) {
	for _, s := range a.sections {
		if s.name == name {
			return s.data, true
		}
	}
	return nil, false
}

func (a *archive) has(name string) bool { _, ok := a.get(name); return ok }

// set replaces a section where it stands, or adds it at the end.
func (a *archive) set(name string, data []byte) {
	for i := range a.sections {
		if a.sections[i].name == name {
			a.sections[i].data = data
			return
		}
	}
	a.sections = append(a.sections, section{name, data})
}
