"""What every implementation of a port must do, run against the fakes and against the real ones."""

import pytest

# Only test modules explain their assertions by themselves.
pytest.register_assert_rewrite("tests.contracts.api_keys", "tests.contracts.ledger", "tests.contracts.ledger_machine")
