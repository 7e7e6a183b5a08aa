"""Audit the whole ledger, account by account, in as many steps as it takes."""

from collections.abc import Callable
from dataclasses import dataclass, field

from turnpike.domain.audit import Finding
from turnpike.domain.ids import AccountId
from turnpike.ports.upkeep import AuditReads
from turnpike.services.audit_account import AccountAudit, AuditAccount

_LISTED = 500
"""Of all accounts together; the others are only counted."""


@dataclass(slots=True)
class LedgerAudit:
    """How far an audit has come, and what it found."""

    after: AccountId | None = None
    current: AccountAudit | None = None
    accounts: int = 0
    entries: int = 0
    findings: list[Finding] = field(default_factory=list)
    more: int = 0
    """Findings beyond those that are listed."""
    unclear: dict[AccountId, int] = field(default_factory=dict)
    """Accounts that were too busy to be told right or wrong, by how much they may be off, in nano-USD."""

    @property
    def found(self) -> int:
        return len(self.findings) + self.more


@dataclass(frozen=True, slots=True)
class AuditLedger:
    reads: AuditReads
    audit_account: AuditAccount
    on_account: Callable[[LedgerAudit], None] = lambda _: None
    """Told after each account."""

    def advance(self, audit: LedgerAudit, time_left: Callable[[], bool] = lambda: True) -> bool:
        """Whether it is done; otherwise time was up. Raises TemporarilyBusy, after which it can be advanced again."""
        while True:
            if audit.current is None:
                account_id = self.reads.next_account(audit.after)
                if account_id is None:
                    return True
                audit.current = self.audit_account.begin(account_id)
            if not self.audit_account.advance(audit.current, time_left):
                return False
            self._take_down(audit, audit.current)
            if not time_left():
                return False

    def _take_down(self, audit: LedgerAudit, account: AccountAudit) -> None:
        audit.after, audit.current = account.account_id, None
        audit.accounts += 1
        audit.entries += account.entries
        room = _LISTED - len(audit.findings)
        audit.findings += account.findings[:room]
        audit.more += account.more + len(account.findings[room:])
        if not account.is_clear and len(audit.unclear) < _LISTED:
            audit.unclear[account.account_id] = account.uncertain
        self.on_account(audit)
