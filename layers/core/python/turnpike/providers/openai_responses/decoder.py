"""An answer of the Responses API, streamed or whole, turned into deltas.

Items are known by their place in the output: some gateways give them another id in every event. Whatever an item
did not stream is taken from its end, so that a whole answer is read as one that streamed nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from turnpike.domain.chat import Delta, Usage
from turnpike.domain.native import native_part
from turnpike.providers.answer import Json
from turnpike.providers.failures import unreadable
from turnpike.providers.openai_responses.calls import KINDS, Calls, Fragments
from turnpike.providers.openai_responses.failures import failure_of
from turnpike.providers.openai_responses.wire import (
    PLAIN,
    WAITING,
    image_of,
    is_search,
    parse_annotation,
    parse_end,
    parse_logprobs,
    parse_usage,
    text_of,
)
from turnpike.providers.reasoning import Detail, encrypted_detail, summary_detail, text_detail


@dataclass(slots=True)
class _Item:
    """What has been given out of one item of the output."""

    closed: bool = False
    said: bool = False
    """Any of its text, which for reasoning is not its summary."""
    summarized: bool = False
    annotations: int = 0
    part: int = -1
    offset: int = 0
    """Characters of the content before the part that is open."""
    place: int = -1
    """Of reasoning, among what the next request sends back."""


class ResponseAnswer:
    __slots__ = (
        "_calls",
        "_characters",
        "_form",
        "_id",
        "_items",
        "_last",
        "_placed",
        "_provider",
        "_searches",
        "_spoken",
        "_usage",
        "_waits",
    )

    def __init__(self, provider: str, form: str) -> None:
        self._provider = provider
        self._form = form
        # Until the first delta, which says who answers.
        self._id: str | None = None
        self._items: dict[int, _Item] = {}
        # Where the last item was opened.
        self._last = 0
        self._calls = Calls()
        self._characters = 0
        # Items so far that the next request sends back: reasoning, calls, what is native, and one message of all that
        # was said until that.
        self._placed = 0
        self._spoken = False
        self._searches = 0
        # Whether it ends with a call of one of the API's own tools that the client is to answer.
        self._waits = False
        self._usage: Json | None = None

    @property
    def usage(self) -> Usage | None:
        return None if self._usage is None else parse_usage(self._usage, self._searches)

    def read(self, name: str, event: Json, deltas: list[Delta]) -> bool:
        kind: str = event.get("type") or name
        reader = _READERS.get(kind)
        if reader is not None:
            return reader(self, event, deltas)
        if kind.startswith("response."):
            return False
        if kind == "error" and event.get("object") == "response":
            # Some servers do not stream though they are asked to.
            return self.read_whole(event, deltas)
        if kind == "error" or event.get("error"):
            raise failure_of(self._provider, event.get("error") or event)
        return False

    def read_whole(self, response: Json, deltas: list[Delta]) -> bool:
        """A whole response, or the last event's. Raises UpstreamError where it failed or is empty."""
        usage = response.get("usage")
        self._usage = usage if isinstance(usage, dict) and usage else None
        status = response.get("status") or "completed"
        if status in ("queued", "in_progress"):
            raise unreadable(self._provider, "The provider sent an unfinished answer")
        if status in ("failed", "cancelled") or response.get("error"):
            raise failure_of(self._provider, response.get("error") or {})
        self._begin(response)
        unseen = not self._items
        for place, given in enumerate(response.get("output") or ()):
            # Of a stream's items, what was not shown at all may stand at another place.
            if unseen or place in self._items:
                self._close(place, given, deltas)
        self._give_calls(self._calls.finish_all(), deltas)
        if not self._items and status != "incomplete":
            raise unreadable(self._provider, "The provider sent an empty answer")
        finish, native = parse_end(response, has_calls=self._calls.count > 0 or self._waits)
        tier = response.get("service_tier")
        end = Delta(finish_reason=finish, native_finish_reason=native)
        end.service_tier = tier if isinstance(tier, str) else None
        self._give(end, deltas)
        if self._usage is not None:
            deltas.append(Delta(usage=self.usage))
        return True

    def end(self, deltas: list[Delta], *, told: bool) -> bool:
        """Every answer ends with an event of its own, so one that just stops was cut."""
        return False

    def _give(self, delta: Delta, deltas: list[Delta]) -> None:
        if self._id is not None:
            delta.upstream_id, self._id = self._id, None
        deltas.append(delta)

    def _give_calls(self, fragments: Fragments, deltas: list[Delta]) -> None:
        if fragments:
            self._placed += sum("id" in fragment for fragment in fragments)
            self._give(Delta(tool_calls=fragments), deltas)

    def _give_reasoning(self, text: str, details: list[Detail], deltas: list[Delta]) -> None:
        if details:
            self._give(Delta(reasoning=text or None, reasoning_details=details), deltas)

    def _place_of(self, event: Json) -> int:
        """Some servers leave it out, and have one item open at a time."""
        place = event.get("output_index")
        return place if isinstance(place, int) else self._last

    def _item(self, event: Json) -> _Item:
        place = self._place_of(event)
        item = self._items.get(place)
        if item is None:
            item = self._items[place] = _Item()
        return item

    def _place(self, item: _Item) -> int:
        if item.place < 0:
            item.place = self._placed
            self._placed += 1
        return item.place

    def _speak(self, item: _Item) -> None:
        item.said = True
        if not self._spoken:
            self._spoken = True
            self._placed += 1

    def _begin(self, response: Json) -> None:
        if not self._items:
            given = response.get("id")
            self._id = given if isinstance(given, str) and given else None
            self._calls.declare(response.get("tools") or ())

    def _begun(self, event: Json, deltas: list[Delta]) -> bool:
        self._begin(event["response"])
        return False

    def _ended(self, event: Json, deltas: list[Delta]) -> bool:
        response = event["response"]
        told = str(event.get("type") or "").removeprefix("response.")
        return self.read_whole({**response, "status": told or response.get("status")}, deltas)

    def _opened(self, event: Json, deltas: list[Delta]) -> bool:
        self._last = len(self._items)
        self._last = self._place_of(event)
        if self._item(event).closed:
            # Some servers give every item the same place.
            self._items[self._last] = _Item()
        if event["item"]["type"] in KINDS:
            self._give_calls(self._calls.begin(self._last, event["item"]), deltas)
        return False

    def _closed(self, event: Json, deltas: list[Delta]) -> bool:
        self._close(self._place_of(event), event["item"], deltas)
        return False

    def _text(self, event: Json, deltas: list[Delta]) -> bool:
        item = self._item(event)
        part = event.get("content_index") or 0
        if part != item.part:
            item.part, item.offset = part, self._characters
        self._say(item, event["delta"], event.get("logprobs"), deltas)
        return False

    def _refusal(self, event: Json, deltas: list[Delta]) -> bool:
        self._refuse(self._item(event), text_of(event["delta"]), deltas)
        return False

    def _summary(self, event: Json, deltas: list[Delta]) -> bool:
        text = text_of(event["delta"])
        if text:
            item = self._item(event)
            item.summarized = True
            self._give_reasoning(text, [summary_detail(text, self._form, self._place(item))], deltas)
        return False

    def _reasoning(self, event: Json, deltas: list[Delta]) -> bool:
        text = text_of(event["delta"])
        if text:
            item = self._item(event)
            item.said = True
            self._give_reasoning(text, [text_detail(text, self._form, self._place(item))], deltas)
        return False

    def _arguments(self, event: Json, deltas: list[Delta]) -> bool:
        fragments = self._calls.go_on(self._place_of(event), text_of(event["delta"]))
        if fragments:
            self._give(Delta(tool_calls=fragments), deltas)
        return False

    def _annotation(self, event: Json, deltas: list[Delta]) -> bool:
        item = self._item(event)
        if event.get("annotation"):
            item.annotations += 1
            annotation = parse_annotation(event["annotation"], item.offset)
            self._give(Delta(extra={"annotations": [annotation]}), deltas)
        return False

    def _say(self, item: _Item, text: str, logprobs: list[Json] | None, deltas: list[Delta]) -> None:
        if text_of(text):
            self._speak(item)
            self._characters += len(text)
            self._give(Delta(content=text, logprobs=parse_logprobs(logprobs) if logprobs else None), deltas)

    def _refuse(self, item: _Item, text: str, deltas: list[Delta]) -> None:
        if text:
            self._speak(item)
            self._give(Delta(refusal=text), deltas)

    def _close(self, place: int, given: Json, deltas: list[Delta]) -> None:
        """The rest of an item, which is told once more in full."""
        item = self._items.setdefault(place, _Item())
        if item.closed:
            return
        item.closed = True
        match given["type"]:
            case "message":
                self._close_message(item, given, deltas)
            case "reasoning":
                self._close_reasoning(item, given, deltas)
            case "function_call" | "custom_tool_call":
                self._give_calls(self._calls.finish(place, given), deltas)
            case "image_generation_call" if given.get("result"):
                self._give(Delta(extra={"images": [image_of(given)]}), deltas)
            case kind if kind not in PLAIN:
                self._close_native(given, deltas)

    def _close_native(self, given: Json, deltas: list[Delta]) -> None:
        """Of a tool that runs at the provider, or that only this API has: clients of chat get nothing of it."""
        self._searches += is_search(given)
        self._waits = self._waits or given["type"] in WAITING
        self._placed += 1
        self._spoken = False
        self._give(Delta(native=native_part("responses", given)), deltas)

    def _close_message(self, item: _Item, given: Json, deltas: list[Delta]) -> None:
        streamed = item.said
        annotations: list[Json] = []
        for part in given.get("content") or ():
            if part["type"] == "refusal" and not streamed:
                self._refuse(item, part["refusal"], deltas)
            elif part["type"] == "output_text":
                if not streamed:
                    item.offset = self._characters
                    self._say(item, part["text"], part.get("logprobs"), deltas)
                # After a stream the offset is the last part's; there is hardly ever another.
                annotations += [parse_annotation(each, item.offset) for each in part.get("annotations") or ()]
        rest = annotations[item.annotations :]
        if rest:
            self._give(Delta(extra={"annotations": rest}), deltas)

    def _close_reasoning(self, item: _Item, given: Json, deltas: list[Delta]) -> None:
        summaries = [] if item.summarized else [part["text"] for part in given.get("summary") or ()]
        texts = [] if item.said else [part["text"] for part in given.get("content") or ()]
        details = [summary_detail(text, self._form, self._place(item)) for text in summaries if text]
        details += [text_detail(text, self._form, self._place(item)) for text in texts if text]
        encrypted = given.get("encrypted_content")
        if encrypted:
            # What came when the item was opened may have been incomplete.
            details.append(encrypted_detail(encrypted, self._form, self._place(item), id=given.get("id")))
        self._give_reasoning("".join([*summaries, *texts]), details, deltas)


_READERS: dict[str, Callable[[ResponseAnswer, Json, list[Delta]], bool]] = {
    "response.output_text.delta": ResponseAnswer._text,
    "response.reasoning_summary_text.delta": ResponseAnswer._summary,
    "response.function_call_arguments.delta": ResponseAnswer._arguments,
    "response.custom_tool_call_input.delta": ResponseAnswer._arguments,
    "response.reasoning_text.delta": ResponseAnswer._reasoning,
    "response.refusal.delta": ResponseAnswer._refusal,
    "response.output_text.annotation.added": ResponseAnswer._annotation,
    "response.output_item.added": ResponseAnswer._opened,
    "response.output_item.done": ResponseAnswer._closed,
    "response.created": ResponseAnswer._begun,
    "response.completed": ResponseAnswer._ended,
    "response.incomplete": ResponseAnswer._ended,
    "response.failed": ResponseAnswer._ended,
}
"""Other events repeat what these say, or tell how the provider's own tools are doing."""
