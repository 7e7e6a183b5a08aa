"""Gemini's generateContent: https://ai.google.dev/api/generate-content."""

import json
import re
from itertools import pairwise
from typing import Any

from turnpike.domain.chat import Usage

from tests.replay.expected import Expected, ExpectedError
from tests.replay.recordings import Exchange

_FILTERED = re.compile("SAFETY|RECITATION|PROHIBITED|BLOCKLIST|SPII|LANGUAGE|MODEL_ARMOR|ESCALATION")
_ENDS = {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}
_FAILED = ("MALFORMED", "UNEXPECTED", "TOO_MANY", "MISSING", "NO_IMAGE", "PUP_")

_REFUSED = "refused this deployment's credential or contract"

ERRORS = {
    # All that was exceeded is the input's tokens of a minute, of which the model reads more at once.
    "google/chat_real_error_scenarios_gemini_gemini_2_5_flash_handles_context_length_exceeded_errors[0]": (
        ExpectedError(
            "context_length_exceeded", retryable=True, message="input_token_count, limit: 1000000", retry_after_s=48
        )
    ),
    "google/google_429_retry_info[0]": ExpectedError(
        "rate_limit_exceeded", retryable=True, message="exceeded your current quota", retry_after_s=35
    ),
    "google/google_errors[0]": ExpectedError("context_length_exceeded", retryable=False, message="1048576"),
    "google/google_errors[1]": ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
    "google/google_errors[2]": ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
    "google/google_errors[3]": ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
    "google/google_errors[4]": ExpectedError("not_found", retryable=True, message="is not found"),
    "google/google_errors[5]": ExpectedError("provider_overloaded", retryable=True, message="overloaded"),
    "google/google_errors[6]": ExpectedError("timeout", retryable=True, message="Deadline"),
    "google/google_errors[7]": ExpectedError("invalid_request", retryable=False, message="Thinking level MINIMAL"),
    "google/google_errors[8]": ExpectedError("invalid_request", retryable=True, message="thought_signature"),
    "google/google_errors[9]": ExpectedError("payload_too_large", retryable=False, message="payload size"),
    "google/google_errors[10]": ExpectedError("rate_limit_exceeded", retryable=True, message="limit: 4000000"),
    "google/google_errors[11]": ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
    "google/google_errors[12]": ExpectedError("content_policy_violation", retryable=False, message="Responsible AI"),
}


def expected(exchange: Exchange) -> Expected:
    events = _events(exchange)
    candidates = [event["candidates"][0] for event in events if event.get("candidates")]
    parts = [part for each in candidates for part in (each.get("content") or {}).get("parts") or ()]
    thoughts = [part["text"] if "text" in part else _ran(part) for part in parts if part.get("thought")]
    calls = _calls(parts)
    said = any(part.get("text") or set(part) & {"functionCall", "inlineData", "executableCode"} for part in parts)
    native, error = _end(events, candidates, said=said)
    if said and not native and not exchange.streamed:
        error = None
    finish = None if error else _finish(native or "STOP", bool(calls))
    return Expected(
        text=_text(parts),
        reasoning="".join(thoughts),
        calls=calls,
        details=_details(parts),
        annotations=len(_cited(candidates)),
        images=sum(_is_image(part) for part in parts),
        finish=finish,
        native=native if finish else None,
        usage=_usage(events),
        upstream_id=events[0].get("responseId") if said or finish else None,
        error=error,
    )


def _events(exchange: Exchange) -> list[Any]:
    if not exchange.streamed:
        content = json.loads(exchange.body)
        return content if isinstance(content, list) else [content]
    lines = exchange.body.decode().splitlines()
    data = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
    return [json.loads(each) for each in data if each.endswith("}")]


def _end(events: list[Any], candidates: list[Any], *, said: bool) -> tuple[str | None, str | None]:
    """(how it says it ended, the type of the error that this is)."""
    failed = next((event["error"] for event in events if "error" in event), None)
    if failed is not None:
        kinds = {429: "rate_limit_exceeded", 503: "provider_overloaded", 504: "timeout"}
        return None, kinds.get(failed["code"], "provider_unavailable")
    if not candidates and any((event.get("promptFeedback") or {}).get("blockReason") for event in events):
        return None, "content_policy_violation"
    native = next((each["finishReason"] for each in reversed(candidates) if each.get("finishReason")), None)
    if native is None or native.startswith(_FAILED) or (native == "OTHER" and not said):
        return native, "provider_unavailable"
    return native, None


def _finish(native: str | None, called: bool) -> str | None:
    if native == "STOP" and called:
        return "tool_calls"
    if native is not None and _FILTERED.search(native):
        return "content_filter"
    return _ENDS.get(str(native), "error")


def _text(parts: list[Any]) -> str:
    """With what ran at Google's own, each in a block of code that begins a line."""
    text = ""
    for part in parts:
        if not part.get("thought"):
            line_end = "\n" if _ran(part) and text and not text.endswith("\n") else ""
            text += line_end + (part.get("text") or _ran(part))
    return text


def _ran(part: Any) -> str:
    if "executableCode" in part:
        code = part["executableCode"]
        return f"```{code['language'].lower()}\n{code['code']}\n```\n"
    if "codeExecutionResult" in part:
        return f"```\n{part['codeExecutionResult']['output'].rstrip()}\n```\n"
    return ""


