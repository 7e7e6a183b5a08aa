"""Presets: parts of requests that an account keeps under a name, in versions of which one is used."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from turnpike.domain.ids import AccountId

PresetStatus = Literal["active", "disabled", "archived"]

MOST_PRESETS = 200
"""Of an account: all of them are read to list them."""
MOST_VERSIONS = 1_000
MOST_BYTES = 100_000
"""Of one version's content, which is read with every request that is not warm, and with every list."""

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,63}", re.ASCII)
SLUG_RULE = "it may have 64 letters, digits and . _ ~ -, and begins with a letter or a digit"


@dataclass(frozen=True, slots=True)
class PresetVersion:
    """Never changed once it is there. `config` has members of a chat's body, in their own shapes, and `cache_enabled`
    and `cache_ttl_seconds`; `creator_id` is the account. Times are epoch seconds.
    """

    id: str
    number: int
    config: Mapping[str, Any]
    system_prompt: str | None
    created_at_s: int

    def says(self, config: Mapping[str, Any], system_prompt: str | None) -> bool:
        return (self.config, self.system_prompt) == (config, system_prompt)


@dataclass(frozen=True, slots=True)
class Preset:
    id: str
    account_id: AccountId
    slug: str
    name: str
    designated: PresetVersion
    """The version that requests use."""
    latest: int
    """The highest number of a version that there ever was."""
    description: str | None = None
    status: PresetStatus = "active"
    created_at_s: int = 0
    updated_at_s: int = 0
    status_updated_at_s: int | None = None
    revision: int = 0
    """Goes up with every change."""


def is_slug(text: str) -> bool:
    return _SLUG.fullmatch(text) is not None
