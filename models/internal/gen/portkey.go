package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/llm-go/llm/models"
)

// Portkey's prices are in US cents for one token, one search, one image …
type portkeyPrice struct{ Price json.Number }

type portkeyConfig struct {
	PayAsYouGo map[string]json.RawMessage `json:"pay_as_you_go"`
	Batch      map[string]portkeyPrice    `json:"batch_config"`
}

type portkeyModel struct {
	Config *portkeyConfig `json:"pricing_config"`
	Custom struct {
		Tiers   map[string]string `json:"context_tier_map"` // from a threshold to a tier's name
		Regions map[string]struct {
			Modes map[string]struct {
				Config *portkeyConfig `json:"pricing_config"`
				Tiers  map[string]struct {
					Config *portkeyConfig `json:"pricing_config"`
				} `json:"context_tiers"`
			} `json:"execution_modes"`
		} `json:"regions"`
	} `json:"custom_pricing"`
}

type portkeyUnit struct {
	dimension models.Dimension
	unit      models.Unit
	variant   string
}

var portkeyTokens = map[string]models.Dimension{
	"request_token": models.Input, "response_token": models.Output, "request_text_token": models.Input, "response_text_token": models.Output,
	"cache_write_input_token": models.CacheWrite, "cache_read_input_token": models.CacheRead, "cache_read_text_input_token": models.CacheRead,
	"request_audio_token": models.InputAudio, "response_audio_token": models.OutputAudio, "cache_read_audio_input_token": models.CacheReadAudio,
	"request_image_token": models.InputImage, "response_image_token": models.OutputImage, "cache_read_image_input_token": models.CacheReadImage,
	"reasoning_token": models.Reasoning,
}

var portkeyUnits = map[string]portkeyUnit{
	"cache_write_1h":            {models.CacheWrite1h, models.PerMillionTokens, ""},
	"image_token":               {models.OutputImage, models.PerMillionTokens, ""},
	"output_video_token":        {models.OutputVideo, models.PerMillionTokens, ""},
	"web_search":                {models.WebSearch, models.PerQuery, ""},
	"web_search_low_context":    {models.WebSearch, models.PerQuery, "low"},
	"web_search_medium_context": {models.WebSearch, models.PerQuery, "medium"},
	"web_search_high_context":   {models.WebSearch, models.PerQuery, "high"},
	"enterprise_web_search":     {models.EnterpriseSearch, models.PerQuery, ""},
	"maps":                      {models.MapsSearch, models.PerQuery, ""},
	"x_search":                  {models.XSearch, models.PerQuery, ""},
	"file_search":               {models.FileSearch, models.PerQuery, ""},
	"attachment_search":         {models.AttachmentSearch, models.PerQuery, ""},
	"generated_images":          {models.OutputImage, models.PerImage, ""},
	"megapixels":                {models.OutputImage, models.PerMillionPixels, ""},
	"video_seconds":             {models.OutputVideo, models.PerSecond, ""},
	"input_video_seconds":       {models.InputVideo, models.PerSecond, ""},
}

var (
	portkeyLength = regexp.MustCompile(`^(.+)-(lte|gt)-\d+k$`)
	portkeyVideo  = regexp.MustCompile(`^video_duration_seconds_(\d+)_(\d+)$`)
	portkeyVendor = regexp.MustCompile(`^(anthropic|meta|mistralai|google)\.`)
)

func readPortkey(f *os.File, s *source) error {
	var file map[string]map[string]*portkeyModel
	if err := json.NewDecoder(f).Decode(&file); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(file)) {
		list := file[key]
		for _, provider := range named(key, func(p *provider) string { return p.portkey }) {
			for _, name := range slices.Sorted(maps.Keys(list)) {
				p := list[name]
				if notAModel(name) || strings.Contains(name, "::") || provider == "bedrock" && !strings.Contains(name, ".") {
					continue
				}
				if l := portkeyLength.FindStringSubmatch(name); l != nil {
					// The pair is named by 128k whatever the real threshold is: the lower one is the price.
					if l[2] == "gt" {
						continue
					}
					name = l[1]
				}
				if provider == "vertex_ai" {
					name = portkeyVendor.ReplaceAllString(name, "")
				}
				m := &models.Model{ID: provider + "/" + name}
				if err := p.addTo(m); err != nil {
					return fmt.Errorf("%s/%s: %w", key, name, err)
				}
				if s.models[m.ID] == nil || len(s.models[m.ID].Prices) < len(m.Prices) {
					s.models[m.ID] = m
				}
			}
		}
	}
	return nil
}

var portkeyModes = map[string]models.Tier{"standard": models.Standard, "batch": models.Batch, "flex": models.Flex,
	"priority": models.Priority, "fast": models.Fast}

