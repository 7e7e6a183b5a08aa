"""Composes the keys function: the key in use, and the management of keys."""

from turnpike.api import keys
from turnpike.api.edge import Edge
from turnpike.bootstrap.resources import Resources, resources
from turnpike.services.manage_keys import ManageKeys
from turnpike.services.read_current_key import ReadCurrentKey


def app() -> Edge:
    return build_app(resources())


def build_app(parts: Resources) -> Edge:
    return Edge(
        keys.routes(
            parts.guard,
            ManageKeys(parts.api_keys, parts.ledger),
            ReadCurrentKey(parts.api_keys, parts.ledger, parts.free_quota),
        )
    )
