"""The operator and the accounts' owners at work: credit comes and goes, keys' limits change, during all the rest."""

import asyncio
import os
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync

from turnpike.bootstrap.resources import Resources
from turnpike.domain.errors import Conflict, InsufficientCredit, TemporarilyBusy
from turnpike.domain.ids import AccountId
from turnpike.domain.ledger import Correction
from turnpike.domain.money import NanoUsd
from turnpike.services.grant_credit import GrantCredit
from turnpike.services.manage_keys import KeyChanges, ManageKeys

from tests.chaos.duty import Duty

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_TRIES = 6
_LOOK_EVERY_S = 0.05
_AT_ONCE = 3
"""So often the same credit is granted at the same moment."""
POISON = (
    "not JSON",
    "{}",
    '{"version": 99, "answered": true, "generation": {}}',
    '{"version": 1, "answered": true, "generation": {"id": "gen-1-poison"}}',
    '[1, 2, "poison"]',
)


def run(duty: Duty) -> None:
    asyncio.run(_work(duty))


async def _work(duty: Duty) -> None:
    operator, tickets = Operator(duty), duty.tickets("acts", duty.world.size.operator_acts)
    requests = duty.tickets("requests", duty.world.size.requests)
    while not duty.stop.is_set() and (number := tickets.take()) is not None:
        # Spread over the whole run, whatever its speed is.
        share = number / duty.world.size.operator_acts
        while requests.taken() < share * duty.world.size.requests:
            if duty.stop.wait(_LOOK_EVERY_S):
                return
        await operator.act(number)


class Operator:
    def __init__(self, duty: Duty) -> None:
        self._duty = duty
        parts = Resources(os.environ)
        duty.let_fail(parts.dynamodb)
        self._ledger = parts.ledger
        self._grant_credit = GrantCredit(parts.ledger)
        self._manage_keys = ManageKeys(parts.api_keys, parts.ledger)
        self._sqs: SQSClient = parts.sqs
        self._queue_url = parts.settings.usage_queue_url

    async def act(self, number: int) -> None:
        random = self._duty.world.random("act", number)
        (act,) = random.choices(
            (self._grant, self._correct, self._take_back, self._limit, self._poison), (6, 4, 1, 5, 1)
        )
        await act(number, random)

    async def _grant(self, number: int, random: Random) -> None:
        account = random.choice(self._duty.world.accounts)
        amount = random.randint(1, 3_000_000) if account.wealth != "plenty" else random.randint(1, 10**9)
        entry, times = f"top_up#grant:{number}", random.choice([1, _AT_ONCE])
        self._duty.facts.write("crediting", account=account.account_id, entry=entry, amount=amount)
        grant = partial(self._grant_credit, AccountId(account.account_id), NanoUsd(amount), idempotency_key=str(number))
        for _ in range(_TRIES):
            done = await asyncio.gather(*(grant() for _ in range(times)), return_exceptions=True)
            if any(not isinstance(each, BaseException) for each in done):
                self._duty.facts.write("credited", account=account.account_id, entry=entry)
                return
            for each in done:
                if not isinstance(each, TemporarilyBusy):
                    raise each

    async def _correct(self, number: int, random: Random) -> None:
        account = random.choice(self._duty.world.accounts)
        kind: Correction = random.choice(("refund", "adjustment"))
        amount = random.choice([-1, 1]) * random.randint(1, 2_000_000)
        await self._adjust(account.account_id, kind, amount, number, may_overdraw=False)

    async def _take_back(self, number: int, random: Random) -> None:
        """A payment that a bank calls back takes more than there is, if need be."""
        account = random.choice([account for account in self._duty.world.accounts if account.may_owe])
        await self._adjust(account.account_id, "refund", -random.randint(1, 300_000_000), number, may_overdraw=True)

    async def _adjust(self, account_id: str, kind: Correction, amount: int, number: int, *, may_overdraw: bool) -> None:
        entry = f"{kind}#act:{number}"
        self._duty.facts.write("crediting", account=account_id, entry=entry, amount=amount)
        adjust = partial(
            self._ledger.adjust,
            AccountId(account_id),
            kind,
            NanoUsd(amount),
            reference=f"act:{number}",
            now_s=int(self._duty.true_time()),
            may_overdraw=may_overdraw,
        )
        for _ in range(_TRIES):
            try:
                await run_sync(adjust)
            except TemporarilyBusy:
                continue
            except InsufficientCredit:
                self._duty.facts.write("not credited", account=account_id, entry=entry)
                return
            self._duty.facts.write("credited", account=account_id, entry=entry)
            return

    async def _limit(self, number: int, random: Random) -> None:
        """Another limit, one that counts in another window, or none."""
        key = random.choice([key for key in self._duty.world.keys if key.changes])
        account_id, changes = AccountId(key.account_id), KeyChanges()
        fate = random.random()
        facts = self._duty.facts
        for _ in range(_TRIES):
            try:
                report = await self._manage_keys.get(account_id, key.hash)
                spent = report.spend.credit.total
                if fate < 0.25 and report.key.limit is not None:
                    changes = KeyChanges(limit=None)
                else:
                    # Above what was spent, so that the limit is what the next requests meet.
                    changes = KeyChanges(limit=NanoUsd(spent + random.randint(100_000, 5_000_000)))
                if fate > 0.7:
                    changes["limit_reset"] = random.choice([None, "daily", "weekly", "monthly"])
                began_at = self._duty.true_time()
                facts.write("limiting", key=key.hash, limit=changes["limit"])
                changed = await self._manage_keys.update(account_id, key.hash, changes)
            except (TemporarilyBusy, Conflict):
                continue
            was, now = report.key, changed.key
            facts.write(
                "limited",
                key=key.hash,
                limit=now.limit,
                limit_reset=now.limit_reset,
                counts_anew=was.limit is None or was.limit_reset != now.limit_reset,
                began_at=began_at,
            )
            return

    async def _poison(self, number: int, random: Random) -> None:
        body = random.choice(POISON)
        self._duty.facts.write("poisoned")
        await run_sync(partial(self._sqs.send_message, QueueUrl=self._queue_url, MessageBody=body))
