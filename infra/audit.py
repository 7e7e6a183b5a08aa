"""Audits a deployment's ledger: `python -m infra.audit <stage>`. Ends with 1 if anything is wrong.

It only reads, at any time and in any traffic. `--port` names a local run (stage `local`) that is not on the usual port.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from botocore.exceptions import BotoCoreError, ClientError

from infra.config import ConfigError
from infra.reaching import reach, reached, variables_of
from turnpike.bootstrap.audit import audit_now
from turnpike.domain.audit import MEANINGS, Finding
from turnpike.domain.errors import TurnpikeError
from turnpike.services.audit_ledger import LedgerAudit

_TOLD_EVERY = 100
_HEADINGS = ("CODE", "ACCOUNT", "SUBJECT", "SAYS (USD)", "SHOULD BE")


def main(
    arguments: Sequence[str] | None = None,
    find_variables: Callable[[str, int], Mapping[str, str]] = variables_of,
) -> int:
    options = reached(__doc__ or "").parse_args(arguments)
    try:
        reach(find_variables(options.stage, options.port))
        audit = audit_now(os.environ, _tell_progress)
    except (TurnpikeError, BotoCoreError, ClientError, ConfigError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(_report(audit)))
    return 1 if audit.found else 0


def _tell_progress(audit: LedgerAudit) -> None:
    if audit.accounts % _TOLD_EVERY == 0:
        print(f"{audit.accounts:,} accounts, {audit.entries:,} entries", file=sys.stderr, flush=True)


def _report(audit: LedgerAudit) -> Iterable[str]:
    if audit.findings:
        yield from _table([_HEADINGS, *map(_row, audit.findings)])
        if audit.more:
            yield f"... and {audit.more:,} more"
        yield ""
        for code in sorted({finding.code for finding in audit.findings}):
            yield f"{code}: {MEANINGS[code].wrong} {MEANINGS[code].act}"
        yield ""
    for account_id, uncertain in audit.unclear.items():
        yield f"{account_id} was in use all the while: ${_usd(uncertain)} of it could not be told right or wrong."
    verdict = "Nothing is wrong"
    if audit.found:
        verdict = f"{_many(audit.found, 'thing')} {'is' if audit.found == 1 else 'are'} wrong"
    yield f"{verdict} in {_many(audit.accounts, 'account')} with {audit.entries:,} entries."


def _row(finding: Finding) -> Sequence[str]:
    return finding.code, finding.account_id, finding.subject, _usd(finding.says), _usd(finding.should)


def _table(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _usd(nano: int) -> str:
    """To the nano-dollar, without zeros that say nothing."""
    return f"{Decimal(nano).scaleb(-9).normalize():f}"


if __name__ == "__main__":
    sys.exit(main())
