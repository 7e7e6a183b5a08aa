"""What plugins are made of, as the environment says."""

import pytest

from infra.catalog import built_catalog
from turnpike.bootstrap.opt_in import OptInPlugins, parse_search_prices
from turnpike.bootstrap.resources import Resources
from turnpike.domain.chat import ChatRequest, FileParsing, PromptPlugins, WebSearch
from turnpike.domain.errors import InvalidRequest
from turnpike.providers.search.engine import ENGINES

pytestmark = pytest.mark.anyio
TABLES = {
    "TURNPIKE_LEDGER_TABLE": "ledger",
    "TURNPIKE_KEYS_TABLE": "keys",
    "TURNPIKE_USAGE_QUEUE_URL": "http://127.0.0.1:9/queue",
    "TURNPIKE_CATALOG_ARTEFACT": str(built_catalog()),
}


def plugins(**environ: str) -> OptInPlugins:
    return OptInPlugins(Resources({**TABLES, **environ}))


def asked(**members: object) -> ChatRequest:
    return ChatRequest(("a/b",), [{"role": "user", "content": "?"}], {}, plugins=PromptPlugins(**members))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "native"),
        ({"EXA_API_KEY": "  "}, "native"),
        ({"BRAVE_API_KEY": "k"}, "brave"),
        ({"BRAVE_API_KEY": "k", "TAVILY_API_KEY": "k"}, "tavily"),
        ({"BRAVE_API_KEY": "k", "EXA_API_KEY": "k"}, "exa"),
        ({"BRAVE_API_KEY": "k", "EXA_API_KEY": "k", "TURNPIKE_WEB_SEARCH_ENGINE": "brave"}, "brave"),
        ({"EXA_API_KEY": "k", "TURNPIKE_WEB_SEARCH_ENGINE": "brave"}, "exa"),
    ],
)
async def test_the_engine_is_the_chosen_one_or_the_first_with_a_key(environ: dict[str, str], expected: str) -> None:
    made = plugins(**environ)
    web = made(asked(web=WebSearch())).request.plugins.web
    assert web is not None
    assert (web.engine, web.native_first) == (expected, expected != "native")
    await made.aclose()


@pytest.mark.parametrize(
    ("environ", "moderates"),
    [({}, False), ({"OPENAI_API_KEY": "k"}, True), ({"MODERATION_API_KEY": "k"}, True), ({"EXA_API_KEY": "k"}, False)],
)
async def test_who_moderates(environ: dict[str, str], moderates: bool) -> None:
    made = plugins(**environ)
    if moderates:
        assert made(asked(moderation=True)).request.plugins.moderation
    else:
        with pytest.raises(InvalidRequest, match="OPENAI_API_KEY or MODERATION_API_KEY"):
            made(asked(moderation=True))
    await made.aclose()


async def test_files_are_read_with_no_more_than_half_of_a_functions_memory() -> None:
    from turnpike.bootstrap.plugins import reading_memory_bytes

    mb = 1024 * 1024
    found = {
        size: reading_memory_bytes({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": size}) // mb for size in ("128", "512", "4096")
    }
    assert found == {"128": 128, "512": 256, "4096": 512}
    assert reading_memory_bytes({}) == 512 * mb


async def test_what_is_not_asked_for_is_left_as_it_is() -> None:
    made = plugins(EXA_API_KEY="k")
    resolved = made(asked(file_parsing=FileParsing())).request.plugins
    assert resolved.web is not None
    assert resolved.web.by_slug, "only slugs that end in :online search"
    assert not resolved.file_parsing.replaces_files
    await made.aclose()
    # Never begun, there is nothing to close.
    await plugins().aclose()


def test_prices_are_those_of_the_engines_unless_the_operator_says_otherwise() -> None:
    usual = parse_search_prices("")
    assert set(usual) == set(ENGINES)
    changed = parse_search_prices("exa=0.005  brave=0")
    assert {name: str(price) for name, price in changed.items()} == {"exa": "0.005", "tavily": "0.008", "brave": "0"}


@pytest.mark.parametrize(
    "text", ["exa", "exa=", "exa=cheap", "exa=-1", "exa=NaN", "exa=11", "exa=0.0000000001", "bing=0.01", "exa:0.1"]
)
def test_what_is_no_price_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="TURNPIKE_WEB_SEARCH_PRICES has"):
        plugins(TURNPIKE_WEB_SEARCH_PRICES=text)


@pytest.mark.parametrize("text", ["", "cheap", "-1", "NaN", "11", "0.0000000001"])
def test_what_is_no_price_of_a_page_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="TURNPIKE_OCR_PAGE_USD is"):
        plugins(TURNPIKE_OCR_PAGE_USD=text)


async def test_scanned_pages_need_a_key_of_mistrals() -> None:
    made = plugins(MISTRAL_API_KEY="k")
    assert made(asked(file_parsing=FileParsing("ocr"))).request.plugins.file_parsing.engine == "ocr"
    await made.aclose()
    bare = plugins()
    with pytest.raises(InvalidRequest, match="MISTRAL_API_KEY"):
        bare(asked(file_parsing=FileParsing("ocr")))
    await bare.aclose()


def test_an_engine_that_there_is_not_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="TURNPIKE_WEB_SEARCH_ENGINE is bing; it may be exa, tavily, brave or empty"):
        plugins(TURNPIKE_WEB_SEARCH_ENGINE="bing")
