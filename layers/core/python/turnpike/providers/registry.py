"""Which adapter speaks to a provider: the one place where a wire format is registered."""

from collections.abc import Callable, Mapping
from importlib import import_module

from turnpike.domain.catalog import Provider
from turnpike.ports import ProviderAdapter

WIRES: Mapping[str, str] = {
    "openai_compatible": "openai_compatible.adapter:build_adapter",
}
"""Where each is built, from the provider's slug; loaded when first needed, so that a start pays for no other."""


def adapter_for(provider: Provider, wire: str | None = None) -> ProviderAdapter:
    """`wire` is an endpoint's own, where it differs from its provider's.

    Raises ValueError for a wire format that nobody speaks: a fault of the catalog.
    """
    name = wire or provider.wire
    try:
        path = WIRES[name]
    except KeyError:
        known = ", ".join(sorted(WIRES))
        raise ValueError(f"provider {provider.slug}: wire {name!r} is none of {known}") from None
    module, _, function = path.partition(":")
    build: Callable[[str], ProviderAdapter] = getattr(import_module(f"turnpike.providers.{module}"), function)
    return build(provider.slug)
