"""Whether a ledger is right: its entries against each other, and against everything that is counted beside them.

    trails    what stands under one id agrees with itself: hold, entries, generation
    sums      entries add up: to the balance, to what leases were captured for, keys have spent, limits count
    readings  an account read once, in bounded memory
    verdicts  what of the differences is certain, although requests go on while the account is read

Pure. What reads a ledger, and reads again what looks wrong, is `services/audit_account.py`.
"""

from turnpike.domain.audit.findings import MEANINGS, Code, Finding, Meaning
from turnpike.domain.audit.readings import LimitItem, Reading, SpendItem
from turnpike.domain.audit.trails import GenerationRecord, Terms, Trail, check_trail
from turnpike.domain.audit.verdicts import Verdict, judge, suspects

__all__ = [
    "MEANINGS",
    "Code",
    "Finding",
    "GenerationRecord",
    "LimitItem",
    "Meaning",
    "Reading",
    "SpendItem",
    "Terms",
    "Trail",
    "Verdict",
    "check_trail",
    "judge",
    "suspects",
]
