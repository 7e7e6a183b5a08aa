"""Which endpoints may serve a request, and what is said of those that may not."""

from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from turnpike.domain.availability import Availability
from turnpike.domain.catalog import Catalog, Endpoint, FixedCatalog, Model, Provider
from turnpike.domain.chat import ProviderPreferences
from turnpike.domain.errors import ModelNotFound, NoEndpoints
from turnpike.domain.images import ImageRequest
from turnpike.domain.pricing import Pricing
from turnpike.domain.routing import Route, options_for, plan_route

from tests.scenario import catalog, endpoint, request

TOOLS = {"tools": [{"type": "function", "function": {"name": "get_weather"}}]}
IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]}]
SCHEMA = {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}}


def plan(*endpoints: Endpoint, prompt_tokens: int = 10, policy: Any = None, **changes: Any) -> Route:
    return plan_route(
        request(**changes), catalog(*endpoints), prompt_tokens=prompt_tokens, random=Random(1), policy=policy
    )


def tags(*endpoints: Endpoint, **changes: Any) -> set[str]:
    return {each.tag for each in plan(*endpoints, **changes)}


def refused(*endpoints: Endpoint, **changes: Any) -> tuple[NoEndpoints, Availability]:
    with pytest.raises(NoEndpoints) as caught:
        plan(*endpoints, **changes)
    assert caught.value.availability is not None
    return caught.value, caught.value.availability


def seeing(*inputs: str, outputs: tuple[str, ...] = ("text",)) -> Catalog:
    model = Model("acme/chat", "Chat", 0, "", 1_000, inputs, outputs, "Other", (), (endpoint("alpha"),))
    return FixedCatalog([model], [Provider("alpha", "Alpha", "openai_compatible", "http://x.test")])


VERTEX = [
    endpoint("google-vertex"),
    endpoint("google-vertex", quantization="us-east5"),
    endpoint("google-vertex", quantization="flex"),
]
"""Tags are made of the quantization where there is one, so that it can stand for a region or a tier."""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("google-vertex", {"google-vertex", "google-vertex/us-east5"}),
        ("google-vertex/us-east5", {"google-vertex/us-east5"}),
        ("google-vertex/flex", {"google-vertex/flex"}),
    ],
)
def test_a_slug_means_all_endpoints_of_a_provider_but_its_tiers_and_a_tag_means_one(
    name: str, expected: set[str]
) -> None:
    assert tags(*VERTEX, provider=ProviderPreferences(only=(name,))) == expected


def test_a_provider_may_be_named_as_clients_see_it() -> None:
    model = Model("acme/chat", "Chat", 0, "", 1_000, (), (), "Other", (), (endpoint("google-ai-studio"), endpoint("x")))
    served = FixedCatalog(
        [model],
        [
            Provider("google-ai-studio", "Google AI Studio", "google", "http://x.test"),
            Provider("x", "X", "google", "http://x.test"),
        ],
    )
    preferences = ProviderPreferences(only=("google ai studio",))
    planned = plan_route(request(provider=preferences), served, prompt_tokens=1, random=Random(1))
    assert [each.provider for each in planned] == ["google-ai-studio"]


def test_a_name_that_only_begins_like_a_tag_does_not_mean_it() -> None:
    assert tags(*VERTEX, endpoint("other"), provider=ProviderPreferences(ignore=("google-vertex/us",))) == {
        "google-vertex",
        "google-vertex/us-east5",
        "other",
    }


def test_tiers_are_left_alone_unless_somebody_asks_for_them() -> None:
    assert tags(*VERTEX) == {"google-vertex", "google-vertex/us-east5"}
    assert tags(*VERTEX, parameters={"service_tier": "default"}) == {"google-vertex", "google-vertex/us-east5"}


def test_flex_is_served_by_flex_alone_as_long_as_there_is_any() -> None:
    assert tags(*VERTEX, parameters={"service_tier": "flex"}) == {"google-vertex/flex"}
    assert tags(endpoint("alpha"), parameters={"service_tier": "flex"}) == {"alpha"}


@pytest.mark.parametrize("name", ["openai/fast", "openai/priority"])
def test_the_priority_tier_has_two_names(name: str) -> None:
    endpoints = [endpoint("openai"), endpoint("openai", quantization="priority")]
    assert tags(*endpoints, provider=ProviderPreferences(only=(name,))) == {"openai/priority"}


