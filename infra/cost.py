"""What a deployment costs in a month, from AWS's price list and counted calls: `python -m infra.cost <stage>`.

Providers' prices are not in it, nor data that leaves AWS, WAF, a domain and the KMS key.
"""

import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.config import ConfigError, load_config

PRICES = Path(__file__).with_name("prices.toml")
REQUESTS = (0, 100_000, 1_000_000, 100_000_000)
KEPT = "DynamoDB, kept records"
"""Of requests long answered; `generation_retention_days` says how long."""
_GB = 1_000_000_000
_LAMBDA_GB = 1024
"""Lambda counts a gigabyte as 1024 MB."""

_PARTS: Mapping[str, Sequence[str]] = {
    "Lambda": ("lambda_request", "lambda_gb_s"),
    "API Gateway": ("api_request",),
    "DynamoDB": ("write_unit", "read_unit"),
    KEPT: ("table_gb_month", "backup_gb_month"),
    "SQS": ("sqs_request",),
    "CloudWatch": ("log_gb", "log_gb_month", "alarm_metric", "custom_metric"),
    "Secrets Manager": ("secret",),
}


@dataclass(frozen=True, slots=True)
class PriceList:
    prices: Mapping[str, float]
    free: Mapping[str, float]
    idle: Mapping[str, float]
    request: Mapping[str, float]
    traffic: Sequence[Mapping[str, Any]]

    def way(self, requests: int) -> Mapping[str, Any]:
        """How requests are held and settled when there are so many a month."""
        return max((way for way in self.traffic if way["from"] <= requests), key=lambda way: way["from"])


def read_prices(path: Path = PRICES) -> PriceList:
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return PriceList(
        prices={name: row["usd"] for name, row in tables["prices"].items()},
        free=tables["free"],
        idle={name: row["count"] for name, row in tables["idle"].items()},
        request={name: row["count"] for name, row in tables["request"].items()},
        traffic=tables["traffic"],
    )


def used(requests: int, memory_mb: Mapping[str, int], prices: PriceList) -> Mapping[str, float]:
    """What a month of so many requests takes, by what is priced. `memory_mb`: by function."""
    idle, request, way = prices.idle, prices.request, prices.way(requests)
    batches = requests / way["settled_by"]
    metering_s = request["metering_s"] * (1 + (way["settled_by"] - 1) / 5)
    gb_s = {
        "upkeep": idle["upkeep_runs"] * idle["upkeep_s"],
        "completions": requests * (request["seconds"] + request["own_s"]),
        "metering": batches * metering_s,
    }
    stored_gb = requests * request["stored_bytes"] * request["kept_months"] / _GB
    logged_gb = (requests * request["log_bytes"] + idle["upkeep_runs"] * idle["log_bytes"]) / _GB
    return {
        "lambda_request": requests + batches + idle["upkeep_runs"],
        "lambda_gb_s": sum(seconds * memory_mb[name] / _LAMBDA_GB for name, seconds in gb_s.items()),
        "api_request": requests,
        "write_unit": requests * way["write_units"]["count"]
        + batches * request["health_write_units"]
        + idle["upkeep_runs"] * idle["write_unit"],
        "read_unit": requests * way["read_units"]["count"] + idle["upkeep_runs"] * idle["read_unit"],
        "table_gb_month": stored_gb,
        "backup_gb_month": stored_gb,
        # Sent one by one, received and deleted by the batch.
        "sqs_request": requests + 2 * batches + idle["queue_polls"],
        "log_gb": logged_gb,
        "log_gb_month": logged_gb,
        "alarm_metric": idle["alarm_metric"],
        "custom_metric": request["custom_metrics"] if requests else 0,
        "secret": idle["secret"],
    }


def bill(requests: int, memory_mb: Mapping[str, int], prices: PriceList) -> Mapping[str, float]:
    """USD a month by AWS's service."""
    amounts = used(requests, memory_mb, prices)
    charged = {
        name: max(0.0, amount - prices.free.get(name, 0)) * prices.prices[name] for name, amount in amounts.items()
    }
    return {part: sum(charged[name] for name in names) for part, names in _PARTS.items()}


def table(memory_mb: Mapping[str, int], prices: PriceList) -> str:
    """In Markdown, as docs/deploy.md has it."""
    bills = {requests: bill(requests, memory_mb, prices) for requests in REQUESTS}
    lines = ["| requests a month | " + " | ".join(f"{requests:,}" for requests in REQUESTS) + " |"]
    lines.append("|---|" + "---:|" * len(REQUESTS))
    for part in _PARTS:
        lines.append(f"| {part} | " + " | ".join(_usd(bills[requests][part]) for requests in REQUESTS) + " |")
    totals = {requests: sum(parts.values()) for requests, parts in bills.items()}
    lines.append("| **in all** | " + " | ".join(_usd(totals[requests]) for requests in REQUESTS) + " |")
    for name, amounts in (
        ("a million requests", totals),
        ("without kept records", {requests: totals[requests] - bills[requests][KEPT] for requests in REQUESTS}),
    ):
        each = [_usd(amounts[requests] / requests * 1_000_000) if requests else "" for requests in REQUESTS]
        lines.append(f"| {name} | " + " | ".join(each) + " |")
    return "\n".join(lines)


def _usd(amount: float) -> str:
    return f"${amount:,.2f}" if amount < 1000 else f"${amount:,.0f}"


def main(stage: str = "prod") -> int:
    try:
        config = load_config(stage)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    prices = read_prices()
    memory = config.memory_mb
    print(f"AWS's bill for a month of the stage {stage}: completions have {memory['completions']} MB, and an answer")
    print(f"takes {prices.request['seconds']:g} s. infra/{PRICES.name} has prices and counts, with their sources.\n")
    print(table(memory, prices))
    print()
    for requests in REQUESTS[1:]:
        print(f"{requests:>11,} requests: {prices.way(requests)['name']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
