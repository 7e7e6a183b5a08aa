"""What a batch's input may hold, and how it is divided."""

from typing import Any

import orjson
import pytest

from turnpike.api.batches.bodies import BodyCheck
from turnpike.domain import batches
from turnpike.domain.batches import Batch
from turnpike.domain.catalog import FixedCatalog, Model
from turnpike.domain.errors import InvalidRequest
from turnpike.services.batch_lines import LineCheck, complete_body, divide_lines, parse_lines, plan_chunks

from tests.batch_office import body, lines
from tests.contracts.batches import new_batch
from tests.scenario import endpoint as served

GOOD = {"custom_id": "one", "body": body()}
CHAT, MESSAGES, EMBEDDINGS = "/v1/chat/completions", "/v1/messages", "/v1/embeddings"


def model(slug: str, gives: str) -> Model:
    return Model(slug, slug, 1, "", 1_000, ("text",), (gives,), "Other", (), (served(model=slug),))


CATALOG = FixedCatalog(
    [model("acme/chat", "text"), model("acme/other:free", "text"), model("acme/embed", "embeddings")],
    [],
    {"~acme/latest": "acme/chat"},
)
check_body = BodyCheck(lambda _: CATALOG, None)


def check_of(batch: Batch | None = None) -> LineCheck:
    return LineCheck(batch or new_batch(), check_body)


def plan(data: bytes, check: LineCheck | None = None, *, piece: int = 5) -> list[batches.Chunk]:
    pieces = [data[start : start + piece] for start in range(0, len(data), piece)]
    return plan_chunks(divide_lines(pieces), check or check_of())


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "it is not valid JSON"),
        ("[1]", "it must be a JSON object"),
        ({"body": body()}, "custom_id: Field required"),
        ({"custom_id": "two"}, "body: Field required"),
        ({**GOOD, "custom_id": 7}, "custom_id: it must be a text"),
        ({**GOOD, "custom_id": ""}, "custom_id: it must be a text"),
        ({**GOOD, "custom_id": "x" * 257}, "custom_id: it must be a text"),
        (GOOD, "custom_id: a request before has the same"),
        ({**GOOD, "custom_id": "two", "body": [1]}, "body: it must be a JSON object"),
        ({**GOOD, "custom_id": "two", "method": "GET"}, "method: it must be POST"),
        ({**GOOD, "custom_id": "two", "url": "/v1/messages"}, "url: it must be the batch's endpoint"),
        ({"custom_id": "two", "body": body(stream=True)}, "body.stream: results of a batch are not streamed"),
        ({"custom_id": "two", "body": body(model="acme/other")}, "body.model: all requests of a batch ask one model"),
        ({"custom_id": "two", "body": body(model=7)}, "body.model: name a model"),
        ({"custom_id": "two", "body": {"messages": []}}, "body.messages: "),
        ({"custom_id": "two", "body": body(temperature="hot")}, "body.temperature: "),
    ],
)
def test_what_is_wrong_with_a_line_is_said_with_its_number(line: Any, says: str) -> None:
    data = lines(GOOD) + b"\n" + (line.encode() if isinstance(line, str) else orjson.dumps(line))
    with pytest.raises(InvalidRequest) as refused:
        plan(data)
    # The second line is empty, and counts all the same.
    assert refused.value.message.startswith(f"line 3: {says}")


def test_no_error_quotes_what_was_said() -> None:
    with pytest.raises(InvalidRequest) as refused:
        plan(lines({"custom_id": "secret-id", "body": body("secret", temperature="secret")}))
    assert "secret" not in refused.value.message


@pytest.mark.parametrize("data", [b"", b"\n\n"])
def test_there_has_to_be_a_request(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match="no requests"):
        plan(data)


def test_chunks_are_the_lines_again() -> None:
    asked = [{"custom_id": f"c{number}", "body": body("x" * number)} for number in range(25)]
    data = b"\n".join([b"", *lines(*asked).splitlines(), b"  ", b""]) + b"\n"
    check = check_of()
    chunks = plan(data, check)
    assert check.count == 25
    assert [chunk.count for chunk in chunks] == [10, 10, 5]
    assert [chunk.number for chunk in chunks] == [0, 1, 2]
    found = [
        request
        for chunk in chunks
        for request in parse_lines(data[chunk.offset : chunk.offset + chunk.length], chunk.first)
    ]
    assert [(each.number, each.custom_id) for each in found] == [(n, f"c{n}") for n in range(25)]
    assert [each.body for each in found] == [each["body"] for each in asked]


