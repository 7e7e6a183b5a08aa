"""A whole answer as the deltas that would have streamed it, so that both are told alike."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from turnpike.api.responses.thoughts import group_of
from turnpike.domain.chat import Choice, Delta

Json = Mapping[str, Any]


def deltas_of(choice: Choice) -> list[Delta]:
    """Thoughts first, then words, then calls; but where there is something native, all of it as it came."""
    message = choice.message
    calls = [{**call, "index": index} for index, call in enumerate(message.get("tool_calls") or ())]
    extra = {name: message[name] for name in ("annotations", "images") if message.get(name)}
    if not choice.parts:
        return [
            Delta(reasoning=message.get("reasoning"), reasoning_details=message.get("reasoning_details")),
            Delta(
                content=message.get("content"),
                refusal=message.get("refusal"),
                extra=extra or None,
                logprobs=choice.logprobs,
            ),
            Delta(tool_calls=calls or None),
        ]
    tokens = (choice.logprobs or {}).get("content") or ()
    items = [*_parts(choice.parts, extra.pop("annotations", ()), tokens)]
    if message.get("refusal"):
        items.append(Delta(refusal=message["refusal"]))
    items += [Delta(tool_calls=[call]) for call in calls]
    told = [*_interleaved(message.get("reasoning_details") or (), items)]
    return [*told, Delta(extra=extra)] if extra else told


def _interleaved(details: Sequence[Json], items: list[Delta]) -> Iterator[Delta]:
    """`index` of a thought is its place among all that is handed back."""
    told = 0
    rest = iter(items)
    for _, thoughts in groupby(details, group_of):
        thought = list(thoughts)
        place = thought[0].get("index")
        while isinstance(place, int) and told < place:
            item = next(rest, None)
            if item is None:
                break
            yield item
            told += 1
        yield Delta(reasoning_details=thought)
        told += 1
    yield from rest


def _parts(parts: Sequence[Json], annotations: Sequence[Json], tokens: Sequence[Json]) -> Iterator[Delta]:
    """Each text with what is said of places in it, and its tokens, whose texts it is made of."""
    left, unread = list(annotations), iter(tokens)
    texts = [part for part in parts if part["type"] == "text"]
    end = 0
    for part in parts:
        if part["type"] != "text":
            yield Delta(native=part)
            continue
        end += len(part["text"])
        of_part = [each for each in left if part is texts[-1] or _start(each) < end]
        left = [each for each in left if each not in of_part]
        logprobs = [*_covering(part["text"], unread)]
        yield Delta(
            content=part["text"],
            extra={"annotations": of_part} if of_part else None,
            logprobs={"content": logprobs} if logprobs else None,
        )


def _covering(text: str, tokens: Iterator[Json]) -> Iterator[Json]:
    read = 0
    while read < len(text):
        token = next(tokens, None)
        if token is None:
            return
        read += len(str(token.get("token") or ""))
        yield token


def _start(annotation: Json) -> int:
    start = (annotation.get("url_citation") or {}).get("start_index")
    return start if isinstance(start, int) else 0
