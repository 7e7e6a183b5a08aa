"""Judges a chaos run: what is stored against what the processes know, by arithmetic of its own."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.chaos.books import Books, StoredHold
from tests.chaos.facts import Fact
from tests.chaos.limits import check_limits
from tests.chaos.told import Told
from tests.chaos.world import PRICES, World

_CREDIT = ("top_up", "refund", "adjustment")
_ENDS = {"captured": "capture", "voided": "void", "expired": "expire"}
_SLACK_S = 3.0


@dataclass(slots=True)
class Verdict:
    findings: list[str] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)


Find = Callable[[str], None]


def judge(world: World, told: Told, all_books: Mapping[str, Books]) -> Verdict:
    verdict = Verdict([f"{error} ({number} times)" for error, number in told.unexpected.items()])
    for account in world.accounts:
        books = all_books[account.account_id]

        def find(text: str, account_id: str = account.account_id) -> None:
            verdict.findings.append(f"{account_id}: {text}")

        _check_balance(books, account.may_owe, find, verdict.figures)
        _check_credit(books, account.credit, told, find)
        _check_activity(books, find)
        for hold in books.holds.values():
            if hold.is_lease:
                _check_lease(books, hold, told, find)
            else:
                _check_hold(books, hold, find)
            verdict.figures[f"leases {hold.state}" if hold.is_lease else f"holds {hold.state}"] += 1
        for generation in {*books.records, *books.captured()} - told.reporting.keys():
            find(f"{generation} is recorded or charged, and nobody reported it")
        check_limits(world, books, told, find, verdict.figures)
    for generation, fact in told.reporting.items():
        _Generation(world, told, all_books[fact["account"]], generation, fact, verdict).check()
    return verdict


def _check_balance(books: Books, may_owe: bool, find: Find, figures: Counter[str]) -> None:
    for sort_key in books.unknown:
        find(f"there is an item {sort_key}")
    available = held = credit = charged = 0
    for hold in books.holds.values():
        available -= hold.first_amount
        held += hold.first_amount
    for entry in books.entries.values():
        available += entry.available
        held += entry.held
        if entry.kind in _CREDIT:
            credit += entry.available + entry.held
        elif entry.kind in ("capture", "overage"):
            charged += entry.charge
    sums = {"available": available, "held": held, "credits_total": credit, "usage_total": charged}
    for name, amount in sums.items():
        if books.balance[name] != amount:
            find(f"{name} is {books.balance[name]}, and {amount} by its entries")
    if books.balance["held"]:
        find(f"{books.balance['held']} is held by nothing")
    if books.balance["available"] < 0:
        figures["accounts that owe"] += 1
        if not may_owe:
            find(f"{books.balance['available']} is available")
    figures["lowest available"] = min(figures["lowest available"], 0 if may_owe else books.balance["available"])
    figures["entries"] += len(books.entries) + len(books.holds)
    figures["charged"] += charged
    figures["credit"] += credit


def _check_credit(books: Books, seed: int, told: Told, find: Find) -> None:
    account_id = books.account_id
    moved = {each: entry.available for each, entry in books.entries.items() if entry.kind in _CREDIT}
    meant = {entry: amount for (account, entry), amount in told.crediting.items() if account == account_id}
    if seed:
        meant["top_up#seed"] = seed
    for entry, amount in moved.items():
        if meant.get(entry) != amount:
            find(f"{entry} moved {amount} instead of {meant.get(entry)}")
    for entry in meant:
        if (account_id, entry) in told.credited and entry not in moved:
            find(f"{entry} was confirmed, and is not there")
        if (account_id, entry) in told.not_credited and entry in moved:
            find(f"{entry} was refused, and is there")


def _check_activity(books: Books, find: Find) -> None:
    """What is told of the account by day, model, key and user is what its generations' records say."""
    records = books.records.values()
    expected = {
        "requests": len(records),
        "usage": sum(record.cost for record in records),
        "upstream_cost": sum(record.upstream_cost for record in records),
    }
    for name, amount in expected.items():
        if books.activity[name] != amount:
            find(f"its activity counts {books.activity[name]} of {name}, and its records {amount}")
    users = Counter(record.user for record in records if record.user)
    if users != books.users_activity:
        find(f"its activity counts {dict(books.users_activity)} requests of users, and its records {dict(users)}")


def _check_hold(books: Books, hold: StoredHold, find: Find) -> None:
    """Resolved once, in the way that its state says, and nothing of it is held any more."""
    it = hold.hold_id
    if hold.state not in _ENDS:
        find(f"{it} is {hold.state}")
        return
    ends = [kind for kind in _ENDS.values() if f"{it}#{kind}" in books.entries]
    if ends != [_ENDS[hold.state]]:
        find(f"{it} is {hold.state}, and its entries say {ends}")
        return
    if books.most_held(hold) != hold.amount:
        find(f"{it} is of {hold.amount}, and {hold.first_amount} and its extensions come to another sum")
    if books.entries[f"{it}#{ends[0]}"].held != -hold.amount:
        find(f"{it} was of {hold.amount}, of which {books.entries[f'{it}#{ends[0]}'].held} was given up")
    if ends != ["capture"] and books.charge_of(it):
        find(f"{it} was {hold.state}, and {books.charge_of(it)} was charged")


