"""What a chaos run prints in the end."""

from collections.abc import Iterator, Mapping

from tests.chaos.trial import Trial

_SHOWN = 40
"""Findings; the others are only counted."""
_NANO = 1_000_000_000
_WIDTH = 58


def print_report(trial: Trial) -> None:
    for line in _lines(trial):
        print(line)


def _lines(trial: Trial) -> Iterator[str]:
    run, told, figures, findings = trial.run, trial.told, trial.verdict.figures, trial.verdict.findings
    size, counted = run.world.size, run.counted
    yield (
        f"\nChaos with seed {run.world.seed}: {size.requests:,} requests over {size.accounts} accounts and "
        f"{size.keys} keys, {size.at_once} at once, in {run.seconds:.0f} s"
    )
    yield from _table(
        "How the requests ended",
        {**dict(told.ends.most_common()), "died with their process": size.requests - told.ends.total()},
    )
    yield from _table("Processes killed", {role: run.killed[role] for role in sorted(run.killed)})
    yield from _table("Calls of AWS that failed", dict(told.faults.most_common()))
    yield from _table(
        "Messages",
        {
            "handed to metering, in batches": counted["handling"],
            "delivered twice at once": counted["repeated"],
            "settled and delivered again": counted["kept"],
            "delayed": counted["delayed"],
            "lost": counted["lost"],
            "poison": counted["poisoned"],
            "poison left in the dead letters": counted["poison parked"],
            "other dead letters, redriven": counted["redriven"],
        },
    )
    yield from _table(
        "Credit and limits changed meanwhile",
        {"credit given or taken": len(told.credited), "limits changed": sum(map(len, told.limited.values()))},
    )
    yield from _table(
        "Generations",
        {
            name: figures[name]
            for name in (
                "billed",
                "billed from holds",
                "billed from leases",
                "insured",
                "not answered",
                "late",
                "lost message",
                "only in the log",
                "died while reporting",
            )
        },
    )
    yield from _table(
        "Money, in USD",
        {
            "credit, in all": _usd(figures["credit"]),
            "charged": _usd(figures["charged"]),
            "absorbed: more than was held and left": f"{_usd(figures['absorbed cost'])} in {figures['absorbed']}",
            "absorbed: insured": _usd(figures["insured cost"]),
            "not charged: late": _usd(figures["late cost"]),
            "not charged: never settled": _usd(figures["never settled cost"]),
        },
    )
    yield from _table(
        "What must hold",
        {
            "ledger entries checked": figures["entries"],
            "balances looked at while it ran": run.looks * size.accounts,
            "lowest available, in nano-USD": figures["lowest available"],
            "accounts that owe what was taken back": figures["accounts that owe"],
            "holds resolved": sum(figures[name] for name in figures if name.startswith("holds ")),
            "leases ended": figures["leases expired"],
            "limits that requests met": figures["limits that were held against"],
            "most that a key is over its limit, in nano-USD": figures["most over a limit"],
            "found by the audit": f"{run.audit_found} in {run.audited} accounts",
            "findings": len(findings),
        },
    )
    for finding in findings[:_SHOWN]:
        yield f"  WRONG  {finding}"
    if len(findings) > _SHOWN:
        yield f"  … and {len(findings) - _SHOWN} more"
    yield "" if findings else "\nNothing is wrong: every account adds up, and every generation is billed once."


def _table(title: str, rows: Mapping[str, int | str]) -> Iterator[str]:
    yield f"\n{title}"
    for name, value in rows.items():
        shown = f"{value:,}" if isinstance(value, int) else value
        yield f"  {name:.<{_WIDTH}} {shown:>14}"


def _usd(amount: int) -> str:
    return f"{amount / _NANO:,.6f}"
