"""`openrouter/auto`, `openrouter/free`, aliases and variants: from what is asked for to the models that are tried."""

from collections import Counter
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from turnpike.domain.auto_router import classify
from turnpike.domain.catalog import Catalog, Endpoint, FixedCatalog, Model, Provider
from turnpike.domain.chat import AutoRouting, PromptPlugins, ProviderPreferences, WebSearch
from turnpike.domain.errors import ModelNotFound, NoEndpoints
from turnpike.domain.health import endpoint_key
from turnpike.domain.pricing import Pricing
from turnpike.domain.routing import Route, plan_route

from tests.scenario import endpoint, request

NEWEST = 1_780_000_000
TOOLS = {"tools": [{"type": "function", "function": {"name": "f"}}]}
IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]}]


def model(
    slug: str,
    usd_per_million: float = 1,
    *,
    age_days: int = 0,
    providers: int = 1,
    parameters: tuple[str, ...] = ("max_tokens",),
    inputs: tuple[str, ...] = ("text",),
    outputs: tuple[str, ...] = ("text",),
    context: int = 100_000,
) -> Model:
    price = Pricing(Decimal(str(usd_per_million)) / 1_000_000)
    endpoints = [
        endpoint(f"p{i}", slug, pricing=price, supported_parameters=frozenset(parameters), context_length=context)
        for i in range(providers)
    ]
    return Model(
        slug, slug, NEWEST - age_days * 86_400, "", context, inputs, outputs, "Other", parameters, tuple(endpoints)
    )


class Aliased(FixedCatalog):
    def __init__(self, *models: Model, **aliases: str) -> None:
        providers = {each.provider for model in models for each in model.endpoints}
        super().__init__(
            models, [Provider(slug, slug.title(), "openai_compatible", "http://x.test") for slug in providers]
        )
        self.aliases = {"~acme/chat-latest": "acme/chat-2", "acme/chat-old": "acme/chat-2"}

    def get_model(self, slug: str) -> Model:
        return super().get_model(self.aliases.get(slug, slug))


def plan(*models: Model, seed: int = 1, sticky: str | None = None, prompt_tokens: int = 10, **changes: Any) -> Route:
    return plan_route(
        request(**{"models": ("openrouter/auto",), **changes}),
        Aliased(*models),
        prompt_tokens=prompt_tokens,
        random=Random(seed),
        sticky=sticky,
    )


def chosen(*models: Model, **changes: Any) -> list[str]:
    """The models of the route, in order."""
    return list(dict.fromkeys(each.model_id for each in plan(*models, **changes)))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"content": "Hello, how are you?"}, "chat"),
        ({"content": "Fix this:\n```\nx = 1\n```"}, "code"),
        ({"content": "Write a Python function that sorts a list"}, "code"),
        ({"content": "What is the code of conduct here?"}, "chat"),
        ({"content": "Prove that there are infinitely many primes"}, "reasoning"),
        ({"content": r"What is \frac{1}{2} of it?"}, "reasoning"),
        ({"content": "Hi", "parameters": {"reasoning": {"effort": "high"}}}, "reasoning"),
        ({"content": "Hi", "parameters": {"reasoning": {"effort": "low"}}}, "chat"),
        ({"content": "Write a Python script", "parameters": TOOLS}, "tools"),
    ],
)
def test_the_task_is_read_off_the_request(changes: dict[str, Any], expected: str) -> None:
    assert classify(request(**changes), (), 10) == expected


def test_kinds_of_content_and_length_are_tasks_of_their_own() -> None:
    assert classify(request(), ("image",), 10) == "vision"
    assert classify(request(), ("video",), 10) == "vision"
    assert classify(request(), ("file",), 100_000) == "long_context"


def test_the_last_thing_that_the_user_said_counts() -> None:
    messages = [
        {"role": "user", "content": "Debug this Python code"},
        {"role": "assistant", "content": "```python\n```"},
        {"role": "user", "content": [{"type": "text", "text": "Thank you!"}]},
    ]
    assert classify(request(messages=messages), (), 10) == "chat"
    assert classify(request(messages=[{"role": "system", "content": "Prove it"}]), (), 10) == "chat"


