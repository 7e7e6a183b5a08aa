"""Random histories of a ledger, each of which an audit must find right."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from turnpike.domain.api_keys import ApiKey
from turnpike.domain.audit import Finding
from turnpike.domain.ids import AccountId, KeyHash
from turnpike.ports import AuditReads
from turnpike.services.audit_account import AccountAudit, AuditAccount

from tests.contracts.ledger import nano
from tests.contracts.ledger_machine import RESETS, LedgerMachine

DECADE_S = 10 * 365 * 86_400


class AuditedHistory(LedgerMachine):
    def reads(self) -> AuditReads:
        raise NotImplementedError

    @rule(account=st.integers(0, 1), limited=st.sampled_from(["total", "weekly"]), include_byok=st.booleans())
    def limit_a_key_anew(self, account: int, limited: str, include_byok: bool) -> None:
        """The key without a limit gets one, and what it has spent counts."""
        key = ApiKey(
            KeyHash("unlimited"),
            self.accounts[account],
            "",
            "",
            limit=nano(500),
            limit_reset=RESETS[limited],
            include_byok_in_limit=include_byok,
        )
        self.ask(lambda it: it.count_earlier_spending(key.account_id, key, self.now_s))

    def check(self) -> None:
        audit_account = AuditAccount(self.reads(), grace_s=DECADE_S, now=lambda: self.now_s, pause=lambda _: None)
        for account_id in self.accounts:
            audit = finished(audit_account, account_id)
            assert set(audit.findings) == self.unrecorded(account_id)
            assert (audit.is_clear, audit.more) == (True, 0)

    def unrecorded(self, account_id: AccountId) -> set[Finding]:
        """What a history captures without a record, which no request does."""
        return {
            Finding("entry_without_generation", account_id, hold_id, answer.charged, 0)
            for (owner, hold_id), answer in self.resolutions.items()
            if owner == account_id and answer.state == "captured" and (owner, hold_id) not in self.records
        }


def finished(audit_account: AuditAccount, account_id: AccountId) -> AccountAudit:
    audit = audit_account.begin(account_id)
    assert audit_account.advance(audit, lambda: True)
    return audit
