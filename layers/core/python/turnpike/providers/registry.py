"""Which adapter speaks to a provider: the one place where a wire format is registered."""

from collections.abc import Callable, Mapping

from turnpike.domain.catalog import Provider
from turnpike.ports import ProviderAdapter
from turnpike.providers.openai_compatible.adapter import OpenAICompatibleAdapter
from turnpike.providers.openai_compatible.quirks import quirks_of


def _openai_compatible(provider: str) -> ProviderAdapter:
    return OpenAICompatibleAdapter(provider, quirks_of(provider))


_WIRES: Mapping[str, Callable[[str], ProviderAdapter]] = {
    "openai_compatible": _openai_compatible,
}


def adapter_for(provider: Provider) -> ProviderAdapter:
    """Raises ValueError for a wire format that nobody speaks: a fault of the catalog."""
    try:
        build = _WIRES[provider.wire]
    except KeyError:
        known = ", ".join(sorted(_WIRES))
        raise ValueError(f"provider {provider.slug}: wire {provider.wire!r} is none of {known}") from None
    return build(provider.slug)
