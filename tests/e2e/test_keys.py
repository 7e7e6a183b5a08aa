"""`/keys`, from creation to deletion, as the OpenRouter SDK does it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from openrouter import OpenRouter, errors

from tests.e2e.asking import chat, error_of, http_client
from tests.e2e.run import MARK, Run

UNKNOWN = "0" * 64


@pytest.fixture
def created(manager: OpenRouter) -> Iterator[Any]:
    key = manager.api_keys.create(name=f"Key {MARK}", limit=5)
    yield key
    try:
        manager.api_keys.delete(hash=key.data.hash)
    except errors.NotFoundResponseError:
        return  # The test deleted it.


def ask(run: Run, secret: str) -> httpx2.Response:
    with http_client(run.base_url, secret) as client:
        return client.post("/chat/completions", json=chat())


def test_created_key_works_at_once(run: Run, created: Any) -> None:
    assert created.key.startswith("sk-or-v1-")
    assert created.data.name == f"Key {MARK}"
    assert created.data.limit == 5
    assert created.data.limit_remaining == 5
    assert created.key not in created.data.model_dump_json()
    assert ask(run, created.key).status_code == 200


def test_get_and_list_show_it(manager: OpenRouter, created: Any) -> None:
    got = manager.api_keys.get(hash=created.data.hash).data
    listed = {key.hash: key for key in manager.api_keys.list().data}

    assert got.label == created.data.label
    assert listed[created.data.hash].name == got.name


def test_update_changes_only_what_is_sent(manager: OpenRouter, created: Any) -> None:
    updated = manager.api_keys.update(hash=created.data.hash, name="Renamed", limit_reset="monthly").data

    assert (updated.name, updated.limit, updated.limit_reset) == ("Renamed", 5, "monthly")
    assert manager.api_keys.update(hash=created.data.hash, limit=None).data.limit is None
    assert manager.api_keys.get(hash=created.data.hash).data.name == "Renamed"


def test_disabled_key_is_refused(run: Run, manager: OpenRouter, created: Any) -> None:
    manager.api_keys.update(hash=created.data.hash, disabled=True)

    assert "disabled" in error_of(ask(run, created.key), 401)["message"]
    assert created.data.hash not in [key.hash for key in manager.api_keys.list().data]
    assert created.data.hash in [key.hash for key in manager.api_keys.list(include_disabled=True).data]


def test_expired_key_is_refused(run: Run, manager: OpenRouter) -> None:
    past = datetime.now(UTC) - timedelta(seconds=5)
    created = manager.api_keys.create(name="Expired", expires_at=past)

    assert "expired" in error_of(ask(run, created.key), 401)["message"]
    manager.api_keys.delete(hash=created.data.hash)


def test_deleted_key_is_gone(run: Run, manager: OpenRouter, created: Any) -> None:
    assert manager.api_keys.delete(hash=created.data.hash).DELETED is True

    with pytest.raises(errors.NotFoundResponseError):
        manager.api_keys.get(hash=created.data.hash)
    with pytest.raises(errors.NotFoundResponseError):
        manager.api_keys.delete(hash=created.data.hash)
    error_of(ask(run, created.key), 401)


def test_unknown_key_is_404(manager: OpenRouter) -> None:
    for call in (manager.api_keys.get, manager.api_keys.delete):
        with pytest.raises(errors.NotFoundResponseError):
            call(hash=UNKNOWN)
    with pytest.raises(errors.NotFoundResponseError):
        manager.api_keys.update(hash=UNKNOWN, name="Nobody")


def test_inference_key_manages_nothing(http: httpx2.Client) -> None:
    error_of(http.get("/keys"), 403)
    error_of(http.post("/keys", json={"name": "More"}), 403)
    error_of(http.get(f"/keys/{UNKNOWN}"), 403)
    error_of(http.patch(f"/keys/{UNKNOWN}", json={"name": "Mine"}), 403)
    error_of(http.delete(f"/keys/{UNKNOWN}"), 403)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x", "limit": -1}, "limit"),
        ({"name": "x", "limit": "5"}, "limit"),
        ({"name": "x", "limit_reset": "hourly"}, "limit_reset"),
        ({"name": "x", "expires_at": "tomorrow"}, "expires_at"),
    ],
)
def test_wrong_member_is_named(management_http: httpx2.Client, body: dict[str, Any], field: str) -> None:
    assert error_of(management_http.post("/keys", json=body), 400)["message"].startswith(f"{field}: ")
