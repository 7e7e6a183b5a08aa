"""Composes the keys function: the key in use, and the management of keys, ours and those for providers."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from turnpike.api import byok, keys
from turnpike.api.batches import routes as batches
from turnpike.api.edge import Edge
from turnpike.api.presets import routes as presets
from turnpike.bootstrap.resources import Resources, resources
from turnpike.services.manage_keys import ManageKeys
from turnpike.services.read_current_key import ReadCurrentKey

if TYPE_CHECKING:
    from turnpike.services.manage_batches import ManageBatches
    from turnpike.services.manage_byok import ManageByok
    from turnpike.services.manage_presets import ManagePresets
    from turnpike.services.submit_batch import SubmitBatch


def app() -> Edge:
    return build_app(resources())


def build_app(parts: Resources) -> Edge:
    return Edge(
        [
            *keys.routes(
                parts.guard,
                ManageKeys(parts.api_keys, parts.ledger),
                ReadCurrentKey(parts.api_keys, parts.ledger, parts.free_quota),
            ),
            *byok.routes(parts.guard, _find_manage_byok(parts)),
            *presets.routes(parts.guard, _find_manage_presets(parts)),
            *batches.routes(parts.guard, _find_batches(parts)),
        ]
    )


def _find_manage_byok(parts: Resources) -> "Callable[[], ManageByok] | None":
    """None where the deployment takes no provider keys of its customers, and then nothing of it is loaded."""
    if not (parts.settings.byok_table and parts.settings.byok_kms_key):
        return None

    @cache
    def case() -> "ManageByok":
        from turnpike.bootstrap.byok import build_manage_byok

        return build_manage_byok(parts)

    return case


def _find_manage_presets(parts: Resources) -> "Callable[[], ManagePresets] | None":
    """None where the deployment keeps no presets."""
    if not parts.settings.presets_table:
        return None

    @cache
    def case() -> "ManagePresets":
        from turnpike.bootstrap.presets import build_manage

        return build_manage(parts)

    return case


def _find_batches(parts: Resources) -> "batches.Cases | None":
    """None where the deployment has none, and then nothing of it is loaded."""
    settings = parts.settings
    if not (settings.batches_table and settings.batches_bucket and settings.batches_queue_url):
        return None

    @cache
    def cases() -> "tuple[SubmitBatch, ManageBatches]":
        from turnpike.bootstrap.batches import build_cases

        return build_cases(parts)

    return cases
