"""Which endpoints may serve a request, and in which order they are tried. Pure, and seeded."""

from turnpike.domain.routing.conditions import Policy, shortens_prompts
from turnpike.domain.routing.plan import plan_route
from turnpike.domain.routing.route import Exclusion, Route, Strategy
from turnpike.domain.routing.terms import options_for, tier_of

__all__ = [
    "Exclusion",
    "Policy",
    "Route",
    "Strategy",
    "options_for",
    "plan_route",
    "shortens_prompts",
    "tier_of",
]