def _check_lease(books: Books, lease: StoredHold, told: Told, find: Find) -> None:
    it = lease.hold_id
    if lease.state != "expired":
        find(f"{it} is {lease.state}")
        return
    parts = sum(-entry.held for entry in books.entries.values() if entry.reference == it and entry.kind == "capture")
    closed, expired = books.entries.get(f"{it}#void"), books.entries.get(f"{it}#expire")
    given_back = closed.available if closed else 0
    if books.most_held(lease) - given_back != lease.amount:
        find(f"{it} is of {lease.amount}, which is not what it was made of, extended by and given back")
    if given_back and lease.amount < told.costs_of_leases[it]:
        find(f"{it} kept {lease.amount}, and its generations had cost {told.costs_of_leases[it]} by then")
    if lease.unspent != lease.amount - parts:
        find(f"{it} has {lease.unspent} left of {lease.amount}, of which {parts} was captured")
    if expired is None or expired.available != lease.unspent:
        find(f"{it} expired with {lease.unspent} left, of which {expired and expired.available} came back")


class _Generation:
    """One that was to be reported."""

    def __init__(self, world: World, told: Told, books: Books, generation: str, fact: Fact, verdict: Verdict) -> None:
        self._world, self._told, self._books, self._verdict = world, told, books, verdict
        self._id, self._fact = generation, fact

    def check(self) -> None:
        books, it, fact = self._books, self._id, self._fact
        self._check_price()
        record, was_captured = books.records.get(it), books.was_captured(it)
        if record is None:
            self._check_missing(was_captured)
            return
        charge = books.charge_of(it)
        if record.cost != charge or record.key != fact["key"] or record.lease != fact["lease"]:
            self._find(f"is recorded as {record}, and {charge} was charged for {fact}")
        if was_captured:
            self._check_charge(charge)
        elif fact["answered"]:
            self._check_late(charge)
        else:
            self._count("not answered")
        if not fact["answered"] and (charge or was_captured):
            self._find("was not answered, and was captured")

    def _check_price(self) -> None:
        fact = self._fact
        cost = 0
        if fact["answered"]:
            cost = PRICES[fact["model"], fact["provider"]].cost(fact["prompt_tokens"], fact["completion_tokens"])
        if fact["upstream_cost"] != cost or fact["cost"] not in (0, cost):
            self._find(f"costs {cost}, and is reported as {fact}")
        if cost and not fact["cost"]:
            self._count("insured")
            self._count("insured cost", cost)

    def _check_missing(self, was_captured: bool) -> None:
        if was_captured:
            self._find("was charged, and is not recorded")
        told, it = self._told, self._id
        if it in told.lost:
            self._count("lost message")
        elif it in told.unsettled:
            self._count("only in the log")
        elif it not in told.reported:
            self._count("died while reporting")
        else:
            self._find(f"was reported, and never settled: {self._fact}")
            return
        self._count("never settled cost", self._fact["cost"])

    def _check_charge(self, charge: int) -> None:
        cost, books = self._fact["cost"], self._books
        self._count("billed")
        hold = books.holds.get(self._fact["lease"] or self._id)
        if hold is None or hold.state != ("expired" if self._fact["lease"] else "captured"):
            self._find(f"was captured from {hold}")
            return
        self._count("billed from leases" if hold.is_lease else "billed from holds")
        if not min(cost, 0 if hold.is_lease else hold.amount) <= charge <= cost:
            self._find(f"was charged {charge} instead of {cost}, for which {hold.amount} was held")
        if charge < cost:
            self._count("absorbed")
            self._count("absorbed cost", cost - charge)
            if self._has_plenty() and hold.limit is None:
                self._find(f"was charged {charge} instead of {cost}, which its account could have paid")

    def _check_late(self, charge: int) -> None:
        """Settled when its credit had gone back."""
        self._count("late")
        self._count("late cost", self._fact["cost"])
        hold = self._books.holds.get(self._fact["lease"] or self._id)
        if charge or hold is None or hold.state != "expired" or hold.resolved_at is None:
            self._find(f"was recorded at no charge, and {charge} was charged, though its hold is {hold}")
            return
        last_seen_at = max(self._told.handled_at.get(self._id, 0.0), self._fact["at"])
        if self._id in self._told.reported and last_seen_at + self._world.size.skew_s + _SLACK_S < hold.resolved_at:
            self._find(f"was recorded at no charge, long before its hold expired: {hold}")

    def _has_plenty(self) -> bool:
        return any(
            account.account_id == self._books.account_id and account.wealth == "plenty"
            for account in self._world.accounts
        )

    def _find(self, text: str) -> None:
        self._verdict.findings.append(f"{self._books.account_id}: {self._id} {text}")

    def _count(self, what: str, by: int = 1) -> None:
        self._verdict.figures[what] += by
