"""The table of paths that infra reads agrees with what the functions serve."""

from infra.routes import BASE_PATHS, ROUTES
from turnpike.api import edge


def test_infra_and_the_edge_agree_on_the_base_paths() -> None:
    assert BASE_PATHS == edge.PREFIXES


def test_every_function_with_paths_has_an_entry() -> None:
    assert set(ROUTES) == {"completions", "catalog", "keys", "billing"}
