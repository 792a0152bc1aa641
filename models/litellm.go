package models

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/llm-go/llm/models/internal/decimal"
)

// ParseLiteLLM reads a file in the form of LiteLLM's model_prices_and_context_window.json: an object of models, whose
// litellm_provider becomes this library's name for the provider ("bedrock_converse" is "bedrock"). Regions that stand
// in a model's name ("azure/eu/gpt-4o", "bedrock/us-west-2/…") become price lists of the model, and so do the sizes and
// qualities of images ("hd/1024-x-1792/dall-e-3") and multipliers for regions and speeds.
//
// Prices are read as exact decimals; a number of more than 14 significant digits, which is a quotient or a binary float
// written out, is rounded to the picodollar. Entries that are no models ("sample_spec"), prices of reserved
// capacity ("…-commitment") and members that have no place in a [Model] are left out.
func ParseLiteLLM(r io.Reader) (*Catalogue, error) {
	var file map[string]json.RawMessage
	dec := json.NewDecoder(r)
	if err := dec.Decode(&file); err != nil {
		return nil, fmt.Errorf("models: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("models: there is more after the end of the JSON")
	}
	byID := make(map[string]*Model)
	for _, name := range slices.Sorted(maps.Keys(file)) {
		if name == "sample_spec" || name == "fallback_generalizations" || strings.Contains(name, "-commitment/") {
			continue
		}
		e := liteEntry{}
		if err := json.Unmarshal(file[name], &e.members); err != nil || e.members == nil {
			return nil, fmt.Errorf("models: %q: not an object", name)
		}
		if err := e.read(name); err != nil {
			return nil, fmt.Errorf("models: %q: %w", name, err)
		}
		e.addTo(byID)
	}
	list := slices.SortedFunc(maps.Values(byID), func(a, b *Model) int { return strings.Compare(a.ID, b.ID) })
	return New(list, nil)
}

// liteProviders are LiteLLM's names that are not ours.
var liteProviders = map[string]string{
	"bedrock_converse": "bedrock", "text-completion-openai": "openai", "text-completion-codestral": "codestral",
	"text-completion-inception": "inception", "cohere_chat": "cohere", "azure_text": "azure",
	"fireworks_ai-embedding-models": "fireworks_ai", "sagemaker_chat": "sagemaker", "ollama_chat": "ollama",
}

type liteEntry struct {
	members map[string]json.RawMessage
	model   Model
	region  string
	variant string // of an image
	lists   map[Tier]*PriceList
	source  string
}

func (e *liteEntry) read(name string) error {
	lite := e.text("litellm_provider")
	provider := lite
	if ours, ok := liteProviders[lite]; ok {
		provider = ours
	} else if strings.HasPrefix(lite, "vertex_ai") {
		provider = "vertex_ai"
	}
	for _, prefix := range []string{lite, provider} {
		if rest, ok := strings.CutPrefix(name, prefix+"/"); ok && prefix != "" {
			name = rest
		}
	}
	if provider == "" {
		var found bool
		if provider, name, found = strings.Cut(name, "/"); !found {
			return errors.New(`"litellm_provider" is missing, and the name is not "provider/model"`)
		}
	}
	e.source = e.text("source")
	name = e.place(provider, name)
	m := &e.model
	m.ID, m.Mode = provider+"/"+name, liteModes[e.text("mode")]
	for member, to := range map[string]*int{"max_input_tokens": &m.MaxInputTokens, "max_output_tokens": &m.MaxOutputTokens,
		"output_vector_size": &m.Dimensions, "prompt_cache_min_tokens": &m.MinCacheTokens} {
		n, err := e.count(member)
		if err != nil {
			return err
		}
		*to = n
	}
	e.capabilities()
	if date := e.text("deprecation_date"); date != "" {
		d, err := ParseDate(date)
		if err != nil {
			return fmt.Errorf("deprecation_date: %w", err)
		}
		m.Retired = d
	}
	return e.prices()
}

// place cuts the region and the size of an image out of a name.
func (e *liteEntry) place(provider, name string) string {
	if variant, rest, ok := cutSize(name); ok {
		e.variant, name = variant, strings.TrimPrefix(rest, provider+"/")
	}
	head, rest, found := strings.Cut(name, "/")
	switch {
	case !found:
	case provider == "bedrock" && awsRegion(head):
		e.region, name = head, rest
	case provider == "azure" && (head == "eu" || head == "us" || head == "global" || head == "global-standard"):
		e.region, name = strings.TrimSuffix(head, "-standard"), rest
	}
	return name
}

// awsRegion tells names such as "us-east-1" and "us-gov-west-1".
func awsRegion(s string) bool {
	words := strings.Split(s, "-")
	last := words[len(words)-1]
	return len(words) >= 3 && len(words) <= 4 && len(words[0]) == 2 && len(last) == 1 && last[0] >= '0' && last[0] <= '9' &&
		strings.Trim(strings.Join(words[:len(words)-1], ""), "abcdefghijklmnopqrstuvwxyz") == ""
}

// cutSize cuts "hd/1024-x-1792/" and "512-x-512/50-steps/" from the front of a name: the variant is "hd 1024x1792".
func cutSize(name string) (variant, rest string, ok bool) {
	size, rest, found := strings.Cut(name, "/")
	if found && !isSize(size) {
		if variant = size + " "; size == "standard" {
			variant = "" // it is what one gets without asking
		}
		size, rest, found = strings.Cut(rest, "/")
	}
	if !found || !isSize(size) {
		return "", name, false
	}
	variant += strings.Replace(size, "-x-", "x", 1)
	if steps, after, found := strings.Cut(rest, "/"); found && strings.HasSuffix(steps, "-steps") {
		variant, rest = variant+" "+strings.TrimSuffix(steps, "-steps")+" steps", after
	}
	return variant, rest, true
}

func isSize(s string) bool {
	width, height, found := strings.Cut(s, "-x-")
	return found && width != "" && height != "" && strings.Trim(width+height, "0123456789") == ""
}

// cutAbove cuts "_above_200k_tokens" out of a member's name.
func cutAbove(member string) (name string, above int64, err error) {
	head, tail, found := strings.Cut(member, "_above_")
	for found {
		number, rest, ok := strings.Cut(tail, "k_tokens")
		if ok && number != "" && strings.Trim(number, "0123456789") == "" {
			thousands, err := strconv.ParseInt(number, 10, 32)
			if err != nil {
				return "", 0, errors.New("the threshold is too large")
			}
			return head + rest, thousands * 1000, nil
		}
		var more string
		more, tail, found = strings.Cut(tail, "_above_")
		head += "_above_" + more
	}
	return member, 0, nil
}

var liteModes = map[string]Mode{"chat": ModeChat, "responses": ModeChat, "completion": ModeCompletion, "embedding": ModeEmbedding,
	"image_generation": ModeImage, "image_edit": ModeImageEdit, "audio_speech": ModeSpeech, "audio_transcription": ModeTranscription,
	"realtime": ModeRealtime, "video_generation": ModeVideo, "rerank": ModeRerank, "moderation": ModeModeration, "ocr": ModeOCR,
	"search": ModeSearch}

var liteCapabilities = map[string]Capability{
	"function_calling": Tools, "tool_choice": ToolChoice, "parallel_function_calling": ParallelTools, "vision": Vision,
	"audio_input": AudioInput, "audio_output": AudioOutput, "video_input": VideoInput, "pdf_input": PDFInput,
	"response_schema": ResponseSchema, "reasoning": ReasoningMode, "prompt_caching": PromptCaching, "assistant_prefill": Prefill,
	"web_search": WebSearchTool, "url_context": URLContext, "computer_use": ComputerUse, "system_messages": SystemMessages,
	"native_streaming": Streaming, "sampling_params": SamplingParams, "embedding_image_input": EmbeddingImages,
}

var efforts = []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"}

func (e *liteEntry) capabilities() {
	m := &e.model
	for member, raw := range e.members {
		name, found := strings.CutPrefix(member, "supports_")
		if c, known := liteCapabilities[name]; found && known {
			switch string(raw) {
			case "true":
				m.SetCapability(c, Supported)
			case "false":
				m.SetCapability(c, Unsupported)
			}
		}
	}
	for member, to := range map[string]*Modalities{"supported_modalities": &m.Input, "supported_output_modalities": &m.Output} {
		var names []string
		if json.Unmarshal(e.members[member], &names) == nil {
			names = slices.DeleteFunc(names, func(n string) bool { return !slices.Contains(modalityNames, n) })
			*to, _ = modalitiesOf(names)
		}
	}
	if yes, _ := m.Supports(ReasoningMode); !yes {
		return
	}
	for i, level := range efforts {
		said := string(e.members["supports_"+level+"_reasoning_effort"])
		usual := i >= 2 && i <= 4 // low, medium and high are said only where they are missing
		if said == "true" || usual && said != "false" && e.hasEfforts() {
			m.ReasoningEfforts = append(m.ReasoningEfforts, level)
		}
	}
}

func (e *liteEntry) hasEfforts() bool {
	for member := range e.members {
		if strings.HasSuffix(member, "_reasoning_effort") {
			return true
		}
	}
	return false
}

// text is a string member; "" if it is missing or something else.
func (e *liteEntry) text(member string) string {
	var s string
	_ = json.Unmarshal(e.members[member], &s)
	return s
}

// count is a number of tokens, which some files write as 256000.0 or as a string. Texts that are no numbers say that
// the limit is not known.
func (e *liteEntry) count(member string) (int, error) {
	raw := e.members[member]
	if len(raw) == 0 || raw[0] == 'n' {
		return 0, nil
	}
	d, err := decimal.Parse(strings.Trim(string(raw), `"`))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", member, err)
	}
	n, err := strconv.Atoi(d.Digits + strings.Repeat("0", min(max(d.Exp, 0), 20)))
	if d.Digits == "" {
		return 0, nil
	}
	if err != nil || d.Negative || d.Exp < 0 {
		return 0, fmt.Errorf("%s: not a number of tokens", member)
	}
	return n, nil
}

