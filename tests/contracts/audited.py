"""An account with one of everything: what audits read, and what falsifications falsify."""

from dataclasses import replace

from turnpike.domain.api_keys import ApiKey
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId, GenerationId, KeyHash, LeaseId
from turnpike.domain.ledger import Hold, KeyLimit
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.periods import window_of
from turnpike.ports.ledger import Ledger

from tests.contracts.ledger import DAY, NOW, generation, nano

KEY, FREE_KEY = KeyHash("a" * 64), KeyHash("b" * 64)
"""The first has a daily limit, the other has none until its last day."""
WINDOW = window_of("daily", NOW)
LEASE = LeaseId("lease-1795428000-a")
CLOSED = LeaseId("lease-1795428000-b")


def live(ledger: Ledger, account_id: AccountId) -> None:
    """What is available in the end: 100,000 + 500 - 300 + 700, less charges of 1,460 and 900 that are held."""
    ledger.top_up(account_id, nano(100_000), reference="pay#1", now_s=NOW)
    ledger.adjust(account_id, "adjustment", nano(500), reference="sorry", now_s=NOW)
    ledger.adjust(account_id, "refund", nano(-300), reference="chargeback", now_s=NOW, may_overdraw=True)
    ledger.adjust(account_id, "refund", nano(700), reference="back", now_s=NOW)

    captured = hold(ledger, account_id, "captured", 100)
    settle(ledger, captured, 60)
    over = hold(ledger, account_id, "over", 100)
    over = ledger.extend(ledger.extend(over, nano(50), NOW), nano(50), NOW)
    settle(ledger, over, 250, now_s=NOW + DAY)
    settle(ledger, hold(ledger, account_id, "unlimited", 400, FREE_KEY), 400)
    ledger.void(account_id, hold(ledger, account_id, "voided", 80).hold_id, NOW, record("voided", account_id, 0))
    ledger.expire(account_id, hold(ledger, account_id, "expired", 70, ends_s=NOW).hold_id, NOW)
    hold(ledger, account_id, "pending", 300)
    # Told after its hold had expired, hence at no charge.
    ledger.record(record("expired", account_id, 0), NOW)
    free = hold(ledger, account_id, "free", 0)
    settle(ledger, free, 0)

    lease = hold(ledger, account_id, LEASE, 600)
    ledger.extend(lease, nano(400), NOW)
    capture_part(ledger, account_id, LEASE, "part-1", 150)
    capture_part(ledger, account_id, LEASE, "part-2", 250)
    capture_part(ledger, account_id, LEASE, "part-free", 0)
    closed = hold(ledger, account_id, CLOSED, 500, ends_s=NOW)
    capture_part(ledger, account_id, CLOSED, "part-3", 200)
    ledger.close(closed, nano(250), NOW)
    # More than is left of it: 50 and an overage of 100.
    capture_part(ledger, account_id, CLOSED, "part-4", 150)
    ledger.expire(account_id, CLOSED, NOW)

    key = ApiKey(FREE_KEY, account_id, "", "", limit=nano(1000), limit_reset="daily")
    ledger.count_earlier_spending(account_id, key, NOW)


def hold(
    ledger: Ledger, account_id: AccountId, name: str, amount: int, key: KeyHash = KEY, *, ends_s: int = NOW + 60
) -> Hold:
    """Named for what becomes of it."""
    hold_id = LeaseId(name) if name.startswith("lease-") else id_of(name)
    key_limit = KeyLimit(nano(100_000), WINDOW) if key == KEY else None
    made = Hold(hold_id, account_id, key, nano(amount), NOW, ends_s, key_limit)
    ledger.hold(made)
    return made


def settle(ledger: Ledger, held: Hold, cost: int, *, now_s: int = NOW) -> None:
    ledger.capture(held.account_id, held.hold_id, nano(cost), now_s, generation(held, cost=nano(cost)))


def capture_part(ledger: Ledger, account_id: AccountId, lease_id: LeaseId, name: str, cost: int) -> None:
    ledger.capture_part(replace(record(name, account_id, cost), lease_id=lease_id), lease_id, nano(cost), NOW)


def record(name: str, account_id: AccountId, cost: int) -> Generation:
    made = Hold(id_of(name), account_id, KEY, ZERO, NOW, NOW)
    return generation(made, cost=NanoUsd(cost))


def id_of(name: str) -> GenerationId:
    return GenerationId(f"gen-{NOW}-{name}")
