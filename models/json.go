package models

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// The JSON form of a catalogue; see [Parse].
type fileJSON struct {
	Providers map[string]string          `json:"providers,omitempty"`
	Models    map[string]json.RawMessage `json:"models"`
}

type modelJSON struct {
	Aliases          []string            `json:"aliases,omitempty"`
	Mode             Mode                `json:"mode,omitempty"`
	Status           string              `json:"status,omitempty"`
	ContextWindow    int                 `json:"context_window,omitempty"`
	MaxInput         int                 `json:"max_input_tokens,omitempty"`
	MaxOutput        int                 `json:"max_output_tokens,omitempty"`
	Dimensions       int                 `json:"dimensions,omitempty"`
	MinCacheTokens   int                 `json:"min_cache_tokens,omitempty"`
	Input            []string            `json:"input,omitempty"`
	Output           []string            `json:"output,omitempty"`
	Supports         map[Capability]bool `json:"supports,omitempty"`
	ReasoningEfforts []string            `json:"reasoning_efforts,omitempty"`
	MinReasoning     int                 `json:"min_reasoning_tokens,omitempty"`
	MaxReasoning     int                 `json:"max_reasoning_tokens,omitempty"`
	FirstParty       bool                `json:"first_party,omitempty"`
	Released         Date                `json:"released,omitempty"`
	Deprecated       Date                `json:"deprecated,omitempty"`
	Retired          Date                `json:"retired,omitempty"`
	Prices           []listJSON          `json:"prices,omitempty"`
}

type listJSON struct {
	Tier    Tier        `json:"tier,omitempty"`
	Regions []string    `json:"regions,omitempty"`
	From    Date        `json:"from,omitempty"`
	Until   Date        `json:"until,omitempty"`
	UpTo    int64       `json:"up_to,omitempty"`
	Windows []Window    `json:"windows,omitempty"`
	Source  string      `json:"source,omitempty"`
	Checked Date        `json:"checked,omitempty"`
	Prices  []priceJSON `json:"prices"`
}

type priceJSON struct {
	Of      *Dimension `json:"of"`
	Per     Unit       `json:"per"`
	USD     *Amount    `json:"usd"`
	Above   int64      `json:"above,omitempty"`
	Excess  bool       `json:"excess,omitempty"`
	Variant string     `json:"variant,omitempty"`
}

// Parse reads a catalogue in this package's JSON form:
//
//	{"models": {"myhost/my-model": {
//		"mode": "chat", "context_window": 128000, "max_output_tokens": 16384,
//		"input": ["text", "image"], "supports": {"tools": true, "prefill": false},
//		"prices": [{"source": "the contract", "checked": "2026-08-01", "prices": [
//			{"of": "input", "usd": "2.50"},
//			{"of": "input", "usd": "5.00", "above": 200000},
//			{"of": "output", "usd": "10"},
//			{"of": "web_search", "per": "query", "usd": "0.01"}]}]}}}
//
// All members of a model but its name may be left out. A price is in US dollars, as a number or a string, and exact;
// "per" is a [Unit], by default "million_tokens". "providers" at the top maps further names of providers to their own.
// A member that is not known is an error, and each error names its entry.
func Parse(r io.Reader) (*Catalogue, error) {
	var file fileJSON
	if err := strict(r, &file); err != nil {
		return nil, fmt.Errorf("models: %w", err)
	}
	if file.Models == nil {
		return nil, errors.New(`models: there is no "models" in the file`)
	}
	list := make([]*Model, 0, len(file.Models))
	for _, id := range slices.Sorted(maps.Keys(file.Models)) {
		var raw modelJSON
		if err := strict(bytes.NewReader(file.Models[id]), &raw); err != nil {
			return nil, fmt.Errorf("models: %q: %w", id, err)
		}
		m, err := raw.model(id)
		if err != nil {
			return nil, fmt.Errorf("models: %q: %w", id, err)
		}
		list = append(list, m)
	}
	return New(list, file.Providers)
}

