"""Random histories of a ledger, each of which an audit must find right."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from turnpike.domain.api_keys import ApiKey
from turnpike.domain.audit import Finding
from turnpike.domain.ids import AccountId, GenerationId, KeyHash
from turnpike.domain.money import NanoUsd
from turnpike.ports.upkeep import AuditReads
from turnpike.services.audit_account import AccountAudit, AuditAccount

from tests.contracts.ledger import nano
from tests.contracts.ledger_machine import RESETS, LedgerMachine, costs, hold_ids

DECADE_S = 10 * 365 * 86_400


class AuditedHistory(LedgerMachine):
    def reads(self) -> AuditReads:
        raise NotImplementedError

    @rule(
        account=st.integers(0, 1),
        hold_id=hold_ids,
        cost=costs,
        byok_amount=st.sampled_from([None, nano(60)]),
        limited=st.sampled_from(["total", "weekly"]),
    )
    def limit_a_key_anew(
        self, account: int, hold_id: GenerationId, cost: NanoUsd, byok_amount: NanoUsd | None, limited: str
    ) -> None:
        """The key without a limit spends, and gets one; and what it has spent counts."""
        self.top_up(account, nano(1000), "for this")
        self.hold(account, hold_id, "unlimited", cost, 60, byok_amount, nano(0))
        hold = self.seen.get((self.accounts[account], hold_id))
        if hold is not None and (hold.account_id, hold_id) not in self.resolutions:
            record = self.record_of(hold, cost)
            answer = self.ask(lambda it: it.capture(hold.account_id, hold_id, cost, self.now_s, record))
            self.note(hold, answer, cost, record)
        key = ApiKey(
            KeyHash("unlimited"),
            self.accounts[account],
            "",
            "",
            limit=nano(500),
            limit_reset=RESETS[limited],
            include_byok_in_limit=byok_amount is not None,
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
