"""A whole answer's content blocks, in the order in which the provider gave them as far as it can be told."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from turnpike.api.messages.thoughts import CLAUDE, Detail, data_of, signature_of, text_of
from turnpike.domain.chat import Choice

Block = dict[str, Any]


def content_of(choice: Choice, *, hides: bool, refused: bool) -> list[Block]:
    """`hides`: whether the text of thoughts is left out; `refused`: whether a refusal is told beside the content."""
    message = choice.message
    groups = _said_blocks(choice, "" if refused else message.get("refusal") or "")
    groups += [_use_block(call) for call in message.get("tool_calls") or ()]
    blocks: list[Block] = []
    for detail in _details_of(message):
        block = _thought_block(detail, hides=hides)
        if block is None:
            continue
        place = detail.get("index") if detail.get("format") == CLAUDE else None
        while groups and isinstance(place, int) and len(blocks) < place:
            blocks.append(groups.pop(0))
        blocks.append(block)
    return blocks + groups


def is_fetch(block: Mapping[str, Any]) -> bool:
    """Whether it says that a page was fetched. An error has a member of its own for what went wrong."""
    return block.get("type") == "web_fetch_tool_result" and "error_code" not in (block.get("content") or ())


def _said_blocks(choice: Choice, refusal: str) -> list[Block]:
    """Texts, and the blocks that only this API has, where they stand between them."""
    annotations: Sequence[Mapping[str, Any]] = choice.message.get("annotations") or ()
    mine = [part for part in choice.parts or () if part["type"] == "text" or part["dialect"] == "messages"]
    if all(part["type"] == "text" for part in mine):
        text = (choice.message.get("content") or "") + refusal
        return [_text_block(text, annotations)] if text else []
    blocks: list[Block] = []
    end = 0
    for part in mine:
        if part["type"] != "text":
            blocks.append(dict(part["item"]))
            continue
        start, end = end, end + len(part["text"])
        blocks.append(_text_block(part["text"], [each for each in annotations if start <= _place_of(each) < end]))
    return [*blocks, _text_block(refusal, ())] if refusal else blocks


def _place_of(annotation: Mapping[str, Any]) -> int:
    """The character of the answer at which what it cites begins."""
    place = (annotation.get("url_citation") or {}).get("start_index")
    return place if isinstance(place, int) else 0


def citation_of(annotation: Mapping[str, Any]) -> Block | None:
    """None for what has no address on the web."""
    cited = annotation.get("url_citation")
    if not isinstance(cited, Mapping) or not str(cited.get("url") or "").startswith(("http://", "https://")):
        return None
    return {
        "type": "web_search_result_location",
        "url": cited["url"],
        "title": cited.get("title"),
        "cited_text": cited.get("content") or "",
        "encrypted_index": "",
    }


def _details_of(message: Mapping[str, Any]) -> Sequence[Detail]:
    details: Sequence[Detail] = message.get("reasoning_details") or ()
    if not details and message.get("reasoning"):
        return [{"type": "reasoning.text", "text": message["reasoning"]}]
    return details


def _thought_block(detail: Detail, *, hides: bool) -> Block | None:
    if detail.get("type") == "reasoning.encrypted":
        return {"type": "redacted_thinking", "data": data_of(detail)}
    if hides and not detail.get("signature"):
        return None
    return {"type": "thinking", "thinking": "" if hides else text_of(detail), "signature": signature_of(detail)}


def _text_block(text: str, annotations: Sequence[Mapping[str, Any]]) -> Block:
    cited = [citation for each in annotations if (citation := citation_of(each)) is not None]
    return {"type": "text", "text": text, "citations": cited or None}


def _use_block(call: Mapping[str, Any]) -> Block:
    function = call["function"]
    return tool_use(call["id"], function["name"], _input_of(function["arguments"]))


def tool_use(call_id: str, name: str, given: dict[str, Any]) -> Block:
    """`caller` says that the model itself called it, and no code that it wrote (reference 8.2)."""
    return {"type": "tool_use", "id": call_id, "name": name, "input": given, "caller": {"type": "direct"}}


def _input_of(arguments: str) -> dict[str, Any]:
    """Models may write what is no JSON, or no object; the client gets it all the same."""
    try:
        content = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        content = arguments
    return content if isinstance(content, dict) else {"arguments": content}
