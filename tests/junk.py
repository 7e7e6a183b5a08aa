"""Bodies with something odd in one place."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "text", "content"]), inner),
    max_leaves=4,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of everything in a body."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def with_junk(body: Any, place: tuple[Any, ...], junk: Any, *, leave_out: bool) -> Any:
    """A copy with junk in that place, or without it."""
    changed = deepcopy(body)
    *path, last = place
    node = changed
    for step in path:
        node = node[step]
    if leave_out:
        del node[last]
    else:
        node[last] = junk
    return changed