def test_an_ignored_provider_is_not_used_by_way_of_its_tier() -> None:
    endpoints = [endpoint("openai", quantization="priority"), endpoint("azure")]
    preferences = ProviderPreferences(ignore=("openai",))
    assert tags(*endpoints, provider=preferences, parameters={"service_tier": "priority"}) == {"azure"}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("fp8", {"a/fp8", "b/mxfp8"}), ("fp4", {"c/fp4", "d/nvfp4", "e/mxfp4"}), ("mxfp8", {"b/mxfp8"})],
)
def test_quantizations_are_asked_for_by_their_group_or_one_by_one(asked: str, expected: set[str]) -> None:
    kinds = {"a": "fp8", "b": "mxfp8", "c": "fp4", "d": "nvfp4", "e": "mxfp4", "f": "bf16"}
    endpoints = [endpoint(provider, quantization=kind) for provider, kind in kinds.items()]
    assert tags(*endpoints, provider=ProviderPreferences(quantizations=(asked,))) == expected


@pytest.mark.parametrize(
    ("limits", "admitted"),
    [
        ({"prompt": "1", "completion": "2"}, True),
        ({"prompt": "0.99"}, False),
        ({"completion": "1.99"}, False),
        ({"request": "0.01"}, True),
        ({"request": "0.001"}, False),
        ({"image": "0"}, True),
        ({"prompt": "1e400"}, True),
    ],
)
def test_a_price_per_million_tokens_and_one_per_request(limits: dict[str, str], admitted: bool) -> None:
    priced = endpoint("alpha", pricing=Pricing(Decimal("0.000001"), Decimal("0.000002"), Decimal("0.01")))
    free = endpoint("free", pricing=Pricing())
    expected = {"alpha", "free"} if admitted else {"free"}
    assert tags(priced, free, provider=ProviderPreferences(max_price=limits)) == expected


@pytest.mark.parametrize(("limit", "admitted"), [("0.001", set()), ("0.003", {"read"}), ("0.05", {"read", "drawn"})])
def test_a_price_per_image_is_that_of_one_read_or_drawn(limit: str, admitted: set[str]) -> None:
    read = endpoint("read", pricing=Pricing(image=Decimal("0.002")))
    drawn = endpoint("drawn", pricing=Pricing(image=Decimal("0.002"), output_image=Decimal("0.04")))
    dear = endpoint("dear", pricing=replace(drawn.pricing, output_images=(("2K", Decimal("0.07")),)))
    free = endpoint("free", pricing=Pricing())
    preferences = ProviderPreferences(max_price={"image": limit})
    assert tags(read, drawn, dear, free, provider=preferences) == {"free", *admitted}


def test_what_it_would_cost_is_told() -> None:
    error, found = refused(endpoint("alpha"), provider=ProviderPreferences(max_price={"prompt": "0.5"}))
    assert found.constraint == (
        "provider.max_price",
        "raise it; the cheapest endpoint takes $1 and $2 per million tokens of prompt and completion",
    )
    assert "$1 and $2" in error.message


def test_which_provider_would_do_is_told_in_openrouters_words() -> None:
    error, found = refused(endpoint("openai"), provider=ProviderPreferences(only=("azure",)))
    assert error.message.startswith(
        "No allowed providers are available for the selected model. Providers serving acme/chat: openai, "
        "but your request's provider.only preference permits only: azure."
    )
    assert found.constraint == ("provider.only", "add one of openai")


def test_required_parameters_and_which_to_leave_out() -> None:
    preferences = ProviderPreferences(require_parameters=True)
    plain = endpoint("alpha", supported_parameters=frozenset({"max_tokens", "seed"}))
    error, found = refused(plain, parameters={**TOOLS, "seed": 1}, provider=preferences)
    assert 'No endpoints found that support tool use. Try disabling "get_weather"' in error.message
    assert found.constraint == (
        "provider.require_parameters",
        "leave out tools, or do without require_parameters",
    )


@pytest.mark.parametrize(
    "parameters",
    [
        {"prompt_cache_key": "k"},
        {"service_tier": "auto"},
        {"response_format": {"type": "text"}},
        {"reasoning": {"exclude": True}},
        {"reasoning": {"effort": "none"}},
        {"tool_choice": "none"},
        {"logprobs": False},
        {"modalities": ["text"]},
    ],
)
def test_what_asks_nothing_of_an_endpoint_is_not_required(parameters: dict[str, Any]) -> None:
    preferences = ProviderPreferences(require_parameters=True)
    assert tags(endpoint("alpha"), parameters=parameters, provider=preferences) == {"alpha"}


@pytest.mark.parametrize("parameters", [{"reasoning": {"effort": "low"}}, {"reasoning": {"enabled": True}}, SCHEMA])
def test_what_asks_something_is_required(parameters: dict[str, Any]) -> None:
    refused(endpoint("alpha"), parameters=parameters, provider=ProviderPreferences(require_parameters=True))


