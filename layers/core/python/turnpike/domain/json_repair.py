"""Reads JSON as models write it when they do not write JSON, and gives it back as JSON.

What is right stays character for character: numbers, escapes, the order of members and the space between
them. What is mended: commas and closing brackets that are missing, too many or of the wrong kind; keys without
quotes; quotes of another kind, or not escaped inside a string; line breaks and unknown escapes in strings;
Python's and JavaScript's literals; comments. What is not: a text that stops in the middle of a string, after
a colon or after a comma. It was cut, and whatever closed it would be made up.
"""

import re
from dataclasses import dataclass
from typing import Literal

_DEEPEST = 200
_CLOSERS = {"{": "}", "[": "]"}
_OPENERS = {"}": "{", "]": "["}
_QUOTES = {'"': '"', "'": "'", "\u201c": '\u201d"', "\u2018": "\u2019'"}
"""What may end a string, by what began it."""

_SPACE = re.compile(r"[\s\ufeff\u200b]+")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_FENCE = "```"
_ESCAPED = r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})'
_ESCAPE = re.compile(_ESCAPED)
_STRING = re.compile(rf'"[^"\\\x00-\x1f]*(?:{_ESCAPED}[^"\\\x00-\x1f]*)*"')
_PLAIN = re.compile("[^\"'\u201c\u201d\u2018\u2019\\\\\x00-\x1f]+")
_WORD = re.compile(r"[A-Za-z_$][\w$-]*|\d+")
_ENDS = r"(?=[\s,}\]/`]|\Z)"
_NUMBER = re.compile(rf"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?{_ENDS}")
_ALMOST_NUMBER = re.compile(
    rf"(?P<sign>[+-]?)(?P<whole>[1-9]\d*(?:_\d+)*|0?)(?:\.(?P<part>\d+|(?=[\s,}}\]])))?(?P<power>[eE][+-]?\d+)?{_ENDS}"
)
_LITERAL = re.compile(r"true|false|null|True|False|None|TRUE|FALSE|NULL|undefined|-?NaN|[+-]?Infinity")
_LITERALS = {"true": "true", "false": "false"}
"""Lower case; every other stands for nothing that JSON could say."""

# What may follow the quote that ends a string. A quote that is followed by anything else belongs to the text.
_QUOTED = (
    r'(?:"(?:[^"\\\n]|\\.){0,400}"'
    "|['\u201c\u2018][^\"'\u201d\u2019\n]{0,400}[\"'\u201d\u2019])"
)
_KEY = rf"(?:{_QUOTED}|[A-Za-z_$][\w$-]{{0,400}})\s*:"
_OVER = r"\Z|```|//|/\*"
_AFTER_KEY = re.compile(r"\s*:")
_AFTER_MEMBER = re.compile(rf"\s*(?:{_OVER}|[}}\]]|,[\s,]*(?:{_OVER}|[}}\]]|{_KEY})|\s{_KEY})")
_AFTER_ELEMENT = re.compile(
    rf"\s*(?:{_OVER}|[}}\]:]|,[\s,]*(?:{_OVER}|[\"'\u201c\u2018\[\]{{}}\-+.\d]|{_LITERAL.pattern})|\s[\"'\u201c\u2018{{\[])"
)

_AT_THE_END = re.compile(r"\s*(?:\Z|```)")

# What tells a bracket of the wrong kind, or one too many, from the end of the object.
_ANOTHER_MEMBER = re.compile(rf"\s*,\s*{_QUOTED}\s*:")
_GOES_ON = re.compile(r"\s*[,}\]]")

_State = Literal["key", "colon", "value", "next"]


@dataclass(frozen=True, slots=True)
class Repaired:
    """`text` is JSON; it was read from the position that was given up to `end`."""

    text: str
    end: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """`began` says that a key or a whole element was read before: it was meant to be JSON."""

    began: bool


class _Broken(Exception):
    """What stands here cannot be read in any way that would be sure."""


def repair(text: str, start: int) -> Repaired | Unreadable:
    """Read the object or array that begins at `start`, and no further than its end. Takes linear time."""
    reader = _Reader(text, start)
    try:
        return reader.read()
    except _Broken:
        return Unreadable(reader.began)


def goes_on(text: str, end: int) -> bool:
    """Whether another member follows where an object ended: its last bracket was one too many."""
    return _ANOTHER_MEMBER.match(text, end) is not None


