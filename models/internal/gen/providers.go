package main

import (
	"regexp"
	"strings"
)

// provider is one of this library's providers, and what the price lists call it.
type provider struct {
	name                     string
	aliases                  string // as the provider's package registers them, and LiteLLM's further routes to it
	modelsdev, portkey, keys string // keys: of genai-prices
	own                      string // a pattern of the models that are the vendor's own; "" is none
}

// LiteLLM's names are ours; see models.ParseLiteLLM.
var providers = []provider{
	{name: "abliteration", aliases: "abliteration-ai", modelsdev: "abliteration-ai"},
	{name: "ai21", aliases: "ai21_chat ai21-chat", portkey: "ai21", own: "."},
	{name: "aihubmix", modelsdev: "aihubmix"},
	{name: "aiml", aliases: "aimlapi"},
	{name: "amazon_nova", aliases: "amazon-nova", modelsdev: "nova", own: "."},
	{name: "anthropic", aliases: "anthropic_text", modelsdev: "anthropic", portkey: "anthropic", keys: "anthropic", own: "."},
	{name: "anyscale", portkey: "anyscale"},
	{name: "assemblyai"},
	{name: "aws_polly"},
	{name: "azure", aliases: "azure_text", modelsdev: "azure", portkey: "azure-openai", keys: "azure"},
	{name: "azure_ai", aliases: "azure-ai", portkey: "azure-ai"},
	{name: "baseten", modelsdev: "baseten", keys: "baseten"},
	{name: "bedrock", aliases: "bedrock_converse", modelsdev: "amazon-bedrock", portkey: "bedrock", keys: "aws"},
	{name: "bedrock_mantle", aliases: "bedrock-mantle", portkey: "bedrock-mantle"},
	{name: "black_forest_labs", own: "^flux"},
	{name: "cerebras", modelsdev: "cerebras", portkey: "cerebras", keys: "cerebras"},
	{name: "chatgpt"},
	{name: "chutes", modelsdev: "chutes"},
	{name: "clarifai", modelsdev: "clarifai"},
	{name: "cloudflare", modelsdev: "cloudflare-workers-ai", portkey: "workers-ai", keys: "cloudflare"},
	{name: "codestral", aliases: "text-completion-codestral"},
	{name: "cohere", aliases: "cohere_chat", modelsdev: "cohere", portkey: "cohere", keys: "cohere", own: "."},
	{name: "crusoe"},
	{name: "dashscope", aliases: "alibaba qwen", modelsdev: "alibaba", portkey: "dashscope", own: "^(qwen|qwq|qvq|wan|tongyi)"},
	{name: "databricks", modelsdev: "databricks"},
	{name: "darkbloom"},
	{name: "deepgram", portkey: "deepgram"},
	{name: "deepinfra", modelsdev: "deepinfra", portkey: "deepinfra"},
	{name: "deepseek", modelsdev: "deepseek", portkey: "deepseek", keys: "deepseek", own: "."},
	{name: "elevenlabs"},
	{name: "fal_ai", portkey: "fal-ai"},
	{name: "featherless_ai", aliases: "featherless featherless-ai"},
	{name: "fireworks_ai", aliases: "fireworks fireworks-ai fireworksai", modelsdev: "fireworks-ai", portkey: "fireworks-ai", keys: "fireworks"},
	{name: "friendliai", aliases: "friendli", modelsdev: "friendli"},
	{name: "gemini", aliases: "google", modelsdev: "google", portkey: "google", keys: "google", own: "."},
	{name: "gigachat"},
	{name: "github", aliases: "github_models github-models", modelsdev: "github-models"},
	{name: "github_copilot", aliases: "github-copilot", modelsdev: "github-copilot", keys: "github-copilot"},
	{name: "gmi", aliases: "gmicloud gmi-cloud", modelsdev: "gmicloud"},
	{name: "gradient_ai", aliases: "gradient-ai digitalocean", modelsdev: "digitalocean"},
	{name: "groq", modelsdev: "groq", portkey: "groq", keys: "groq"},
	{name: "helicone", modelsdev: "helicone"},
	{name: "heroku"},
	{name: "huggingface", aliases: "hf", modelsdev: "huggingface"},
	{name: "hyperbolic"},
	{name: "inception", modelsdev: "inception", own: "^mercury"},
	{name: "jina_ai", aliases: "jina jina-ai", portkey: "jina", own: "^(jina|reader)"},
	{name: "lambda_ai", aliases: "lambda lambda-ai"},
	{name: "lemonade"},
	{name: "libertai"},
	{name: "linkup"},
	{name: "llamagate"},
	{name: "lm_studio", aliases: "lmstudio lm-studio"},
	{name: "meta", own: "."},
	{name: "meta_llama", aliases: "meta-llama llama", modelsdev: "llama"},
	{name: "minimax", modelsdev: "minimax", portkey: "minimax", keys: "minimax", own: "."},
	{name: "mistral", aliases: "mistralai", modelsdev: "mistral", portkey: "mistral-ai", keys: "mistral", own: "."},
	{name: "modelscope", modelsdev: "modelscope"},
	{name: "moonshot", aliases: "moonshotai kimi", modelsdev: "moonshotai", portkey: "moonshot", keys: "moonshotai", own: "^(kimi|moonshot)"},
	{name: "morph", modelsdev: "morph", own: "^(morph|auto-?$)"},
	{name: "nano-gpt", aliases: "nanogpt nano_gpt", modelsdev: "nano-gpt"},
	{name: "nebius", modelsdev: "nebius", portkey: "nebius"},
	{name: "nlp_cloud"},
	{name: "novita", aliases: "novita-ai novita_ai", modelsdev: "novita-ai", portkey: "novita-ai", keys: "novita"},
	{name: "nscale"},
	{name: "nvidia_nim", aliases: "nvidia nim", modelsdev: "nvidia"},
	{name: "oci", portkey: "oracle"},
	{name: "ollama", aliases: "ollama_chat ollama-chat"},
	{name: "openai", aliases: "aiohttp_openai text-completion-openai text_completion_openai", modelsdev: "openai", portkey: "openai", keys: "openai", own: "."},
	{name: "openrouter", modelsdev: "openrouter", portkey: "openrouter", keys: "openrouter"},
	{name: "ovhcloud", aliases: "ovh", modelsdev: "ovhcloud", keys: "ovhcloud"},
	{name: "palm", portkey: "palm"},
	{name: "parallel_ai"},
	{name: "perplexity", modelsdev: "perplexity", portkey: "perplexity-ai", keys: "perplexity", own: "^(sonar|pplx|r1-1776)"},
	{name: "pinstripes"},
	{name: "poe", modelsdev: "poe"},
	{name: "predibase", portkey: "predibase"},
	{name: "publicai"},
	{name: "recraft", own: "."},
	{name: "reducto"},
	{name: "replicate"},
	{name: "runwayml", own: "^gen"},
	{name: "sagemaker", aliases: "sagemaker_chat", portkey: "sagemaker"},
	{name: "sambanova"},
	{name: "sap", modelsdev: "sap-ai-core"},
	{name: "sarvam", modelsdev: "sarvam", own: "^sarvam"},
	{name: "scaleway", modelsdev: "scaleway"},
	{name: "snowflake", modelsdev: "snowflake-cortex"},
	{name: "soniox"},
	{name: "stability", portkey: "stability-ai", own: "^(sd3|stable)"},
	{name: "stepfun", modelsdev: "stepfun", own: "^step"},
	{name: "synthetic", modelsdev: "synthetic"},
	{name: "tavily"},
	{name: "tencent", aliases: "tencent-tokenhub", modelsdev: "tencent-tokenhub", own: "^(hunyuan|hy)"},
	{name: "tensormesh"},
	{name: "together_ai", aliases: "together togetherai together-ai", modelsdev: "togetherai", portkey: "together-ai", keys: "together"},
	{name: "v0", modelsdev: "v0", own: "^v0"},
	{name: "veniceai", aliases: "venice venice-ai", modelsdev: "venice"},
	{name: "vercel_ai_gateway", aliases: "vercel vercel-ai-gateway", modelsdev: "vercel"},
	{name: "vertex_ai", aliases: "vertex_ai_beta vertex", modelsdev: "google-vertex google-vertex-anthropic", portkey: "vertex-ai", keys: "google"},
	{name: "volcengine", aliases: "ark doubao", own: "^doubao"},
	{name: "voyage", keys: "voyageai", own: "^(voyage|rerank)"},
	{name: "wandb", modelsdev: "wandb"},
	{name: "watsonx"},
	{name: "xai", aliases: "x-ai grok", modelsdev: "xai", portkey: "x-ai", keys: "x-ai", own: "."},
	{name: "xiaomi_mimo", aliases: "xiaomi xiaomi-mimo mimo", modelsdev: "xiaomi", own: "^mimo"},
	{name: "zai", aliases: "z-ai zhipu zhipuai", modelsdev: "zai", portkey: "z-ai", keys: "zai", own: "^(glm|cogview|charglm)"},
}

var (
	providerNames = make(map[string]*provider)
	ownModels     = make(map[string]*regexp.Regexp)
)

func init() {
	for i := range providers {
		p := &providers[i]
		providerNames[p.name] = p
		if p.own != "" {
			ownModels[p.name] = regexp.MustCompile("(?i)" + p.own)
		}
	}
}

// named yields the providers that a price list has under a key.
func named(key string, of func(*provider) string) []string {
	var list []string
	for i := range providers {
		for _, k := range strings.Fields(of(&providers[i])) {
			if k == key {
				list = append(list, providers[i].name)
			}
		}
	}
	return list
}
