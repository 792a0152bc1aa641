package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/llm-go/llm/models"
	"github.com/llm-go/llm/models/internal/decimal"
)

// amount reads a number of dollars times 10^shift, as models.ParseLiteLLM does.
func amount(n json.Number, shift int) (models.Amount, error) {
	d, err := decimal.Parse(n.String())
	if err != nil {
		return 0, fmt.Errorf("%q: %w", n, err)
	}
	v, err := d.Rounded(12 + shift)
	if err != nil {
		return 0, fmt.Errorf("%q: %w", n, err)
	}
	return models.Amount(v), nil
}

type genaiModel struct {
	ID            string
	Match         genaiMatch
	ContextWindow json.Number `json:"context_window"`
	Comments      string      `json:"price_comments"`
	Deprecated    bool
	Prices        json.RawMessage
}

type genaiMatch struct {
	Equals     string       `json:"equals"`
	StartsWith string       `json:"starts_with"`
	EndsWith   string       `json:"ends_with"`
	Contains   string       `json:"contains"`
	Regex      string       `json:"regex"`
	Or, And    []genaiMatch `json:",omitempty"`
}

func (m genaiMatch) matches(name string) bool {
	low := strings.ToLower
	switch {
	case m.Or != nil:
		return slices.ContainsFunc(m.Or, func(o genaiMatch) bool { return o.matches(name) })
	case m.And != nil:
		return !slices.ContainsFunc(m.And, func(o genaiMatch) bool { return !o.matches(name) })
	case m.Equals != "":
		return low(name) == low(m.Equals)
	case m.StartsWith != "":
		return strings.HasPrefix(low(name), low(m.StartsWith))
	case m.EndsWith != "":
		return strings.HasSuffix(low(name), low(m.EndsWith))
	case m.Contains != "":
		return strings.Contains(low(name), low(m.Contains))
	case m.Regex != "":
		re, err := regexp.Compile(m.Regex)
		return err == nil && re.MatchString(name)
	}
	return false
}

// names are those that a match spells out.
func (m genaiMatch) names() []string {
	if m.Equals != "" {
		return []string{m.Equals}
	}
	var list []string
	for _, o := range m.Or {
		list = append(list, o.names()...)
	}
	return list
}

// snapshot is what a version adds to a model's name.
var snapshot = regexp.MustCompile(`^(-latest|[-@]?\d{8}|-\d{4}-\d{2}-\d{2}|-\d{3,4}|@default|-v\d+(:\d+)?|-\d{8}-v\d+:\d+)?$`)

// exactly says that the entry is meant for the name: it spells it out, or with no more than a version behind it.
func (g *genaiModel) exactly(name string) bool {
	var starts func(m genaiMatch) bool
	starts = func(m genaiMatch) bool {
		rest, ok := strings.CutPrefix(name, m.StartsWith)
		return m.Equals == name || m.StartsWith != "" && ok && snapshot.MatchString(rest) ||
			strings.HasPrefix(m.Regex, "^") && strings.HasSuffix(m.Regex, "$") && m.matches(name) || slices.ContainsFunc(m.Or, starts)
	}
	return name == g.ID || starts(g.Match)
}

var pageURL = regexp.MustCompile(`https://[^\s,;)]+[^\s,;).]`)

// pagesIn are the vendors' pages that a comment refers to.
func pagesIn(comment string) []string {
	return slices.DeleteFunc(pageURL.FindAllString(comment, -1), func(u string) bool { return strings.HasPrefix(u, "https://github.com/") })
}

func readGenAI(f *os.File, s *source, names map[string]bool) error {
	var file []struct {
		ID     string
		URLs   []string `json:"pricing_urls"`
		Models []*genaiModel
	}
	if err := json.NewDecoder(f).Decode(&file); err != nil {
		return err
	}
	for _, p := range file {
		for _, provider := range named(p.ID, func(p *provider) string { return p.keys }) {
			all := make(map[string]bool)
			for id := range names {
				if name, ok := strings.CutPrefix(id, provider+"/"); ok {
					all[name] = true
				}
			}
			if provider != "vertex_ai" { // its own names are those of gemini
				for _, g := range p.Models {
					if g.Match.matches(g.ID) && !(provider == "gemini" && !strings.HasPrefix(g.ID, "gem")) {
						all[g.ID] = true
					}
				}
			}
			for name := range all {
				i := slices.IndexFunc(p.Models, func(g *genaiModel) bool { return g.Match.matches(name) })
				if i < 0 {
					continue
				}
				if err := p.Models[i].addTo(s, provider+"/"+name, slices.Concat(pagesIn(p.Models[i].Comments), p.URLs)); err != nil {
					return fmt.Errorf("%s/%s: %w", p.ID, p.Models[i].ID, err)
				}
			}
			for _, g := range p.Models {
				for _, alias := range g.Match.names() {
					if id := provider + "/" + g.ID; s.models[id] != nil && !all[alias] && alias == strings.ToLower(alias) {
						s.aliases[id] = append(s.aliases[id], provider+"/"+alias)
					}
				}
			}
		}
	}
	return nil
}

