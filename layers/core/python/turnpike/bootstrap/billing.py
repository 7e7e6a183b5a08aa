"""Composes the billing function: credit, what buys it, what generations cost, and what they sum up to."""

from turnpike.api import analytics, billing, corrections, payments
from turnpike.api.edge import Edge
from turnpike.bootstrap.payments import Payments
from turnpike.bootstrap.resources import Resources, resources
from turnpike.services.correct_credit import AdjustCredit, RefundGeneration
from turnpike.services.grant_credit import GrantCredit
from turnpike.services.query_analytics import QueryAnalytics
from turnpike.services.read_activity import ReadActivity
from turnpike.services.read_credits import ReadCredits
from turnpike.services.read_generation import ReadGeneration
from turnpike.storage.notes import DynamoEntryNotes


def app() -> Edge:
    return build_app(resources())


def build_app(parts: Resources) -> Edge:
    buying = Payments(parts)
    notes = DynamoEntryNotes(parts.home_dynamodb, parts.settings.ledger_table)
    return Edge(
        [
            *billing.routes(
                parts.guard,
                ReadCredits(parts.ledger),
                ReadGeneration(parts.generations, parts.ledger),
                GrantCredit(parts.ledger),
            ),
            *payments.routes(parts.guard, buying.start_checkout(), buying.receive_event(), buying.manage_auto_top_up()),
            *corrections.routes(
                parts.guard,
                RefundGeneration(parts.generations, parts.ledger),
                AdjustCredit(parts.ledger, notes),
            ),
            *analytics.routes(
                parts.guard, ReadActivity(parts.activities), QueryAnalytics(parts.activities, parts.api_keys)
            ),
        ]
    )
