"""What was never settled comes back, and is told apart from leases that were left behind."""

from turnpike.domain.ids import KeyHash, new_generation_id, new_lease_id
from turnpike.domain.ledger import Hold
from turnpike.domain.money import ZERO, NanoUsd, parse_usd
from turnpike.services.expire_holds import Expired, ExpireHolds

from tests.contracts.ledger import NOW
from tests.fakes import InMemoryLedger
from tests.scenario import ACCOUNT

CREDIT = parse_usd(1)
AMOUNT = NanoUsd(1_000)


def held(*, lease: bool = False, expires_at_s: int = NOW) -> Hold:
    hold_id = new_lease_id(NOW) if lease else new_generation_id(NOW)
    return Hold(hold_id, ACCOUNT, KeyHash("k"), AMOUNT, NOW, expires_at_s)


def ledger_with(*holds: Hold) -> InMemoryLedger:
    ledger = InMemoryLedger()
    ledger.top_up(ACCOUNT, CREDIT, reference="start", now_s=NOW)
    for hold in holds:
        ledger.hold(hold)
    return ledger


def test_what_is_past_its_time_comes_back() -> None:
    ledger = ledger_with(held(), held(), held(lease=True), held(expires_at_s=NOW + 60))

    assert ExpireHolds(ledger)(NOW + 1) == Expired(holds=2, leases=1)

    balance = ledger.get_balance(ACCOUNT)
    assert (balance.held, balance.available) == (AMOUNT, CREDIT - AMOUNT)
    assert ExpireHolds(ledger)(NOW + 1) == Expired()


def test_a_lease_that_gave_back_all_before_is_not_counted() -> None:
    spent = held(lease=True)
    ledger = ledger_with(spent)
    ledger.close(spent, AMOUNT, NOW)

    assert ExpireHolds(ledger)(NOW + 1) == Expired()
    assert not list(ledger.list_expired_holds(NOW + 1))


def test_it_stops_when_there_is_no_time_and_goes_on_at_the_next_run() -> None:
    ledger = ledger_with(held(), held())
    times = iter([True, False])

    assert ExpireHolds(ledger)(NOW + 1, time_left=lambda: next(times)) == Expired(holds=1)
    assert ExpireHolds(ledger)(NOW + 1) == Expired(holds=1)


def test_what_is_settled_meanwhile_stays_as_it_was_settled() -> None:
    late, dead = held(), held()
    ledger = ledger_with(late, dead)

    def settles() -> bool:
        """Between the list and its end."""
        if ledger.find_hold(ACCOUNT, late.hold_id) == late:
            ledger.capture(ACCOUNT, late.hold_id, NanoUsd(400), NOW, None)
        return True

    assert ExpireHolds(ledger)(NOW + 1, time_left=settles) == Expired(holds=1)
    balance = ledger.get_balance(ACCOUNT)
    assert (balance.held, balance.usage_total) == (ZERO, 400)
