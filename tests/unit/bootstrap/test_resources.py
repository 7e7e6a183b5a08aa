"""What functions share, as the environment says."""

import pytest

from turnpike.bootstrap.resources import Resources

TABLES = {
    "TURNPIKE_LEDGER_TABLE": "ledger",
    "TURNPIKE_KEYS_TABLE": "keys",
    "TURNPIKE_USAGE_QUEUE_URL": "http://127.0.0.1:9/queue",
    "AWS_REGION": "us-east-1",
}


@pytest.mark.parametrize("name", ["generation_retention_days", "activity_retention_days"])
def test_a_retention_that_is_too_short_is_refused_by_its_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with pytest.raises(ValueError, match=f"{name} is 7; it must be 31 at least, or 0 for ever"):
        _ = Resources(TABLES | {f"TURNPIKE_{name.upper()}": "7"}).ledger