def test_newer_models_and_those_that_more_providers_serve_go_first() -> None:
    settings = AutoRouting(cost_quality_tradeoff=0)
    models = [model("a/old", age_days=700), model("a/new"), model("a/served", age_days=20, providers=8)]
    assert chosen(*models, auto_router=settings) == ["a/served", "a/new", "a/old"]


def test_a_task_prefers_models_that_have_what_it_wants() -> None:
    settings = AutoRouting(cost_quality_tradeoff=0)
    models = [model("a/new"), model("a/thinking", age_days=300, parameters=("reasoning",))]
    assert chosen(*models, auto_router=settings, content="Prove this theorem")[0] == "a/thinking"
    assert chosen(*models, auto_router=settings, content="Good morning")[0] == "a/new"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (AutoRouting(), {0, 1, 2, 3}),
        (AutoRouting(cost_tier="low"), {0, 1, 2, 3}),
        (AutoRouting(cost_tier="medium"), {4, 5, 6, 7}),
        (AutoRouting(cost_tier="high"), {8, 9, 10, 11}),
        (AutoRouting(cost_tier="xhigh"), {12, 13, 14, 15}),
        (AutoRouting(cost_tier="max"), {16, 17, 18, 19}),
        (AutoRouting(cost_quality_tradeoff=10), {0, 1}),
        (AutoRouting(cost_quality_tradeoff=9), {0, 1, 2, 3}),
        (AutoRouting(cost_quality_tradeoff=0), set(range(18))),
        (AutoRouting(cost_tier="max", cost_quality_tradeoff=10), {16, 17, 18, 19}),
    ],
)
def test_cost_tiers_are_bands_of_price(settings: AutoRouting, expected: set[int]) -> None:
    # The dearest are the newest, so that the best of each band is its dearest.
    models = [model(f"a/m{i:02}", i + 1, age_days=(20 - i) * 30) for i in range(20)]
    route = chosen(*models, auto_router=settings)
    assert route == [f"a/m{i:02}" for i in sorted(expected, reverse=True)[:3]]


@pytest.mark.parametrize("tier", ["low", "medium", "high", "xhigh", "max"])
def test_a_small_catalog_has_a_model_in_every_band(tier: Any) -> None:
    assert chosen(model("a/only"), auto_router=AutoRouting(cost_tier=tier)) == ["a/only"]
    pair = [model("a/cheap", 1), model("a/dear", 9)]
    first = chosen(*pair, auto_router=AutoRouting(cost_tier=tier))[0]
    assert first == ("a/cheap" if tier in ("low", "medium") else "a/dear" if tier in ("xhigh", "max") else first)


@pytest.mark.parametrize(
    ("allowed", "excluded", "expected"),
    [
        (("acme/*",), (), {"acme/chat-5", "acme/claude-mini"}),
        (("acme/chat-5",), (), {"acme/chat-5"}),
        (("*/claude-*",), (), {"acme/claude-mini", "corp/claude-max"}),
        (("*/claude*max",), (), {"corp/claude-max"}),
        (("*",), ("*/chat*", "corp/*"), {"acme/claude-mini"}),
        ((), ("acme/*",), {"corp/claude-max", "corp/chat"}),
        (("corp/c*t", "none/*"), (), {"corp/chat"}),
        (("acme/chat",), (), None),
        (("acme/*",), ("acme/*",), None),
        (("*a*b*c*" * 100,), (), None),
    ],
)
def test_wildcards(allowed: tuple[str, ...], excluded: tuple[str, ...], expected: set[str] | None) -> None:
    models = [model(slug) for slug in ("acme/chat-5", "acme/claude-mini", "corp/claude-max", "corp/chat")]
    settings = AutoRouting(allowed_models=allowed, excluded_models=excluded, cost_quality_tradeoff=0)
    if expected is not None:
        assert set(chosen(*models, auto_router=settings)) <= expected
        assert len(chosen(*models, auto_router=settings)) == min(3, max(1, len(expected)))
        return
    with pytest.raises(NoEndpoints, match="No models match your request and model restrictions") as caught:
        plan(*models, auto_router=settings)
    assert caught.value.availability is not None
    assert caught.value.availability.code == "constraint_filtered"


