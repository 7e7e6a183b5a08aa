"""What accounts keep: keys of theirs and of their providers, presets, and what is counted of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from turnpike.domain.api_keys import ApiKey
from turnpike.domain.ids import AccountId, KeyHash

if TYPE_CHECKING:
    # What only some requests use is not loaded with what all of them do.
    from turnpike.domain.byok import ByokKey, Sealed
    from turnpike.domain.free_quota import FullWindow
    from turnpike.domain.presets import Preset, PresetVersion
    from turnpike.domain.response_cache import CachedAnswer, CacheKey


class ApiKeys(Protocol):
    def find(self, key_hash: KeyHash, *, fresh: bool = False) -> ApiKey | None:
        """`fresh` reads what was last written; without it, at half the price, a change may show a moment later."""

    def list_for(self, account_id: AccountId) -> Sequence[ApiKey]:
        """Newest first."""

    def create(self, key: ApiKey) -> None:
        """Raises Conflict when the hash exists."""

    def replace(self, key: ApiKey, *, was: ApiKey) -> None:
        """Write a changed key if it is still as it `was`. Raises Conflict otherwise."""

    def delete(self, key: ApiKey) -> None:
        """Deleting a key that is gone is a no-op."""


class ByokKeys(Protocol):
    """Customers' own keys for providers. All of them may raise TemporarilyBusy."""

    def list_for(self, account_id: AccountId) -> "Sequence[ByokKey]":
        """Those that are not deleted, as last written, in the order in which each provider's are tried."""

    def find(self, account_id: AccountId, key_id: str) -> "ByokKey | None":
        """As last written; None for one that is deleted."""

    def create(self, key: "ByokKey") -> None:
        """Raises Conflict when there ever was one of this id."""

    def replace(self, key: "ByokKey", *, was: "ByokKey") -> None:
        """Write a changed key if it is still as it `was`. Raises Conflict otherwise."""

    def delete(self, key: "ByokKey", now_s: int) -> None:
        """Wipe its secret, and keep for a while that there was one. Deleting what is gone is a no-op."""


class Presets(Protocol):
    """Accounts' presets, each with the version that is designated. All of them may raise TemporarilyBusy."""

    def find(self, account_id: AccountId, slug: str, *, fresh: bool = False) -> "Preset | None":
        """`fresh` reads what was last written; without it, at half the price, a change may show a moment later."""

    def list_for(self, account_id: AccountId) -> "Sequence[Preset]":
        """As last written, those that were changed last first."""

    def create(self, preset: "Preset") -> None:
        """With its designated version. Raises Conflict when there is one of this slug."""

    def replace(self, preset: "Preset", *, was: "Preset") -> None:
        """Write a changed preset if it is still as it `was`, and its designated version if its number is a new one.

        Raises Conflict otherwise.
        """

    def find_version(self, preset: "Preset", wanted: int) -> "PresetVersion | None": ...

    def list_versions(self, preset: "Preset") -> "Sequence[PresetVersion]":
        """As last written, the oldest first."""

    def delete(self, preset: "Preset") -> None:
        """With all versions, for good. Raises Conflict when it was changed; deleting what is gone is a no-op."""


class Vault(Protocol):
    """Seals secrets so that they open for the same context alone. Both raise VaultError and TemporarilyBusy."""

    def seal(self, secret: str, context: Mapping[str, str]) -> "Sealed":
        """The context is no secret."""

    def open(self, sealed: "Sealed", context: Mapping[str, str]) -> str: ...


class FreeQuota(Protocol):
    """How often accounts asked free models, by UTC day and by minute."""

    def take(self, account_id: AccountId, now_s: float, *, per_minute: int, per_day: int) -> "FullWindow | None":
        """Count one more request if the minute and the day have room for it, and nothing otherwise.

        A day takes the highest `per_day` that was ever named for it. Returns the window that is full, the day
        when both are; None when the request was counted. Atomic. Raises TemporarilyBusy.
        """

    def used(self, account_id: AccountId, now_s: float) -> int:
        """The requests counted so far in the current UTC day."""


class CachedAnswers(Protocol):
    """Answers under the keys of the requests that they answer. All of them may raise TemporarilyBusy."""

    def find(self, key: "CacheKey", now_s: int) -> "CachedAnswer | None":
        """Whole, as it was last kept, and never after its time."""

    def keep(self, key: "CacheKey", answer: "CachedAnswer") -> None:
        """In the place of an older one; an answer too large to be kept is not."""

    def drop(self, key: "CacheKey") -> None:
        """Dropping what is not there is a no-op."""
