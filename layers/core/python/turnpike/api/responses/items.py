"""An answer's output items, put together while it is told."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from turnpike.api.responses.thoughts import Detail, bare, encrypted_content_of, key_of, text_of
from turnpike.domain.custom_tools import text_of as text_of_arguments

Json = dict[str, Any]


class MessageItem:
    """Words: texts, and refusals in words, each as a part."""

    kind = "message"

    def __init__(self, item_id: str) -> None:
        self.id = item_id
        self.parts: list[Json] = []
        self.texts: list[str] = []
        """What was said of the last part, until it ends."""

    def present(self, status: str) -> Json:
        content = list(self.parts)
        if self.texts:
            member = "refusal" if content[-1]["type"] == "refusal" else "text"
            content[-1] = {**content[-1], member: "".join(self.texts)}
        return {"id": self.id, "type": "message", "role": "assistant", "status": status, "content": content}


class CallItem:
    """A call of a function. `address` names it, as the client does."""

    kind = "function_call"

    def __init__(self, item_id: str, call_id: str, address: Mapping[str, Any]) -> None:
        self.id = item_id
        self.call_id = call_id
        self.address = address
        self.arguments: list[str] = []

    @property
    def is_complete(self) -> bool:
        """Whether nothing can be missing of the arguments."""
        try:
            orjson.loads("".join(self.arguments))
        except orjson.JSONDecodeError:
            return False
        return True

    def present(self, status: str) -> Json:
        return {**self._head(), "arguments": "".join(self.arguments), "status": status}

    def _head(self) -> Json:
        return {"id": self.id, "type": self.kind, "call_id": self.call_id, **self.address}


class SearchCallItem(CallItem):
    """A search for tools, which the client runs."""

    kind = "tool_search_call"

    def present(self, status: str) -> Json:
        head = {"id": self.id, "type": self.kind, "call_id": self.call_id, "execution": "client"}
        return {**head, "arguments": {} if status == "in_progress" else self._parsed(), "status": status}

    def _parsed(self) -> Any:
        try:
            return orjson.loads("".join(self.arguments) or "{}")
        except orjson.JSONDecodeError:
            return "".join(self.arguments)


class CustomCallItem(CallItem):
    """A call of a tool that takes a text, which is known when the arguments are complete."""

    kind = "custom_tool_call"

    @property
    def text(self) -> str:
        return text_of_arguments("".join(self.arguments))

    def present(self, status: str) -> Json:
        return {**self._head(), "input": "" if status == "in_progress" else self.text, "status": status}


class ReasoningItem:
    """Its details are put together from their fragments, and their texts only when the item is told as a whole."""

    kind = "reasoning"

    def __init__(self, item_id: str) -> None:
        self.id = item_id
        self.has_text = False
        self._details: list[tuple[Json, list[str]]] = []

    def add(self, fragment: Detail) -> str:
        """The fragment's text."""
        text = text_of(fragment)
        last = self._details[-1][0] if self._details else None
        if last is None or fragment.get("data") or key_of(last) != key_of(fragment) or last.get("signature"):
            self._details.append((bare(fragment), []))
        elif fragment.get("signature"):
            last["signature"] = fragment["signature"]
        if text:
            self.has_text = True
            self._details[-1][1].append(text)
        return text

    @property
    def said(self) -> str:
        return "".join(text for _, texts in self._details for text in texts)

    def present(self, status: str) -> Json:
        item: Json = {"id": self.id, "type": "reasoning", "summary": []}
        if status == "in_progress":
            return item
        if self.has_text:
            item["summary"] = [{"type": "summary_text", "text": self.said}]
        lengths = [(detail, sum(map(len, texts))) for detail, texts in self._details]
        return {**item, "encrypted_content": encrypted_content_of(lengths)}


class ImageItem:
    kind = "image_generation_call"

    def __init__(self, item_id: str, data: str) -> None:
        self.id = item_id
        self.data = data

    @property
    def progress(self) -> Sequence[str]:
        return [f"response.{self.kind}.{step}" for step in ("in_progress", "generating", "completed")]

    def present(self, status: str) -> Json:
        result = None if status == "in_progress" else self.data
        return {"id": self.id, "type": self.kind, "status": status, "result": result}


class NativeItem:
    """One of a tool that this API defines, as the provider told it."""

    def __init__(self, item_id: str, given: Mapping[str, Any]) -> None:
        self.id = str(given.get("id") or item_id)
        self._given = {**given, "id": self.id}

    @property
    def progress(self) -> Sequence[str]:
        """The events between its beginning and its end."""
        steps = ("in_progress", "searching", "completed") if self._given["type"] == "web_search_call" else ()
        return [f"response.web_search_call.{step}" for step in steps]

    def present(self, status: str) -> Json:
        return {**self._given, "status": status} if status == "in_progress" else self._given


AnyItem = MessageItem | CallItem | ReasoningItem | ImageItem | NativeItem


def data_of_image(image: Mapping[str, Any]) -> str | None:
    """The base64 of an image of an answer; None where it has only an address."""
    url = str((image.get("image_url") or {}).get("url") or "")
    return url.partition(",")[2] if url.startswith("data:") else None


def logprobs_of(given: Mapping[str, Any] | None) -> list[Json]:
    """Of a chat's tokens; some providers leave out their bytes, which are never missing here."""
    return [
        {**_with_bytes(each), "top_logprobs": [_with_bytes(other) for other in each.get("top_logprobs") or ()]}
        for each in (given or {}).get("content") or ()
    ]


def _with_bytes(token: Mapping[str, Any]) -> Json:
    text, told = str(token.get("token") or ""), token.get("bytes")
    told = list(text.encode()) if told is None else told
    return {"token": text, "logprob": token.get("logprob") or 0.0, "bytes": told}


def annotation_of(given: Mapping[str, Any], offset: int) -> Json | None:
    """In this API its members stand beside the type, and count from where its part begins: `offset`."""
    cited = given.get("url_citation")
    if not isinstance(cited, Mapping):
        return None
    annotation = {"type": "url_citation", **cited}
    for name in ("start_index", "end_index"):
        if isinstance(annotation.get(name), int):
            annotation[name] = max(annotation[name] - offset, 0)
    return annotation
