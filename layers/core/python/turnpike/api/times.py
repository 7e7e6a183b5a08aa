"""Times on the wire: RFC 3339 in UTC, to the second."""

import re
from datetime import UTC, datetime

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})", re.ASCII)


def present_time(epoch_s: int) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat().replace("+00:00", "Z")


def parse_time(text: str) -> int:
    """Epoch seconds; a fraction is dropped. Raises ValueError, also without seconds or offset."""
    if not _TIME.fullmatch(text):
        raise ValueError("must be a time in UTC with seconds, as in 2027-12-31T23:59:59Z")
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        raise ValueError("is not a time that exists") from None