func strict(r io.Reader, into any) error {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("there is more after the end of the JSON")
	}
	return nil
}

func (j *modelJSON) model(id string) (*Model, error) {
	m := &Model{
		ID: id, Aliases: j.Aliases, Mode: j.Mode, Status: j.Status,
		ContextWindow: j.ContextWindow, MaxInputTokens: j.MaxInput, MaxOutputTokens: j.MaxOutput,
		Dimensions: j.Dimensions, MinCacheTokens: j.MinCacheTokens,
		ReasoningEfforts: j.ReasoningEfforts, MinReasoningTokens: j.MinReasoning, MaxReasoningTokens: j.MaxReasoning,
		FirstParty: j.FirstParty, Released: j.Released, Deprecated: j.Deprecated, Retired: j.Retired,
	}
	for _, alias := range m.Aliases {
		if provider, name, _ := strings.Cut(alias, "/"); provider == "" || name == "" {
			return nil, fmt.Errorf("the alias %q is not \"provider/model\"", alias)
		}
	}
	for c, yes := range j.Supports {
		if yes {
			m.SetCapability(c, Supported)
		} else {
			m.SetCapability(c, Unsupported)
		}
	}
	var err error
	if m.Input, err = modalitiesOf(j.Input); err != nil {
		return nil, err
	}
	if m.Output, err = modalitiesOf(j.Output); err != nil {
		return nil, err
	}
	if j.Prices == nil {
		return m, nil
	}
	m.Prices = make([]PriceList, len(j.Prices))
	for i, l := range j.Prices {
		m.Prices[i] = PriceList{Tier: l.Tier, Regions: l.Regions, From: l.From, Until: l.Until, UpTo: l.UpTo, Windows: l.Windows,
			Source: l.Source, Checked: l.Checked, Prices: make([]Price, len(l.Prices))}
		for k, p := range l.Prices {
			if p.Of == nil || p.USD == nil {
				return nil, fmt.Errorf("prices[%d].prices[%d]: \"of\" and \"usd\" are needed", i, k)
			}
			m.Prices[i].Prices[k] = Price{*p.Of, p.Per, *p.USD, p.Above, p.Excess, p.Variant}
		}
	}
	return m, nil
}

// MarshalJSON writes the form that [Parse] reads.
func (c *Catalogue) MarshalJSON() ([]byte, error) {
	file := struct {
		Providers map[string]string     `json:"providers,omitempty"`
		Models    map[string]*modelJSON `json:"models"`
	}{c.providers, make(map[string]*modelJSON, len(c.models))}
	for _, m := range c.models {
		j := &modelJSON{
			Aliases: m.Aliases, Mode: m.Mode, Status: m.Status,
			ContextWindow: m.ContextWindow, MaxInput: m.MaxInputTokens, MaxOutput: m.MaxOutputTokens,
			Dimensions: m.Dimensions, MinCacheTokens: m.MinCacheTokens, Input: m.Input.names(), Output: m.Output.names(),
			ReasoningEfforts: m.ReasoningEfforts, MinReasoning: m.MinReasoningTokens, MaxReasoning: m.MaxReasoningTokens,
			FirstParty: m.FirstParty, Released: m.Released, Deprecated: m.Deprecated, Retired: m.Retired,
		}
		for k := range numCapabilities {
			if m.known.has(k) {
				if j.Supports == nil {
					j.Supports = make(map[Capability]bool)
				}
				j.Supports[k] = m.supported.has(k)
			}
		}
		for _, l := range m.Prices {
			out := listJSON{l.Tier, l.Regions, l.From, l.Until, l.UpTo, l.Windows, l.Source, l.Checked, make([]priceJSON, 0, len(l.Prices))}
			for _, p := range l.Prices {
				out.Prices = append(out.Prices, priceJSON{&p.Dimension, p.Unit, &p.Amount, p.Above, p.Excess, p.Variant})
			}
			j.Prices = append(j.Prices, out)
		}
		file.Models[m.ID] = j
	}
	return json.Marshal(file)
}
