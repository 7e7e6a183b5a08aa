"""Models, the providers that serve them, and the endpoints where the two meet."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Self

from turnpike.domain.errors import ModelNotFound
from turnpike.domain.native import Dialect, dialect_of
from turnpike.domain.pricing import Pricing, multiplied

if TYPE_CHECKING:
    from turnpike.domain.byok import Byok


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Nested deadlines of one attempt, in seconds."""

    connect_s: float = 3.0
    first_token_s: float = 30.0
    gap_s: float = 60.0
    whole_s: float = 600.0
    """Of an answer in one piece, which shows nothing until it is finished: neither of the two before fits it."""


CredentialKind = Literal["api-key", "aws-role", "google-service-account"]


@dataclass(frozen=True, slots=True)
class DataPolicy:
    """What a provider says of the prompts that its API gets by default, and where; None where nobody knows."""

    training: bool | None = None
    retention_days: int | None = None
    source: str | None = None


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
    tool_wire: str | None = None
    """The wire format in which its own tools can be asked for, such as a search of the web, where that is another."""
    policy: DataPolicy = DataPolicy()


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
    tool_wire: str | None = None
    """The one in which the provider's own tools are asked for; None where there are none."""
    variant: str | None = None
    """Which of a provider's several ways to serve the model it is, such as `turbo`."""
    service_tier: str | None = None
    """The tier in which it is asked to serve, such as `flex`, where that is not the ordinary one."""
    tiers: tuple[tuple[str, Pricing], ...] = ()
    """Prices by service tier, `default` among them: a provider may serve in another one than it was asked to."""
    region: str | None = None
    """Where the provider answers from, as far as the model's name says it."""
    input_modalities: tuple[str, ...] | None = None
    """None where it takes all that its model takes."""
    is_shared: bool = True
    """Whether a credential of our own opens it, for everybody; any other is nothing without a customer's key."""
    byok: "Byok | None" = None
    """The customer's own key that it is called with in place of ours."""

    @property
    def dialect(self) -> Dialect | None:
        """The API whose own tools and items it knows."""
        return dialect_of(self.tool_wire)

    @property
    def tag(self) -> str:
        """Names the endpoint among those of its model: the provider, and what sets it apart from its others."""
        quantization = None if self.quantization == "unknown" else self.quantization
        return "/".join(filter(None, (self.provider, self.variant, quantization, self.service_tier)))

    def pricing_in(self, service_tier: str | None) -> Pricing:
        """What an answer costs that came in this tier, by the provider's own word for it."""
        return next((pricing for tier, pricing in self.tiers if tier == service_tier), self.pricing)

    def charged(self, pricing: Pricing) -> Pricing:
        """What our credit pays of a price of this endpoint's: all of it, or the fee for a call with another's key."""
        return pricing if self.byok is None else multiplied(pricing, self.byok.fee)


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
    knowledge_cutoff: str | None = None
    """YYYY-MM-DD."""
    distillable: bool | None = None
    """Whether others may be trained on what it writes; None where nobody said."""


class Catalog(Protocol):
    """Every model that can be asked for, with the endpoints that can be called."""

    @property
    def version(self) -> str:
        """Another one whenever anything in it is another."""

    @property
    def models(self) -> Iterable[Model]: ...

    @property
    def providers(self) -> Iterable[Provider]: ...

    @property
    def aliases(self) -> Mapping[str, str]:
        """The slug that each alias stands for, of which nobody may serve the model: `~author/family-latest`, and names
        that models had before."""

    def get_model(self, slug: str) -> Model:
        """By its own slug, or by another name that it has. Raises ModelNotFound."""

    def get_provider(self, slug: str) -> Provider:
        """Raises KeyError."""

    def resolve(self, slug: str) -> str:
        """The slug that an alias stands for, or that a model has been renamed to; any other as it is."""

    def current(self) -> "Catalog":
        """The catalog as it stands now, for one that changes while it is served: what a request is to go by."""

    def with_unserved(self) -> "Catalog":
        """The same with every provider and endpoint that is known, also those that no credential of ours opens.

        Where a customer of theirs calls them is for `address_of` to say.
        """

    def address_of(self, provider: str, variables: Mapping[str, str]) -> str | None:
        """Where a provider is called with a customer's key that brings these parts of the address, or `base_url` for
        the whole of it; None while a part is missing.
        """


class FixedCatalog:
    """One that is there whole, and stays as it is."""

    def __init__(
        self,
        models: Iterable[Model],
        providers: Iterable[Provider],
        aliases: Mapping[str, str] | None = None,
        *,
        version: str = "",
    ) -> None:
        self._models: Mapping[str, Model] = {model.id: model for model in models}
        self._providers: Mapping[str, Provider] = {provider.slug: provider for provider in providers}
        self.aliases: Mapping[str, str] = aliases or {}
        self.version = version

    @property
    def models(self) -> Iterable[Model]:
        return self._models.values()

    @property
    def providers(self) -> Iterable[Provider]:
        return self._providers.values()

    def get_model(self, slug: str) -> Model:
        model = self._models.get(self.resolve(slug))
        if model is None:
            raise ModelNotFound(slug)
        return model

    def get_provider(self, slug: str) -> Provider:
        return self._providers[slug]

    def resolve(self, slug: str) -> str:
        return self.aliases.get(slug, slug)

    def current(self) -> Self:
        return self

    def with_unserved(self) -> Self:
        return self

    def address_of(self, provider: str, variables: Mapping[str, str]) -> str | None:
        return variables.get("base_url") or self._providers[provider].base_url
