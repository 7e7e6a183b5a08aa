"""What every wire format's embeddings are made of."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from turnpike.domain.chat import Usage
from turnpike.domain.embeddings import EmbeddingRequest, Embeddings, Vector
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.vectors import encode
from turnpike.ports.wires import Reply
from turnpike.providers.failures import unreadable

Json = Mapping[str, Any]
ReadReply = Callable[[Json, Reply], tuple[Sequence[Vector], Usage | None]]
"""The vectors of one reply, given its body, and what it used. May raise UpstreamError for an error that it tells; what
goes wrong with a member of an unexpected type counts as an unreadable answer."""

_MOST_ONE_BY_ONE = 96
"""Texts for a model that takes one at a time: more would keep a client waiting."""


def read_embeddings(provider: str, replies: Sequence[Reply], request: EmbeddingRequest, read: ReadReply) -> Embeddings:
    """Raises UpstreamError where the replies do not have a vector for each input."""
    vectors: list[Vector] = []
    used: list[Usage | None] = []
    upstream_id = None
    try:
        for reply in replies:
            body = orjson.loads(reply.body)
            found, usage = read(body, reply)
            vectors += [encode(vector, request.encoding) for vector in found]
            used.append(usage)
            upstream_id = upstream_id or body.get("id")
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        # Not JSON, or a member of a type that nothing could be made of.
        raise unreadable(provider, "The provider sent something that is no answer") from None
    if len(vectors) != len(request.inputs):
        raise unreadable(provider, "The provider sent another number of embeddings than was asked for")
    return Embeddings(vectors, _sum_of(used), upstream_id if isinstance(upstream_id, str) else None)


def one_by_one(texts: Sequence[str]) -> Sequence[str]:
    """Raises InvalidRequest for more of them than can be asked for so."""
    if len(texts) > _MOST_ONE_BY_ONE:
        raise InvalidRequest(
            f"this model's provider takes one text at a time; send at most {_MOST_ONE_BY_ONE} in a request",
            field="input",
        )
    return texts


def vector_of(given: object) -> Vector:
    """Raises TypeError."""
    if not isinstance(given, str | list):
        raise TypeError("neither base64 nor a list")
    return given


def count_of(given: object) -> int:
    """Of tokens, as far as it is one; 0 otherwise."""
    return int(given) if isinstance(given, int | float) and 0 < given < 1e12 else 0


def usage_of(tokens: int, *, image_tokens: int = 0) -> Usage | None:
    """None where nothing was counted: what there is has all been read, so there were some."""
    total = tokens + image_tokens
    return Usage(prompt_tokens=total, prompt_image_tokens=image_tokens) if total else None


def _sum_of(used: Sequence[Usage | None]) -> Usage | None:
    """None where one of the replies says nothing: half a count is none."""
    known = [each for each in used if each is not None]
    if len(known) < len(used):
        return None
    return Usage(
        prompt_tokens=sum(each.prompt_tokens for each in known),
        prompt_image_tokens=sum(each.prompt_image_tokens for each in known),
    )
