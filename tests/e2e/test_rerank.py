"""`POST /rerank` of every wire format that has it, with the OpenRouter SDK and by hand."""

from typing import Any

import httpx2
import pytest
from openrouter import OpenRouter

from tests.e2e.asking import error_of, generation, nano
from tests.e2e.run import MARK
from tests.e2e.simulated import RANKING, UNIT_NANO_USD, Simulated, name_of

EVERY = pytest.mark.parametrize("name", RANKING)
QUERY = f"where do cats sleep {MARK}"
DOCUMENTS = ["Dogs run", f"cats sleep anywhere {MARK}", f"where do they go {MARK}"]


def rank(sim: Simulated, name: str, **members: Any) -> httpx2.Response:
    return sim.http.post("/rerank", json={"model": f"sim/rerank-{name}", "query": QUERY, **members})


@EVERY
def test_documents_come_back_in_order_with_their_price(sim: Simulated, name: str) -> None:
    answer = rank(sim, name, documents=[{"text": DOCUMENTS[0]}, *DOCUMENTS[1:]], user="ann")
    content = answer.json()
    assert [each["index"] for each in content["results"]] == [1, 2, 0]
    scores = [each["relevance_score"] for each in content["results"]]
    assert scores == sorted(scores, reverse=True)
    assert [each["document"]["text"] for each in content["results"]] == [DOCUMENTS[1], DOCUMENTS[2], DOCUMENTS[0]]
    assert (content["model"], content["provider"]) == (f"sim/rerank-{name}", name_of(RANKING[name][0]))
    usage = content["usage"]
    assert (usage["search_units"], nano(usage["cost"])) == (1, UNIT_NANO_USD)
    record = generation(sim.http, content["id"])
    assert (record["api_type"], record["external_user"]) == ("rerank", "ann")
    assert nano(record["total_cost"]) == UNIT_NANO_USD


@EVERY
def test_only_the_best_are_told(sim: Simulated, name: str) -> None:
    content = rank(sim, name, documents=DOCUMENTS, top_n=1).json()
    assert [each["index"] for each in content["results"]] == [1]


@EVERY
def test_a_hundred_documents_are_one_search_and_more_are_more(sim: Simulated, name: str) -> None:
    content = rank(sim, name, documents=DOCUMENTS * 67, top_n=3).json()
    assert (content["usage"]["search_units"], nano(content["usage"]["cost"])) == (3, 3 * UNIT_NANO_USD)
    assert len(content["results"]) == 3


def test_the_openrouter_sdk(sim: Simulated) -> None:
    url, key = str(sim.http.base_url).rstrip("/"), sim.http.headers["authorization"].removeprefix("Bearer ")
    with OpenRouter(server_url=url, api_key=key) as openrouter:
        answer: Any = openrouter.rerank.rerank(model="sim/rerank-cohere", query=QUERY, documents=DOCUMENTS, top_n=2)
    assert [each.index for each in answer.results] == [1, 2]
    assert answer.usage.search_units == 1


@EVERY
def test_a_failure_costs_nothing(sim: Simulated, name: str) -> None:
    wire, model = RANKING[name]
    sim.plan(wire, {"trouble": "overloaded"}, model=model)
    answer = rank(sim, name, documents=DOCUMENTS)
    assert error_of(answer, 503)["metadata"]["provider_name"] == name_of(wire)
    assert generation(sim.http, answer.headers["x-generation-id"])["total_cost"] == 0


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({}, "documents: Field required"),
        ({"documents": []}, "documents: List should have at least 1 item"),
        ({"documents": ["a"] * 1001}, "documents: List should have at most 1000 items"),
        ({"documents": ["a", ""]}, "documents.1: String should have at least 1 character"),
        ({"documents": [{}]}, "documents.0: give a text or an image"),
        ({"documents": ["a"], "top_n": 0}, "top_n: Input should be greater than or equal to 1"),
        ({"documents": ["a"], "query": ""}, "query: String should have at least 1 character"),
        ({"documents": [{"image": "https://example.com/a.png"}]}, "documents.0.image: this model's provider takes"),
    ],
)
def test_what_cannot_be_ranked_is_said(sim: Simulated, members: dict[str, Any], says: str) -> None:
    assert says in error_of(rank(sim, "cohere", **members), 400)["message"]


def test_models_that_do_something_else_say_which_rank(sim: Simulated) -> None:
    body = {"model": "sim/embed-cohere", "query": QUERY, "documents": DOCUMENTS}
    error = error_of(sim.http.post("/rerank", json=body), 404)
    assert "GET /models?output_modalities=rerank" in error["message"]
