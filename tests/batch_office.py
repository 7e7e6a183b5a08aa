"""Batches over fakes: the API that takes them in, and the function that works them off, with a scripted provider."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from turnpike.api.auth import Guard
from turnpike.api.batches import routes as batches
from turnpike.api.batches.ask import AskApp, BatchGuard
from turnpike.api.batches.bodies import BodyCheck, ExpandFor
from turnpike.api.edge import Edge
from turnpike.api.skins import routes
from turnpike.domain.batch_steps import Step
from turnpike.domain.batches import Batch, BatchId
from turnpike.ports.batches import Batches, BatchFiles
from turnpike.services.ask_chunk import AskChunk
from turnpike.services.authenticate import Authenticate
from turnpike.services.begin_batch import BeginBatch
from turnpike.services.manage_batches import EndDueBatches, ManageBatches
from turnpike.services.report_usage import ReportKept
from turnpike.services.submit_batch import SubmitBatch
from turnpike.services.work_off_batches import WorkOffBatches

from tests.asgi import AsgiClient
from tests.fake_batches import InMemoryBatches, InMemoryBatchFiles, InMemoryBatchQueue
from tests.fakes import InMemoryApiKeys
from tests.scenario import ACCOUNT, SECRET, World, principal

CHAT = "/v1/chat/completions"
MOST_STEPS = 500


class Office:
    """`world` says what the provider answers; the clock stands still unless a test moves it."""

    def __init__(
        self,
        world: World,
        *,
        now_s: int,
        batches_in: Batches | None = None,
        files_in: BatchFiles | None = None,
        most_open: int = 0,
        expand: ExpandFor | None = None,
    ) -> None:
        self.world, self.now_s = world, now_s
        self.batches, self.queue = batches_in or InMemoryBatches(), InMemoryBatchQueue()
        self.files: Any = files_in or InMemoryBatchFiles()
        self.over: list[Batch] = []
        self.keys = InMemoryApiKeys(principal().key)
        authenticate = Authenticate(self.keys, ttl_s=0, now=self.now)
        stored = (self.batches, self.files, self.queue)
        check = BodyCheck(lambda _: world.catalog, expand)
        cases = (SubmitBatch(*stored, check, most_open, now=self.now), ManageBatches(*stored, now=self.now))
        self.client = AsgiClient(Edge(batches.routes(Guard(authenticate), lambda: cases)), SECRET)
        report = world.case.report
        kept = ReportKept(report.queue, report.settle, report.log_unsettled, report.now)
        self.app = Edge(routes(BatchGuard(authenticate), replace(world.case, report=kept), keepalive_s=10))
        self.work = WorkOffBatches(
            *stored,
            BeginBatch(*stored, check, now=self.now),
            AskChunk(*stored, AskApp(self.app, kept.kept.add), now=self.now),
            on_over=self.over.append,
            now=self.now,
        )
        self.end_due = EndDueBatches(self.batches, self.queue)

    def now(self) -> float:
        return self.now_s

    async def submit(self, count: int = 1, **members: Any) -> str:
        """The id of a new batch of chats, told apart as c0, c1 …"""
        asked = [{"custom_id": f"c{number}", "body": body(f"Say {number}")} for number in range(count)]
        answer = await self.client.post(
            "/batches", {"endpoint": CHAT, "model": "acme/chat", "requests": asked, **members}
        )
        assert answer.status_code == 202, answer.text
        batch_id: str = answer.json()["id"]
        return batch_id

    async def get(self, batch_id: str) -> Mapping[str, Any]:
        answer = await self.client.get(f"/batches/{batch_id}")
        assert answer.status_code == 200, answer.text
        found: Mapping[str, Any] = answer.json()
        return found

    def find(self, batch_id: str) -> Batch:
        batch = self.batches.find(ACCOUNT, BatchId(batch_id))
        assert batch is not None
        return batch

    async def step(self, number: int = 0) -> tuple[Step, int]:
        """Do one of the steps that wait, whatever its delay; which it was."""
        step, delay_s = self.queue.sent.pop(number)
        await self.work(step, lambda: 900.0)
        return step, delay_s

    async def run(self, *, waits: bool = True) -> Sequence[int]:
        """Do all steps until none is left, or none but delayed ones; the delays that were waited out."""
        delays = []
        for _ in range(MOST_STEPS):
            due = [place for place, (_, delay_s) in enumerate(self.queue.sent) if waits or not delay_s]
            if not due:
                return delays
            _, delay_s = await self.step(due[0])
            self.now_s += delay_s
            delays += [delay_s] if delay_s else []
        raise AssertionError("the batch never ends")

    def charged(self) -> int:
        """How many generations were answered, as far as metering is told; asserts that the ledger adds up."""
        self.world.settle()
        assert self.world.ledger.get_balance(ACCOUNT).held == 0
        return sum(answered for _, answered in self.world.sent_events())


def body(content: str = "Hello", **members: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], **members}


def lines(*requests: Mapping[str, Any]) -> bytes:
    return b"".join(orjson.dumps(request) + b"\n" for request in requests)
