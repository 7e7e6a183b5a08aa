"""Composes what presets need, loaded with the first request that names or manages one."""

from typing import TYPE_CHECKING

from turnpike.bootstrap.resources import Resources
from turnpike.storage.presets import DynamoPresets

if TYPE_CHECKING:
    from turnpike.api.presets.expand import ExpandPreset
    from turnpike.services.manage_presets import ManagePresets


def build_expand(parts: Resources) -> "ExpandPreset":
    from turnpike.api.presets.expand import ExpandPreset
    from turnpike.services.find_preset import FindPreset

    return ExpandPreset(FindPreset(build_presets(parts), ttl_s=parts.settings.principal_ttl_s))


def build_manage(parts: Resources) -> "ManagePresets":
    from turnpike.services.manage_presets import ManagePresets

    return ManagePresets(build_presets(parts))


def build_presets(parts: Resources) -> DynamoPresets:
    return DynamoPresets(parts.dynamodb, parts.settings.presets_table)