def test_an_endpoint_that_lists_no_parameters_is_sent_all_of_them() -> None:
    unlisted = endpoint("alpha", supported_parameters=frozenset())
    assert tags(unlisted, parameters=TOOLS, provider=ProviderPreferences(require_parameters=True)) == {"alpha"}


@pytest.mark.parametrize(
    ("parameters", "listed"),
    [
        (TOOLS, "tools"),
        ({"verbosity": "low"}, "verbosity"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        (SCHEMA, "structured_outputs"),
    ],
)
def test_some_parameters_are_preferred_and_never_leave_a_model_without_endpoints(
    parameters: dict[str, Any], listed: str
) -> None:
    able = endpoint("able", supported_parameters=frozenset({listed}))
    unable = endpoint("unable", supported_parameters=frozenset({"seed"}))
    planned = plan(able, unable, parameters=parameters)
    assert [each.provider for each in planned] == ["able"]
    assert [(each.endpoint.provider, each.reason) for each in planned.excluded] == [("unable", listed)]
    assert tags(unable, parameters=parameters) == {"unable"}


def test_preferring_is_done_within_each_model() -> None:
    able = endpoint("able", "acme/a", supported_parameters=frozenset({"tools"}))
    unable = endpoint("unable", "acme/b", supported_parameters=frozenset({"seed"}))
    planned = plan(able, unable, models=("acme/b", "acme/a"), parameters=TOOLS)
    assert [each.provider for each in planned] == ["unable", "able"]


def test_a_model_that_cannot_see_is_not_shown_images() -> None:
    planned = plan_route(request(messages=IMAGE), seeing("text", "image"), prompt_tokens=1, random=Random(1))
    assert len(planned) == 1
    with pytest.raises(NoEndpoints, match="No endpoints found that support image input") as caught:
        plan_route(request(messages=IMAGE), seeing("text"), prompt_tokens=1, random=Random(1))
    assert caught.value.availability is not None
    assert caught.value.availability.excluded_by == ["input_modalities"]
    assert caught.value.availability.constraint is not None
    assert caught.value.availability.constraint[0] == "messages"


def test_where_images_are_sent_otherwise_that_is_told() -> None:
    asked = ImageRequest(models=("acme/chat",), prompt="a", references=[{"type": "image_url"}])
    with pytest.raises(NoEndpoints, match="No endpoints found that support image input") as caught:
        plan_route(asked, seeing("text", outputs=("image",)), prompt_tokens=1, random=Random(1))
    assert caught.value.availability is not None
    assert caught.value.availability.constraint is not None
    assert caught.value.availability.constraint[0] == "input_references"


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"type": "file", "file": {}}, "file"),
        ({"type": "input_audio", "input_audio": {}}, "audio"),
        ({"type": "video_url", "video_url": {}}, "video"),
        ({"type": "input_video", "video_url": {}}, "video"),
    ],
)
def test_every_kind_of_part_wants_its_modality(part: dict[str, Any], kind: str) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, part]}]
    planned = plan_route(request(messages=messages), seeing("text", kind), prompt_tokens=1, random=Random(1))
    assert len(planned) == 1
    with pytest.raises(NoEndpoints, match=f"support {kind} input"):
        plan_route(request(messages=messages), seeing("text", "image"), prompt_tokens=1, random=Random(1))


def test_a_model_that_does_not_draw_is_not_asked_for_images() -> None:
    asked = request(parameters={"modalities": ["image", "text"]})
    drawing = seeing("text", outputs=("text", "image"))
    assert len(plan_route(asked, drawing, prompt_tokens=1, random=Random(1))) == 1
    with pytest.raises(NoEndpoints, match="requested output modalities: image, text"):
        plan_route(asked, seeing("text"), prompt_tokens=1, random=Random(1))


def test_only_what_is_known_to_be_distillable_is_distilled() -> None:
    preferences = ProviderPreferences(enforce_distillable_text=True)
    models = [
        Model(slug, slug, 0, "", 1_000, ("text",), ("text",), "Other", (), (endpoint(model=slug),), distillable=said)
        for slug, said in (("acme/yes", True), ("acme/no", False), ("acme/unsaid", None))
    ]
    offered = FixedCatalog(models, [Provider("one", "One", "openai_compatible", "http://x.test")])

    def models_for(*slugs: str) -> list[str]:
        asked = request(models=slugs, provider=preferences)
        return [each.model_id for each in plan_route(asked, offered, prompt_tokens=1, random=Random(1))]

    assert models_for("acme/no", "acme/unsaid", "acme/yes") == ["acme/yes"]
    with pytest.raises(NoEndpoints, match="nobody has said that acme/unsaid may be distilled") as caught:
        models_for("acme/unsaid")
    assert caught.value.availability is not None
    assert caught.value.availability.excluded_by == ["distillable"]
    assert caught.value.availability.constraint is not None
    assert caught.value.availability.constraint[0] == "provider.enforce_distillable_text"


