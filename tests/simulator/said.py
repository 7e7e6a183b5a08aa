"""Answers made up on the spot: they echo how they were asked, and are the same for the same request."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from infra.local.demo_schema import example_of

from tests.simulator.asked import Asked

CREATED = 1_767_225_600
_THOUGHTS = "Somebody said something. I shall repeat it, and tell where this comes from."
_ABOUT = (
    "This answer comes from a simulator on loopback, which was never taught anything. "
    "It goes on for a few words more, so that there is something to cut in two."
)
_FRAGMENT_CHARS = 8
_MOST_CALLS = 10
_DIRECTIVE = re.compile(r"\[call ([\w-]+) (?=[{\"])")


@dataclass(frozen=True, slots=True)
class Call:
    id: str
    name: str
    arguments: Mapping[str, Any]

    @property
    def json(self) -> str:
        return json.dumps(self.arguments)

    @property
    def fragments(self) -> list[str]:
        return fragments_of(self.json)


def fragments_of(text: str) -> list[str]:
    return [text[at : at + _FRAGMENT_CHARS] for at in range(0, len(text), _FRAGMENT_CHARS)]


@dataclass(frozen=True)
class Said:
    """One answer. Every piece of reasoning and of text is one token."""

    id: str
    model: str
    prompt_tokens: int
    reasoning: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    finish: Literal["stop", "tool_calls", "length"] = "stop"
    cached_tokens: int = 2

    @cached_property
    def thoughts(self) -> str:
        return "".join(self.reasoning)

    @cached_property
    def whole_text(self) -> str:
        return "".join(self.text)

    @property
    def signature(self) -> str:
        return sign(self.thoughts)

    @property
    def output_tokens(self) -> int:
        """Without reasoning."""
        return len(self.text) + sum(len(call.fragments) for call in self.calls)

    @property
    def completion_tokens(self) -> int:
        return len(self.reasoning) + self.output_tokens


def sign(text: str) -> str:
    """A signature that can be checked when it comes back, without keeping anything."""
    return base64.b64encode(hashlib.sha256(f"simulated {text}".encode()).digest()).decode()


def say(asked: Asked, wire: str, number: int, *, call_id: str = "call_{number}") -> Said:
    """`number` makes ids unique; `call_id` is the form that the wire format demands of them.

    With tools, the first of them is called, or those that the user asks for: `[call get_weather {"city": "Paris"}]`,
    as often as that is said, if they are there.
    """
    said = Said(
        id=f"sim-{number}",
        model=asked.model,
        prompt_tokens=max(asked.prompt_chars // 4, 3),
        reasoning=_words(_THOUGHTS) if asked.reasons else (),
    )
    if asked.tools and asked.choice != "none" and asked.last == "user":
        calls = _calls(asked, [call_id.format(number=number * _MOST_CALLS + place) for place in range(_MOST_CALLS)])
        if calls:
            return replace(said, calls=calls, finish="tool_calls")
    text = _text(asked, wire)
    room = None if asked.max_tokens is None else max(asked.max_tokens - len(said.reasoning), 0)
    if room is not None and room < len(text):
        return replace(said, text=text[:room], finish="length")
    return replace(said, text=text)


def _calls(asked: Asked, ids: Sequence[str]) -> tuple[Call, ...]:
    assert asked.tools
    places = [found.end() for found in _DIRECTIVE.finditer(asked.said)]
    named = [found[1] for found in _DIRECTIVE.finditer(asked.said)]
    if not named:
        name = asked.choice if asked.choice in asked.tools else next(iter(asked.tools))
        return (Call(ids[0], name, example_of({"type": "object", **asked.tools[name]}, text="example")),)
    told = [(name, json.JSONDecoder().raw_decode(asked.said, at)[0]) for name, at in zip(named, places, strict=True)]
    wanted = [(name, arguments) for name, arguments in told if name in asked.tools]
    return tuple(Call(id_, *each) for id_, each in zip(ids, wanted, strict=False))


def _text(asked: Asked, wire: str) -> tuple[str, ...]:
    if asked.schema is not None:
        schema = {"type": "object", "properties": {"said": {"const": asked.said}}, **asked.schema}
        return _words(json.dumps(example_of(schema, text="example")))
    if asked.last == "tool":
        return _words(f"The tool answered: {asked.result} {_ABOUT}")
    seen = f" Beside it I got {', '.join(asked.media)}." if asked.media else ""
    return _words(f'By {wire} you said: "{asked.said}".{seen} {_ABOUT}')


def _words(text: str) -> tuple[str, ...]:
    """With the space before each, so that joining them gives the text back."""
    first, *rest = text.split(" ")
    return (first, *(f" {word}" for word in rest))
