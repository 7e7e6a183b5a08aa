"""What an adapter decides to send, and `Upstream` sends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Signing:
    """That a request carries an AWS signature (version 4) instead of a key."""

    service: str
    region: str


@dataclass(frozen=True, slots=True)
class FormFile:
    """`name` and `filename` are our own words, and never the client's."""

    name: str
    filename: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """Its repr shows neither the credential nor the prompt, so that it may end up in a traceback."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: Mapping[str, Any] = field(repr=False, default_factory=dict)
    signing: Signing | None = None
    form: tuple[FormFile, ...] | None = None
    """The files, if any, of a form whose other fields are the members of `body`; None for JSON."""
