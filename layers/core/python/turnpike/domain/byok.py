"""Customers' own keys for providers (BYOK): what is kept of them, and what they may serve."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Self

from turnpike.domain.api_keys import Principal
from turnpike.domain.errors import PermissionDenied, TurnpikeError, previous_errors
from turnpike.domain.ids import AccountId, KeyHash

CredentialForm = Literal["api-key", "aws-keys", "google-service-account"]
DeclaredRegion = Literal["global", "europe", "us"]

MOST_KEYS = 100
"""Of an account: all of them are read with its first request in half a minute."""
_MASKED = "..."
_LONG_ENOUGH = 16
"""A shorter secret would be half told by its ends."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret under envelope encryption: its own data key, which the key service alone can open, and the rest."""

    data_key: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Credential:
    """What opens the customer's account at a provider. `secret` is the API key, the secret access key, or the service
    account's JSON; `public` the access key's id, which is no secret.
    """

    form: CredentialForm
    secret: str = field(repr=False)
    public: str = field(default="", repr=False)

    def serialize(self) -> str:
        """What is sealed."""
        return json.dumps({"form": self.form, "secret": self.secret, "public": self.public})

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError, which quotes nothing."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError):
            raise ValueError("this is no credential") from None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key is good, as far as that comes with the key: parts of the provider's address by their names in the
    catalog, or `base_url` for the whole of it; and the one model that it is good for, if it is the key of a deployment.
    """

    variables: tuple[tuple[str, str], ...] = ()
    model: str | None = None
    upstream_model: str | None = None
    """What the provider calls that model."""


@dataclass(frozen=True, slots=True)
class ByokKey:
    """A stored key; its secret is sealed. Lists that are None restrict nothing. Times are epoch seconds."""

    id: str
    account_id: AccountId
    provider: str
    label: str
    sealed: Sealed = field(repr=False)
    place: Place = Place()
    name: str | None = None
    sort_order: int = 0
    """Its place among the account's keys for this provider."""
    is_fallback: bool = False
    """Tried behind our own capacity, not before it."""
    is_required: bool = False
    """Our own capacity at this provider never serves the models that this key is for."""
    is_byok_only: bool = False
    """Our own capacity at this provider never serves the account."""
    disabled: bool = False
    allowed_models: tuple[str, ...] | None = None
    allowed_api_key_hashes: tuple[str, ...] | None = None
    allowed_user_ids: tuple[str, ...] | None = None
    declared_zdr: bool | None = None
    """The customer's word on the data retention of the account; None for the provider's own."""
    declared_region: DeclaredRegion | None = None
    created_at_s: int = 0
    updated_at_s: int | None = None
    revision: int = 0
    """Goes up with every change."""

    @property
    def context(self) -> Mapping[str, str]:
        """What its secret is bound to, so that it opens for no other key; key services log it."""
        place = json.dumps([self.place.variables, self.place.model, self.place.upstream_model])
        return {"account": self.account_id, "key": self.id, "provider": self.provider, "place": place}

    def admits(self, principal: Principal) -> bool:
        """Whether a request of theirs may use it. An account is its own and only user."""
        return _allows(self.allowed_api_key_hashes, principal.key.hash) and _allows(
            self.allowed_user_ids, principal.account_id
        )


@dataclass(frozen=True, slots=True)
class Byok:
    """That an endpoint is called with a customer's own key, on their account."""

    key: ByokKey
    fee: Decimal
    """The share of the price that we charge for it."""
    credential: Credential | None = None
    """None until the key was opened."""


class OwnKeyRefused(PermissionDenied):
    """Providers refused the customer's own key, and nothing else was left to try.

    Neither 401, which clients take for our own word on their API key, nor 402, which they take for our credit.
    """

    def __init__(self, message: str, *, provider_name: str, failed: Sequence[tuple[str, int | None]]) -> None:
        """`failed`: (provider's slug, upstream status) of every attempt, in order."""
        super().__init__(message)
        self.provider_name = provider_name
        self.failed = failed

    @property
    def metadata(self) -> Mapping[str, Any]:
        return {"provider_name": self.provider_name, "is_byok": True, **previous_errors(self.failed)}


class VaultError(TurnpikeError):
    """Secrets cannot be sealed or opened, and trying again will not help: a grant is missing, or one was changed."""


def mask(secret: str) -> str:
    """What may be shown of a secret: `sk-...abcd`, and nothing of a short one."""
    return f"{secret[:3]}{_MASKED}{secret[-4:]}" if len(secret) >= _LONG_ENOUGH else _MASKED


def _allows(allowed: tuple[str, ...] | None, wanted: KeyHash | AccountId) -> bool:
    return allowed is None or wanted in allowed
