"""Chats of customers with provider keys of their own: who serves, who pays, and what happens when a key fails."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest

from turnpike.domain.api_keys import Principal
from turnpike.domain.byok import ByokKey, OwnKeyRefused
from turnpike.domain.catalog import Catalog, Endpoint
from turnpike.domain.chat import Delta, PromptPlugins, ProviderPreferences, Usage, WebSearch
from turnpike.domain.errors import (
    AttemptsFailed,
    InsufficientCredit,
    KeyLimitExceeded,
    TemporarilyBusy,
    UpstreamError,
)
from turnpike.domain.generation import Generation
from turnpike.domain.health import endpoint_key
from turnpike.domain.ledger import Hold, balance_of
from turnpike.domain.money import NanoUsd, parse_usd
from turnpike.domain.stickiness import Stickiness, conversation_of
from turnpike.services.chat_call import ChatCall
from turnpike.services.hedge import Hedge
from turnpike.services.leases import Leases
from turnpike.services.own_keys import OwnKeys, OwnRouting
from turnpike.services.route_own import RouteOwnKeys
from turnpike.services.settle_usage import parse_usage_event

from tests.fake_byok import InMemoryByokKeys, LocalVault, busy, sealed_key
from tests.plugged import EXA_NANO_USD, Plugged
from tests.plugin_server import serving_plugins
from tests.scenario import ACCOUNT, Script, World, endpoint, failure, principal, request, text

pytestmark = pytest.mark.anyio
PRICE = 10 * 1_000 + 5 * 2_000
"""Of 10 prompt tokens and 5 completion tokens, in nano-USD."""
ORDER = ProviderPreferences(order=("one", "two"))
ASKED = request(provider=ORDER)
ANSWER = text("Hello")
REFUSED = failure(401)
MASTER_KEY = bytes(32)


class Customer:
    """A world with an account that brings keys. They are called `one+own` in its scripts."""

    def __init__(
        self,
        scripts: Mapping[str, Any],
        *endpoints: Endpoint,
        keys: Sequence[ByokKey] | None = None,
        fee: str = "0",
        credit_usd: str = "1",
        allowance_tokens: int = 100,
    ) -> None:
        self.vault = LocalVault(MASTER_KEY)
        self.store = InMemoryByokKeys(*(keys or [self.key()]))
        self.unread: list[Exception] = []
        self.unopened: list[tuple[str, Exception]] = []
        lists: dict[str, list[Script]] = {
            name: script if script and isinstance(script[0], list) else [script] for name, script in scripts.items()
        }
        self.world = World(lists, *endpoints, credit_usd=credit_usd, allowance_tokens=allowance_tokens)
        own_keys = OwnKeys(self.store, ttl_s=30, on_failure=self.unread.append)
        route = RouteOwnKeys(
            self.vault, fee=Decimal(fee), on_failure=lambda key, error: self.unopened.append((key.id, error))
        )

        async def route_own(principal: Principal, catalog: Catalog) -> OwnRouting | None:
            keys = await own_keys(principal.account_id)
            return route(principal, catalog, keys) if keys else None

        self.world.case = replace(self.world.case, route_own=route_own)

    @staticmethod
    def key(provider: str = "one", key_id: str = "own", **changes: Any) -> ByokKey:
        return sealed_key(LocalVault(MASTER_KEY), provider, key_id, **changes)

    @property
    def asked(self) -> list[str]:
        return [name for name, _ in self.world.upstream.calls]

    def generation(self) -> Generation:
        (event,) = self.world.queue.events
        return parse_usage_event(orjson.loads(orjson.dumps(event)))[0]

    def spent(self) -> int:
        """What was charged, after everything is settled; nothing is held then."""
        before = self.world.ledger.get_balance(ACCOUNT)
        self.world.settle()
        balance = self.world.ledger.get_balance(ACCOUNT)
        assert balance.held == 0
        assert balance == balance_of(self.world.ledger.list_entries(ACCOUNT))
        assert before.credits_total == balance.credits_total
        return balance.usage_total


async def test_the_customers_account_pays_and_ours_takes_no_fee() -> None:
    customer = Customer({"one+own": ANSWER, "one": ANSWER})

    call = await customer.world.call(ASKED)
    await call.stream(_ignore)
    assert (call.is_byok, call.cost, call.upstream_cost.total) == (True, 0, PRICE)
    await call.report()

    assert customer.asked == ["one+own"]
    generation = customer.generation()
    assert (generation.is_byok, generation.cost, generation.byok_cost) == (True, 0, PRICE)
    assert [attempt.is_byok for attempt in generation.attempts] == [True]
    assert customer.spent() == 0
    spend = customer.world.ledger.get_key_spend(ACCOUNT, principal().key, 2**31)
    assert (spend.credit.total, spend.byok.total) == (0, PRICE)


async def test_a_search_of_ours_is_charged_whoever_pays_the_model() -> None:
    customer = Customer({"one+own": ANSWER}, fee="0.05")
    with serving_plugins() as server:
        plugged = Plugged(server, "exa")
        customer.world.case = replace(customer.world.case, begin_plugins=plugged)
        await customer.world.stream(replace(ASKED, plugins=PromptPlugins(web=WebSearch())))
        await plugged.aclose()

    generation = customer.generation()
    assert (generation.byok_cost, generation.search_cost) == (PRICE, EXA_NANO_USD)
    assert customer.spent() == PRICE // 20 + EXA_NANO_USD


async def test_the_fee_is_rounded_up_once() -> None:
    # Two and a half nano-USD are rounded up for themselves; four tenths of them are one.
    usage = Usage(0, 5)
    customer = Customer({"one+own": text("x", usage=usage)}, _priced(endpoint("one"), "0.0000000005"), fee="0.4")

    await customer.world.stream(ASKED)

    assert customer.generation().byok_cost == 3
    assert customer.spent() == 1


async def test_the_provider_is_called_with_the_customers_secret() -> None:
    customer = Customer({"one+own": ANSWER}, keys=[Customer.key(secret="sk-of-the-customer-42")])

    call = await customer.world.call(ASKED)

    byok = call.endpoint.byok
    assert byok is not None
    assert byok.credential is not None
    assert byok.credential.secret == "sk-of-the-customer-42"
    await call.stream(_ignore)
    await call.report()


async def test_an_account_without_credit_can_ask_with_its_own_key() -> None:
    customer = Customer({"one+own": ANSWER, "one": ANSWER}, credit_usd="0")

    await customer.world.stream(ASKED)
    assert customer.asked == ["one+own"]
    assert customer.spent() == 0


async def test_without_credit_nothing_of_ours_is_tried_either() -> None:
    customer = Customer({"one+own": [[failure(500)]], "one": ANSWER}, credit_usd="0")

    with pytest.raises(AttemptsFailed):
        await customer.world.stream(ASKED)
    assert customer.asked == ["one+own"]
    assert customer.spent() == 0


async def test_a_fee_needs_credit() -> None:
    customer = Customer({"one+own": ANSWER}, credit_usd="0", fee="0.05")

    with pytest.raises(InsufficientCredit):
        await customer.world.stream(ASKED)
    assert customer.asked == []


async def test_little_credit_is_kept_for_the_fee_of_a_whole_answer() -> None:
    # Ours would get 12 tokens for it, theirs all that is asked for.
    customer = Customer({"one+own": ANSWER, "one": ANSWER}, credit_usd="0.00005", fee="0.01")

    call = await customer.world.call(replace(ASKED, max_tokens=1_000))

    await call.stream(_ignore)
    await call.report()
    assert [name for name, _ in customer.world.upstream.calls] == ["one+own"]
    assert customer.world.upstream.calls[0][1].max_tokens == 1_000
    assert customer.spent() == PRICE // 100


async def test_a_mixed_route_holds_for_the_dearest_of_it() -> None:
    customer = Customer({"one+own": ANSWER, "one": ANSWER}, fee="0.05")

    call = await customer.world.call(replace(ASKED, max_tokens=100))

    hold = _hold(customer, call)
    assert hold.amount >= 100 * 2_000
    assert hold.byok_amount is None


class TestFailures:
    async def test_the_next_key_then_ours(self) -> None:
        keys = [Customer.key(key_id="a"), Customer.key(key_id="b", sort_order=1)]
        customer = Customer({"one+a": [[REFUSED]], "one+b": [[failure(429)]], "one": ANSWER}, keys=keys)

        await customer.world.stream(ASKED)

        assert customer.asked == ["one+a", "one+b", "one"]
        assert not customer.generation().is_byok
        assert [attempt.is_byok for attempt in customer.generation().attempts] == [True, True, False]
        assert customer.spent() == PRICE

    async def test_a_fallback_key_comes_when_ours_fails(self) -> None:
        customer = Customer({"one": [[failure(503)]], "one+own": ANSWER}, keys=[Customer.key(is_fallback=True)])

        await customer.world.stream(ASKED)

        assert customer.asked == ["one", "one+own"]
        assert customer.spent() == 0

    @pytest.mark.parametrize("claim", ["is_required", "is_byok_only"])
    async def test_ours_is_never_tried_where_only_theirs_may(self, claim: str) -> None:
        scripts = {"one+own": [[REFUSED]], "one": ANSWER, "two": ANSWER}
        customer = Customer(scripts, endpoint("one"), endpoint("two"), keys=[Customer.key(**{claim: True})])

        await customer.world.stream(ASKED)

        assert customer.asked == ["one+own", "two"]

    @pytest.mark.parametrize("status", [401, 402, 403])
    @pytest.mark.parametrize("streamed", [True, False])
    async def test_a_refused_key_is_the_customers_to_mend(self, status: int, streamed: bool) -> None:
        customer = Customer({"one+own": [[failure(status)]]}, keys=[Customer.key(is_required=True)])

        with pytest.raises(OwnKeyRefused) as caught:
            await _ask(customer, streamed)

        error = caught.value
        assert error.status == 403
        assert "your own key sk-...6789" in error.message
        assert f"HTTP status {status}" in error.message
        assert "PATCH /byok/own" in error.message
        # No alarm for the operator, who can do nothing about it.
        assert customer.world.refusals == []
        assert customer.spent() == 0

    async def test_another_failure_of_theirs_is_told_as_it_is(self) -> None:
        limited = failure(429, error_type="rate_limit_exceeded")
        customer = Customer({"one+own": [[limited]]}, keys=[Customer.key(is_required=True)])

        with pytest.raises(AttemptsFailed) as caught:
            await customer.world.stream(ASKED)
        assert caught.value.status == 429

    async def test_our_own_refused_credential_still_alarms(self) -> None:
        customer = Customer({"one+own": [[REFUSED]], "one": [[failure(401)]]})

        with pytest.raises(AttemptsFailed) as caught:
            await customer.world.stream(ASKED)
        assert caught.value.status == 502
        assert len(customer.world.refusals) == 1

    async def test_a_wait_that_a_customers_key_met_is_not_ours(self) -> None:
        limited = UpstreamError(
            "one", "no", upstream_status=429, error_type="rate_limit_exceeded", retryable=True, retry_after_s=600
        )
        customer = Customer({"one+own": [[limited]], "one": ANSWER})

        for _ in range(2):
            await customer.world.stream(ASKED)

        # The second time the key is left alone, and ours is not.
        assert customer.asked == ["one+own", "one", "one"]

    async def test_what_broke_off_costs_no_fee_and_counts_what_the_provider_charged(self) -> None:
        customer = Customer({"one+own": [*text("Hel", finish=False), failure()]}, fee="0.5")

        deltas = await customer.world.stream(ASKED)

        assert deltas[-1].error is not None
        generation = customer.generation()
        assert (generation.is_byok, generation.cost, generation.byok_cost) == (True, 0, PRICE)
        assert customer.spent() == 0

    async def test_nobody_is_raced_against_a_customers_key(self) -> None:
        customer = Customer({"one+own": [0.05, *ANSWER], "one": ANSWER})
        world = customer.world
        world.case = replace(world.case, hedge=Hedge(world.case.health, "p50"))

        await world.stream(replace(ASKED, provider=ProviderPreferences()))

        assert customer.asked == ["one+own"]

    async def test_attempts_are_told_apart_from_ours(self) -> None:
        customer = Customer({"one+own": [[REFUSED]], "one": ANSWER})
        seen: list[str] = []

        class Observer:
            def begin_attempt(self, endpoint: Endpoint) -> None:
                seen.append(endpoint_key(endpoint))

            def record_attempt(self, endpoint: Endpoint, attempt: Any) -> None:
                seen.append(endpoint_key(endpoint))

        world = customer.world
        world.case = replace(world.case, watch=replace(world.case.watch, observer=Observer()))
        await world.stream(ASKED)

        ours = endpoint_key(endpoint("one"))
        assert seen == [f"{ours}|own", f"{ours}|own", ours, ours]


class TestFailingClosed:
    async def test_keys_that_cannot_be_read_refuse_the_request(self) -> None:
        customer = Customer({"one": ANSWER})
        customer.store.failing = RuntimeError("AccessDenied")

        with pytest.raises(TemporarilyBusy) as caught:
            await customer.world.stream(ASKED)

        assert caught.value.status == 503
        assert customer.asked == []
        assert len(customer.unread) == 1
        assert customer.world.ledger.get_balance(ACCOUNT).held == 0

    async def test_a_key_that_cannot_be_opened_takes_ours_with_it(self) -> None:
        customer = Customer({"one": ANSWER, "two": ANSWER}, endpoint("one"), endpoint("two"))
        customer.vault.failing = busy

        await customer.world.stream(ASKED)

        assert customer.asked == ["two"]
        assert [key for key, _ in customer.unopened] == ["own"]

    @pytest.mark.parametrize("claims", [{}, {"is_required": True}, {"is_byok_only": True}])
    async def test_with_nothing_left_the_request_is_refused(self, claims: dict[str, Any]) -> None:
        customer = Customer({"one": ANSWER}, keys=[Customer.key(**claims)])
        customer.vault.failing = busy

        with pytest.raises(TemporarilyBusy) as caught:
            await customer.world.stream(ASKED)
        assert "cannot be opened" in caught.value.message
        assert customer.asked == []
        assert customer.world.ledger.get_balance(ACCOUNT).held == 0

    async def test_a_key_that_was_tampered_with_does_not_open(self) -> None:
        customer = Customer({"one": ANSWER})
        (key,) = customer.store.list_for(ACCOUNT)
        moved = replace(key, place=replace(key.place, variables=(("base_url", "https://evil.example"),)), revision=1)
        customer.store.replace(moved, was=key)

        with pytest.raises(TemporarilyBusy):
            await customer.world.stream(ASKED)
        assert customer.asked == []

    async def test_one_of_two_that_opens_serves(self) -> None:
        keys = [Customer.key(key_id="a"), Customer.key(key_id="b", sort_order=1)]
        customer = Customer({"one+b": [[REFUSED]], "one": ANSWER}, keys=keys)
        customer.vault.failing = lambda context: busy(context) if context["key"] == "a" else None

        with pytest.raises(OwnKeyRefused):
            await customer.world.stream(ASKED)
        assert customer.asked == ["one+b"]

    async def test_a_fallback_key_that_does_not_open_takes_nothing_with_it(self) -> None:
        customer = Customer({"one": ANSWER}, keys=[Customer.key(is_fallback=True)])
        customer.vault.failing = busy

        await customer.world.stream(ASKED)

        assert customer.asked == ["one"]


COUNTED: dict[str, Any] = {"include_byok_in_limit": True}


class TestLimits:
    async def test_a_limit_leaves_out_what_it_is_not_to_count(self) -> None:
        customer = Customer({"one+own": ANSWER}, keys=[Customer.key(is_required=True)])

        for _ in range(3):
            await customer.world.stream(replace(ASKED, max_tokens=1_000), limit=NanoUsd(1))
        assert customer.spent() == 0
        spend = customer.world.ledger.get_key_spend(ACCOUNT, principal(limit=NanoUsd(1)).key, 2**31)
        assert (spend.limit_used, spend.byok.total) == (0, 3 * PRICE)

    async def test_a_limit_that_counts_it_refuses_what_goes_beyond(self) -> None:
        customer = Customer({"one+own": ANSWER}, keys=[Customer.key(is_required=True)], credit_usd="0")
        limit = parse_usd("0.0006")
        asked = replace(ASKED, max_tokens=200)

        await customer.world.stream(asked, limit=limit, **COUNTED)
        customer.world.settle()
        assert self.used(customer, limit) == PRICE
        call = await customer.world.call(asked, limit=limit, **COUNTED)
        # What is under way counts too, at its most.
        with pytest.raises(KeyLimitExceeded):
            await customer.world.call(asked, limit=limit, **COUNTED)
        await call.stream(_ignore)
        await call.report()
        customer.world.settle()

        assert self.used(customer, limit) == 2 * PRICE
        assert len(customer.asked) == 2

    async def test_a_limit_that_is_nearly_used_up_shortens_an_answer(self) -> None:
        customer = Customer({"one+own": ANSWER}, keys=[Customer.key(is_required=True)], credit_usd="0")

        await customer.world.stream(ASKED, limit=parse_usd("0.0001"), **COUNTED)

        (_, asked) = customer.world.upstream.calls[0]
        assert asked.max_tokens is not None
        assert 16 <= asked.max_tokens <= 50

    @pytest.mark.parametrize("streamed", [True, False])
    async def test_with_room_for_the_longest_answer_none_is_shortened(self, streamed: bool) -> None:
        customer = Customer({"one+own": ANSWER}, keys=[Customer.key(is_required=True)], credit_usd="0")

        await _ask(customer, streamed, limit=parse_usd("1"), **COUNTED)

        assert customer.world.upstream.calls[0][1].max_tokens is None
        assert self.used(customer, parse_usd("1")) > 0
        customer.world.settle()
        assert self.used(customer, parse_usd("1")) == PRICE

    async def test_a_mixed_route_counts_the_one_that_counts_most(self) -> None:
        customer = Customer({"one+own": ANSWER, "one": ANSWER}, fee="0.5")
        limit = parse_usd("1")

        call = await customer.world.call(replace(ASKED, max_tokens=100), limit=limit, **COUNTED)

        hold = _hold(customer, call)
        assert hold.byok_amount == hold.amount // 2
        assert self.used(customer, limit) == hold.amount * 3 // 2

    async def test_a_fee_and_what_is_paid_elsewhere_count_together(self) -> None:
        customer = Customer({"one+own": ANSWER}, fee="0.5")

        await customer.world.stream(ASKED, limit=parse_usd("1"), **COUNTED)

        assert customer.spent() == PRICE // 2
        assert self.used(customer, parse_usd("1")) == PRICE * 3 // 2

    def used(self, customer: Customer, limit: NanoUsd) -> int:
        key = principal(limit=limit, **COUNTED).key
        return customer.world.ledger.get_key_spend(ACCOUNT, key, 2**31).limit_used


class TestWrites:
    async def test_a_warm_request_reads_and_opens_nothing(self) -> None:
        customer = Customer({"one+own": ANSWER})

        for _ in range(3):
            await customer.world.stream(ASKED)

        assert (customer.store.reads, customer.vault.opened) == (1, 1)

    async def test_leases_serve_what_they_count_rightly(self) -> None:
        customer = Customer({"one+own": ANSWER, "one": ANSWER})
        world = customer.world
        leases = Leases(world.ledger, serve_s=60, hold_ttl_s=1800)
        world.case = replace(world.case, admit=replace(world.case.admit, leases=leases))

        for _ in range(5):
            await world.stream(ASKED)
        leased = [parse_usage_event(orjson.loads(orjson.dumps(each)))[0].lease_id for each in world.queue.events]
        assert leased[-1] is not None
        for _ in range(5):
            # Whose limit counts what a lease does not.
            await world.stream(ASKED, limit=parse_usd("0.9"), include_byok_in_limit=True)
        counted = [parse_usage_event(orjson.loads(orjson.dumps(each)))[0] for each in world.queue.events[5:]]
        assert [each.lease_id for each in counted] == [None] * 5
        world.settle()
        await leases.aclose()

        assert customer.spent() == 0
        key = principal(limit=parse_usd("0.9"), include_byok_in_limit=True).key
        spend = world.ledger.get_key_spend(ACCOUNT, key, 2**31)
        assert (spend.byok.total, spend.limit_used) == (10 * PRICE, 5 * PRICE)

    async def test_a_conversation_is_remembered_by_where_it_was_cached(self) -> None:
        customer = Customer({"one+own": ANSWER, "two": ANSWER}, endpoint("one"), endpoint("two"))
        world = customer.world
        sticky = Stickiness(lambda: 0.0)
        world.case = replace(world.case, stickiness=sticky)
        asked = request(session_id="s")

        await world.stream(asked)

        conversation = conversation_of(ACCOUNT, asked)
        assert conversation is not None
        assert sticky.find(conversation) == endpoint_key(endpoint("one"))


def _priced(plain: Endpoint, completion: str) -> Endpoint:
    return replace(plain, pricing=replace(plain.pricing, completion=Decimal(completion)))


def _hold(customer: Customer, call: ChatCall) -> Hold:
    hold = customer.world.ledger.find_hold(ACCOUNT, call.id)
    assert hold is not None
    return hold


async def _ask(customer: Customer, streamed: bool, **options: Any) -> None:
    if streamed:
        await customer.world.stream(ASKED, **options)
    else:
        await customer.world.complete(replace(ASKED, stream=False), **options)


async def _ignore(deltas: Sequence[Delta]) -> None:
    pass
