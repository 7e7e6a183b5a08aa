"""Composes the refresh of the catalog, which loads what compiles it only when it is due to run."""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

from turnpike.bootstrap.resources import Resources
from turnpike.domain.catalog_tables import Row, parse_toml
from turnpike.domain.stored_catalog import SourceUnavailable
from turnpike.storage.catalog_artefact import PACKAGED, pack_artefact, parse_artefact
from turnpike.telemetry import CATALOG_REFRESH_FAILED, MetricUnit, log_failure, logger, metrics

if TYPE_CHECKING:
    from turnpike.services.refresh_catalog import Refreshed

_WITHIN_S = 15.0
"""For each source; upkeep has more to do in its time."""
_RETRY_S = 300
"""After which one that failed, or was cut short, is tried again."""


def refresh_catalog(parts: Resources) -> None:
    """When it is due. Whatever fails is logged and counted, and the last good catalog is served."""
    now_s = int(time.time())
    try:
        if not parts.catalog_store.claim_refresh(now_s, until_s=now_s + _RETRY_S):
            return
        refreshed = asyncio.run(_refresh(parts))
    except (SourceUnavailable, ValueError) as error:
        logger.error("the catalog could not be refreshed", extra={"reason": str(error)})
        metrics.add_metric(CATALOG_REFRESH_FAILED, MetricUnit.Count, 1)
    except Exception as error:
        log_failure("the catalog could not be refreshed", error)
        metrics.add_metric(CATALOG_REFRESH_FAILED, MetricUnit.Count, 1)
    else:
        if refreshed.has_changed:
            logger.info(
                "the catalog was refreshed",
                extra={"version": refreshed.version, "skipped_overrides": list(refreshed.skipped)},
            )


async def _refresh(parts: Resources) -> "Refreshed":
    from turnpike.providers.download import download
    from turnpike.providers.transport import PooledTransport
    from turnpike.services.compile_catalog import parse_settings
    from turnpike.services.refresh_catalog import MOST_SOURCE_BYTES, RefreshCatalog

    transport = PooledTransport()
    try:
        refresh = RefreshCatalog(
            store=parts.catalog_store,
            download=lambda url, etag: download(
                transport, url, etag=etag, most_bytes=MOST_SOURCE_BYTES, within_s=_WITHIN_S
            ),
            packaged=parts.catalog_parts.packaged,
            settings=parse_settings(*(_packaged(name) for name in ("providers", "sources", "names"))),
            overrides=_packaged("overrides"),
            parse=parse_artefact,
            pack=pack_artefact,
            interval_s=parts.settings.catalog_refresh_s,
            now=time.time,
            sources=(parts.settings.models_dev_url, parts.settings.genai_prices_url),
        )
        return await refresh()
    finally:
        await transport.aclose()


def _packaged(name: str) -> Row:
    path = Path(PACKAGED).with_name(f"{name}.toml")
    return parse_toml(path.name, path.read_text(encoding="utf-8"))
