// Package yaml reads the configuration files of LiteLLM's proxy, so that what was routed there can be routed in the
// application itself:
//
//	conf, err := yaml.Load("litellm.yaml")
//	if err != nil {
//		log.Fatal(err) // with the line, and never with a key
//	}
//	for _, note := range conf.Notes {
//		log.Print(note) // what could not be carried over
//	}
//	client, rt, err := conf.Client()
//
// It is written from LiteLLM's documentation: "Proxy configs", "All settings", "Router - Load Balancing", "Fallbacks",
// "Timeouts", "Tag Based Routing", "File Management" (https://docs.litellm.ai).
//
// # What is carried over
//
// Each entry of model_list becomes a [router.Deployment]. Values that begin with os.environ/ are read from the
// file's environment_variables, then from the environment, at once: a variable that is not set is an error. The
// provider before the slash is looked up among the registered ones, so the program must import them
// (providers/all); names without a provider are known for OpenAI's and Anthropic's families. As in LiteLLM:
//
//	model_name, model_info.id                   Group, ID; "*" at the end is a wildcard
//	litellm_params.model, custom_llm_provider   Model
//	api_key, api_base, organization,            Options: key, base URL and settings. Several organizations are
//	  api_version, aws_*, vertex_*, azure_*       several deployments
//	extra_headers, headers, drop_params,        Options
//	  additional_drop_params, mock_response
//	rpm, tpm, max_parallel_requests, weight,    the fields of these names; order is Order, and regions come from
//	  order, tags, region_name                    region_name, aws_region_name or vertex_location. Those without an
//	                                              order come after those that have one
//	timeout, stream_timeout, max_retries        Timeout, StreamTimeout, MaxRetries
//	input_cost_per_token, output_cost_per_token Price, for a million tokens
//	model_info.max_input_tokens, max_tokens     ContextWindow
//	model_info.supports_* false                 Capabilities without these; Prefill if supports_assistant_prefill
//	model_info.blocked, supported_environments  Disabled
//	litellm_credential_name                     the values of that entry of credential_list
//	temperature, max_tokens, extra_body …       [Config.Middleware], for requests that do not have the parameter
//
// And for all deployments together:
//
//	routing_strategy, routing_groups            Strategy, Strategies
//	model_group_alias                           Aliases. A name that a wildcard takes becomes a group of its own, with
//	                                              the wildcard's deployments, if it has an alias or fallbacks
//	fallbacks, context_window_fallbacks,        Fallbacks, ContextFallbacks, ContentPolicyFallbacks. Without fallbacks
//	  content_policy_fallbacks,                   of their own kind, prompts that are too long and refused contents
//	  default_fallbacks                           take the fallbacks of all failures, as in LiteLLM
//	num_retries, max_fallbacks                  one budget of attempts for a call: 1 + num_retries for each group
//	                                              that it can reach, at most 1 + max_fallbacks (5) of them
//	timeout, request_timeout, stream_timeout    the timeouts of deployments that have none of their own
//	retry_after                                 Backoff
//	allowed_fails                               Health.Failures, which is one more; the share of failures then does not
//	                                              count, as in LiteLLM
//	cooldown_time, disable_cooldowns            Health.Cooldown, of the same length each time; none at all
//	enable_tag_filtering, tag_filtering_match_any   Tags
//	default_max_parallel_requests,              what deployments have that do not say otherwise
//	  default_litellm_params
//	redis_host, redis_port, redis_password …    [Config.Redis], or cache_params of type redis
//	litellm_settings.drop_params                Options
//	environment_variables                       Options: settings of the client. The process's environment is not written
//	include                                     other files, beside the first ([Load] only)
//
// A name that is in no group is refused, or goes to the first of default_fallbacks: set Router.Strict and
// Router.Default otherwise to call other models as "provider/model".
//
// # What is not
//
// A key from the environment is never sent to another host than the provider's own. Where LiteLLM adds one beside
// api_base, api_key must say so. Circles in the fallbacks are cut, since a router refuses them. Whatever else has
// no counterpart, as everything in general_settings, is in [Config.Notes] with its line; with [Strict] that is an
// error.
package yaml
