"""Variables from a secret: what it says goes first, and what it said last stays."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from turnpike.domain.errors import TemporarilyBusy
from turnpike.storage.catalog_providers import ProviderKeys
from turnpike.storage.secret_environ import SecretEnviron


@dataclass
class Secret:
    """Stands for a secret that somebody changes."""

    values: dict[str, str] = field(default_factory=dict)
    is_away: bool = False

    def __call__(self) -> Mapping[str, str]:
        if self.is_away:
            raise TemporarilyBusy("away")
        return self.values


@pytest.fixture
def failures() -> list[Exception]:
    return []


def environ_of(secret: Secret, failures: list[Exception], **variables: str) -> SecretEnviron:
    return SecretEnviron(variables, secret, failures.append)


def test_the_secret_goes_before_the_environment(failures: list[Exception]) -> None:
    environ = environ_of(Secret({"OPENAI_API_KEY": "secret"}), failures, OPENAI_API_KEY="old", HOME="/root")
    assert dict(environ) == {"OPENAI_API_KEY": "secret", "HOME": "/root"}
    assert len(environ) == 2


def test_what_is_nowhere_is_missing(failures: list[Exception]) -> None:
    assert environ_of(Secret(), failures).get("OPENAI_API_KEY") is None


def test_without_the_secret_nothing_begins(failures: list[Exception]) -> None:
    with pytest.raises(TemporarilyBusy):
        environ_of(Secret(is_away=True), failures)


def test_a_change_is_seen_when_it_is_read_again(failures: list[Exception]) -> None:
    secret = Secret({"OPENAI_API_KEY": "first"})
    environ = environ_of(secret, failures)
    keys = ProviderKeys(environ)
    secret.values = {"OPENAI_API_KEY": "second", "GROQ_API_KEY": "new"}
    assert dict(keys) == {"openai": "first"}
    assert environ.refresh() is True
    assert dict(keys) == {"openai": "second", "groq": "new"}
    assert environ.refresh() is False


def test_what_is_taken_away_is_gone(failures: list[Exception]) -> None:
    secret = Secret({"OPENAI_API_KEY": "first"})
    environ = environ_of(secret, failures)
    secret.values = {}
    assert environ.refresh() is True
    assert "OPENAI_API_KEY" not in environ


def test_values_that_the_caller_changes_afterwards_are_not_seen(failures: list[Exception]) -> None:
    secret = Secret({"OPENAI_API_KEY": "first"})
    environ = environ_of(secret, failures)
    secret.values["OPENAI_API_KEY"] = "changed"
    assert environ["OPENAI_API_KEY"] == "first"
    assert environ.refresh() is True


def test_what_cannot_be_read_again_stays_as_it_was(failures: list[Exception]) -> None:
    secret = Secret({"OPENAI_API_KEY": "first"})
    environ = environ_of(secret, failures)
    secret.is_away = True
    assert environ.refresh() is False
    assert environ["OPENAI_API_KEY"] == "first"
    assert [type(failure) for failure in failures] == [TemporarilyBusy]