def _is_image(part: Any) -> bool:
    return part.get("inlineData", {}).get("mimeType", "").startswith("image/") and not part.get("thought")


def _calls(parts: list[Any]) -> list[tuple[str | None, str, Any]]:
    calls: list[list[Any]] = []
    for part in parts:
        call = part.get("functionCall")
        if call is None:
            continue
        if "name" in call:
            calls.append([call.get("id"), call["name"], call.get("args") or {}])
        for partial in call.get("partialArgs", ()):
            _set(calls[-1][2], partial)
    return [(call_id, name, arguments) for call_id, name, arguments in calls]


def _set(place: Any, partial: Any) -> None:
    found = re.findall(r"\.(\w+)|\['(\w+)'\]|\[(\d+)\]", partial["jsonPath"])
    steps = [name or quoted or int(index) for name, quoted, index in found]
    for step, following in pairwise(steps):
        empty: Any = [] if isinstance(following, int) else {}
        if isinstance(step, int):
            place.extend([empty] if step == len(place) else [])
            place = place[step]
        else:
            place = place.setdefault(step, empty)
    last = steps[-1]
    value: Any = next((partial[name] for name in ("stringValue", "numberValue", "boolValue") if name in partial), None)
    known = place.get(last) if isinstance(place, dict) else place[last] if last < len(place) else None
    if isinstance(place, list) and last == len(place):
        place.append(None)
    place[last] = known + value if isinstance(known, str) else value


def _details(parts: list[Any]) -> list[tuple[str, str, str]]:
    """Thoughts that follow one another are one block; every signature elsewhere is a block of its own."""
    found: list[list[str]] = []
    growing = False
    for part in parts:
        signature = part.get("thoughtSignature", "")
        thought = part.get("text") or _ran(part)
        if part.get("thought") and thought:
            if growing:
                found[-1][1] += thought
                found[-1][2] = signature
            else:
                found.append(["reasoning.text", thought, signature])
            growing = not signature
            continue
        if signature:
            found.append(["reasoning.encrypted", signature, ""])
        if thought or signature:
            growing = False
    return [(kind, text, signature) for kind, text, signature in found]


def _cited(candidates: list[Any]) -> set[Any]:
    """Each source once for each place that it supports, and sources that support none.

    A support counts through the sources of its own event, or where those are too few of all until then.
    """
    found: set[Any] = set()
    earlier: list[Any] = []
    for each in candidates:
        metadata = each.get("groundingMetadata") or {}
        sources = [next(iter(chunk.values())) for chunk in metadata.get("groundingChunks", ())]
        urls = [source.get("uri") or source.get("fileSearchStore") for source in sources]
        earlier += urls
        used = [
            place for support in metadata.get("groundingSupports", ()) for place in support["groundingChunkIndices"]
        ]
        urls = earlier if used and max(used) >= len(urls) else urls
        supported = {
            (urls[place], support["segment"].get("startIndex", 0), support["segment"]["endIndex"])
            for support in metadata.get("groundingSupports", ())
            for place in support["groundingChunkIndices"]
        }
        found |= supported | {(url, 0, 0) for url in urls if url and url not in {key[0] for key in supported}}
        quotations = each.get("citationMetadata") or {}
        quoted = quotations.get("citationSources") or quotations.get("citations") or ()
        found |= {(source["uri"], source.get("startIndex", 0), source["endIndex"]) for source in quoted}
    return found


def _usage(events: list[Any]) -> Usage | None:
    given = [event["usageMetadata"] for event in events if "promptTokenCount" in event.get("usageMetadata", {})]
    if not given:
        return None
    usage = given[-1]

    def tokens(modality: str, *names: str) -> int:
        details = [each for name in names for each in usage.get(name, ())]
        return sum(each["tokenCount"] for each in details if each["modality"] == modality)

    prompt = usage["promptTokenCount"] + usage.get("toolUsePromptTokenCount", 0)
    return Usage(
        prompt_tokens=prompt,
        # The total counts what was thought too.
        completion_tokens=usage["totalTokenCount"] - prompt,
        cached_tokens=usage.get("cachedContentTokenCount", 0),
        reasoning_tokens=usage.get("thoughtsTokenCount", 0),
        prompt_audio_tokens=tokens("AUDIO", "promptTokensDetails", "toolUsePromptTokensDetails"),
        completion_audio_tokens=tokens("AUDIO", "candidatesTokensDetails"),
        completion_image_tokens=tokens("IMAGE", "candidatesTokensDetails"),
        cached_audio_tokens=tokens("AUDIO", "cacheTokensDetails"),
        prompt_image_tokens=tokens("IMAGE", "promptTokensDetails", "toolUsePromptTokensDetails")
        + tokens("DOCUMENT", "promptTokensDetails", "toolUsePromptTokensDetails"),
        web_search_requests=_searches(events),
    )


def _searches(events: list[Any]) -> int:
    """Each query of Gemini 3, and one for any of an older model."""
    candidates = [candidate for event in events for candidate in event.get("candidates", ())]
    grounded = [candidate.get("groundingMetadata", {}) for candidate in candidates]
    queries = {query for each in grounded for query in each.get("webSearchQueries", ()) if query}
    old = any(event.get("modelVersion", "").startswith(("gemini-1", "gemini-2")) for event in events)
    return min(1, len(queries)) if old else len(queries)
