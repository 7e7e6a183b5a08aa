"""Answers that are kept for a while, for requests that are the same and ask for it.

Source: https://openrouter.ai/docs/guides/features/response-caching
"""

import hashlib
from dataclasses import dataclass
from typing import NewType

from turnpike.domain.ids import GenerationId, KeyHash

CacheKey = NewType("CacheKey", str)
"""Lower-case hex SHA-256: what makes two requests the same, and nothing that could be read from it."""

_VERSION = "1"
"""Of how answers are written down: those of another are not found."""


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """`body` is the answer as `services.response_cache` writes it down; `source_id` the generation it comes from."""

    source_id: GenerationId
    created_at_s: int
    expires_at_s: int
    body: bytes


def cache_key(key_hash: KeyHash, endpoint_type: str, *, model: str, stream: bool, body: bytes) -> CacheKey:
    """`body` is the request's, with its members in the order in which they came and no space between them.

    Every API key has answers of its own, and so has every kind of endpoint, such as `chat`.
    """
    parts = (_VERSION, key_hash, endpoint_type, model, str(stream), hashlib.sha256(body).hexdigest())
    return CacheKey(hashlib.sha256("\n".join(parts).encode()).hexdigest())
