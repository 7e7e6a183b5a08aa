"""What the simulator's wire formats do besides chats: each checks its request strictly, and answers by rules that a
test can follow.
"""

from collections.abc import Callable, Mapping

from tests.simulator.http import Reply, Request
from tests.simulator.operations.openai_embeddings import embed_as_openai
from tests.simulator.wires.wire import Target

Perform = Callable[[Request, Target, str], Reply]
"""Given the key that the request must bear. Raises Trouble, and LookupError, TypeError or AttributeError where a member
is not of its type."""

OPERATIONS: Mapping[tuple[str, str], Perform] = {
    ("openai_compatible", "embeddings"): embed_as_openai,
}
"""By wire and operation."""
