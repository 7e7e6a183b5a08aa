"""What a search looks for, and how its results are told."""

import pytest

from turnpike.domain.chat import WebSearch
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.money import NanoUsd
from turnpike.domain.web_search import (
    LONGEST_QUERY,
    LONGEST_TEXT,
    Query,
    SearchPrice,
    SearchResult,
    citations_of,
    is_wanted,
    most_tokens,
    query_of,
    tidied,
    with_results,
)

PAGE = SearchResult("https://example.com/a", "A page", "It says so.")
AT_S = 1_767_225_600.0


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("  What is\n new?  ", "What is new?"),
        ([{"type": "text", "text": "What"}, {"type": "image_url"}, {"type": "text", "text": "is it?"}], "What is it?"),
        ("x" * 5_000, "x" * LONGEST_QUERY),
    ],
)
def test_what_the_user_said_last_is_looked_for(content: object, expected: str) -> None:
    messages = [
        {"role": "user", "content": "Earlier"},
        {"role": "assistant", "content": "Yes"},
        {"role": "user", "content": content},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "content": "A result", "tool_call_id": "c"},
    ]
    assert query_of(messages, WebSearch()).text == expected


@pytest.mark.parametrize("content", ["  ", [{"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]])
def test_nothing_can_be_looked_for_without_text(content: object) -> None:
    with pytest.raises(InvalidRequest, match="no text to search"):
        query_of([{"role": "user", "content": content}], WebSearch())


def test_a_query_shows_nobody_what_is_looked_for() -> None:
    assert "secret" not in repr(Query("secret", 5, ("secret.example",)))


@pytest.mark.parametrize(
    ("pattern", "url", "expected"),
    [
        ("example.com", "https://example.com/a", True),
        ("example.com", "https://www.Example.com", True),
        ("example.com", "https://notexample.com/a", False),
        ("example.com", "https://example.com.evil.test/a", False),
        ("example.com", "https://evil.test/example.com", False),
        ("*.example.com", "https://blog.example.com/a", True),
        ("*.example.com", "https://example.com/a", False),
        ("https://example.com/", "http://example.com/a", True),
        ("example.com/blog", "https://example.com/blog/1", True),
        ("example.com/blog", "https://example.com/blog", True),
        ("example.com/blog", "https://example.com/blogs", False),
        ("example.com/*/b", "https://example.com/a/b", True),
        ("*a*a*a*a*a*a*a*a*b", "https://" + "a" * 200 + "/", False),
    ],
)
def test_domains_are_patterns(pattern: str, url: str, expected: bool) -> None:
    assert is_wanted(Query("q", 5, include_domains=(pattern,)), url) is expected
    assert is_wanted(Query("q", 5, exclude_domains=(pattern,)), url) is not expected


@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://example.com", "", "https://x.test/" + "a" * 3_000])
def test_only_addresses_of_pages_are_cited(url: str) -> None:
    assert not is_wanted(Query("q", 5), url)


def test_results_are_bounded_however_an_engine_sends_them() -> None:
    long = SearchResult("https://x.test/long", "t\n" * 400, "y" * 9_000)
    given = [PAGE, SearchResult("https://no.test/", "", ""), PAGE, long, SearchResult("https://x.test/3", "", "")]
    kept = tidied(Query("q", 2, exclude_domains=("no.test",)), given)
    assert [each.url for each in kept] == [PAGE.url, long.url]
    assert (len(kept[1].text), len(kept[1].title)) == (LONGEST_TEXT, 300)


def test_results_come_right_before_what_the_user_said_last() -> None:
    messages = [{"role": role, "content": role} for role in ("system", "user", "assistant", "user", "assistant")]
    told = with_results(messages, WebSearch(), [PAGE], AT_S)
    assert [each["role"] for each in told] == ["system", "user", "assistant", "system", "user", "assistant"]
    said = told[3]["content"]
    assert said.startswith("A web search was conducted on 2026-01-01.")
    assert said.endswith("\n\nA page\nhttps://example.com/a\nIt says so.")
    assert len(messages) == 5


def test_a_prompt_of_the_clients_own_takes_the_place_of_ours() -> None:
    (told, _) = with_results([{"role": "user", "content": "?"}], WebSearch(search_prompt="See {date}:"), [], AT_S)
    assert told["content"] == "See {date}:\n\nNothing was found."


def test_a_citation_is_where_the_answer_links_to_it() -> None:
    answer = "First [this](https://other.test), then [example.com](https://example.com/a), and https://example.com/b."
    cited, uncited = citations_of([PAGE, SearchResult("https://example.com/b", "B", "b")], answer)
    place = cited["url_citation"]
    assert answer[place["start_index"] : place["end_index"]] == "[example.com](https://example.com/a)"
    assert (place["title"], place["content"]) == ("A page", "It says so.")
    assert (uncited["url_citation"]["start_index"], uncited["url_citation"]["end_index"]) == (0, 0)


def test_more_results_cost_more_where_an_engine_says_so() -> None:
    exa = SearchPrice(NanoUsd(7), 10, NanoUsd(1))
    assert [exa.of(count) for count in (1, 10, 11, 20)] == [7, 7, 8, 17]
    assert SearchPrice(NanoUsd(5)).of(20) == 5


def test_what_is_expected_of_a_search_is_no_less_than_it_brings() -> None:
    from turnpike.domain.estimate import estimate_message

    longest = SearchResult("https://example.com/" + "a" * 50, "t" * 300, "y" * LONGEST_TEXT)
    told = with_results([{"role": "user", "content": "?"}], WebSearch(max_results=7), [longest] * 7, AT_S)
    assert estimate_message(told[0]) <= most_tokens(WebSearch(max_results=7)) * 1.1
