"""Conversations stay where their prompts are cached (reference 4.7)."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Usage
from turnpike.domain.health import endpoint_key
from turnpike.domain.ids import AccountId

TTL_S = 600.0
"""Without a request for as long, the provider has dropped the cached prompt."""

_MOST = 10_000
_TELLING_CHARACTERS = 4_000
"""Of a conversation's beginning: enough to tell it from others, and cheap to hash."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What makes requests belong together. `named`: whether the client said so itself."""

    digest: bytes
    named: bool

    @property
    def seed(self) -> int:
        """With it the weighted draw gives the same endpoint in every environment, without asking any other."""
        return int.from_bytes(self.digest[:8], "big")


def conversation_of(account_id: AccountId, request: ChatRequest) -> Conversation | None:
    """None where the client orders the endpoints itself."""
    if request.provider.order:
        return None
    name = request.session_id or request.parameters.get("prompt_cache_key")
    told = str(name) if name else _beginning(request)
    parts = "\0".join((account_id, request.models[0], "named" if name else "", told))
    return Conversation(hashlib.blake2b(parts.encode("utf-8", "replace"), digest_size=16).digest(), bool(name))


class Stickiness:
    """Remembers, for one environment, which endpoint answered a conversation last."""

    def __init__(self, now: Callable[[], float], *, ttl_s: float = TTL_S, most: int = _MOST) -> None:
        self._now = now
        self._ttl_s = ttl_s
        self._most = most
        self._known: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def find(self, conversation: Conversation) -> str | None:
        """The endpoint's key."""
        known = self._known.get(conversation.digest)
        return known[0] if known is not None and known[1] > self._now() else None

    def note(self, conversation: Conversation, endpoint: Endpoint, usage: Usage) -> None:
        """After a success. An unnamed conversation sticks once its prompt was read from a cache that saves money."""
        read = endpoint.pricing.input_cache_read
        saves = usage.cached_tokens > 0 and read is not None and read < endpoint.pricing.prompt
        if not conversation.named and not saves:
            return
        self._known[conversation.digest] = (endpoint_key(endpoint), self._now() + self._ttl_s)
        self._known.move_to_end(conversation.digest)
        if len(self._known) > self._most:
            self._known.popitem(last=False)


def _beginning(request: ChatRequest) -> str:
    """The first instructions and the first message after them, which a conversation keeps as it grows."""
    first: list[str] = []
    for message in request.messages:
        instructs = message["role"] in ("system", "developer")
        if not instructs or not first:
            first.append(f"{message['role']}:{_text(message.get('content'))}")
        if not instructs:
            break
    return "\0".join(first)


def _text(content: object) -> str:
    """Without images and files, of which a message may hold megabytes."""
    if isinstance(content, list):
        content = next((part["text"] for part in content if part.get("type") == "text"), "")
    return content[:_TELLING_CHARACTERS] if isinstance(content, str) else ""
