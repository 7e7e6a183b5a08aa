"""An audit that is under way as bytes, for whoever goes on with it."""

import zlib
from collections.abc import Mapping
from typing import Any

import orjson

from turnpike.domain.audit import Finding, Reading
from turnpike.domain.audit.sums import Sieve, Sum, Sums
from turnpike.services.audit_account import AccountAudit
from turnpike.services.audit_ledger import LedgerAudit

_VERSION = 1


def dump_audit(audit: LedgerAudit) -> bytes:
    return zlib.compress(orjson.dumps({"version": _VERSION, "audit": audit}, default=list))


def load_audit(data: bytes) -> LedgerAudit:
    """A new one where nothing is, or what another version of this code has left: then it begins anew."""
    values = orjson.loads(zlib.decompress(data)) if data else {}
    if values.get("version") != _VERSION:
        return LedgerAudit()
    audit: dict[str, Any] = values["audit"]
    current = audit["current"] and _account(audit["current"])
    return LedgerAudit(**audit | {"current": current, "findings": _findings(audit["findings"])})


def _account(values: Mapping[str, Any]) -> AccountAudit:
    return AccountAudit(
        **{
            **values,
            "reading": _reading(values["reading"]),
            "earlier": [_reading(each) for each in values["earlier"]],
            "findings": _findings(values["findings"]),
            "differing": {name: Finding(**each) for name, each in values["differing"].items()},
        }
    )


def _findings(values: list[Mapping[str, Any]]) -> list[Finding]:
    return [Finding(**each) for each in values]


def _reading(values: Mapping[str, Any]) -> Reading:
    watched, sieve = values["watched"], values["sieve"]
    made = {
        **values,
        "watched": None if watched is None else frozenset(watched),
        "sieve": sieve and Sieve(sieve["buckets"]),
        "sums": _sums(values["sums"]),
        "loose": _sums(values["loose"]),
        "parts": {part: Sum(**each) for part, each in values["parts"].items()},
        "byok_keys": set(values["byok_keys"]),
    }
    del made["windows"]
    return Reading(**made)


def _sums(values: Mapping[str, Any]) -> Sums:
    by_label = {label: Sum(**each) for label, each in values["by_label"].items()}
    return Sums(frozenset(values["watched"]), by_label, values["is_cut"])