def test_a_small_context_is_no_reason_where_prompts_are_shortened() -> None:
    small, large = endpoint("small", context_length=8_000), endpoint("large", context_length=100_000)
    # A prompt of 12,000 tokens at the least.
    assert tags(small, large, prompt_tokens=24_000) == {"large"}
    assert tags(small, prompt_tokens=24_000) == {"small"}
    refused(small, prompt_tokens=24_000, context_compression=False)
    medium = endpoint("medium", context_length=9_000)
    refused(medium, prompt_tokens=24_000)
    assert tags(medium, prompt_tokens=24_000, context_compression=True) == {"medium"}
    assert tags(small, medium, prompt_tokens=80_000, context_compression=True) == {"medium"}


def test_an_accounts_rules_exclude_before_anything_else() -> None:
    def policy(endpoint: Endpoint) -> str | None:
        return "data_region" if endpoint.provider == "abroad" else None

    assert {each.provider for each in plan(endpoint("home"), endpoint("abroad"), policy=policy)} == {"home"}
    error, found = refused(endpoint("abroad"), policy=policy)
    assert found.code == "region_restricted"
    assert (error.status, error.error_type) == (403, "permission_denied")


def test_each_candidate_has_its_own_reason() -> None:
    endpoints = [
        endpoint("dear", pricing=Pricing(Decimal(1), Decimal(1))),
        endpoint("curious", pricing=Pricing()),
        endpoint("short", pricing=Pricing(), collects_data=False, max_completion_tokens=5),
    ]
    preferences = ProviderPreferences(data_collection="deny", max_price={"prompt": "1"})
    _, found = refused(*endpoints, provider=preferences, max_tokens=50)
    assert {each.endpoint: each.excluded_by for each in found.candidates} == {
        "dear": "data_policy:training",
        "curious": "data_policy:training",
        "short": "context_length",
    }
    assert {each.endpoint: each.field for each in found.candidates}["short"] == "max_tokens"
    assert found.code == "constraint_filtered"
    assert found.excluded_by == ["context_length", "data_policy:training"]
    # Most endpoints are excluded for the sake of privacy, so that is what the message is about.
    assert found.constraint is not None
    assert found.constraint[0] == "provider.data_collection"


def test_names_that_a_client_made_up_are_cut_short() -> None:
    error, _ = refused(
        endpoint("alpha"), provider=ProviderPreferences(only=tuple("x" * 200 + str(i) for i in range(99)))
    )
    assert len(error.message) < 1_500


def test_a_route_tells_what_it_considered() -> None:
    planned = plan(endpoint("alpha"), endpoint("beta"), provider=ProviderPreferences(ignore=("beta",)))
    assert planned.strategy == "direct"
    assert planned.requested == "acme/chat"
    assert [each.provider for each in planned.considered] == ["alpha", "beta"]
    assert planned[0].provider == planned[:1][0].provider == "alpha"
    assert planned.endpoints[0] in planned


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"alpha": {"a": 1}, "beta": {"b": 2}}, {"a": 1}),
        ({"alpha inc.": {"a": 1}}, {"a": 1}),
        ({"beta": {"b": 2}}, {}),
        ({"alpha": {"model": "dearer", "service_tier": "priority", "maxTokens": 9, "top_k": 1}}, {"top_k": 1}),
    ],
)
def test_options_are_those_of_the_provider_and_never_change_the_price(
    asked: dict[str, dict[str, Any]], expected: dict[str, Any]
) -> None:
    provider = Provider("alpha", "Alpha Inc.", "openai_compatible", "http://x.test")
    assert options_for(ProviderPreferences(options=asked), provider) == expected


def test_an_unknown_model_moves_on_to_the_next() -> None:
    planned = plan(endpoint("alpha"), models=("acme/none", "acme/chat"))
    assert [each.provider for each in planned] == ["alpha"]
    assert planned.unknown == ("acme/none",)
    with pytest.raises(ModelNotFound, match="acme/none"):
        plan(endpoint("alpha"), models=("acme/none", "acme/nothing"))
