"""Slugs with their variants."""

import pytest

from turnpike.domain.slugs import Slug, parse_slug


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("acme/chat", Slug("acme/chat", "acme/chat")),
        ("acme/chat:free", Slug("acme/chat:free", "acme/chat")),
        ("acme/chat:nitro", Slug("acme/chat", "acme/chat", ("nitro",))),
        ("acme/chat:free:online", Slug("acme/chat:free", "acme/chat", ("online",))),
        ("acme/chat:online:free", Slug("acme/chat:free", "acme/chat", ("online",))),
        ("acme/chat:Nitro:exacto", Slug("acme/chat", "acme/chat", ("nitro", "exacto"))),
        ("acme/chat:thinking", Slug("acme/chat:thinking", "acme/chat")),
        ("acme/chat:extended:floor", Slug("acme/chat:extended", "acme/chat", ("floor",))),
        # No variants: a part of the name, which no model has then.
        ("acme/chat:7b", Slug("acme/chat:7b", "acme/chat:7b")),
        ("acme/chat:7b:nitro", Slug("acme/chat:7b", "acme/chat:7b", ("nitro",))),
        ("acme/chat:", Slug("acme/chat:", "acme/chat:")),
        ("", Slug("", "")),
    ],
)
def test_a_slug_is_taken_apart(text: str, expected: Slug) -> None:
    assert parse_slug(text) == expected


def test_what_variants_ask_for() -> None:
    slug = parse_slug("a/b:floor:nitro:online")
    assert (slug.sort, sorted(slug.tiers), slug.online) == ("throughput", ["flex", "priority"], True)
    plain = parse_slug("a/b:free")
    assert (plain.sort, sorted(plain.tiers), plain.online) == (None, [], False)
