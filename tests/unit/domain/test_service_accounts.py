"""Google's service accounts, as their JSON says them."""

import base64
import json

import pytest

from turnpike.domain.service_accounts import ServiceAccount, parse_service_account

CONTENT = {
    "type": "service_account",
    "project_id": "our-project",
    "private_key_id": "key-1",
    "private_key": "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n",
    "client_email": "router@our-project.iam.gserviceaccount.com",
    "token_uri": "https://oauth2.googleapis.com/token",
    "universe_domain": "googleapis.com",
}
TEXT = json.dumps(CONTENT, indent=2)
PACKED = base64.b64encode(TEXT.encode()).decode()


@pytest.mark.parametrize("text", [TEXT, f"\n{TEXT}\n", PACKED, f"{PACKED[:76]}\n{PACKED[76:]}\n"])
def test_the_json_is_read_as_it_is_and_in_base64(text: str) -> None:
    assert parse_service_account(text) == ServiceAccount(
        email="router@our-project.iam.gserviceaccount.com",
        private_key=CONTENT["private_key"],
        private_key_id="key-1",
        project_id="our-project",
        token_url="https://oauth2.googleapis.com/token",
    )


def test_only_the_account_and_its_key_are_needed() -> None:
    needed = {name: CONTENT[name] for name in ("type", "client_email", "private_key")}
    account = parse_service_account(json.dumps(needed))
    assert account is not None
    assert (account.token_url, account.project_id) == ("https://oauth2.googleapis.com/token", None)
    assert "secret" not in repr(account)


@pytest.mark.parametrize(
    "credential", ["", "AIzaSyExampleExampleExample", "ya29.a0AfExample", "QUJD", "Zm9v\nYmFy", "[1]"]
)
def test_another_credential_is_none(credential: str) -> None:
    assert parse_service_account(credential) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "authorized_user"}, "its type is not service_account"),
        ({"client_email": ""}, "without client_email"),
        ({"private_key": None}, "without private_key"),
        ({"private_key": 5}, "without private_key"),
        ({"token_uri": "http://oauth2.googleapis.com/token"}, "token_uri is not an https address below googleapis.com"),
        ({"token_uri": "https://evil.test/token"}, "token_uri is not"),
        ({"token_uri": "https://evilgoogleapis.com/token"}, "token_uri is not"),
        ({"token_uri": "https://oauth2.googleapis.com@evil.test/token"}, "token_uri is not"),
        ({"token_uri": "https://evil.test?.googleapis.com/token"}, "token_uri is not"),
        ({"token_uri": "https://evil.test#.googleapis.com/token"}, "token_uri is not"),
        ({"token_uri": "https://evil.test\\.googleapis.com/token"}, "token_uri is not"),
        ({"token_uri": "https://oauth2.googleapis.com:444/token"}, "token_uri is not"),
        ({"token_uri": 7}, "token_uri is not"),
        ({"project_id": 7}, "project_id is not a text"),
    ],
)
def test_mistakes_are_named_without_quoting_anything(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_service_account(json.dumps(CONTENT | change))
    assert "secret" not in str(caught.value)
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize("text", ['{"type": "service_account", "private_key": "secret', "{}", "{not json}"])
def test_what_only_begins_like_it(text: str) -> None:
    with pytest.raises(ValueError, match="JSON") as caught:
        parse_service_account(text)
    assert (caught.value.__cause__, "secret" in str(caught.value)) == (None, False)