def test_a_chunk_fits_into_memory() -> None:
    large = "x" * (batches.CHUNK_BYTES // 2)
    asked = [{"custom_id": f"c{number}", "body": body(large if number < 3 else "small")} for number in range(6)]
    chunks = plan(lines(*asked), piece=1024 * 1024)
    assert [chunk.count for chunk in chunks] == [1, 1, 4]
    assert sum(chunk.length for chunk in chunks) == len(lines(*asked))


def test_a_line_is_no_longer_than_a_request_may_be() -> None:
    pieces = [b"x" * 1024 * 1024] * 7
    with pytest.raises(InvalidRequest, match="longer than 6 MB"):
        list(divide_lines(pieces))


def test_the_model_is_learnt_where_the_batch_names_none() -> None:
    check = check_of(new_batch(model=""))
    with pytest.raises(InvalidRequest, match="name a model"):
        check.request("one", body())
    check.request("two", body(model="acme/chat"))
    check.request("three", body())
    assert check.model == "acme/chat"


def test_more_requests_than_a_batch_may_have() -> None:
    check = LineCheck(new_batch(), lambda endpoint, content: None)
    for number in range(batches.MOST_REQUESTS):
        check.request(str(number), {})
    with pytest.raises(InvalidRequest, match="at most 50,000 requests"):
        check.request("more", {})


def test_what_the_batch_says_holds_where_a_request_says_nothing() -> None:
    batch = new_batch(provider={"only": ["one"], "allow_fallbacks": False})
    assert complete_body(batch, {"messages": []}) == {
        "model": "acme/chat",
        "messages": [],
        "provider": {"only": ["one"], "allow_fallbacks": False},
    }
    own = complete_body(batch, {"provider": {"only": ["two"], "sort": "price"}})
    assert own["provider"] == {"only": ["two"], "allow_fallbacks": False, "sort": "price"}


@pytest.mark.parametrize(
    ("endpoint", "model", "content"),
    [
        (MESSAGES, "acme/chat", {"max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}),
        ("/v1/responses", "acme/chat", {"input": "Hello"}),
        (EMBEDDINGS, "acme/embed", {"input": "Hello"}),
    ],
)
def test_each_skin_checks_its_own(endpoint: str, model: str, content: dict[str, Any]) -> None:
    check = check_of(new_batch(endpoint=endpoint, model=model))
    check.request("one", content)
    with pytest.raises(InvalidRequest, match=r"body\.user: "):
        check.request("two", {**content, "user": 7})


def test_every_endpoint_of_batches_can_be_checked() -> None:
    for endpoint in batches.ENDPOINTS:
        with pytest.raises(InvalidRequest):
            check_body(new_batch(endpoint=endpoint), {})


@pytest.mark.parametrize(
    ("endpoint", "model", "says"),
    [
        (CHAT, "acme/chta", "acme/chta is not a valid model ID"),
        (CHAT, "acme/chat:fre", "acme/chat:fre is not a valid model ID"),
        (CHAT, "acme/chat:free", "No endpoints found for acme/chat:free: acme/chat has no free variant (any more)"),
        (CHAT, "acme/embed", "acme/embed gives embeddings and not text; GET /models?output_modalities=text lists"),
        (MESSAGES, "acme/embed", "acme/embed gives embeddings and not text"),
        (EMBEDDINGS, "acme/chat", "acme/chat gives text and not embeddings"),
        (EMBEDDINGS, "openrouter/auto", "openrouter/auto chooses among models for chats alone"),
        (CHAT, "@preset/mine", "This deployment keeps no presets"),
    ],
)
def test_a_model_that_cannot_answer_is_said_with_its_line(endpoint: str, model: str, says: str) -> None:
    given = {"input": "Hello"} if endpoint == EMBEDDINGS else body(max_tokens=9)
    with pytest.raises(InvalidRequest) as refused:
        plan(
            lines({"custom_id": "one", "body": {"model": model, **given}}),
            check_of(new_batch(endpoint=endpoint, model="")),
        )
    assert refused.value.message.startswith(f"line 1: body.model: {says}")


@pytest.mark.parametrize(
    "model",
    ["acme/chat", "acme/chat:nitro", "acme/chat:online", "acme/other:free", "~acme/latest", "openrouter/auto"],
)
def test_whatever_a_single_request_may_name_a_batch_may(model: str) -> None:
    check = check_of(new_batch(model=model))
    check.request("one", body())
    check.request("two", body(models=["acme/gone"]))


def test_one_of_several_models_is_enough() -> None:
    check = check_of(new_batch(model="acme/gone"))
    check.request("one", body(models=["acme/chat"]))
    with pytest.raises(InvalidRequest, match=r"body\.model: acme/gone is not a valid model ID"):
        check.request("two", body(models=["acme/missing"]))