type billed struct {
	dimension Dimension
	unit      Unit
	shift     int // the power of ten from LiteLLM's unit to ours
}

var litePrices = map[string]billed{
	"input_cost_per_token":                      {Input, PerMillionTokens, 6},
	"output_cost_per_token":                     {Output, PerMillionTokens, 6},
	"cache_read_input_token_cost":               {CacheRead, PerMillionTokens, 6},
	"input_cost_per_token_cache_hit":            {CacheRead, PerMillionTokens, 6},
	"cache_creation_input_token_cost":           {CacheWrite, PerMillionTokens, 6},
	"cache_creation_input_token_cost_above_1hr": {CacheWrite1h, PerMillionTokens, 6},
	"output_cost_per_reasoning_token":           {Reasoning, PerMillionTokens, 6},
	"input_cost_per_audio_token":                {InputAudio, PerMillionTokens, 6},
	"output_cost_per_audio_token":               {OutputAudio, PerMillionTokens, 6},
	"cache_read_input_audio_token_cost":         {CacheReadAudio, PerMillionTokens, 6},
	"cache_creation_input_audio_token_cost":     {CacheWriteAudio, PerMillionTokens, 6},
	"input_cost_per_image_token":                {InputImage, PerMillionTokens, 6},
	"output_cost_per_image_token":               {OutputImage, PerMillionTokens, 6},
	"cache_read_input_image_token_cost":         {CacheReadImage, PerMillionTokens, 6},
	"output_cost_per_video_token":               {OutputVideo, PerMillionTokens, 6},
	"citation_cost_per_token":                   {Citation, PerMillionTokens, 6},
	"input_cost_per_character":                  {Input, PerMillionCharacters, 6},
	"output_cost_per_character":                 {Output, PerMillionCharacters, 6},
	"input_cost_per_pixel":                      {OutputImage, PerMillionPixels, 6},
	"output_cost_per_pixel":                     {OutputImage, PerMillionPixels, 6},
	"input_cost_per_image":                      {InputImage, PerImage, 0},
	"output_cost_per_image":                     {OutputImage, PerImage, 0},
	"input_cost_per_second":                     {Compute, PerSecond, 0},
	"output_cost_per_second":                    {Compute, PerSecond, 0},
	"output_cost_per_second_1080p":              {OutputVideo, PerSecond, 0},
	"input_cost_per_audio_per_second":           {InputAudio, PerSecond, 0},
	"input_cost_per_video_per_second":           {InputVideo, PerSecond, 0},
	"output_cost_per_video_per_second":          {OutputVideo, PerSecond, 0},
	"input_cost_per_query":                      {Input, PerQuery, 0},
	"input_cost_per_request":                    {Request, PerRequest, 0},
	"ocr_cost_per_page":                         {Page, PerPage, 0},
	"annotation_cost_per_page":                  {AnnotatedPage, PerPage, 0},
	"code_interpreter_cost_per_session":         {CodeExecution, PerSession, 0},
	"file_search_cost_per_1k_calls":             {FileSearch, PerQuery, -3},
}

