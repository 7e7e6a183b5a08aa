"""Composes the billing function: credit, and what generations cost."""

from turnpike.api import billing
from turnpike.api.edge import Edge
from turnpike.bootstrap.resources import Resources, resources
from turnpike.services.grant_credit import GrantCredit
from turnpike.services.read_credits import ReadCredits
from turnpike.services.read_generation import ReadGeneration


def app() -> Edge:
    return build_app(resources())


def build_app(parts: Resources) -> Edge:
    return Edge(
        billing.routes(
            parts.guard,
            ReadCredits(parts.ledger),
            ReadGeneration(parts.generations, parts.ledger),
            GrantCredit(parts.ledger),
        )
    )
