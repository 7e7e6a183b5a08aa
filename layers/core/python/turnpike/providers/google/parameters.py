"""A request's parameters as Gemini takes them: https://ai.google.dev/api/generate-content#generationconfig."""

from collections.abc import Mapping
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import TEXT_ALONE, ChatRequest
from turnpike.providers.google.models import Model, nearest_level
from turnpike.providers.google.quirks import Quirks
from turnpike.providers.google.schemas import build_schema
from turnpike.providers.parameters import clamped, forced_function, listed_parameters, tool_functions
from turnpike.providers.reasoning import budget_of, effort_of

_UNLISTED = frozenset({"audio", "image_config", "modalities", "service_tier"})
_RENAMED = {"temperature": "temperature", "top_p": "topP", "top_k": "topK"}
_PENALTIES = {"frequency_penalty": "frequencyPenalty", "presence_penalty": "presencePenalty"}
_MODES = {"none": "NONE", "auto": "AUTO", "required": "ANY"}
_IMAGE = {"aspect_ratio": "aspectRatio", "image_size": "imageSize"}
_TIERS = {"default": "standard", "flex": "flex", "priority": "priority"}

_MOST_STOPS = 5
_SEEDS = 2**31
"""Seeds are of 32 bits, with a sign."""
_MOST_TOKENS = 65_536
"""What an effort is a share of, where neither the client nor the catalog says how long an answer may be."""


def taken_parameters(request: ChatRequest, endpoint: Endpoint) -> dict[str, Any]:
    return listed_parameters(request, endpoint, unlisted=_UNLISTED)


def build_parameters(
    taken: Mapping[str, Any], request: ChatRequest, endpoint: Endpoint, model: Model, quirks: Quirks
) -> dict[str, Any]:
    """The members of the body beside the conversation. Safety settings are left as they are by default, which
    for every model since Gemini 2.5 is off: https://ai.google.dev/gemini-api/docs/safety-settings
    """
    config = _config(taken, model, quirks)
    if request.max_tokens is not None:
        config["maxOutputTokens"] = request.max_tokens
    reasoning = taken.get("reasoning")
    if reasoning is not None and model.thinks:
        most = request.max_tokens or endpoint.max_completion_tokens or _MOST_TOKENS
        thinking = _thinking(reasoning, most, model)
        if thinking:
            config["thinkingConfig"] = thinking
    built: dict[str, Any] = {"generationConfig": config} if config else {}
    built.update(_tools(taken))
    tier = _TIERS.get(str(taken.get("service_tier")))
    if tier is not None and quirks.tier_headers is None:
        built["serviceTier"] = tier
    return built


def tier_headers(taken: Mapping[str, Any], quirks: Quirks) -> Mapping[str, str]:
    return (quirks.tier_headers or {}).get(str(taken.get("service_tier")), {})


def _config(taken: Mapping[str, Any], model: Model, quirks: Quirks) -> dict[str, Any]:
    config = {ours: taken[name] for name, ours in _RENAMED.items() if taken.get(name) is not None}
    if "temperature" in config:
        config["temperature"] = clamped(config["temperature"], 0, 2)
    if config.get("topK") == 0:
        # To everyone else it means all of them; here the least is one.
        del config["topK"]
    if model.generation < quirks.penalties_before:
        config |= {ours: taken[name] for name, ours in _PENALTIES.items() if taken.get(name) is not None}
    if taken.get("stop"):
        config["stopSequences"] = taken["stop"][:_MOST_STOPS]
    seed = taken.get("seed")
    if seed is not None:
        config["seed"] = seed if -_SEEDS <= seed < _SEEDS else seed % _SEEDS
    if taken.get("logprobs"):
        config["responseLogprobs"] = True
        if taken.get("top_logprobs"):
            config["logprobs"] = taken["top_logprobs"]
    config.update(_format(taken.get("response_format") or {}))
    modalities = taken.get("modalities")
    # Gemma writes text and nothing else.
    if modalities and not (model.gemma and tuple(modalities) == TEXT_ALONE):
        # Models that draw take text alone from Gemini 2.5 on; those before it answer 400 to it, and cost nothing so.
        config["responseModalities"] = [modality.upper() for modality in modalities]
    image = {ours: (taken.get("image_config") or {}).get(name) for name, ours in _IMAGE.items()}
    if any(image.values()):
        config["imageConfig"] = {name: value for name, value in image.items() if value}
    voice = (taken.get("audio") or {}).get("voice")
    if isinstance(voice, str):
        config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}
    return config


def _format(asked: Mapping[str, Any]) -> dict[str, Any]:
    if asked.get("type") not in ("json_object", "json_schema"):
        return {}
    schema = (asked.get("json_schema") or {}).get("schema")
    config: dict[str, Any] = {"responseMimeType": "application/json"}
    return {**config, "responseJsonSchema": build_schema(schema)} if schema else config


def _thinking(reasoning: Mapping[str, Any], most: int, model: Model) -> dict[str, Any]:
    """https://ai.google.dev/gemini-api/docs/generate-content/thinking"""
    effort = effort_of(reasoning, most)
    config: dict[str, Any] = {}
    if model.levels and effort is not None:
        wanted = {"none": "MINIMAL", "xhigh": "HIGH", "max": "HIGH"}.get(effort, effort.upper())
        config["thinkingLevel"] = nearest_level(model.levels, wanted)
    elif model.budget is not None:
        budget = budget_of(reasoning, most)
        if budget == 0 and model.budget.optional:
            config["thinkingBudget"] = 0
        elif budget is not None:
            config["thinkingBudget"] = int(clamped(budget, model.budget.least, model.budget.most))
    if not reasoning.get("exclude") and effort != "none":
        config["includeThoughts"] = True
    return config


def _tools(taken: Mapping[str, Any]) -> dict[str, Any]:
    functions = [_declaration(function) for function in tool_functions(taken)]
    if not functions:
        # Only models since Gemini 3 search and call in one answer, and they want what was found back in parts
        # for which a chat message has no place.
        return {"tools": [{"googleSearch": {}}]} if taken.get("web_search_options") is not None else {}
    built: dict[str, Any] = {"tools": [{"functionDeclarations": functions}]}
    choice = taken.get("tool_choice")
    forced = forced_function(choice)
    if forced is not None:
        config: dict[str, Any] = {"mode": "ANY", "allowedFunctionNames": [forced]}
    elif choice in _MODES:
        config = {"mode": _MODES[choice]}
    else:
        return built
    return {**built, "toolConfig": {"functionCallingConfig": config}}


def _declaration(function: Mapping[str, Any]) -> dict[str, Any]:
    built = {"name": function["name"]}
    if function.get("description"):
        built["description"] = function["description"]
    if function.get("parameters"):
        built["parametersJsonSchema"] = build_schema(function["parameters"])
    return built
