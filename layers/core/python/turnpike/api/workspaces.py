"""Workspaces, of which an account has one: itself."""

from turnpike.domain.errors import InvalidRequest
from turnpike.domain.ids import AccountId


def check_workspace(workspace_id: str | None, account_id: AccountId) -> None:
    """Raises InvalidRequest for any other than the account's own, which is meant where none is named."""
    if workspace_id is not None and workspace_id != account_id:
        raise InvalidRequest("is not a workspace of this account", field="workspace_id")
