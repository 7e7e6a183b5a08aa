"""What an audit can find wrong, and what each of it means to whoever has to put it right."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from turnpike.domain.ids import AccountId

Code = Literal[
    "balance_differs",
    "held_differs",
    "overdrawn",
    "hold_without_entry",
    "entry_without_hold",
    "hold_unresolved",
    "hold_amount_differs",
    "hold_overdue",
    "lease_captured_differs",
    "charged_twice",
    "generation_without_entry",
    "entry_without_generation",
    "generation_cost_differs",
    "key_spend_differs",
    "limit_differs",
    "entry_malformed",
    "unreadable",
]
"""Stable: alarms, tickets and scripts name them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. Amounts are in nano-USD."""

    code: Code
    account_id: AccountId
    subject: str
    """A hold's, an entry's or a generation's id; a part of the balance; a key's hash with a day or a window."""
    says: int
    """What stands there."""
    should: int
    """What would follow from the entries, or from the other item of the two that disagree."""


@dataclass(frozen=True, slots=True)
class Meaning:
    wrong: str
    act: str


_ADJUST = "Find out what wrote it; then correct the account with an adjustment entry, never by editing items."
_COUNTER = "Nobody was charged wrongly. Set the counter to what the entries say, after finding out what wrote it."

MEANINGS: Mapping[Code, Meaning] = {
    "balance_differs": Meaning("The balance is not the sum of the account's entries.", _ADJUST),
    "held_differs": Meaning("The balance holds more or less than the pending holds have left.", _ADJUST),
    "overdrawn": Meaning(
        "The account owes more than what was taken back from it.",
        "Disable its keys, and look for charges above their holds.",
    ),
    "hold_without_entry": Meaning(
        "A hold was resolved, or a lease closed, and no entry says so.",
        "Its credit moved without a trace, or not at all: compare with the balance, then adjust.",
    ),
    "entry_without_hold": Meaning(
        "An entry refers to a hold that is not there, or that did not end in this way.",
        "Look whether the hold's item was deleted or restored from a backup.",
    ),
    "hold_unresolved": Meaning(
        "An entry resolves a hold that is still pending.",
        "When it expires, its credit would be returned once more: look at it before that.",
    ),
    "hold_amount_differs": Meaning("A hold's amount does not follow from its entries.", _ADJUST),
    "hold_overdue": Meaning(
        "A hold is pending long after its time; its credit cannot be spent.",
        "Look whether upkeep runs; it returns what is due within minutes.",
    ),
    "lease_captured_differs": Meaning(
        "A lease was captured from for more or less than its generations were charged.", _ADJUST
    ),
    "charged_twice": Meaning(
        "One generation was resolved more than once.",
        "Refund what it was charged too much, and find out how it came to two holds.",
    ),
    "generation_without_entry": Meaning(
        "A generation has a cost, and no entry charges it.",
        "The answer was given for nothing; look at what recorded it.",
    ),
    "entry_without_generation": Meaning(
        "A generation was charged, and its record is not there.",
        "The customer cannot see what they paid for: look whether the item was deleted before its time.",
    ),
    "generation_cost_differs": Meaning(
        "A generation's record has another cost than its entries charge.",
        "The customer sees a cost that is not the one they paid.",
    ),
    "key_spend_differs": Meaning("What a key is said to have spent on a day is not what it was charged.", _COUNTER),
    "limit_differs": Meaning("What counts against a key's limit is not its spending and its open holds.", _COUNTER),
    "entry_malformed": Meaning(
        "An entry moves credit in a way that its kind does not, or has another kind's id.", _ADJUST
    ),
    "unreadable": Meaning(
        "An item of the ledger cannot be read.",
        "It is in no sum; restore it from a backup, or from the export.",
    ),
}
