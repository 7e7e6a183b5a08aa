"""What an account has requested: its activity by day, and queries of it."""

import re
import time
from collections.abc import Callable, Sequence

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from turnpike.api import queries
from turnpike.api.analytics_query import parse_query
from turnpike.api.auth import Guard
from turnpike.api.edge import json_response, read_json
from turnpike.api.present_analytics import (
    present_activity,
    present_meta,
    present_report,
    tabulate_activity,
    tabulate_report,
)
from turnpike.api.resource import resource
from turnpike.api.spreadsheets import csv_response, wants_csv
from turnpike.domain.api_keys import is_key_hash
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.ids import AccountId
from turnpike.services.query_analytics import QueryAnalytics
from turnpike.services.read_activity import ReadActivity

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def routes(
    guard: Guard,
    read_activity: ReadActivity,
    query_analytics: QueryAnalytics,
    *,
    now: Callable[[], float] = time.time,
) -> Sequence[BaseRoute]:
    async def get_activity(request: Request) -> Response:
        principal = await guard.management(request.headers)
        query = request.query_params
        as_csv = wants_csv(request)
        workspace_id = _workspace(query, principal.account_id)
        rows = await read_activity(principal.account_id, date=_date(query), key_hash=_key_hash(query))
        if as_csv:
            return csv_response("activity", *tabulate_activity(rows, workspace_id))
        return json_response({"data": [present_activity(row, workspace_id) for row in rows]})

    async def get_meta(request: Request) -> Response:
        await guard.management(request.headers)
        return json_response({"data": present_meta()})

    async def post_query(request: Request) -> Response:
        principal = await guard.management(request.headers)
        as_csv = wants_csv(request)
        query, warnings = parse_query(await read_json(request), now())
        report = await query_analytics(principal.account_id, query, warnings)
        if as_csv:
            # A table has no room beside its rows to say that some are missing.
            truncated = {"x-analytics-truncated": "true" if report.is_truncated else "false"}
            return csv_response("analytics", *tabulate_report(report), headers=truncated)
        return json_response({"data": present_report(report)})

    return [
        resource("/activity", get=get_activity),
        resource("/analytics/meta", get=get_meta),
        resource("/analytics/query", post=post_query),
    ]


def _date(query: QueryParams) -> str | None:
    text = query.get("date", "")
    if not text:
        return None
    if not _DATE.fullmatch(text):
        raise InvalidRequest("must be a date as in 2026-11-23", field="date")
    return text


def _key_hash(query: QueryParams) -> str | None:
    text = query.get("api_key_hash", "")
    if text and not is_key_hash(text):
        raise InvalidRequest("must be the hash of an API key, as GET /keys tells it", field="api_key_hash")
    return text or None


def _workspace(query: QueryParams, account_id: AccountId) -> AccountId | None:
    """The account, if rows are to be told apart by workspace: it is its own and only one for now, and has no members.

    Raises InvalidRequest.
    """
    if query.get("user_id"):
        raise InvalidRequest("is for accounts of organizations with members, which there are none of", field="user_id")
    if query.get("workspace_id", account_id) != account_id:
        raise InvalidRequest("is not a workspace of this account", field="workspace_id")
    return account_id if queries.choice(query, "group_by", ("workspace",)) else None
