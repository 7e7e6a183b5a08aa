"""What the queue of batches holds: one step of one batch in each message, told by ids and numbers alone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from turnpike.domain.batches import BatchId, Chunk
from turnpike.domain.ids import AccountId

StepKind = Literal["begin", "ask", "end", "assemble"]
"""Validate and divide it; ask a chunk's requests; end what is left of it; put its results together."""


@dataclass(frozen=True, slots=True)
class Step:
    """Any of them may come twice, and in any order. `waits` and `tries`: how often its chunk came before."""

    kind: StepKind
    account_id: AccountId
    batch_id: BatchId
    chunk: Chunk | None = None
    waits: int = 0
    """In a row, for whatever reason; each is longer than the one before."""
    tries: int = 0
    """In a row with nothing answered, for reasons that are not waited out for ever."""


def present_step(step: Step) -> dict[str, Any]:
    return asdict(step)


def parse_step(content: Mapping[str, Any]) -> Step:
    """Raises KeyError, TypeError or ValueError for what is no step."""
    if content["kind"] not in get_args(StepKind):
        raise ValueError("a step of no known kind")
    chunk = content["chunk"]
    return Step(
        content["kind"],
        AccountId(content["account_id"]),
        BatchId(content["batch_id"]),
        None if chunk is None else Chunk(**chunk),
        int(content["waits"]),
        int(content["tries"]),
    )