class _Reader:
    __slots__ = ("_at", "_comma", "_out", "_stack", "_state", "_text", "began")

    def __init__(self, text: str, start: int) -> None:
        self.began = False
        self._text = text
        self._at = start
        self._out: list[str] = []
        self._stack: list[str] = []
        self._state: _State = "value"
        self._comma = -1
        """Where in `_out` the comma after the last member or element belongs; empty while there is none."""

    def read(self) -> Repaired:
        self._open()
        while self._stack:
            self._skip_space()
            if self._at >= len(self._text) or self._text.startswith(_FENCE, self._at):
                self._close_the_rest()
            else:
                _STEPS[self._state](self, self._text[self._at])
        return Repaired("".join(self._out), self._at)

    def _skip_space(self) -> None:
        while True:
            space = _SPACE.match(self._text, self._at)
            if space:
                run = space.group()
                self._out.append("".join(c for c in run if c in " \t\r\n") or " ")
                self._at = space.end()
            comment = _COMMENT.match(self._text, self._at)
            if comment:
                self._at = comment.end()
            if not comment:
                return

    def _key(self, character: str) -> None:
        if character == ",":
            self._at += 1
        elif character in _OPENERS:
            self._close(character)
        elif character in _QUOTES:
            self._string(_AFTER_KEY)
            self._state = "colon"
        elif word := _WORD.match(self._text, self._at):
            self._out.append(f'"{word.group()}"')
            self._at = word.end()
            self._state = "colon"
        else:
            raise _Broken

    def _colon(self, character: str) -> None:
        if character != ":":
            raise _Broken
        self._take(":")
        self.began = True
        self._state = "value"

    def _value(self, character: str) -> None:
        in_array = self._stack[-1] == "["
        if in_array and character == ",":
            self._at += 1
        elif in_array and character in _OPENERS:
            self._close(character)
        elif character in _CLOSERS:
            self._open()
        elif character in _QUOTES:
            if in_array and self._is_key_of_the_object_around():
                self._end_array()
            else:
                self._string(_AFTER_ELEMENT if in_array else _AFTER_MEMBER)
                self._end_value()
        else:
            self._out.append(self._scalar())
            self._end_value()

    def _next(self, character: str) -> None:
        in_array = self._stack[-1] == "["
        if character in _OPENERS:
            self._close(character)
            return
        if character == ",":
            self._at += 1
        elif not (in_array or character in _QUOTES or _WORD.match(self._text, self._at)):
            raise _Broken
        self._out[self._comma] = ","
        self._state = "value" if in_array else "key"

    def _open(self) -> None:
        if len(self._stack) == _DEEPEST:
            raise _Broken
        opener = self._text[self._at]
        self._stack.append(opener)
        self._take(opener)
        self._comma = -1
        self._state = "key" if opener == "{" else "value"

    def _close(self, closer: str) -> None:
        """A closing bracket that may be of the wrong kind, or one too many."""
        opener = _OPENERS[closer]
        is_last = self._stack[0] == opener and opener not in self._stack[1:]
        if is_last and opener == "{" and goes_on(self._text, self._at + 1):
            # Nothing may be lost: where members go on, the object does.
            self._at += 1
            if self._stack[-1] == "[":
                self._pop()
        elif opener in self._stack:
            while self._stack[-1] != opener:
                self._pop()
            self._at += 1
            self._pop()
        else:
            self._at += 1
            if not _GOES_ON.match(self._text, self._at):
                self._pop()

    def _close_the_rest(self) -> None:
        """The text is over. It was not cut when it ends with a whole member or element."""
        if self._state != "next":
            raise _Broken
        while self._stack:
            self._pop()

    def _pop(self) -> None:
        if self._comma >= 0:
            self._out[self._comma] = ""
        self._out.append(_CLOSERS[self._stack.pop()])
        self._end_value()

    def _end_value(self) -> None:
        self.began = True
        self._comma = len(self._out)
        self._out.append("")
        self._state = "next"

    def _is_key_of_the_object_around(self) -> bool:
        if len(self._stack) < 2 or self._stack[-2] != "{":
            return False
        string = _STRING.match(self._text, self._at)
        return string is not None and _AFTER_KEY.match(self._text, string.end()) is not None

    def _end_array(self) -> None:
        self._pop()
        self._out[self._comma] = ","
        self._state = "key"

    def _take(self, text: str) -> None:
        self._out.append(text)
        self._at += len(text)

    def _scalar(self) -> str:
        text, at = self._text, self._at
        if number := _NUMBER.match(text, at):
            self._at = number.end()
            return number.group()
        if literal := _LITERAL.match(text, at):
            self._at = literal.end()
            if _WORD.match(text, self._at):
                raise _Broken
            return _LITERALS.get(literal.group().lower(), "null")
        if (almost := _ALMOST_NUMBER.match(text, at)) and (almost["whole"] or almost["part"]):
            self._at = almost.end()
            sign = "-" if almost["sign"] == "-" else ""
            part = "" if almost["part"] is None else f".{almost['part'] or '0'}"
            return f"{sign}{almost['whole'].replace('_', '') or '0'}{part}{almost['power'] or ''}"
        raise _Broken

    def _string(self, after: re.Pattern[str]) -> None:
        """`after` is what may follow the string where it stands."""
        whole = _STRING.match(self._text, self._at)
        if whole and after.match(self._text, whole.end()):
            self._take(whole.group())
        else:
            self._mend_string(after)

    def _mend_string(self, after: re.Pattern[str]) -> None:
        text, at = self._text, self._at + 1
        ends = _QUOTES[text[self._at]]
        out = ['"']
        quoted = False
        while at < len(text):
            if right := _PLAIN.match(text, at) or _ESCAPE.match(text, at):
                out.append(right.group())
                at = right.end()
                continue
            character = text[at]
            at += 1
            if character in ends and after.match(text, at):
                if quoted and _AT_THE_END.match(text, at):
                    raise _Broken  # It may as well have been cut inside the next string.
                self._out.append("".join(out) + '"')
                self._at = at
                return
            if character == "\\" and text.startswith("'", at):
                continue  # An escape that JavaScript has, of a character that needs none.
            quoted = quoted or character in ends
            out.append(_IN_STRINGS.get(character, character))
        raise _Broken


_IN_STRINGS = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"} | {
    chr(code): f"\\u{code:04x}" for code in range(32) if chr(code) not in "\n\r\t"
}
_STEPS = {"key": _Reader._key, "colon": _Reader._colon, "value": _Reader._value, "next": _Reader._next}