var liteTiers = map[string]Tier{"_batches": Batch, "_flex": Flex, "_priority": Priority}

func (e *liteEntry) prices() error {
	e.lists = make(map[Tier]*PriceList)
	for _, member := range slices.Sorted(maps.Keys(e.members)) {
		if err := e.price(member); err != nil {
			return fmt.Errorf("%s: %w", member, err)
		}
	}
	if err := e.tiered(); err != nil {
		return fmt.Errorf("tiered_pricing: %w", err)
	}
	for _, l := range e.lists {
		slices.SortFunc(l.Prices, comparePrices)
		// A price above a threshold says nothing without the one below.
		l.Prices = slices.DeleteFunc(l.Prices, func(p Price) bool {
			return p.Above > 0 && !slices.ContainsFunc(l.Prices, func(q Price) bool {
				return q.Dimension == p.Dimension && q.Variant == p.Variant && q.Above == 0
			})
		})
	}
	return nil
}

// price reads one member, if it is a price.
func (e *liteEntry) price(member string) error {
	raw := e.members[member]
	if string(raw) == "null" {
		return nil
	}
	if member == "search_context_cost_per_query" {
		return e.search(raw)
	}
	name, tier := member, Standard
	for suffix, t := range liteTiers {
		if rest, ok := strings.CutSuffix(name, suffix); ok {
			name, tier = rest, t
		}
	}
	p := Price{Variant: e.variant}
	name, above, err := cutAbove(name)
	if err != nil {
		return err
	}
	if p.Above = above; above > 0 && strings.HasPrefix(e.model.ID, "xai/") { // includes the threshold itself
		p.Above--
	}
	b, ok := litePrices[name]
	if !ok {
		return nil
	}
	d, err := decimal.Parse(strings.Trim(string(raw), `"`))
	if err != nil {
		return err
	}
	if b.unit == PerMillionPixels { // always the quotient of an image
		n, err := d.Round(picodollars + b.shift)
		if err != nil {
			return err
		}
		p.Amount = Amount(n)
	} else if p.Amount, err = rounded(d, b.shift); err != nil {
		return err
	}
	if p.Amount < 0 {
		return errors.New("the price is negative")
	}
	p.Dimension, p.Unit = e.dimension(name, b)
	if strings.HasSuffix(name, "_1080p") {
		p.Variant = "1080p"
	}
	if p.Amount == 0 && p.Unit != PerMillionTokens {
		return nil // LiteLLM fills in zeros beside the unit that is billed
	}
	e.add(tier, p)
	return nil
}

