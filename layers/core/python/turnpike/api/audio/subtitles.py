"""A transcript's segments as subtitles: SubRip, and WebVTT (https://www.w3.org/TR/webvtt1/)."""

from collections.abc import Mapping, Sequence
from typing import Any

Segments = Sequence[Mapping[str, Any]]


def present_srt(segments: Segments) -> str:
    blocks = [
        f"{number}\n{_time(each, 'start', ',')} --> {_time(each, 'end', ',')}\n{_text(each)}\n"
        for number, each in enumerate(segments, start=1)
    ]
    return "\n".join(blocks)


def present_vtt(segments: Segments) -> str:
    blocks = [f"{_time(each, 'start', '.')} --> {_time(each, 'end', '.')}\n{_text(each)}\n" for each in segments]
    return "\n".join(["WEBVTT\n", *blocks])


def _time(segment: Mapping[str, Any], name: str, point: str) -> str:
    seconds = segment.get(name)
    whole_ms = round(seconds * 1000) if isinstance(seconds, int | float) and 0 <= seconds < 1e6 else 0
    minutes, ms = divmod(whole_ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}{point}{ms % 1000:03}"


def _text(segment: Mapping[str, Any]) -> str:
    """On one line, since an empty one would end it, and without the arrow of the line of times."""
    return " ".join(str(segment.get("text") or "").split()).replace("-->", "->")
