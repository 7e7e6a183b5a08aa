"""What a request asks for, read out of any wire format; and the checks that all of them have in common."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tests.simulator.http import Request
from tests.simulator.trouble import Trouble

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """`last` is who spoke last; `said` is the last text of a user, `result` that of a tool."""

    model: str
    stream: bool
    last: Literal["user", "tool", "assistant"]
    said: str = ""
    result: str = ""
    media: Sequence[str] = ()
    """The media types of everything in the prompt that is no text."""
    tools: Mapping[str, Any] | None = None
    """JSON schema of the parameters by name of the tool."""
    choice: str = "auto"
    """auto, none, required, or the name of the tool that must be called."""
    schema: Mapping[str, Any] | None = None
    """What a structured answer must fit; `{}` for any JSON object."""
    reasons: bool = False
    max_tokens: int | None = None
    prompt_chars: int = 0
    custom: frozenset[str] = frozenset()
    """Those of the tools that take a text, which is a member `input` of what they are called with here."""
    own_tools: Sequence[Json] = ()
    """Those that the API defines, as they are declared."""
    options: frozenset[str] = frozenset()
    """What else of a request decides how it is answered, by the wire format's own names."""


@dataclass(slots=True)
class Reading:
    """Collects a conversation, message by message, whatever its format."""

    last: Literal["user", "tool", "assistant"] = "user"
    said: str = ""
    result: str = ""
    chars: int = 0

    def user(self, text: str) -> None:
        self.last, self.said = "user", text or self.said
        self.chars += len(text)

    def tool(self, text: str) -> None:
        self.last, self.result = "tool", text
        self.chars += len(text)

    def assistant(self, text: str = "") -> None:
        self.last = "assistant"
        self.chars += len(text)


class Calls:
    """Checks that every call of a tool is answered, at once and only once."""

    def __init__(self, orphan: str, unanswered: str) -> None:
        """Messages for a result without a call and for a call without a result; `{id}` stands for its id."""
        self._orphan, self._unanswered = orphan, unanswered
        self._open: list[str] = []

    def call(self, call_id: str) -> None:
        self._open.append(call_id)

    def result(self, call_id: object) -> None:
        """Raises Trouble."""
        if call_id not in self._open:
            raise Trouble("invalid", self._orphan.format(id=call_id))
        self._open.remove(str(call_id))

    def close(self) -> None:
        """Another turn begins, or the conversation ends. Raises Trouble."""
        if self._open:
            raise Trouble("invalid", self._unanswered.format(id=", ".join(self._open)))


def body_of(request: Request) -> Json:
    """Raises Trouble."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Trouble("invalid", "The content type must be application/json.", status=415)
    if request.body is None:
        raise Trouble("invalid", "The body is not a JSON object.")
    return request.body


def bearer(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key if scheme.lower() == "bearer" else ""


def check_key(given: str | None, expected: str, message: str) -> None:
    """Raises Trouble."""
    if given != expected:
        raise Trouble("auth", message)


def words(text: str) -> frozenset[str]:
    """The names in a list with spaces between them."""
    return frozenset(text.split())


def unknown_of(content: Mapping[str, Any], known: Collection[str]) -> str | None:
    """The first member that the API does not have."""
    return next((name for name in content if name not in known), None)


def text_of(parts: Iterable[Any], member: str = "text") -> str:
    """The texts of content parts, whatever kinds there are beside them."""
    return " ".join(part[member] for part in parts if isinstance(part, dict) and isinstance(part.get(member), str))


def media_type_of(url: str) -> str:
    """Of a data URL, which must be in base64; "url" for an address. Raises Trouble."""
    if url.startswith(("http://", "https://")):
        return "url"
    head, comma, data = url.partition(";base64,")
    if not head.startswith("data:") or not comma or not data:
        raise Trouble("invalid", "An image is neither an http(s) address nor a data URL in base64.")
    return head.removeprefix("data:")
