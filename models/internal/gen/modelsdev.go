package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/llm-go/llm/models"
)

type devModel struct {
	Released  string `json:"release_date"`
	Status    string `json:"status"`
	Reasoning *bool  `json:"reasoning"`
	Options   []struct {
		Type     string   `json:"type"`
		Values   []string `json:"values"`
		Min, Max int
	} `json:"reasoning_options"`
	Temperature *bool    `json:"temperature"`
	ToolCall    *bool    `json:"tool_call"`
	Structured  *bool    `json:"structured_output"`
	Cost        *devCost `json:"cost"`
	Limit       struct{ Context, Input, Output json.Number }
	Modalities  struct{ Input, Output []string }
	Experiment  struct {
		Modes map[string]struct {
			Cost     *devCost
			Provider struct {
				Body map[string]any
			}
		}
	} `json:"experimental"`
}

// devCost is in dollars per million tokens.
type devCost struct {
	Input       json.Number `json:"input"`
	Output      json.Number `json:"output"`
	CacheRead   json.Number `json:"cache_read"`
	CacheWrite  json.Number `json:"cache_write"`
	Reasoning   json.Number `json:"reasoning"`
	InputAudio  json.Number `json:"input_audio"`
	OutputAudio json.Number `json:"output_audio"`
	Tiers       []struct {
		devCost
		Tier struct{ Size int64 }
	} `json:"tiers"`
}

func readModelsDev(f *os.File, s *source) error {
	var file map[string]struct{ Models map[string]*devModel }
	if err := json.NewDecoder(f).Decode(&file); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(file)) {
		p := file[key]
		for _, provider := range named(key, func(p *provider) string { return p.modelsdev }) {
			for name, d := range p.Models {
				m, err := d.model(provider + "/" + name)
				if err != nil {
					return fmt.Errorf("%s/%s: %w", key, name, err)
				}
				s.models[m.ID] = m
			}
		}
	}
	return nil
}

func (d *devModel) model(id string) (*models.Model, error) {
	m := &models.Model{ID: id}
	if d.Status == "alpha" || d.Status == "beta" || d.Status == "deprecated" {
		m.Status = d.Status
	}
	if date, err := models.ParseDate(d.Released); err == nil {
		m.Released = date
	}
	m.ContextWindow, m.MaxInputTokens, m.MaxOutputTokens = tokens(d.Limit.Context), tokens(d.Limit.Input), tokens(d.Limit.Output)
	for c, v := range map[models.Capability]*bool{models.Tools: d.ToolCall, models.ReasoningMode: d.Reasoning,
		models.ResponseSchema: d.Structured, models.SamplingParams: d.Temperature} {
		if v != nil && *v {
			m.SetCapability(c, models.Supported)
		} else if v != nil {
			m.SetCapability(c, models.Unsupported)
		}
	}
	m.Input, m.Output = modalities(d.Modalities.Input), modalities(d.Modalities.Output)
	for in, c := range map[models.Modalities]models.Capability{models.Image: models.Vision, models.Audio: models.AudioInput,
		models.Video: models.VideoInput, models.PDF: models.PDFInput} {
		if m.Input.Has(in) {
			m.SetCapability(c, models.Supported)
		} else if m.Input != 0 {
			m.SetCapability(c, models.Unsupported)
		}
	}
	if m.Output.Has(models.Audio) {
		m.SetCapability(models.AudioOutput, models.Supported)
	}
	if m.Output.Has(models.Image) {
		m.SetCapability(models.ImageOutput, models.Supported)
	}
	m.Mode = devMode(m)
	for _, o := range d.Options {
		switch o.Type {
		case "effort":
			m.ReasoningEfforts = slices.DeleteFunc(slices.Clone(o.Values), func(v string) bool { return v == "" || v == "null" })
		case "budget_tokens":
			m.MinReasoningTokens, m.MaxReasoningTokens = max(o.Min, 0), max(o.Max, 0)
		}
	}
	if d.Cost == nil {
		return m, nil
	}
	list, err := d.Cost.list(models.Standard)
	if err != nil {
		return nil, err
	}
	m.Prices = append(m.Prices, list)
	if fast, ok := d.Experiment.Modes["fast"]; ok && fast.Cost != nil {
		tier := models.Fast
		if fast.Provider.Body["service_tier"] == "priority" {
			tier = models.Priority
		}
		list, err := fast.Cost.list(tier)
		if err != nil {
			return nil, err
		}
		m.Prices = append(m.Prices, list)
	}
	return m, nil
}

// devMode guesses nothing that the modalities do not say.
func devMode(m *models.Model) models.Mode {
	switch {
	case strings.Contains(m.ID, "embed"):
		return models.ModeEmbedding
	case m.Output == models.Image:
		return models.ModeImage
	case m.Output == models.Video:
		return models.ModeVideo
	case m.Output == models.Audio && m.Input == models.Text:
		return models.ModeSpeech
	case m.Output == models.Text && m.Input == models.Audio:
		return models.ModeTranscription
	case m.Output.Has(models.Text):
		return models.ModeChat
	}
	return ""
}

func modalities(names []string) (set models.Modalities) {
	for i, name := range []string{"text", "image", "audio", "video", "pdf"} {
		if slices.Contains(names, name) {
			set |= 1 << i
		}
	}
	return set
}

func tokens(n json.Number) int {
	i, err := n.Int64()
	if err != nil || i < 0 || i > 1<<40 {
		return 0
	}
	return int(i)
}

func (c *devCost) list(tier models.Tier) (models.PriceList, error) {
	l := models.PriceList{Tier: tier}
	if err := c.addTo(&l, 0); err != nil {
		return l, err
	}
	for i := range c.Tiers {
		if err := c.Tiers[i].addTo(&l, c.Tiers[i].Tier.Size); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (c *devCost) addTo(l *models.PriceList, above int64) error {
	for d, n := range map[models.Dimension]json.Number{models.Input: c.Input, models.Output: c.Output, models.CacheRead: c.CacheRead,
		models.CacheWrite: c.CacheWrite, models.Reasoning: c.Reasoning, models.InputAudio: c.InputAudio, models.OutputAudio: c.OutputAudio} {
		if n == "" {
			continue
		}
		a, err := amount(n, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", d, err)
		}
		if a >= 0 {
			l.Prices = append(l.Prices, models.Price{Dimension: d, Amount: a, Above: above})
		}
	}
	return nil
}
