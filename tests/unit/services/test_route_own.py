"""Opening keys: once in five minutes, and no longer than that."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from turnpike.domain.byok import ByokKey, Credential
from turnpike.domain.catalog import Catalog, Endpoint
from turnpike.domain.routing import Route, plan_route
from turnpike.services.route_own import RouteOwnKeys

from tests.fake_byok import LocalVault, sealed_key
from tests.scenario import catalog, endpoint, principal, request

pytestmark = pytest.mark.anyio


class Desk:
    def __init__(self, *endpoints: Endpoint) -> None:
        self.vault = LocalVault()
        self.failures: list[tuple[ByokKey, Exception]] = []
        self.at = 0.0
        self.catalog = catalog(*(endpoints or (endpoint("one"),)))
        self.case = RouteOwnKeys(
            self.vault,
            fee=Decimal(0),
            on_failure=lambda key, error: self.failures.append((key, error)),
            now=lambda: self.at,
        )

    def key(self, secret: str = "sk-first-0123456789", **changes: Any) -> ByokKey:
        return sealed_key(self.vault, secret=secret, **changes)

    async def route(self, keys: Sequence[ByokKey], served: Catalog | None = None, **key: Any) -> Route:
        own = self.case(principal(**key), served or self.catalog, keys)
        planned = plan_route(request(), own.catalog, prompt_tokens=1, random=Random(1), policy=own.policy)
        return await own.open(planned)


def credential_of(route: Route) -> Credential:
    byok = route[0].byok
    assert byok is not None
    assert byok.credential is not None
    return byok.credential


async def test_an_opened_key_is_the_same_for_five_minutes() -> None:
    desk = Desk()
    keys = [desk.key()]

    first = credential_of(await desk.route(keys))
    desk.at = 299
    # The same object, by which tokens got with it are found again.
    assert credential_of(await desk.route(list(keys))) is first
    assert desk.vault.opened == 1
    desk.at = 300
    assert credential_of(await desk.route(keys)) is not first
    assert desk.vault.opened == 2


async def test_a_rotated_key_is_opened_anew_at_once() -> None:
    desk = Desk()
    await desk.route([desk.key()])

    rotated = await desk.route([desk.key("sk-second-0123456789", revision=1)])

    assert credential_of(rotated).secret == "sk-second-0123456789"


async def test_a_renamed_key_is_not_opened_again() -> None:
    desk = Desk()
    key = desk.key()
    await desk.route([key])

    await desk.route([replace(key, name="Renamed", revision=1)])

    assert desk.vault.opened == 1


async def test_only_what_the_route_needs_is_opened() -> None:
    desk = Desk(endpoint("one"), endpoint("two", "acme/other"))
    keys = [desk.key(key_id="a"), desk.key(key_id="b", provider="two"), desk.key(key_id="c", disabled=True)]

    route = await desk.route(keys)

    assert len(route) == 2
    assert desk.vault.opened == 1


async def test_a_failure_is_not_remembered() -> None:
    desk = Desk(endpoint("one"), endpoint("two"))
    keys = [desk.key()]
    desk.vault.failing = lambda context: RuntimeError("down")

    assert [each.provider for each in await desk.route(keys)] == ["two"]
    desk.vault.failing = lambda context: None
    assert credential_of(await desk.route(keys)).secret == "sk-first-0123456789"
    assert [key.id for key, _ in desk.failures] == ["own"]


async def test_catalogs_are_worked_out_once_for_each_api_key() -> None:
    desk = Desk()
    keys = [desk.key(allowed_api_key_hashes=("a" * 64,))]

    first, again = (desk.case(principal(hash="a" * 64), desk.catalog, keys) for _ in range(2))
    other = desk.case(principal(hash="b" * 64), desk.catalog, keys)
    newer = desk.case(principal(hash="a" * 64), catalog(endpoint("one")), keys)
    changed = desk.case(principal(hash="a" * 64), desk.catalog, list(keys))

    assert again.catalog is first.catalog
    assert len({id(each.catalog) for each in (first, other, newer, changed)}) == 4
    assert first.catalog.get_model("acme/chat").endpoints[0].byok is not None
    assert [each.byok for each in other.catalog.get_model("acme/chat").endpoints] == [None]
