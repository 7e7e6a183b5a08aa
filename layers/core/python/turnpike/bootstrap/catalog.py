"""Composes the catalog function: public reads of models and providers."""

from turnpike.api import catalog
from turnpike.api.edge import Edge
from turnpike.bootstrap.health import build_reports
from turnpike.bootstrap.resources import Resources, resources


def app() -> Edge:
    return build_app(resources())


def build_app(parts: Resources) -> Edge:
    return Edge(
        catalog.routes(
            parts.catalog,
            guard=parts.guard,
            reports=build_reports(parts),
            public_url=parts.settings.public_url,
        )
    )
