"""Usages by what each token is, so that a test can price every kind by itself and knows what it has priced."""

from dataclasses import dataclass, fields, replace
from random import Random

from turnpike.domain.chat import Usage


@dataclass(frozen=True, slots=True)
class Drawn:
    """Tokens that belong to one kind each; `images`, `searches` and `drawings` are counted by themselves."""

    text: int = 0
    image: int = 0
    audio: int = 0
    cached: int = 0
    cached_audio: int = 0
    written: int = 0
    written_1h: int = 0
    answer: int = 0
    reasoning: int = 0
    spoken: int = 0
    painted: int = 0
    images: int = 0
    searches: int = 0
    drawings: int = 0
    """Images of the answer."""

    @property
    def prompt_tokens(self) -> int:
        return self.text + self.image + self.audio + self.cached + self.cached_audio + self.written + self.written_1h

    @property
    def usage(self) -> Usage:
        """As providers report it: the whole, and what of it is what."""
        return Usage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.answer + self.reasoning + self.spoken + self.painted,
            cached_tokens=self.cached + self.cached_audio,
            cache_write_tokens=self.written + self.written_1h,
            reasoning_tokens=self.reasoning,
            prompt_audio_tokens=self.audio + self.cached_audio,
            completion_audio_tokens=self.spoken,
            cache_write_1h_tokens=self.written_1h,
            completion_image_tokens=self.painted,
            web_search_requests=self.searches,
            cached_audio_tokens=self.cached_audio,
            prompt_image_tokens=self.image,
            prompt_images=self.images,
            completion_images=self.drawings,
        )


def draw(random: Random, steps: list[int], *, is_full: bool) -> Drawn:
    """Some of every kind, or with `is_full` of all of them. Where prices change above `steps` tokens of prompt, such a
    prompt is one token below a step, right at it, one above it, or well above.
    """
    most = {"images": 5, "searches": 5, "drawings": 5}
    drawn = Drawn(
        **{
            field.name: random.randint(1, most.get(field.name, 6_000)) if is_full or random.random() < 0.7 else 0
            for field in fields(Drawn)
        }
    )
    if not steps:
        return drawn
    wanted = random.choice(steps) + random.choice((-1, 0, 1, random.randint(2, 400_000)))
    return replace(drawn, text=max(0, wanted - (drawn.prompt_tokens - drawn.text)))