func (g *genaiModel) addTo(s *source, id string, urls []string) error {
	m := &models.Model{ID: id}
	_, name, _ := strings.Cut(id, "/")
	if !g.exactly(name) {
		s.partial[id] = true
	} else {
		m.ContextWindow = tokens(g.ContextWindow)
		if g.Deprecated {
			m.Status = "deprecated"
		}
	}
	var dated []struct {
		Constraint *struct {
			Type      string
			StartDate string `json:"start_date"`
			StartTime string `json:"start_time"`
			EndTime   string `json:"end_time"`
		}
		Prices map[string]json.RawMessage
	}
	if g.Prices[0] == '[' {
		if err := json.Unmarshal(g.Prices, &dated); err != nil {
			return err
		}
	} else {
		dated = append(dated, struct {
			Constraint *struct {
				Type      string
				StartDate string `json:"start_date"`
				StartTime string `json:"start_time"`
				EndTime   string `json:"end_time"`
			}
			Prices map[string]json.RawMessage
		}{})
		if err := json.Unmarshal(g.Prices, &dated[0].Prices); err != nil {
			return err
		}
	}
	var last *models.PriceList // without a window
	for _, d := range dated {
		l := models.PriceList{Source: slices.Concat(urls, []string{""})[0]}
		for key, raw := range d.Prices {
			if key == "requests_kcount" && strings.HasPrefix(id, "perplexity/") {
				key = "perplexity_requests" // the fee is that of the search, here with the largest context
			}
			if err := genaiPrice(&l, key, raw); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		models.SortPrices(l.Prices)
		if d.Constraint != nil && d.Constraint.Type == "time_of_date" {
			w, err := window(d.Constraint.StartTime, d.Constraint.EndTime)
			if err != nil {
				return err
			}
			if last != nil {
				l.From = last.From
			}
			if before := &m.Prices[len(m.Prices)-1]; len(before.Windows) > 0 && slices.Equal(before.Prices, l.Prices) {
				before.Windows = append(before.Windows, w)
				continue
			}
			l.Windows = []models.Window{w}
			m.Prices = append(m.Prices, l)
			continue
		}
		if d.Constraint != nil {
			from, err := models.ParseDate(d.Constraint.StartDate)
			if err != nil {
				return err
			}
			l.From = from
			if last != nil {
				last.Until = from
			}
		}
		m.Prices = append(m.Prices, l)
		last = &m.Prices[len(m.Prices)-1]
	}
	s.models[id] = m
	return nil
}

func window(from, until string) (models.Window, error) {
	a, err := time.Parse("15:04:05Z", from)
	b, err2 := time.Parse("15:04:05Z", until)
	return models.Window{From: int16(a.Hour()*60 + a.Minute()), Until: int16(b.Hour()*60 + b.Minute())}, errors.Join(err, err2)
}

type genaiUnit struct {
	dimension models.Dimension
	unit      models.Unit
	shift     int
	variant   string
}

var genaiUnits = map[string]genaiUnit{
	"input_mtok":                      {models.Input, models.PerMillionTokens, 0, ""},
	"output_mtok":                     {models.Output, models.PerMillionTokens, 0, ""},
	"cache_read_mtok":                 {models.CacheRead, models.PerMillionTokens, 0, ""},
	"cache_write_mtok":                {models.CacheWrite, models.PerMillionTokens, 0, ""},
	"cache_write_1h_mtok":             {models.CacheWrite1h, models.PerMillionTokens, 0, ""},
	"input_audio_mtok":                {models.InputAudio, models.PerMillionTokens, 0, ""},
	"output_audio_mtok":               {models.OutputAudio, models.PerMillionTokens, 0, ""},
	"cache_audio_read_mtok":           {models.CacheReadAudio, models.PerMillionTokens, 0, ""},
	"input_image_mtok":                {models.InputImage, models.PerMillionTokens, 0, ""},
	"output_image_mtok":               {models.OutputImage, models.PerMillionTokens, 0, ""},
	"cache_image_read_mtok":           {models.CacheReadImage, models.PerMillionTokens, 0, ""},
	"input_video_mtok":                {models.InputVideo, models.PerMillionTokens, 0, ""},
	"output_video_mtok":               {models.OutputVideo, models.PerMillionTokens, 0, ""},
	"output_reasoning_mtok":           {models.Reasoning, models.PerMillionTokens, 0, ""},
	"output_citation_mtok":            {models.Citation, models.PerMillionTokens, 0, ""},
	"web_searches_kcount":             {models.WebSearch, models.PerQuery, -3, ""},
	"storage_searches_kcount":         {models.FileSearch, models.PerQuery, -3, ""},
	"perplexity_requests":             {models.WebSearch, models.PerQuery, -3, "high"},
	"requests_kcount":                 {models.Request, models.PerRequest, -3, ""},
	"input_text_messages_kcount":      {models.Request, models.PerRequest, -3, "text message"},
	"audio_hours":                     {models.InputAudio, models.PerHour, 0, ""},
	"input_audio_hours":               {models.InputAudio, models.PerHour, 0, ""},
	"input_document_kpages":           {models.Page, models.PerPage, -3, ""},
	"input_annotated_document_kpages": {models.AnnotatedPage, models.PerPage, -3, ""},
}

func genaiPrice(l *models.PriceList, key string, raw json.RawMessage) error {
	u, ok := genaiUnits[key]
	if !ok {
		return errors.New("unknown unit")
	}
	var tiered struct {
		Base  json.Number
		Tiers []struct {
			Start int64
			Price json.Number
		}
	}
	if raw[0] == '{' {
		if err := json.Unmarshal(raw, &tiered); err != nil {
			return err
		}
	} else {
		tiered.Base = json.Number(raw)
	}
	a, err := amount(tiered.Base, u.shift)
	if err != nil {
		return err
	}
	l.Prices = append(l.Prices, models.Price{Dimension: u.dimension, Unit: u.unit, Amount: a, Variant: u.variant})
	for _, t := range tiered.Tiers {
		if a, err = amount(t.Price, u.shift); err != nil {
			return err
		}
		l.Prices = append(l.Prices, models.Price{Dimension: u.dimension, Unit: u.unit, Amount: a, Above: t.Start, Variant: u.variant})
	}
	return nil
}
