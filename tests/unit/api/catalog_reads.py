"""The catalog's reads over a small catalog, a key, and a report of health that tests may change."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from turnpike.api import catalog
from turnpike.api.auth import Guard
from turnpike.api.edge import Edge
from turnpike.domain.api_keys import ApiKey, hash_secret, label_of
from turnpike.domain.catalog import Catalog, Endpoint, FixedCatalog, Model, Provider
from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.health import EndpointReport, HealthReport, endpoint_key
from turnpike.domain.ids import AccountId, KeyHash
from turnpike.domain.pricing import Pricing
from turnpike.services.authenticate import Authenticate

from tests.asgi import AsgiClient
from tests.fakes import InMemoryApiKeys

NOW = 1_795_500_000
DAY_S = 86_400
SECRET = "sk-or-v1-" + "a" * 64

DEAR = Pricing(Decimal("0.000003"), Decimal("0.000015"), input_cache_read=Decimal("3E-7"))
CHEAP = Pricing(Decimal("1.5E-7"), Decimal("6E-7"))
FREE = Pricing()

PROVIDERS = (
    Provider("one", "Provider One", "openai_compatible", "https://one.test/v1", "https://one.test/privacy"),
    Provider("two", "Provider Two", "openai_compatible", "https://two.test/v1"),
)


def model(slug: str, endpoints: dict[str, Pricing], *, size: int = 1000, age_days: int = 0, **changes: Any) -> Model:
    """`endpoints` are prices by provider; `size` is the context length."""
    parameters = ("max_tokens", "temperature", *changes.pop("parameters", ()))
    of_endpoints = changes.pop("of_endpoints", {})
    served = (
        Endpoint(slug, provider, slug, "https://x.test", price, size, 4096, frozenset(parameters))
        for provider, price in endpoints.items()
    )
    plain = Model(
        id=slug,
        name=f"Acme: {slug}",
        created=NOW - age_days * DAY_S,
        description="A model",
        context_length=size,
        input_modalities=("text",),
        output_modalities=("text",),
        tokenizer="Other",
        supported_parameters=parameters,
        endpoints=tuple(replace(endpoint, **of_endpoints) for endpoint in served),
    )
    return replace(plain, **changes)


LARGE = model(
    "acme/large",
    {"one": DEAR, "two": CHEAP},
    size=2000,
    age_days=20,
    parameters=("tools", "tool_choice"),
    name="Acme: Large 4.7",
    input_modalities=("text", "image"),
    tokenizer="Llama4",
)
MODELS = (
    LARGE,
    model("acme/small", {"two": CHEAP}, age_days=30, of_endpoints={"zdr": True}),
    model("acme/small:free", {"one": FREE}, size=1500, age_days=25, of_endpoints={"region": "us-east-1"}),
    model(
        "other/small",
        {"one": DEAR},
        size=3000,
        age_days=10,
        parameters=("reasoning",),
        tokenizer="Llama3",
        distillable=True,
    ),
)
CATALOG = FixedCatalog(MODELS, PROVIDERS, {"acme/big": "acme/large"})
ALIASED = FixedCatalog(
    MODELS,
    PROVIDERS,
    {"~acme/large-latest": "acme/large", "~acme/gone-latest": "acme/gone", "acme/big": "acme/large"},
)
"""With families, of one of which nobody serves the latest model."""


class Keys(InMemoryApiKeys):
    busy = False

    def find(self, key_hash: KeyHash, *, fresh: bool = False) -> ApiKey | None:
        if self.busy:
            raise TemporarilyBusy("The keys are busy")
        return super().find(key_hash, fresh=fresh)


class Reads:
    """The app at a clock that stands still; `anybody` has no key."""

    def __init__(self, catalog_: Catalog = CATALOG, *, public_url: str = "") -> None:
        self.reports: dict[str, EndpointReport] = {}
        self.taken_at_s = float(NOW)
        self.asked = 0
        key = ApiKey(
            hash_secret(SECRET), AccountId("acct"), "Key", label_of(SECRET), "inference", created_at_s=NOW - 10
        )
        self.keys = Keys(key)
        guard = Guard(Authenticate(self.keys, ttl_s=60, now=self.now))
        app = Edge(catalog.routes(catalog_, guard=guard, reports=self.report, public_url=public_url, now=self.now))
        self.anybody = AsgiClient(app)
        self.client = AsgiClient(app, SECRET)

    def now(self) -> float:
        return NOW

    def tell(self, endpoint: Endpoint, report: EndpointReport) -> None:
        self.reports[endpoint_key(endpoint)] = report

    def report(self) -> HealthReport:
        self.asked += 1
        return HealthReport(self.taken_at_s, dict(self.reports))

    async def ids(self, query: str) -> list[str]:
        response = await self.anybody.get(f"/models{query}")
        assert response.status_code == 200, response.text
        return [each["id"] for each in response.json()["data"]]