// dimension settles what LiteLLM's names leave to the mode of the model.
func (e *liteEntry) dimension(name string, b billed) (Dimension, Unit) {
	mode := e.model.Mode
	switch {
	case name == "input_cost_per_image" && (mode == ModeImage || mode == ModeImageEdit) && e.members["output_cost_per_image"] == nil:
		return OutputImage, PerImage
	case b.dimension == Compute && mode == ModeTranscription:
		return InputAudio, PerSecond
	case b.dimension == Compute && mode == ModeVideo:
		return OutputVideo, PerSecond
	case b.dimension == Compute && mode == ModeSpeech:
		return OutputAudio, PerSecond
	}
	return b.dimension, b.unit
}

func (e *liteEntry) add(tier Tier, p Price) {
	l := e.lists[tier]
	if l == nil {
		l = &PriceList{Tier: tier, Source: e.source}
		if e.region != "" {
			l.Regions = []string{e.region}
		}
		e.lists[tier] = l
	}
	for _, q := range l.Prices { // the same under two names, or of two units
		if q.Dimension == p.Dimension && q.Variant == p.Variant && q.Above == p.Above {
			return
		}
	}
	l.Prices = append(l.Prices, p)
}

func rounded(d decimal.Decimal, shift int) (Amount, error) {
	n, err := d.Rounded(picodollars + shift)
	return Amount(n), err
}

// search reads the prices of web searches by the size of their context.
func (e *liteEntry) search(raw json.RawMessage) error {
	var sizes map[string]json.RawMessage
	if err := json.Unmarshal(raw, &sizes); err != nil {
		return errors.New("not an object")
	}
	var prices []Price
	same := true
	for _, size := range slices.Sorted(maps.Keys(sizes)) {
		d, err := decimal.Parse(strings.Trim(string(sizes[size]), `"`))
		if err != nil {
			return fmt.Errorf("%s: %w", size, err)
		}
		amount, err := rounded(d, 0)
		if err != nil || amount < 0 {
			return fmt.Errorf("%s: not a price", size)
		}
		prices = append(prices, Price{WebSearch, PerQuery, amount, 0, false, strings.TrimPrefix(size, "search_context_size_")})
		same = same && amount == prices[0].Amount
	}
	if same && len(prices) > 0 {
		prices = prices[:1]
		prices[0].Variant = ""
	}
	for _, p := range prices {
		e.add(Standard, p)
	}
	return nil
}

