"""Answers as CSV (RFC 4180), for spreadsheets: no cell of one is ever taken for a formula."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response

from turnpike.api import queries

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula, or skips before one.

https://owasp.org/www-community/attacks/CSV_Injection
"""


def wants_csv(request: Request) -> bool:
    """By `format=csv`, or `Accept: text/csv` where it names no format. Raises InvalidRequest for another format."""
    wanted = queries.choice(request.query_params, "format", ("json", "csv"))
    if wanted is not None:
        return wanted == "csv"
    accepted = (part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(","))
    return "text/csv" in accepted


def csv_response(
    name: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str | int | None]],
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A file of that name to be saved; texts come from clients, and None is an empty cell."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    saved = {"content-disposition": f'attachment; filename="{name}.csv"', **(headers or {})}
    return Response(written.getvalue(), headers=saved, media_type="text/csv; header=present")


def _cell(value: str | int | None) -> str | int | None:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value
