"""An answer in the Responses API's items and events (reference 8.3 and 8.5).

A whole answer is told as the deltas that would have streamed it, so that both say the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from turnpike.api.inference.metadata import present_metadata, wants_metadata
from turnpike.api.inference.skin import Asked, Call
from turnpike.api.responses.items import (
    AnyItem,
    CallItem,
    CustomCallItem,
    ImageItem,
    MessageItem,
    NativeItem,
    ReasoningItem,
    SearchCallItem,
    annotation_of,
    data_of_image,
    logprobs_of,
)
from turnpike.api.responses.result import present_response, present_unfinished, status_of
from turnpike.api.responses.thoughts import Detail, group_of
from turnpike.api.responses.tools import SEARCH, declared_tools
from turnpike.api.responses.whole import deltas_of
from turnpike.domain.chat import Completion, Delta
from turnpike.domain.errors import TurnpikeError
from turnpike.services.complete_chat import ChatCall

Json = dict[str, Any]

_NO_LOGPROBS = b',"logprobs":[]'
_ARGUMENTS = "response.function_call_arguments.delta"


class ResponsesPresenter:
    """Implements `Presenter`. A new item begins when something else is said, and ends the one before; but a call whose
    arguments are not complete stays open beside it, since pieces of calls that are made together come in any order.
    """

    def __init__(self, call: Call, asked: Asked) -> None:
        self._call = call
        self._asked = asked
        self._number = 0
        self._items: list[AnyItem] = []
        self._open: AnyItem | None = None
        self._group: object = None
        self._calls: dict[int, CallItem] = {}
        self._unfinished: list[CallItem] = []
        self._cut: list[AnyItem] = []
        # What there is of calls whose name is still to come.
        self._unnamed: dict[int, dict[str, str]] = {}
        self._begun = False
        # What all deltas of the open part share, before and after their numbers.
        self._prefix = b""
        # Characters of all texts, and how many of them came before the open part.
        self._said = self._part_began = 0
        self._broken: TurnpikeError | None = None

    def present_completion(self, completion: Completion) -> Json:
        for choice in completion.choices[:1]:
            self.present(deltas_of(choice))
        self._close_all([])
        return self._response()

    def present(self, deltas: Sequence[Delta]) -> bytes:
        out: list[bytes] = []
        for delta in deltas:
            if delta.has_content or delta.finish_reason or delta.logprobs:
                self._begin(out)
                self._add(delta, out)
            if delta.error is not None:
                self._broken = delta.error
        return b"".join(out)

    def present_end(self) -> bytes:
        out: list[bytes] = []
        self._begin(out)
        if self._broken is not None:
            return b"".join(out) + self.present_break(self._broken)
        self._close_all(out)
        response = self._response()
        out.append(self._event(f"response.{response['status']}", {"response": response}))
        return b"".join(out)

    def present_break(self, error: TurnpikeError) -> bytes:
        out: list[bytes] = []
        self._begin(out)
        response = {**self._response("failed"), **present_unfinished(error)}
        out.append(self._event(f"response.{response['status']}", {"response": response}))
        return b"".join(out)

    def _begin(self, out: list[bytes]) -> None:
        if self._begun:
            return
        self._begun = True
        response = {**self._response("in_progress"), "output": [], "usage": None}
        out += [self._event(name, {"response": response}) for name in ("response.created", "response.in_progress")]

    def _add(self, delta: Delta, out: list[bytes]) -> None:
        if delta.reasoning_details:
            for detail in delta.reasoning_details:
                self._think(detail, out)
        elif delta.reasoning:
            self._think({"type": "reasoning.text", "text": delta.reasoning}, out)
        if delta.content:
            self._say("output_text", delta.content, out, logprobs_of(delta.logprobs))
        elif delta.logprobs and isinstance(self._open, MessageItem):
            self._say("output_text", "", out, logprobs_of(delta.logprobs))
        if delta.refusal:
            self._say("refusal", delta.refusal, out)
        for fragment in delta.tool_calls or ():
            self._use(fragment, out)
        for annotation in (delta.extra or {}).get("annotations") or ():
            self._cite(annotation, out)
        for image in (delta.extra or {}).get("images") or ():
            data = data_of_image(image)
            if data is not None:
                self._start(ImageItem(self._new_id("ig"), data), out)
                self._close(out)
        if delta.native is not None and delta.native["dialect"] == "responses":
            self._start(NativeItem(self._new_id("item"), delta.native["item"]), out)
            self._close(out)

    def _say(self, kind: str, text: str, out: list[bytes], logprobs: Sequence[Json] = ()) -> None:
        item = self._open
        if not isinstance(item, MessageItem):
            item = MessageItem(self._new_id("msg"))
            self._start(item, out)
        if not item.parts or item.parts[-1]["type"] != kind:
            self._end_part(item, out)
            item.parts.append(_new_part(kind))
            self._part_event("added", item, out)
            self._prefix = self._piece(f"response.{kind}.delta", item, b',"content_index":%d' % (len(item.parts) - 1))
            self._prefix += _NO_LOGPROBS if kind == "output_text" else b""
            self._part_began = self._said
        item.texts.append(text)
        if kind == "output_text":
            self._said += len(text)
        if not logprobs:
            self._tell(text, out)
            return
        item.parts[-1]["logprobs"] += logprobs
        self._tell(text, out, self._prefix.removesuffix(_NO_LOGPROBS) + b',"logprobs":' + orjson.dumps(logprobs))

    def _think(self, detail: Detail, out: list[bytes]) -> None:
        item, group = self._open, group_of(detail)
        if not isinstance(item, ReasoningItem) or self._group != group:
            item = ReasoningItem(self._new_id("rs"))
            self._start(item, out)
            self._group = group
        begins = not item.has_text
        text = item.add(detail)
        if text and begins:
            part = {"type": "summary_text", "text": ""}
            out.append(self._item_event("response.reasoning_summary_part.added", item, summary_index=0, part=part))
            self._prefix = self._piece("response.reasoning_summary_text.delta", item, b',"summary_index":0')
        if text:
            self._tell(text, out)

    def _use(self, fragment: Mapping[str, Any], out: list[bytes]) -> None:
        index, function = fragment["index"], fragment.get("function") or {}
        arguments = function.get("arguments") or ""
        item = self._calls.get(index)
        if item is None:
            first = self._unnamed.pop(index, None) or {"id": fragment.get("id") or "", "arguments": ""}
            arguments = first["arguments"] + arguments
            if not function.get("name"):
                self._unnamed[index] = {**first, "arguments": arguments}
                return
            item = self._calls[index] = self._new_call(first["id"], function["name"])
            self._start(item, out)
            self._prefix = self._piece(_ARGUMENTS, item)
        if arguments:
            item.arguments.append(arguments)
            if type(item) is CallItem:
                self._tell(arguments, out, None if self._open is item else self._piece(_ARGUMENTS, item))

    def _new_call(self, call_id: str, name: str) -> CallItem:
        # Most answers call nothing, and then it does not matter what there is.
        declared = declared_tools(self._asked.content).get(name)
        if declared is None:
            return CallItem(self._new_id("fc"), call_id, {"name": name})
        if declared.kind == SEARCH:
            return SearchCallItem(self._new_id("tsc"), call_id, {})
        if declared.kind == "custom":
            return CustomCallItem(self._new_id("ctc"), call_id, declared.address)
        return CallItem(self._new_id("fc"), call_id, declared.address)

    def _cite(self, given: Mapping[str, Any], out: list[bytes]) -> None:
        item, annotation = self._open, annotation_of(given, self._part_began)
        if annotation is None or not isinstance(item, MessageItem) or not item.parts or "text" not in item.parts[-1]:
            return
        annotations = item.parts[-1]["annotations"]
        place = {"content_index": len(item.parts) - 1, "annotation_index": len(annotations), "annotation": annotation}
        out.append(self._item_event("response.output_text.annotation.added", item, **place))
        annotations.append(annotation)

    def _start(self, item: AnyItem, out: list[bytes]) -> None:
        self._close(out)
        self._items.append(item)
        self._open = item
        place = {"output_index": len(self._items) - 1, "item": item.present("in_progress")}
        out.append(self._event("response.output_item.added", place))

    def _close(self, out: list[bytes]) -> None:
        item, self._open, self._group = self._open, None, None
        if isinstance(item, CallItem) and not item.is_complete:
            self._unfinished.append(item)
        elif item is not None:
            self._finish(item, out)

    def _close_all(self, out: list[bytes]) -> None:
        """Where the answer was cut short, so was what is still open then."""
        cut, item = status_of(self._call) == "incomplete", self._open
        if cut and item is not None and not isinstance(item, CallItem):
            self._finish(item, out, "incomplete")
            self._open = None
        self._close(out)
        for call in self._unfinished:
            self._finish(call, out, "incomplete" if cut and not call.is_complete else "completed")
        self._unfinished.clear()

    def _finish(self, item: AnyItem, out: list[bytes], status: str = "completed") -> None:
        if status == "incomplete":
            self._cut.append(item)
        if isinstance(item, MessageItem):
            self._end_part(item, out)
        elif isinstance(item, ReasoningItem) and item.has_text:
            place: Json = {"summary_index": 0}
            out.append(self._item_event("response.reasoning_summary_text.done", item, **place, text=item.said))
            part = {"type": "summary_text", "text": item.said}
            out.append(self._item_event("response.reasoning_summary_part.done", item, **place, part=part))
        elif isinstance(item, (NativeItem, ImageItem)):
            out += [self._item_event(name, item) for name in item.progress]
        elif isinstance(item, CustomCallItem):
            # As one piece: a text can be told from its JSON only when that is complete.
            out.append(self._item_event("response.custom_tool_call_input.delta", item, delta=item.text))
            out.append(self._item_event("response.custom_tool_call_input.done", item, input=item.text))
        elif type(item) is CallItem:
            told = {**item.address, "arguments": "".join(item.arguments)}
            out.append(self._item_event("response.function_call_arguments.done", item, **told))
        place = {"output_index": self._items.index(item), "item": item.present(status)}
        out.append(self._event("response.output_item.done", place))

    def _end_part(self, item: MessageItem, out: list[bytes]) -> None:
        if not item.parts or not item.texts:
            return
        part, text = item.parts[-1], "".join(item.texts)
        item.texts.clear()
        place: Json = {"content_index": len(item.parts) - 1}
        if part["type"] == "refusal":
            part["refusal"] = text
            out.append(self._item_event("response.refusal.done", item, **place, refusal=text))
        else:
            part["text"] = text
            out.append(
                self._item_event("response.output_text.done", item, **place, text=text, logprobs=part["logprobs"])
            )
        self._part_event("done", item, out)

    def _part_event(self, what: str, item: MessageItem, out: list[bytes]) -> None:
        place: Json = {"content_index": len(item.parts) - 1, "part": item.parts[-1]}
        out.append(self._item_event(f"response.content_part.{what}", item, **place))

    def _item_event(self, name: str, item: AnyItem, /, **members: Any) -> bytes:
        return self._event(name, {"item_id": item.id, "output_index": self._items.index(item), **members})

    def _event(self, name: str, members: Json) -> bytes:
        content = {"type": name, "sequence_number": self._number, **members}
        self._number += 1
        return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(content))

    def _piece(self, name: str, item: AnyItem, rest: bytes = b"") -> bytes:
        """What all deltas of a part begin with."""
        place = (name.encode(), name.encode(), item.id.encode(), self._items.index(item), rest)
        return b'event: %b\ndata: {"type":"%b","item_id":"%b","output_index":%d%b' % place

    def _tell(self, text: str, out: list[bytes], prefix: bytes | None = None) -> None:
        out.append(
            (prefix or self._prefix) + b',"sequence_number":%d,"delta":' % self._number + orjson.dumps(text) + b"}\n\n"
        )
        self._number += 1

    def _new_id(self, kind: str) -> str:
        return f"{kind}_{self._call.id.removeprefix('gen-')}_{len(self._items)}"

    def _response(self, status: str | None = None) -> Json:
        # Only an answer that broke off or was cut short still has some.
        unfinished = (self._open, *self._unfinished, *self._cut)
        output = [item.present("incomplete" if item in unfinished else "completed") for item in self._items]
        response = present_response(self._call, self._asked, output, status)
        shows = wants_metadata(self._asked.headers) and status != "in_progress" and isinstance(self._call, ChatCall)
        if shows and isinstance(self._call, ChatCall):
            response["openrouter_metadata"] = present_metadata(self._call)
        return response


def _new_part(kind: str) -> Json:
    if kind == "refusal":
        return {"type": "refusal", "refusal": ""}
    return {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