// tiered reads the table of whole-request prices by input length.
func (e *liteEntry) tiered() error {
	raw := e.members["tiered_pricing"]
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var tiers []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &tiers); err != nil {
		return errors.New("not a list of objects")
	}
	for i, t := range tiers {
		if t["range"] == nil {
			continue // by something else than the length of the input
		}
		var bounds []json.Number
		dec := json.NewDecoder(bytes.NewReader(t["range"]))
		dec.UseNumber()
		if dec.Decode(&bounds) != nil || len(bounds) != 2 {
			return fmt.Errorf("[%d]: the range is not two numbers", i)
		}
		above, err := parseAmount(bounds[0].String(), -12)
		if err != nil || above < 0 {
			return fmt.Errorf("[%d]: the range does not begin with a number of tokens", i)
		}
		for _, name := range slices.Sorted(maps.Keys(t)) {
			b, ok := litePrices[name]
			if !ok {
				continue
			}
			d, err := decimal.Parse(strings.Trim(string(t[name]), `"`))
			if err != nil {
				return fmt.Errorf("[%d].%s: %w", i, name, err)
			}
			amount, err := rounded(d, b.shift)
			if err != nil || amount < 0 {
				return fmt.Errorf("[%d].%s: not a price", i, name)
			}
			e.add(Standard, Price{b.dimension, b.unit, amount, int64(above), false, ""})
		}
	}
	return nil
}

// addTo joins the entry with others of the same model.
func (e *liteEntry) addTo(byID map[string]*Model) {
	m := byID[e.model.ID]
	switch {
	case m == nil:
		m = &e.model
		byID[m.ID] = m
	case e.region == "" && e.variant == "":
		*m = *m.with(&e.model)
	default:
		*m = *e.model.with(m)
	}
	for _, tier := range slices.Sorted(maps.Keys(e.lists)) {
		m.join(*e.lists[tier])
	}
	if e.region != "" || e.variant != "" {
		return
	}
	var multipliers map[string]json.RawMessage
	_ = json.Unmarshal(e.members["provider_specific_entry"], &multipliers)
	for name, raw := range multipliers {
		e.multiply(m, name, raw)
	}
	for member, raw := range e.members {
		if region, ok := strings.CutPrefix(member, "regional_processing_uplift_multiplier_"); ok && region != "" {
			e.multiply(m, region, raw)
		}
	}
}

// join adds a list, or its prices to the list for the same calls.
func (m *Model) join(l PriceList) {
	for i := range m.Prices {
		old := &m.Prices[i]
		if old.Tier != l.Tier || !slices.Equal(old.Regions, l.Regions) {
			continue
		}
		for _, p := range l.Prices {
			same := func(q Price) bool {
				return q.Dimension == p.Dimension && q.Variant == p.Variant && q.Above == p.Above
			}
			if !slices.ContainsFunc(old.Prices, same) {
				old.Prices = append(old.Prices, p)
			}
		}
		return
	}
	m.Prices = append(m.Prices, l)
}

// multiply adds lists for a region, or for the fast tier, whose token prices are those of the model times a factor.
func (e *liteEntry) multiply(m *Model, name string, factor json.RawMessage) {
	d, err := decimal.Parse(string(factor))
	if err != nil || d.Negative || d.Digits == "" || len(d.Digits) > 6 || d.Exp > 3 || d.Exp < -6 {
		return // not a factor: the member holds other things too
	}
	num, _ := strconv.ParseInt(d.Digits+strings.Repeat("0", max(d.Exp, 0)), 10, 64)
	den, _ := strconv.ParseInt("1"+strings.Repeat("0", max(-d.Exp, 0)), 10, 64)
	for tier, l := range e.lists {
		product := PriceList{Tier: tier, Regions: []string{name}, Source: l.Source}
		if name == string(Fast) {
			if tier != Standard {
				continue
			}
			product.Tier, product.Regions = Fast, nil
		}
		for _, p := range l.Prices {
			if p.Unit != PerMillionTokens {
				continue
			}
			amount, exact := p.Amount.times(num, den)
			if !exact {
				continue
			}
			p.Amount = amount
			product.Prices = append(product.Prices, p)
		}
		if len(product.Prices) > 0 {
			m.join(product)
		}
	}
}
