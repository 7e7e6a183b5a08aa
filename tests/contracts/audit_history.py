"""Random histories with everything that a ledger can do, leases and corrections included, and an audit after each."""

from typing import get_args

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from turnpike.domain.api_keys import ApiKey
from turnpike.domain.audit import Finding
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId, GenerationId, KeyHash, LeaseId
from turnpike.domain.ledger import Correction, Hold, KeyLimit
from turnpike.domain.money import NanoUsd
from turnpike.domain.periods import window_of
from turnpike.ports import AuditReads
from turnpike.services.audit_account import AccountAudit, AuditAccount

from tests.contracts.ledger import generation, nano
from tests.contracts.ledger_machine import LIMITS, RESETS, LedgerMachine, costs, key_names, steps

DECADE_S = 10 * 365 * 86_400
lease_ids = st.sampled_from([LeaseId(f"lease-{number}") for number in range(4)])
parts = st.sampled_from([GenerationId(f"gen-part-{number}") for number in range(6)])


class AuditedHistory(LedgerMachine):
    """Its laws are the audit's alone: what the others count knows nothing of leases."""

    def reads(self) -> AuditReads:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.leases: dict[tuple[AccountId, LeaseId], Hold] = {}

    @rule(account=st.integers(0, 1), lease_id=lease_ids, key=key_names, amount=costs, seconds=st.integers(1, 3000))
    def lease(self, account: int, lease_id: LeaseId, key: str, amount: NanoUsd, seconds: int) -> None:
        limit = LIMITS[key]
        key_limit = None if limit is None else KeyLimit(limit, window_of(RESETS[key], self.now_s))
        account_id, ends_s = self.accounts[account], self.now_s + seconds
        hold = Hold(lease_id, account_id, KeyHash(key), amount, self.now_s, ends_s, key_limit)
        if self.ask(lambda it: it.hold(hold)) is None:
            self.leases.setdefault((account_id, lease_id), hold)

    @rule(data=st.data(), part=parts, cost=costs)
    @precondition(lambda self: self.leases)
    def capture_part(self, data: st.DataObject, part: GenerationId, cost: NanoUsd) -> None:
        lease = self.any_lease(data)
        record: Generation = generation(lease, id=part, lease_id=lease.hold_id, cost=cost)
        self.ask(lambda it: it.capture_part(record, LeaseId(lease.hold_id), cost, self.now_s))

    @rule(data=st.data(), by=steps)
    @precondition(lambda self: self.leases)
    def extend_a_lease(self, data: st.DataObject, by: NanoUsd) -> None:
        lease = self.any_lease(data)
        answer = self.ask(lambda it: it.extend(lease, by, self.now_s))
        if isinstance(answer, Hold):
            self.leases[answer.account_id, LeaseId(answer.hold_id)] = answer

    @rule(data=st.data(), give_back=costs)
    @precondition(lambda self: self.leases)
    def close_a_lease(self, data: st.DataObject, give_back: NanoUsd) -> None:
        lease = self.any_lease(data)
        self.ask(lambda it: it.close(lease, give_back, self.now_s))

    @rule(data=st.data())
    @precondition(lambda self: self.leases)
    def expire_a_lease(self, data: st.DataObject) -> None:
        lease = self.any_lease(data)
        self.ask(lambda it: it.expire(lease.account_id, lease.hold_id, self.now_s))

    @rule(
        account=st.integers(0, 1),
        kind=st.sampled_from(get_args(Correction)),
        amount=st.sampled_from([-500, -100, 100]).map(nano),
        reference=st.sampled_from("xy"),
    )
    def correct(self, account: int, kind: Correction, amount: NanoUsd, reference: str) -> None:
        """Only a payment may be taken back that was spent already."""
        account_id, may_overdraw = self.accounts[account], kind == "refund"
        self.ask(
            lambda it: it.adjust(
                account_id, kind, amount, reference=reference, now_s=self.now_s, may_overdraw=may_overdraw
            )
        )

    @rule(account=st.integers(0, 1), limited=st.sampled_from(["total", "weekly"]))
    def limit_a_key_anew(self, account: int, limited: str) -> None:
        """The key without a limit gets one, and what it has spent counts."""
        account_id = self.accounts[account]
        key = ApiKey(KeyHash("unlimited"), account_id, "", "", limit=nano(500), limit_reset=RESETS[limited])
        self.ask(lambda it: it.count_earlier_spending(account_id, key, self.now_s))

    def any_lease(self, data: st.DataObject) -> Hold:
        return data.draw(st.sampled_from(list(self.leases.values())))

    def note(self, hold: Hold, answer: object, cost: NanoUsd, record: Generation | None) -> None:
        """What is owed after a payment was taken back is less than nothing, which the laws without it rule out."""
        at = (hold.account_id, hold.hold_id)
        if not hasattr(answer, "charged") or at in self.resolutions:
            return
        self.resolutions[at] = answer
        if record is not None:
            self.records[at] = record

    def check(self) -> None:
        audit_account = AuditAccount(self.reads(), grace_s=DECADE_S, now=lambda: self.now_s, pause=lambda _: None)
        for account_id in self.accounts:
            audit = finished(audit_account, account_id)
            unrecorded = {
                Finding("entry_without_generation", account_id, hold_id, answer.charged, 0)
                for (owner, hold_id), answer in self.resolutions.items()
                if owner == account_id and answer.state == "captured" and (owner, hold_id) not in self.records
            }
            assert set(audit.findings) == unrecorded
            assert (audit.is_clear, audit.more) == (True, 0)


def finished(audit_account: AuditAccount, account_id: AccountId) -> AccountAudit:
    audit = audit_account.begin(account_id)
    assert audit_account.advance(audit, lambda: True)
    return audit