def test_models_that_cannot_serve_the_request_are_not_chosen() -> None:
    blind, seeing = model("a/blind"), model("a/seeing", 9, age_days=500, inputs=("text", "image"))
    assert chosen(blind, seeing, messages=IMAGE) == ["a/seeing"]
    unable, able = model("a/unable"), model("a/able", 9, age_days=500, parameters=("tools",))
    assert chosen(unable, able, parameters=TOOLS) == ["a/able"]
    assert chosen(unable, parameters=TOOLS) == ["a/unable"]
    short, long = model("a/short", context=50_000), model("a/long", 9, age_days=500, context=200_000)
    assert chosen(short, long, prompt_tokens=150_000) == ["a/long"]
    assert chosen(model("a/x"), model("a/y", 5), provider=ProviderPreferences(max_price={"prompt": "2"})) == ["a/x"]


def test_what_it_does_not_choose() -> None:
    drawing = model("a/drawing", outputs=("image",))
    free, variant = model("a/free", 0), model("a/paid:free", 0)
    assert chosen(drawing, free, variant, model("a/paid", age_days=900)) == ["a/paid"]
    # Better free ones than none.
    assert chosen(free, variant) == ["a/free"]


def test_the_route_says_what_was_decided() -> None:
    planned = plan(model("a/b"), content="Prove it")
    assert (planned.strategy, planned.requested, planned.task) == ("auto", "openrouter/auto", "reasoning")


def test_the_same_request_gives_the_same_models() -> None:
    models = [model(f"a/m{i}", 1 + i % 5) for i in range(40)]
    assert chosen(*models, seed=1) == chosen(*reversed(models), seed=2)


def test_a_conversation_stays_with_its_model_while_that_is_a_good_choice() -> None:
    models = [model(f"a/m{i}", age_days=i) for i in range(20)]
    settings = AutoRouting(cost_quality_tradeoff=0)
    assert chosen(*models, auto_router=settings)[0] == "a/m0"
    sticky = _only(models, "a/m3")
    assert chosen(*sticky, auto_router=settings, sticky=endpoint_key(sticky[3].endpoints[0]))[0] == "a/m3"
    away = _only(models, "a/m19")
    assert chosen(*away, auto_router=settings, sticky=endpoint_key(away[19].endpoints[0]))[0] == "a/m0"


def _only(models: list[Model], slug: str, *, usd: str = "0.000001") -> list[Model]:
    """The same, with an endpoint of its own for one of them: those of the others all have one key."""
    own = endpoint("own", slug, upstream_model=slug, pricing=Pricing(Decimal(usd)))
    return [
        Model(m.id, m.name, m.created, "", m.context_length, m.input_modalities, m.output_modalities, "", (), (own,))
        if m.id == slug
        else m
        for m in models
    ]


def test_a_pinned_model_is_kept() -> None:
    models = [model(f"a/m{i}", age_days=i) for i in range(20)]
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello", "model": "a/m19"},
        {"role": "user", "content": "And now?"},
    ]
    assert chosen(*models, messages=messages, auto_router=AutoRouting(pin_model=True))[0] == "a/m19"
    assert chosen(*models, messages=messages)[0] != "a/m19"
    excluding = AutoRouting(pin_model=True, excluded_models=("a/m19",))
    assert chosen(*models, messages=messages, auto_router=excluding)[0] != "a/m19"


def test_it_may_be_one_of_several_models_and_have_variants() -> None:
    models = [model("a/one"), model("a/two")]
    assert chosen(*models, models=("a/two", "openrouter/auto")) == ["a/two", "a/one"]
    assert plan(*models, models=("openrouter/auto:floor",)).strategy == "auto"


FREE = [model(f"a/m{i}:free", 0, parameters=("tools",) if i % 2 else ("max_tokens",)) for i in range(8)]


def test_free_models_are_chosen_at_random() -> None:
    firsts = Counter(chosen(*FREE, model("a/paid"), models=("openrouter/free",), seed=seed)[0] for seed in range(400))
    assert set(firsts) == {each.id for each in FREE}
    assert min(firsts.values()) > 20
    planned = plan(*FREE, models=("openrouter/free",))
    assert planned.strategy == "free"
    assert len(planned) == 5


def test_a_conversation_stays_with_its_free_model() -> None:
    served = _only(FREE, "a/m6:free", usd="0")
    sticky = endpoint_key(served[6].endpoints[0])
    for seed in range(20):
        assert chosen(*served, models=("openrouter/free",), seed=seed, sticky=sticky)[0] == "a/m6:free"


