"""Activity and analytics, as OpenRouter's clients read them and as spreadsheets do."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from turnpike.domain.activity import Activity, Cell, Counts
from turnpike.domain.analytics import Row
from turnpike.domain.analytics_terms import DIMENSIONS, GRANULARITIES, KEY_DIMENSION, METRICS, OPERATORS
from turnpike.domain.ids import AccountId, KeyHash
from turnpike.domain.money import NANO_PER_USD, NanoUsd, decimal_usd, present_usd
from turnpike.services.query_analytics import Report

Table = tuple[Sequence[str], Iterable[Sequence[str | int | None]]]
"""Columns and rows for a spreadsheet: dates without a time, amounts in USD to the nano-dollar."""

_NOTHING = Activity(Cell("", KeyHash(""), "", "", ""), Counts())
_KEY_NAME = "api_key_name"
"""Stands beside the hash of a key."""


def present_activity(row: Activity, workspace_id: AccountId | None) -> dict[str, Any]:
    """`workspace_id` where the rows are told apart by it."""
    cell, counts = row.cell, row.counts
    return {
        "date": cell.day,
        "model": cell.model,
        "model_permaslug": cell.model,
        "endpoint_id": cell.endpoint_id,
        "provider_name": cell.provider,
        "usage": present_usd(counts.usage),
        "byok_usage_inference": present_usd(counts.byok_usage),
        "requests": counts.requests,
        "prompt_tokens": counts.prompt_tokens,
        "completion_tokens": counts.completion_tokens,
        "reasoning_tokens": counts.reasoning_tokens,
        "cached_tokens": counts.cached_tokens,
        **({} if workspace_id is None else {"workspace_id": workspace_id}),
    }


def present_meta() -> dict[str, Any]:
    return {
        "metrics": [
            {"name": name, "display_label": each.label, "is_rate": each.is_rate, "display_format": each.format}
            for name, each in METRICS.items()
        ],
        "dimensions": [{"name": name, "display_label": each.label} for name, each in DIMENSIONS.items()],
        "operators": [{"name": name, "value_type": kind} for name, kind in OPERATORS.items()],
        "granularities": [{"name": name, "display_label": label} for name, label in GRANULARITIES.items()],
    }


def present_report(report: Report) -> dict[str, Any]:
    rows = [_present_row(report, row) for row in report.answer.rows]
    return {
        "data": rows,
        "metadata": {
            "query_time_ms": report.took_ms,
            "row_count": len(rows),
            "truncated": report.is_truncated,
        },
        **({"warnings": list(report.warnings)} if report.warnings else {}),
    }


def tabulate_report(report: Report) -> Table:
    query = report.query
    dated = [] if query.granularity is None else [f"date__{query.granularity}"]
    labels = _labelled(report, [None] * len(query.dimensions))
    return [*dated, *labels, *query.metrics], (
        [
            *([row.date] if dated else []),
            *_labelled(report, row.values).values(),
            *(_cell(name, row.counts) for name in query.metrics),
        ]
        for row in report.answer.rows
    )


def tabulate_activity(activity: Iterable[Activity], workspace_id: AccountId | None) -> Table:
    def row(each: Activity) -> Sequence[str | int | None]:
        amounts = {"usage": each.counts.usage, "byok_usage_inference": each.counts.byok_usage}
        return list((present_activity(each, workspace_id) | _in_full(amounts)).values())

    return list(present_activity(_NOTHING, workspace_id)), map(row, activity)


def _in_full(amounts: Mapping[str, NanoUsd]) -> dict[str, str]:
    return {name: decimal_usd(amount) for name, amount in amounts.items()}


def _present_row(report: Report, row: Row) -> dict[str, Any]:
    query = report.query
    return {
        **({} if row.date is None else {f"date__{query.granularity}": f"{row.date}T00:00:00.000Z"}),
        **_labelled(report, row.values),
        **{name: _present_value(name, row.counts) for name in query.metrics},
    }


def _labelled(report: Report, values: Sequence[str | None]) -> dict[str, str | None]:
    """The values by their dimension; a key's hash has the key's name beside it, if it has not been deleted."""
    found: dict[str, str | None] = {}
    for name, value in zip(report.query.dimensions, values, strict=True):
        found[name] = value
        if name == KEY_DIMENSION:
            found[_KEY_NAME] = report.key_names.get(value or "")
    return found


def _present_value(name: str, counts: Counts) -> float | None:
    metric = METRICS[name]
    value = metric.value(counts)
    return value / NANO_PER_USD if value is not None and metric.format == "currency" else value


def _cell(name: str, counts: Counts) -> str | int | None:
    """Without an exponent, which not every spreadsheet reads."""
    metric = METRICS[name]
    value = metric.value(counts)
    if metric.format == "currency" and value is not None:
        return decimal_usd(NanoUsd(round(value)))
    return f"{value:.6f}" if isinstance(value, float) else value
