"""Members that whole answers and chunks have in common, read from any dialect."""

from collections.abc import Mapping
from typing import Any

import orjson

from turnpike.domain.chat import FinishReason, Usage
from turnpike.providers.reasoning import text_detail

Json = Mapping[str, Any]

_FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
    # OpenAI's before `tools`; still listed by Groq, Together and xAI.
    "function_call": "tool_calls",
    # Together: https://docs.together.ai/reference/chat-completions-1
    "eos": "stop",
    # Mistral: https://docs.mistral.ai/api/endpoint/chat
    "model_length": "length",
    # DeepSeek: https://api-docs.deepseek.com/api/create-chat-completion
    "insufficient_system_resource": "error",
    # vLLM and SGLang, when their own side ends a request.
    "abort": "error",
    # Z.ai: https://docs.z.ai/api-reference/llm/chat-completion
    "sensitive": "content_filter",
    "network_error": "error",
    "model_context_window_exceeded": "length",
    # Gateways in front of Anthropic and Gemini that pass their words on.
    "end_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "safety": "content_filter",
}

_MOST_TOKENS = 1e12
"""What is more is no count; it also keeps infinity out."""

_EXTRA = ("annotations", "images", "audio")
"""Members of a message that OpenRouter has too, and that need no translation."""


def parse_finish_reason(native: str, *, has_tool_calls: bool) -> FinishReason:
    """Words that nobody documents count as a stop: the answer is whole, as far as anyone says."""
    reason = _FINISH_REASONS.get(native) or _FINISH_REASONS.get(native.lower(), "stop")
    # Several servers say `stop` after tool calls, and agents that go by it would never run them.
    return "tool_calls" if has_tool_calls and reason == "stop" else reason


def parse_usage(given: Json) -> Usage:
    prompt = _count(given, "prompt_tokens")
    completion = _count(given, "completion_tokens")
    of_prompt = _object(given, "prompt_tokens_details")
    of_completion = _object(given, "completion_tokens_details")
    # The others are DeepSeek's, and Moonshot's and Together's.
    cached = (
        _count(of_prompt, "cached_tokens") or _count(given, "prompt_cache_hit_tokens") or _count(given, "cached_tokens")
    )
    written = _count(of_prompt, "cache_write_tokens")
    reasoning = _count(of_completion, "reasoning_tokens") or _count(given, "reasoning_tokens")
    searches = _count(given, "num_search_queries")
    # xAI counts reasoning beside the completion, not in it; its total gives that away. So does Perplexity's research,
    # which prices it apart, and whose total leaves it out: https://docs.perplexity.ai/docs/getting-started/pricing
    if reasoning > completion or (
        reasoning and (searches or _count(given, "total_tokens") == prompt + completion + reasoning)
    ):
        completion += reasoning
    # The parts of a prompt are priced apart, so they must not exceed the whole.
    if cached + written > prompt:
        prompt += cached + written
    # Gemini's chat completions count thoughts in the total alone: https://ai.google.dev/gemini-api/docs/openai
    if not reasoning:
        completion = max(completion, _count(given, "total_tokens") - prompt)
    return Usage(
        # Perplexity's price list has what its searches found at the price of the prompt.
        prompt_tokens=prompt + _count(given, "citation_tokens"),
        completion_tokens=completion,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        prompt_audio_tokens=_count(of_prompt, "audio_tokens"),
        completion_audio_tokens=_count(of_completion, "audio_tokens"),
        completion_image_tokens=_count(of_completion, "image_tokens"),
        web_search_requests=searches,
    )


def usage_of(answer: Json) -> Json | None:
    """The usage of an answer or a chunk: null in most chunks, at Groq sometimes under `x_groq` alone, and at
    Moonshot under the choice that ends: https://platform.moonshot.ai/docs/api/chat
    """
    usage = answer.get("usage")
    if usage is None:
        usage = _object(answer, "x_groq").get("usage")
    for choice in () if usage else answer.get("choices") or ():
        usage = choice.get("usage") or usage
    return usage if isinstance(usage, dict) and usage else None


def service_tier_of(answer: Json) -> str | None:
    tier = answer.get("service_tier")
    return tier if isinstance(tier, str) else None


def reasoning_of(message: Json) -> str | None:
    """`reasoning_content` is DeepSeek's, xAI's and Fireworks' word; `reasoning` Groq's, Together's and OpenRouter's.

    Some servers send both, with the same text; Mistral's models have it among the parts of the content.
    """
    text = message.get("reasoning_content") or message.get("reasoning")
    content = message.get("content")
    if not text and isinstance(content, list):
        thoughts = [part.get("thinking") for part in content if part.get("type") == "thinking"]
        text = "".join(piece.get("text") or "" for thought in thoughts for piece in thought or ())
    return text if isinstance(text, str) and text else None


def reasoning_details_of(text: str) -> list[Json]:
    """Plain reasoning in OpenRouter's structured form, which clients send back in the next turn."""
    return [text_detail(text, "unknown", 0)]


def content_of(message: Json) -> str | None:
    """The text, which a few servers send in parts."""
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(part.get("text") or "" for part in content if part.get("type") == "text")
    return content or None


def arguments_of(function: Json) -> str:
    """Always text: some servers send an object, or null where there are none."""
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else orjson.dumps(arguments).decode()


def extra_of(message: Json) -> Json | None:
    extra = {member: message[member] for member in _EXTRA if message.get(member)}
    return extra or None


def citations_of(answer: Json) -> list[Json]:
    """Perplexity's and xAI's lists of sources, as OpenRouter's annotations.

    https://docs.perplexity.ai/api-reference/chat-completions-post, https://docs.x.ai/docs/guides/live-search
    """
    results = answer.get("search_results")
    titles = {
        result["url"]: result.get("title")
        for result in (results if isinstance(results, list) else ())
        if isinstance(result, dict) and isinstance(result.get("url"), str)
    }
    # Either may come alone.
    sources = answer.get("citations") or list(titles)
    if not isinstance(sources, list):
        return []
    return [
        {
            "type": "url_citation",
            "url_citation": {"url": url, "title": titles.get(url) or url, "start_index": 0, "end_index": 0},
        }
        for url in sources
        if isinstance(url, str)
    ]


def _count(given: Json, name: str) -> int:
    value = given.get(name)
    return int(value) if isinstance(value, int | float) and 0 < value < _MOST_TOKENS else 0


def _object(given: Json, name: str) -> Json:
    value = given.get(name)
    return value if isinstance(value, dict) else {}
