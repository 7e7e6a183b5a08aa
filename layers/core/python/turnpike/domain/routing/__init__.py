"""Which endpoints may serve a request, and in which order they are tried. Pure, and seeded."""

from turnpike.domain.routing.conditions import OPERATION, PARAMETERS, Policy, shortens_prompts
from turnpike.domain.routing.plan import plan_route
from turnpike.domain.routing.request import RoutedRequest
from turnpike.domain.routing.route import Exclusion, Route, Strategy
from turnpike.domain.routing.terms import options_for, reads_files, tier_of

__all__ = [
    "OPERATION",
    "PARAMETERS",
    "Exclusion",
    "Policy",
    "Route",
    "RoutedRequest",
    "Strategy",
    "options_for",
    "plan_route",
    "reads_files",
    "shortens_prompts",
    "tier_of",
]
