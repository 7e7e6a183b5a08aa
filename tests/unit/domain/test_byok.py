"""What is known of customers' own provider keys, and what never shows."""

from dataclasses import replace
from decimal import Decimal

import pytest

from turnpike.domain.byok import Byok, Credential, OwnKeyRefused, mask
from turnpike.domain.errors import UpstreamError

from tests.fake_byok import own_key
from tests.scenario import endpoint, principal

SECRET = "sk-proj-0123456789abcdef"


@pytest.mark.parametrize(
    ("secret", "shown"),
    [(SECRET, "sk-...cdef"), ("0123456789abcdef", "012...cdef"), ("0123456789abcde", "..."), ("", "...")],
)
def test_a_mask_shows_the_ends_of_what_is_long_enough(secret: str, shown: str) -> None:
    assert mask(secret) == shown


def test_a_credential_is_read_back_from_what_is_sealed() -> None:
    made = Credential("aws-keys", SECRET, "AKIA")
    read = Credential.parse(made.serialize())

    assert (read.form, read.secret, read.public) == ("aws-keys", SECRET, "AKIA")


@pytest.mark.parametrize("text", ["", "{", "[]", '"sk-secret"', '{"secret": "sk-secret"}', '{"x": "sk-secret"}'])
def test_what_is_no_credential_is_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="no credential") as caught:
        Credential.parse(text)
    assert "sk-secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_no_secret_shows_in_what_is_printed() -> None:
    key = own_key()
    opened = replace(endpoint(), byok=Byok(key, Decimal(0), Credential("api-key", SECRET, SECRET)))

    assert SECRET not in f"{opened!r} {opened}"
    assert "sealed" not in repr(key)


def test_a_key_admits_whom_its_lists_name() -> None:
    who = principal()
    hash_, account = who.key.hash, who.account_id

    assert own_key().admits(who)
    assert own_key(allowed_api_key_hashes=("b" * 64, hash_)).admits(who)
    assert not own_key(allowed_api_key_hashes=("b" * 64,)).admits(who)
    assert own_key(allowed_user_ids=(account,)).admits(who)
    assert not own_key(allowed_user_ids=("user_1",)).admits(who)
    # All of them have to.
    assert not own_key(allowed_api_key_hashes=(hash_,), allowed_user_ids=("user_1",)).admits(who)


def test_the_context_binds_a_secret_to_its_key_and_to_where_it_is_sent() -> None:
    key = own_key()
    others = [
        own_key(key_id="other"),
        own_key("two"),
        replace(key, account_id="acct-other"),  # type: ignore[arg-type]
        replace(key, place=replace(key.place, variables=(("base_url", "https://evil.example"),))),
        replace(key, place=replace(key.place, upstream_model="other")),
    ]

    assert key.context not in [other.context for other in others]
    assert replace(key, name="Renamed", disabled=True, revision=1).context == key.context


def test_a_refusal_is_neither_ours_nor_about_credit() -> None:
    error = OwnKeyRefused("no", provider_name="One", failed=[("one", 401), ("two", 402)])

    assert error.status == 403
    assert error.error_type == "permission_denied"
    assert error.metadata == {
        "provider_name": "One",
        "is_byok": True,
        "previous_errors": [{"provider": "one", "code": 401}],
    }


@pytest.mark.parametrize(
    ("status", "retryable", "told", "expected"),
    [(401, True, False, True), (403, False, False, False), (400, True, True, True), (500, True, False, False)],
)
def test_what_counts_as_a_refusal(status: int, retryable: bool, told: bool, expected: bool) -> None:
    error = UpstreamError(
        "one", "no", upstream_status=status, error_type="provider_unavailable", retryable=retryable, is_refusal=told
    )
    assert error.is_refusal is expected
