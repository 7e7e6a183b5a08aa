"""The catalog for somebody with provider keys of their own: every endpoint once for each key that may call it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Self

from turnpike.domain.api_keys import Principal
from turnpike.domain.byok import Byok, ByokKey
from turnpike.domain.catalog import Catalog, Endpoint, Model, Provider
from turnpike.domain.errors import ModelNotFound
from turnpike.domain.routing.conditions import BYOK


class ByokCatalog:
    """What one of an account's API keys can ask for. Models are worked out when they are asked for, and kept.

    Endpoints of our own stay in it where the customer's keys are to serve alone, so that a refusal can speak of them;
    `policy` keeps them out of every route.
    """

    def __init__(self, catalog: Catalog, keys: Sequence[ByokKey], principal: Principal, fee: Decimal) -> None:
        self._catalog = catalog.with_unserved()
        self._fee = fee
        self._keys = [key for key in keys if not key.disabled]
        self._usable: Mapping[str, list[ByokKey]] = _by_provider([key for key in self._keys if key.admits(principal)])
        self._claims: Mapping[str, list[ByokKey]] = _by_provider(
            # Whoever asks: a request that may not use the key is not a reason to pay for what was to cost nothing.
            [key for key in self._keys if key.is_required or key.is_byok_only]
        )
        self._models = {key.id: _models_of(key, self._catalog) for key in self._keys}
        self._known: dict[str, Model | None] = {}

    def policy(self, endpoint: Endpoint) -> str | None:
        """Keeps our own endpoints away from what the customer's keys are to serve alone."""
        if endpoint.byok is None and self._is_claimed(endpoint):
            return BYOK
        return None

    @property
    def version(self) -> str:
        return self._catalog.version

    @property
    def models(self) -> Iterable[Model]:
        return [model for model in map(self._expanded, self._catalog.models) if model is not None]

    @property
    def providers(self) -> Iterable[Provider]:
        return self._catalog.providers

    @property
    def aliases(self) -> Mapping[str, str]:
        return self._catalog.aliases

    def get_model(self, slug: str) -> Model:
        model = self._expanded(self._catalog.get_model(slug))
        if model is None:
            raise ModelNotFound(slug)
        return model

    def get_provider(self, slug: str) -> Provider:
        return self._catalog.get_provider(slug)

    def resolve(self, slug: str) -> str:
        return self._catalog.resolve(slug)

    def current(self) -> Self:
        return self

    def with_unserved(self) -> Self:
        return self

    def address_of(self, provider: str, variables: Mapping[str, str]) -> str | None:
        return self._catalog.address_of(provider, variables)

    def _expanded(self, model: Model) -> Model | None:
        """None where nothing of it can be called, neither by the customer's keys nor by ours."""
        if model.id not in self._known:
            endpoints = tuple(each for endpoint in model.endpoints for each in self._expand(endpoint))
            self._known[model.id] = replace(model, endpoints=endpoints) if endpoints else None
        return self._known[model.id]

    def _expand(self, endpoint: Endpoint) -> Iterator[Endpoint]:
        for key in self._usable.get(endpoint.provider, ()):
            if self._covers(key, endpoint.model_id):
                own = self._own(endpoint, key)
                if own is not None:
                    yield own
        if endpoint.is_shared:
            yield endpoint

    def _own(self, endpoint: Endpoint, key: ByokKey) -> Endpoint | None:
        """The endpoint as this key calls it; None where it is not known where that is."""
        variables = dict(key.place.variables)
        address: str | None = endpoint.base_url
        if variables or not endpoint.is_shared:
            address = self._catalog.address_of(endpoint.provider, variables)
        if address is None:
            return None
        return replace(
            endpoint,
            base_url=address,
            upstream_model=key.place.upstream_model or endpoint.upstream_model,
            zdr=endpoint.zdr if key.declared_zdr is None else key.declared_zdr,
            byok=Byok(key, self._fee),
        )

    def _covers(self, key: ByokKey, model_id: str) -> bool:
        models = self._models[key.id]
        return models is None or model_id in models

    def _is_claimed(self, endpoint: Endpoint) -> bool:
        return any(
            key.is_byok_only or self._covers(key, endpoint.model_id) for key in self._claims.get(endpoint.provider, ())
        )


def _by_provider(keys: Iterable[ByokKey]) -> Mapping[str, list[ByokKey]]:
    found: dict[str, list[ByokKey]] = {}
    for key in keys:
        found.setdefault(key.provider, []).append(key)
    return found


def _models_of(key: ByokKey, catalog: Catalog) -> frozenset[str] | None:
    """By the names that they have now; None for all of them."""
    allowed = None if key.allowed_models is None else {catalog.resolve(slug) for slug in key.allowed_models}
    if key.place.model is not None:
        only = {catalog.resolve(key.place.model)}
        allowed = only if allowed is None else allowed & only
    return None if allowed is None else frozenset(allowed)
