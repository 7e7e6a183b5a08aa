"""Composes the completions function: the data plane."""

import time
from collections.abc import Mapping
from functools import partial
from random import SystemRandom
from typing import Any, cast, get_args

import orjson

from turnpike.api import skins
from turnpike.api.auth import Guard
from turnpike.api.edge import Edge
from turnpike.bootstrap.health import build_health
from turnpike.bootstrap.opt_in import (
    OptInPlugins,
    count_free_requests,
    expand_presets,
    find_answers,
    find_own_routes,
)
from turnpike.bootstrap.own_credentials import sign_when_needed, tokens_as_they_come
from turnpike.bootstrap.resources import Resources, resources
from turnpike.domain.catalog import Catalog, Provider
from turnpike.domain.errors import UpstreamError
from turnpike.domain.health import Health
from turnpike.domain.service_accounts import parse_service_account
from turnpike.domain.stickiness import Stickiness
from turnpike.domain.waits import Waits
from turnpike.ports.upstream import Signer, TokenSource
from turnpike.providers.transport import PooledTransport, post_form
from turnpike.providers.upstream import HttpUpstream
from turnpike.services.admit import Admit
from turnpike.services.attempts import Watch
from turnpike.services.complete_chat import CompleteChat
from turnpike.services.hedge import Hedge, Percentile
from turnpike.services.leases import Leases
from turnpike.services.report_usage import ReportKept, ReportUsage
from turnpike.services.settle_usage import SettleUsage
from turnpike.storage.queue import SqsUsageQueue
from turnpike.telemetry import PROVIDER_REFUSED_US, UNSETTLED_USAGE, MetricUnit, count, log_failure, logger


def app() -> Edge:
    return build_app(resources())


def build_app(
    parts: Resources, *, guard: Guard | None = None, report: ReportUsage | None = None, leases: bool = True
) -> Edge:
    """Whoever asks it otherwise than over HTTP lets in, and reports, as it has to; without leases each request is held
    for by itself.
    """
    settings = parts.settings
    upstream = build_upstream(parts)
    health = build_health(parts)
    leased = build_leases(parts) if leases else None
    plugins = OptInPlugins(parts)

    async def aclose() -> None:
        await upstream.aclose()
        await plugins.aclose()
        if leased is not None:
            await leased.aclose()

    return Edge(
        skins.routes(
            guard or parts.guard,
            CompleteChat(
                catalog=parts.catalog.current,
                admit=Admit(parts.ledger, settings.hold_ttl_s, settings.allowance_tokens, leased),
                upstream=upstream,
                report=report or _report_usage(parts),
                watch=Watch(Waits(settings.longest_wait_s), health, _log_refusal),
                # The system's: environments restored from one snapshot would all draw the same numbers.
                random=SystemRandom(),
                now=time.time,
                health=health,
                hedge=build_hedge(settings.hedge_after, health),
                count_free=count_free_requests(parts),
                stickiness=Stickiness(time.monotonic),
                begin_plugins=plugins,
                route_own=find_own_routes(parts),
            ),
            keepalive_s=settings.keepalive_s,
            find_answer=find_answers(parts, settings.cache_table) if settings.cache_table else None,
            expand=expand_presets(parts),
        ),
        aclose=aclose,
        error_bodies=skins.ERROR_BODIES,
    )


def build_leases(parts: Resources) -> Leases | None:
    settings = parts.settings
    if not settings.lease_s:
        return None
    return Leases(parts.ledger, serve_s=settings.lease_s, hold_ttl_s=settings.hold_ttl_s, on_failure=_note_lease)


def build_hedge(hedge_after: str, health: Health) -> Hedge | None:
    """Raises ValueError for what is no percentile."""
    if not hedge_after:
        return None
    if hedge_after not in get_args(Percentile):
        raise ValueError(f"TURNPIKE_HEDGE_AFTER is {hedge_after}; it may be {', '.join(get_args(Percentile))} or empty")
    return Hedge(health, cast(Percentile, hedge_after))


def build_upstream(parts: Resources) -> HttpUpstream:
    transport = PooledTransport()
    tokens = build_tokens(parts, transport)
    return HttpUpstream(
        parts.catalog.providers,
        parts.provider_keys,
        find_provider=partial(_find_provider, parts.catalog),
        tokens=tokens,
        signer=build_signer(parts),
        transport=transport,
    )


def _find_provider(catalog: Catalog, slug: str) -> Provider:
    """Also one that only customers have keys for. Raises KeyError."""
    try:
        return catalog.get_provider(slug)
    except KeyError:
        return catalog.with_unserved().get_provider(slug)


def build_tokens(parts: Resources, transport: PooledTransport) -> Mapping[str, TokenSource]:
    """For each provider whose credential is a service account's JSON, and no API key."""
    if parts.settings.provider_secret:
        return tokens_as_they_come(parts, partial(post_form, transport))
    found: dict[str, TokenSource] = {}
    for provider in parts.catalog.providers:
        if provider.credential != "google-service-account":
            continue
        account = parse_service_account(parts.provider_keys.get(provider.slug, ""))
        if account is not None:
            from turnpike.providers.google_tokens import GoogleTokens

            found[provider.slug] = GoogleTokens(provider.slug, account, partial(post_form, transport))
    return found


def build_signer(parts: Resources) -> Signer | None:
    """None unless a provider is let in by AWS credentials: what signs takes its time to load."""
    if parts.settings.provider_secret:
        return sign_when_needed(parts)
    roles = [provider.slug for provider in parts.catalog.providers if provider.credential == "aws-role"]
    if all(slug in parts.provider_keys for slug in roles):
        return None
    from turnpike.providers.aws_signing import SigV4Signer

    return SigV4Signer(parts.aws_credentials)


def _report_usage(parts: Resources) -> ReportUsage:
    queue = SqsUsageQueue(parts.sqs, parts.settings.usage_queue_url)
    return ReportUsage(queue, SettleUsage(parts.ledger), _log_unsettled, time.time)


def report_kept(parts: Resources) -> ReportKept:
    """For answers that count when they are kept."""
    plain = _report_usage(parts)
    return ReportKept(plain.queue, plain.settle, plain.log_unsettled, plain.now)


def _log_unsettled(event: dict[str, Any]) -> None:
    """The event holds counts and ids, and neither prompt nor completion: it can be settled from the log."""
    logger.critical("unsettled_usage", extra={"event": orjson.loads(orjson.dumps(event))})
    count(UNSETTLED_USAGE, 1, MetricUnit.Count)


def _note_lease(error: Exception) -> None:
    log_failure("credit not leased", error)


def _log_refusal(error: UpstreamError) -> None:
    # Without the provider's text: some echo parts of the key in it.
    logger.error("provider refused our credential", extra={"provider": error.provider, "status": error.upstream_status})
    count(PROVIDER_REFUSED_US, 1, MetricUnit.Count)