def test_free_models_have_what_the_request_wants() -> None:
    for seed in range(20):
        route = chosen(*FREE, models=("openrouter/free",), parameters=TOOLS, seed=seed)
        assert set(route) <= {"a/m1:free", "a/m3:free", "a/m5:free", "a/m7:free"}
    with pytest.raises(NoEndpoints, match="No models match your request"):
        plan(*FREE, models=("openrouter/free",), messages=IMAGE)
    with pytest.raises(NoEndpoints, match="No models match your request"):
        plan(model("a/paid"), models=("openrouter/free",))


def test_only_what_costs_nothing_serves_for_free() -> None:
    free = endpoint("free", "a/mixed", pricing=Pricing())
    paid = endpoint("paid", "a/mixed", pricing=Pricing(Decimal("0.1")))
    mixed = Model("a/mixed", "", 0, "", 1, ("text",), ("text",), "", (), (paid, free))
    assert [each.provider for each in plan(mixed, models=("openrouter/free",))] == ["free"]


@pytest.mark.parametrize(
    ("asked", "strategy"),
    [
        (("acme/chat-2",), "direct"),
        (("acme/chat-2:nitro",), "direct"),
        (("~acme/chat-latest",), "latest"),
        (("~acme/chat-latest:floor",), "latest"),
        (("acme/chat-old",), "alias"),
        (("acme/chat-2", "acme/chat-old"), "fallback"),
        (("acme/none", "acme/chat-2"), "fallback"),
    ],
)
def test_how_a_model_was_found(asked: tuple[str, ...], strategy: str) -> None:
    planned = plan(model("acme/chat-2"), models=asked)
    assert planned.strategy == strategy
    assert [each.model_id for each in planned] == ["acme/chat-2"]


@pytest.mark.parametrize(("variant", "code"), [("free", "free_variant_ended"), ("extended", "no_endpoints")])
def test_a_model_never_stands_in_for_a_variant_that_it_has_not(variant: str, code: str) -> None:
    with pytest.raises(NoEndpoints) as caught:
        plan(model("acme/chat"), models=(f"acme/chat:{variant}:nitro",))
    found = caught.value.availability
    assert found is not None
    assert (found.code, list(found.fallback_models)) == (code, ["acme/chat"])


def test_thinking_models_are_told_of_the_parameter() -> None:
    with pytest.raises(NoEndpoints, match="the parameter `reasoning`"):
        plan(model("acme/chat"), models=("acme/chat:thinking",))


def test_a_variant_of_an_unknown_model_is_an_unknown_model() -> None:
    with pytest.raises(ModelNotFound, match="acme/none:free is not a valid model ID"):
        plan(model("acme/chat"), models=("acme/none:free",))


def test_online_asks_endpoints_that_search_by_themselves() -> None:
    able = endpoint("able", supported_parameters=frozenset({"web_search_options"}))
    unable = endpoint("unable")
    asked = request(models=("acme/chat:online",))
    both = _served(able, unable)
    planned = plan_route(asked, both, prompt_tokens=1, random=Random(1))
    assert [each.provider for each in planned] == ["able"]
    assert planned.request_for(asked, planned[0]).parameters == {"web_search_options": {}}
    with pytest.raises(NoEndpoints, match=r"leave out :online"):
        plan_route(asked, _served(unable), prompt_tokens=1, random=Random(1))
    own = request(models=("acme/chat:online",), parameters={"web_search_options": {"search_context_size": "low"}})
    assert planned.request_for(own, planned[0]) is own


def test_who_wants_a_providers_own_search_is_told_of_what_was_sent() -> None:
    asked = request(plugins=PromptPlugins(web=WebSearch(engine="native")))
    with pytest.raises(NoEndpoints, match=r"leave out the plugin web, .*; where no engine is named") as caught:
        plan_route(asked, _served(endpoint("unable")), prompt_tokens=1, random=Random(1))
    assert caught.value.availability is not None
    assert caught.value.availability.constraint is not None
    assert caught.value.availability.constraint[0] == "plugins"


def _served(*endpoints: Endpoint) -> Catalog:
    model = Model("acme/chat", "", 0, "", 1, ("text",), ("text",), "", (), endpoints)
    return FixedCatalog([model], [Provider(each.provider, each.provider, "x", "http://x.test") for each in endpoints])
