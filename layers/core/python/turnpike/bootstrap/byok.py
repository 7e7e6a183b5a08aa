"""Composes what customers' own provider keys need; their encryption is loaded when somebody has brought one."""

from decimal import Decimal, InvalidOperation
from functools import cache
from typing import TYPE_CHECKING

from turnpike.bootstrap.resources import Resources
from turnpike.domain.api_keys import Principal
from turnpike.domain.byok import ByokKey, VaultError
from turnpike.domain.catalog import Catalog
from turnpike.domain.errors import InvalidRequest
from turnpike.services.own_keys import OwnKeys, OwnRouting, RouteOwn
from turnpike.storage.byok_keys import DynamoByokKeys
from turnpike.telemetry import BYOK_FAILURES, MetricUnit, count, log_failure

if TYPE_CHECKING:
    from turnpike.services.manage_byok import ManageByok, ParsedKey
    from turnpike.services.route_own import RouteOwnKeys
    from turnpike.storage.vault import KmsVault


def build_route_own(parts: Resources) -> RouteOwn:
    """For completions. Raises ValueError for a fee that is none."""
    settings, fee = parts.settings, parse_fee(parts.settings.byok_fee)
    own_keys = OwnKeys(build_keys(parts), ttl_s=settings.principal_ttl_s, on_failure=_note_unread)

    @cache
    def case() -> "RouteOwnKeys":
        from turnpike.services.route_own import RouteOwnKeys

        return RouteOwnKeys(build_vault(parts), fee=fee, on_failure=_note_unopened)

    async def route_own(principal: Principal, catalog: Catalog) -> OwnRouting | None:
        keys = await own_keys(principal.account_id)
        return case()(principal, catalog, keys) if keys else None

    return route_own


def build_manage_byok(parts: Resources) -> "ManageByok":
    """For the keys function."""
    from turnpike.providers.customer_keys import parse_customer_key
    from turnpike.services.manage_byok import ManageByok

    def parse(provider: str, secret: str) -> "ParsedKey":
        try:
            declared = parts.catalog.current().with_unserved().get_provider(provider)
        except KeyError:
            raise InvalidRequest("is no provider that this deployment knows", field="provider") from None
        return parse_customer_key(declared, secret)

    return ManageByok(build_keys(parts), build_vault(parts), parts.api_keys, parse, on_failure=_note_unsealed)


def build_keys(parts: Resources) -> DynamoByokKeys:
    return DynamoByokKeys(parts.dynamodb, parts.settings.byok_table)


def build_vault(parts: Resources) -> "KmsVault":
    from turnpike.storage.vault import KmsVault

    return KmsVault(parts.kms, parts.settings.byok_kms_key)


def parse_fee(text: str) -> Decimal:
    """Raises ValueError."""
    try:
        fee = Decimal(text)
    except InvalidOperation:
        fee = Decimal("NaN")
    if not (fee.is_finite() and 0 <= fee <= 1):
        raise ValueError(f"TURNPIKE_BYOK_FEE is {text}; it is a share from 0 to 1, as 0.05 is for 5 %")
    return fee


def _note_unread(error: Exception) -> None:
    _note("provider keys of customers cannot be read", error)


def _note_unopened(key: ByokKey, error: Exception) -> None:
    _note("a provider key of a customer cannot be opened", error, byok_key=key.id, provider=key.provider)


def _note_unsealed(error: Exception) -> None:
    _note("a provider key of a customer cannot be sealed", error)


def _note(message: str, error: Exception, **facts: str) -> None:
    # The vault's own words are codes of AWS's; those of any other error are not known to hold no secret.
    reason = {"reason": error.message} if isinstance(error, VaultError) else {}
    log_failure(message, error, **facts, **reason)
    count(BYOK_FAILURES, 1, MetricUnit.Count)