func (p *portkeyModel) addTo(m *models.Model) error {
	if p.Config == nil {
		return nil
	}
	lists := make(map[string]*models.PriceList)
	list := func(tier models.Tier, region string) *models.PriceList {
		k := string(tier) + "@" + region
		if lists[k] == nil {
			lists[k] = &models.PriceList{Tier: tier}
			if region != "default" {
				lists[k].Regions = []string{region}
			}
		}
		return lists[k]
	}
	above := make(map[string]int64)
	for threshold, name := range p.Custom.Tiers {
		var n int64
		if _, err := fmt.Sscan(threshold, &n); err != nil {
			return fmt.Errorf("context_tier_map: %w", err)
		}
		above[name] = n
	}
	for _, regions := range slices.Sorted(maps.Keys(p.Custom.Regions)) {
		r := p.Custom.Regions[regions]
		for region := range strings.SplitSeq(regions, ",") {
			for _, mode := range slices.Sorted(maps.Keys(r.Modes)) {
				e := r.Modes[mode]
				tier, ok := portkeyModes[mode]
				if !ok {
					continue
				}
				l := list(tier, region)
				if e.Config != nil {
					if err := e.Config.addTo(l, 0); err != nil {
						return err
					}
				}
				for _, name := range slices.Sorted(maps.Keys(e.Tiers)) {
					t := e.Tiers[name]
					if t.Config == nil {
						continue
					}
					if err := t.Config.addTo(l, above[name]); err != nil {
						return err
					}
				}
			}
		}
	}
	if l := list(models.Standard, "default"); len(l.Prices) == 0 {
		if err := p.Config.addTo(l, 0); err != nil {
			return err
		}
	}
	if l := list(models.Batch, "default"); len(l.Prices) == 0 {
		for _, name := range slices.Sorted(maps.Keys(p.Config.Batch)) {
			price := p.Config.Batch[name]
			if d, ok := portkeyTokens[name]; ok {
				if err := add(l, models.Price{Dimension: d}, price.Price, 6-2); err != nil {
					return err
				}
			}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(lists)) {
		l := lists[k]
		if len(l.Prices) > 0 {
			m.Prices = append(m.Prices, *l)
		}
	}
	return nil
}

func (c *portkeyConfig) addTo(l *models.PriceList, above int64) error {
	for _, name := range slices.Sorted(maps.Keys(c.PayAsYouGo)) {
		raw := c.PayAsYouGo[name]
		switch {
		case name == "image":
			if err := portkeyImages(l, raw); err != nil {
				return err
			}
		case name == "additional_units":
			var units map[string]portkeyPrice
			if err := json.Unmarshal(raw, &units); err != nil {
				return err
			}
			for _, unit := range slices.Sorted(maps.Keys(units)) {
				price := units[unit]
				u := portkeyUnits[unit]
				if v := portkeyVideo.FindStringSubmatch(unit); v != nil {
					u = portkeyUnit{models.OutputVideo, models.PerSecond, v[1] + "x" + v[2]}
				}
				if u == (portkeyUnit{}) {
					continue
				}
				shift := -2
				if u.unit.Size() == 1_000_000 {
					shift += 6
				}
				if err := add(l, models.Price{Dimension: u.dimension, Unit: u.unit, Variant: u.variant, Above: aboveFor(u, above)}, price.Price, shift); err != nil {
					return fmt.Errorf("%s: %w", unit, err)
				}
			}
		default:
			d, ok := portkeyTokens[name]
			if !ok {
				continue
			}
			var price portkeyPrice
			if err := json.Unmarshal(raw, &price); err != nil {
				return err
			}
			if err := add(l, models.Price{Dimension: d, Above: above}, price.Price, 6-2); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// aboveFor keeps thresholds to tokens: a search costs the same in each.
func aboveFor(u portkeyUnit, above int64) int64 {
	if u.unit == models.PerMillionTokens {
		return above
	}
	return 0
}

// portkeyImages reads prices by quality and size. The standard quality is the default, which is left out where it is
// another one.
func portkeyImages(l *models.PriceList, raw json.RawMessage) error {
	var qualities map[string]map[string]portkeyPrice
	if err := json.Unmarshal(raw, &qualities); err != nil {
		return err
	}
	for _, quality := range slices.Sorted(maps.Keys(qualities)) {
		sizes := qualities[quality]
		if _, ok := qualities["standard"]; quality == "default" && !ok && len(qualities) > 1 {
			continue
		}
		for _, size := range slices.Sorted(maps.Keys(sizes)) {
			price := sizes[size]
			if size == "default" && len(sizes) > 1 {
				continue
			}
			variant := strings.TrimSpace(strings.NewReplacer("default", "", "standard", "").Replace(quality + " " + size))
			if err := add(l, models.Price{Dimension: models.OutputImage, Unit: models.PerImage, Variant: variant}, price.Price, -2); err != nil {
				return err
			}
		}
	}
	return nil
}

// add adds a price that is above zero: zero means that Portkey has none.
func add(l *models.PriceList, p models.Price, n json.Number, shift int) error {
	a, err := amount(n, shift)
	if err != nil {
		return err
	}
	if a <= 0 {
		return nil
	}
	p.Amount = a
	for _, q := range l.Prices {
		if q.Dimension == p.Dimension && q.Variant == p.Variant && q.Above == p.Above {
			return nil
		}
	}
	l.Prices = append(l.Prices, p)
	return nil
}
