"""What there is besides text."""

from typing import Any

import pytest

from turnpike.domain.chat import Choice, Completion, Delta
from turnpike.domain.estimate import estimate_message
from turnpike.domain.media_counts import count_answer_images, count_prompt_media
from turnpike.domain.meter import Meter

TEXT, SOUND = {"type": "text", "text": "x"}, {"type": "input_audio", "input_audio": {}}
SEEN = [{"type": kind} for kind in ("image_url", "file", "video_url")]


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        ([], (0, 0)),
        (["image_url", None], (0, 0)),
        ([[TEXT, *SEEN]], (3, 0)),
        ([[TEXT, SOUND], "and", [SOUND, SEEN[0]]], (1, 2)),
    ],
)
def test_a_prompts_media_are_counted(contents: list[Any], expected: tuple[int, int]) -> None:
    assert count_prompt_media([{"role": "user", "content": content} for content in contents]) == expected


@pytest.mark.parametrize(
    ("images", "expected"), [([{}, {}], 2), ([], 0), (None, 0), (7, 0), ({"a": 1}, 0), ("images", 0)]
)
def test_only_a_list_has_images(images: Any, expected: int) -> None:
    assert count_answer_images({"images": images}) == expected


def test_images_of_an_earlier_answer_are_held_for_as_those_of_a_user() -> None:
    drawn, shown = (
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "text", "text": ""},
    )
    answer = {"role": "assistant", "content": "", "images": [drawn, drawn]}
    assert estimate_message(answer) == estimate_message({"role": "user", "content": [shown, drawn, drawn]})


def test_a_meter_counts_the_images_of_an_answer() -> None:
    streamed, whole = Meter(), Meter()
    streamed.record([Delta(content="x"), Delta(extra={"images": [{}]}), Delta(extra={"audio": {}}, content="y")])
    streamed.record([Delta(extra={"images": [{}, {}]})])
    whole.record_completion(Completion([Choice(0, {"images": [{}]}, "stop", None), Choice(1, {}, "stop", None)], None))
    assert (streamed.media, whole.media) == (3, 1)
