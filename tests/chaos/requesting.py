"""A server that answers chats: the real use case on real storage, with a provider that is made up."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from turnpike.bootstrap.resources import Resources
from turnpike.domain.api_keys import Principal
from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Delta
from turnpike.domain.errors import (
    AttemptsFailed,
    InsufficientCredit,
    KeyLimitExceeded,
    TemporarilyBusy,
    TurnpikeError,
)
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.waits import Waits
from turnpike.services.admit import Admit
from turnpike.services.attempts import Watch
from turnpike.services.authenticate import Authenticate
from turnpike.services.complete_chat import ChatCall, CompleteChat, Origin
from turnpike.services.leases import Leases
from turnpike.services.report_usage import ReportUsage
from turnpike.services.settle_usage import SettleUsage
from turnpike.storage.queue import SqsUsageQueue

from tests.chaos.asking import Ask, ScriptedUpstream, ask
from tests.chaos.duty import Duty
from tests.chaos.world import build_catalog

_LONGEST_S = 60.0


class Witness:
    """A `ReportUsage` that writes down what it is told, before and after."""

    def __init__(self, report: ReportUsage, duty: Duty) -> None:
        self._report, self._facts, self._true_time = report, duty.facts, duty.true_time

    async def __call__(self, generation: Generation, *, answered: bool) -> None:
        usage = generation.usage
        self._facts.write(
            "reporting",
            id=generation.id,
            account=generation.account_id,
            key=generation.key_hash,
            model=generation.model,
            provider=generation.attempts[-1].provider if generation.attempts else None,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            finish_reason=generation.finish_reason,
            answered=answered,
            cost=generation.cost,
            upstream_cost=generation.upstream_cost,
            lease=generation.lease_id,
            at=self._true_time(),
        )
        await self._report(generation, answered=answered)
        self._facts.write("reported", id=generation.id)


class Nobody:
    """Learns nothing of how endpoints are doing."""

    def begin_attempt(self, endpoint: Endpoint) -> None: ...
    def record_attempt(self, endpoint: Endpoint, attempt: Attempt) -> None: ...


class ClientGone(OSError):
    """The connection was closed from the other side."""


class Server:
    def __init__(self, duty: Duty) -> None:
        self._duty = duty
        parts = Resources(os.environ)
        settings = parts.settings
        duty.let_fail(parts.dynamodb, parts.sqs)
        self._authenticate = Authenticate(parts.api_keys, ttl_s=settings.principal_ttl_s)
        self.leases = Leases(
            parts.ledger, serve_s=settings.lease_s, hold_ttl_s=settings.hold_ttl_s, on_failure=self._note_lease
        )
        catalog = build_catalog()
        queue = SqsUsageQueue(parts.sqs, settings.usage_queue_url)
        report = ReportUsage(queue, SettleUsage(parts.ledger), self._note_unsettled, time.time)
        self._complete_chat = CompleteChat(
            catalog=lambda: catalog,
            admit=Admit(parts.ledger, settings.hold_ttl_s, settings.allowance_tokens, self.leases),
            upstream=ScriptedUpstream(duty.world),
            report=Witness(report, duty),  # type: ignore[arg-type]
            watch=Watch(Waits(settings.longest_wait_s), Nobody(), lambda _: None),
            random=Random(duty.random.random()),
        )

    async def serve(self, it: Ask) -> str:
        """How it ended."""
        try:
            async with asyncio.timeout(it.cut_after_s):
                principal = await self._authenticate(it.key.secret)
                return await self._answer(principal, it)
        except TimeoutError:
            return "cut off"
        except ClientGone:
            return "client gone"
        except InsufficientCredit:
            return "refused: credit"
        except KeyLimitExceeded:
            return "refused: key limit"
        except TemporarilyBusy:
            return "refused: busy"
        except AttemptsFailed:
            return "failed: every provider"
        except Exception as error:
            # Nothing of the kind is expected: the verdict tells of it.
            self._duty.facts.write("unexpected", error=repr(error)[:300])
            return "unexpected"

    async def _answer(self, principal: Principal, it: Ask) -> str:
        now = time.monotonic()
        call = await self._complete_chat(principal, it.request, Origin(now, now + _LONGEST_S))
        try:
            if it.request.stream:
                return await _stream(call, hangs_up=it.hangs_up)
            await call.complete()
            return "answered"
        except TemporarilyBusy:
            return "broken off: TemporarilyBusy"
        finally:
            await call.report()

    def _note_unsettled(self, event: Mapping[str, Any]) -> None:
        self._duty.facts.write("unsettled", id=event["generation"].id)

    def _note_lease(self, error: Exception) -> None:
        self._duty.facts.write("lease failed", error=type(error).__name__)


async def _stream(call: ChatCall, *, hangs_up: bool) -> str:
    broken: list[TurnpikeError] = []

    async def emit(deltas: Sequence[Delta]) -> None:
        if hangs_up:
            raise ClientGone
        broken.extend(delta.error for delta in deltas if delta.error)

    await call.stream(emit)
    return f"broken off: {type(broken[0]).__name__}" if broken else "answered"


def run(duty: Duty) -> None:
    asyncio.run(_serve_all(duty))


async def _serve_all(duty: Duty) -> None:
    server, tickets = Server(duty), duty.tickets("requests", duty.world.size.requests)

    async def serve_one_after_another() -> None:
        while not duty.stop.is_set() and (number := tickets.take()) is not None:
            how = await server.serve(ask(duty.world, number))
            duty.facts.write("ended", number=number, how=how)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(duty.world.size.at_once_each):
            tasks.create_task(serve_one_after_another())
    await server.leases.aclose()
