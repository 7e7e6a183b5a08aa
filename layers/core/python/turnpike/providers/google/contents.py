"""A conversation as Gemini's contents: two roles that alternate, and instructions beside them."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import orjson

from turnpike.domain.chat import Message
from turnpike.providers.google.models import Model
from turnpike.providers.google.parts import Part, build_images, build_parts
from turnpike.providers.reasoning import Detail, details_of
from turnpike.providers.tool_calls import parse_arguments

FORMAT = "google-gemini-v1"

UNSIGNED = "skip_thought_signature_validator"
"""Stands for the signature of a call that is not Gemini's own, or whose signature the client lost; without
any, Gemini 3 answers 400: https://ai.google.dev/gemini-api/docs/thought-signatures#faqs"""

_SPEAKERS = {"system": "system", "developer": "system", "assistant": "model", "tool": "tool"}


def image_name(place: int) -> str:
    """By this a signature is known to belong to an answer's image."""
    return f"image_{place}"


def build_contents(messages: Iterable[Message], model: Model, *, call_ids: bool) -> dict[str, Any]:
    """The request's `contents` and `systemInstruction`. `call_ids`: whether calls and results may be named."""
    contents: list[dict[str, Any]] = []
    instructions: list[Part] = []
    called: dict[str, str] = {}
    for speaker, group in groupby(messages, key=lambda message: _SPEAKERS.get(message["role"], "user")):
        if speaker == "system":
            instructions += [part for message in group for part in build_parts(message["content"], model)]
        elif speaker == "model":
            for message in group:
                # A call that is made again under an id of earlier moves to its new place.
                for call in message.get("tool_calls") or ():
                    called.pop(call["id"], None)
                    called[call["id"]] = call["function"]["name"]
                _add(contents, "model", _answer(message, model, call_ids))
        elif speaker == "tool":
            _add(contents, "user", _results(list(group), called, model, call_ids))
        else:
            for message in group:
                _add(contents, "user", _named(build_parts(message["content"], model), message.get("name")))
    if instructions and (model.gemma or not contents):
        # Gemma has no instructions, and nobody answers instructions alone.
        if contents and contents[0]["role"] == "user":
            contents[0] = {"role": "user", "parts": [*instructions, *contents[0]["parts"]]}
        else:
            contents.insert(0, {"role": "user", "parts": instructions})
        instructions = []
    return {"contents": contents, **({"systemInstruction": {"parts": instructions}} if instructions else {})}


def _add(contents: list[dict[str, Any]], role: str, parts: Sequence[Part]) -> None:
    if not parts:
        return
    if contents and contents[-1]["role"] == role:
        contents[-1]["parts"] += parts
    else:
        contents.append({"role": role, "parts": list(parts)})


def _named(parts: list[Part], name: Any) -> list[Part]:
    """There are no participants' names; OpenRouter puts them before the text."""
    if not name or not parts:
        return parts
    if "text" in parts[0]:
        return [{"text": f"{name}: {parts[0]['text']}"}, *parts[1:]]
    return [{"text": f"{name}:"}, *parts]


def _answer(message: Message, model: Model, call_ids: bool) -> list[Part]:
    """An earlier answer, with each signature on the part that it came with, as far as the details tell."""
    details = details_of(message, FORMAT) if model.thinks else []
    signatures, loose = _signatures(details)
    said = [*build_parts(message.get("content"), model), *build_parts(message.get("refusal"), model)]
    for place, part in build_images(message, model):
        said.append(_signed(part, signatures.get(image_name(place))))
    calls = [_signed(_call(call, call_ids), signatures.get(call["id"])) for call in message.get("tool_calls") or ()]
    texts = [part for part in said if "text" in part]
    if loose and not texts and calls and not any("thoughtSignature" in part for part in calls):
        # The client lost the id that it came with.
        calls[0] = _signed(calls[0], loose.pop())
    if loose and texts:
        texts[-1]["thoughtSignature"] = loose.pop()
    said = [*({"text": "", "thoughtSignature": each} for each in loose), *said]
    if calls and model.is_third and not any("thoughtSignature" in part for part in calls):
        # One is enough for calls that were made together.
        calls[0] = _signed(calls[0], UNSIGNED)
    return [*_thoughts(details), *said, *calls]


def _thoughts(details: Iterable[Detail]) -> list[Part]:
    return [
        _signed({"text": each.get("text") or "", "thought": True}, each.get("signature"))
        for each in details
        if each.get("type") == "reasoning.text" and (each.get("text") or each.get("signature"))
    ]


def _signatures(details: Iterable[Detail]) -> tuple[dict[str, str], list[str]]:
    """(by what they belong to, those of text)."""
    named: dict[str, str] = {}
    loose: list[str] = []
    for each in details:
        if each.get("type") == "reasoning.encrypted" and isinstance(each.get("data"), str):
            if each.get("id"):
                named[str(each["id"])] = each["data"]
            else:
                loose.append(each["data"])
    return named, loose


def _signed(part: Part, signature: str | None) -> Part:
    return {**part, "thoughtSignature": signature} if signature else part


def _call(call: Any, call_ids: bool) -> Part:
    arguments = parse_arguments(call)
    described = {
        "name": call["function"]["name"],
        "args": arguments if isinstance(arguments, dict) else {"arguments": arguments},
    }
    return {"functionCall": {"id": call["id"], **described} if call_ids else described}


def _results(messages: list[Message], called: dict[str, str], model: Model, call_ids: bool) -> list[Part]:
    """In the order of their calls, which is all that tells them apart where there are no ids."""
    places = {call_id: place for place, call_id in enumerate(called)}
    messages.sort(key=lambda message: places.get(message["tool_call_id"], len(places)))
    responses: list[Part] = []
    beside: list[Part] = []
    for message in messages:
        call_id = message["tool_call_id"]
        parts = build_parts(message["content"], model)
        texts = [part["text"] for part in parts if "text" in part]
        response: Part = {"name": called.get(call_id) or message.get("name") or call_id}
        response["response"] = _object("\n".join(texts))
        if call_ids:
            response["id"] = call_id
        inline = [part for part in parts if "inlineData" in part and model.is_third]
        if inline:
            # https://ai.google.dev/gemini-api/docs/function-calling#multimodal, which older models do not read.
            response["parts"] = inline
        responses.append({"functionResponse": response})
        beside += [part for part in parts if "text" not in part and part not in inline]
    return [*responses, *beside]


def _object(text: str) -> Any:
    """A result has to be an object; `output` is what Google calls one that was none."""
    if text.lstrip().startswith("{"):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
    return {"output": text}
