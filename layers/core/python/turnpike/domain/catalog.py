"""Models, the providers that serve them, and the endpoints where the two meet."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from turnpike.domain.errors import ModelNotFound
from turnpike.domain.pricing import Pricing


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Nested deadlines of one attempt, in seconds."""

    connect_s: float = 3.0
    first_token_s: float = 30.0
    gap_s: float = 60.0


CredentialKind = Literal["api-key", "aws-role", "google-service-account"]


@dataclass(frozen=True, slots=True)
class Provider:
    """A company whose API we call. `wire` names the wire format it speaks, where an endpoint names no other."""

    slug: str
    name: str
    wire: str
    base_url: str
    privacy_policy_url: str | None = None
    terms_of_service_url: str | None = None
    status_page_url: str | None = None
    headquarters: str | None = None
    credential: CredentialKind = "api-key"
    """What else than an API key opens it: AWS credentials of our own, or a service account's JSON in its place."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One model as served by one provider, at a price. Lengths are in tokens."""

    model_id: str
    provider: str
    upstream_model: str
    base_url: str
    pricing: Pricing
    context_length: int
    max_completion_tokens: int | None = None
    supported_parameters: frozenset[str] = frozenset()
    quantization: str = "unknown"
    collects_data: bool = True
    """Whether the provider may store or train on prompts; assumed until its policy is known."""
    zdr: bool = False
    timeouts: Timeouts = Timeouts()
    wire: str | None = None
    """The wire format of this endpoint, where its provider speaks several."""

    @property
    def tag(self) -> str:
        """Names the endpoint among those of its model: the provider, and the quantization where known."""
        return self.provider if self.quantization == "unknown" else f"{self.provider}/{self.quantization}"


@dataclass(frozen=True, slots=True)
class Model:
    """What customers ask for: `author/slug[:variant]`. `created` is in epoch seconds."""

    id: str
    name: str
    created: int
    description: str
    context_length: int
    input_modalities: tuple[str, ...]
    output_modalities: tuple[str, ...]
    tokenizer: str
    supported_parameters: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]


class Catalog:
    """Every model that can be asked for, with the endpoints that can be called."""

    def __init__(self, models: Iterable[Model], providers: Iterable[Provider]) -> None:
        self._models: Mapping[str, Model] = {model.id: model for model in models}
        self._providers: Mapping[str, Provider] = {provider.slug: provider for provider in providers}

    @property
    def models(self) -> Iterable[Model]:
        return self._models.values()

    @property
    def providers(self) -> Iterable[Provider]:
        return self._providers.values()

    def get_model(self, slug: str) -> Model:
        """Raises ModelNotFound."""
        model = self._models.get(slug)
        if model is None:
            raise ModelNotFound(slug)
        return model

    def get_provider(self, slug: str) -> Provider:
        return self._providers[slug]
