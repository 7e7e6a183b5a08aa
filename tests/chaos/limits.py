"""Judges what a chaos run left of keys: what each spent, what counts against its limit, and whether that held."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

from turnpike.domain.periods import window_of

from tests.chaos.books import Books
from tests.chaos.told import Told
from tests.chaos.world import World

_SLACK_S = 2.0


def check_limits(world: World, books: Books, told: Told, find: Callable[[str], None], figures: Counter[str]) -> None:
    charges = _charges_by_key(books)
    for key in {*charges, *books.spent}:
        if sum(charges[key].values()) != books.spent[key]:
            find(f"key {key[:8]} was charged {sum(charges[key].values())}, and {books.spent[key]} is counted")
    counted, limits = _counted_by_window(books)
    for (key, window), used in books.used.items():
        expected = counted[key, window]
        if key in told.limiting:
            low = max(expected, _counted_at_changes(world, books, told, key, window, charges[key]))
            if not low <= used <= sum(charges[key].values()):
                find(f"key {key[:8]} used {used} of {window}, which should be {low} to {sum(charges[key].values())}")
        elif used != expected:
            find(f"key {key[:8]} used {used} of {window}, and {expected} was charged in it")
    for at in counted.keys() - books.used.keys():
        if counted[at]:
            find(f"key {at[0][:8]} was charged {counted[at]} in {at[1]}, of which nothing is counted")
    for (key, window), limit in limits.items():
        figures["limits that were held against"] += 1
        over = counted[key, window] - limit
        if over > 0:
            find(f"key {key[:8]} is {over} over its limit of {limit} in {window}")
        figures["most over a limit"] = max(figures["most over a limit"], over)


def _charges_by_key(books: Books) -> Mapping[str, Counter[str]]:
    """Of each generation."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for generation in books.captured():
        record = books.records.get(generation)
        if record is not None:
            found[record.key][generation] += books.charge_of(generation)
    return found


def _counted_by_window(books: Books) -> tuple[Counter[tuple[str, str]], dict[tuple[str, str], int]]:
    """What was charged to holds and leases that counted in each key's window, and the highest limit that they met."""
    counted: Counter[tuple[str, str]] = Counter()
    limits: dict[tuple[str, str], int] = {}
    for generation in books.captured():
        record = books.records.get(generation)
        hold = books.holds.get(record.lease or generation) if record else None
        if hold is not None and hold.window is not None:
            counted[hold.key, hold.window] += books.charge_of(generation)
    for hold in books.holds.values():
        if hold.window is not None and hold.limit is not None:
            at = hold.key, hold.window
            limits[at] = max(limits.get(at, 0), hold.limit)
    return counted, limits


def _counted_at_changes(
    world: World, books: Books, told: Told, key: str, window: str, charges: Mapping[str, int]
) -> int:
    """What must have been counted when a limit began to count in this window: all that was spent by then."""
    most = 0
    for change in told.limited[key]:
        began_at = change["began_at"]
        if change["limit"] is None or not change["counts_anew"]:
            continue
        if window_of(change["limit_reset"], began_at) != window:
            continue
        slack_s = world.size.skew_s + _SLACK_S
        at = {each: books.entries[f"{each}#capture"].created_at for each in charges}
        spent = sum(
            charge
            for generation, charge in charges.items()
            if at[generation] < began_at - slack_s
            # Unless it was about to begin.
            and window_of(change["limit_reset"], at[generation] - slack_s) == window
        )
        # What was held in the very window at that moment stood for as much, and came back later.
        most = max(most, spent - _held(books, key, window, began_at, slack_s))
    return most


def _held(books: Books, key: str, window: str, at_s: float, slack_s: float) -> int:
    """At the most, at about that time."""
    return sum(
        books.most_held(hold)
        for hold in books.holds.values()
        if (hold.key, hold.window) == (key, window)
        and hold.created_at - slack_s < at_s
        and (hold.resolved_at is None or hold.resolved_at + slack_s > at_s)
    )
