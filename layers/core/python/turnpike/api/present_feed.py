"""Models as an RSS feed, for those who want to hear of new ones (https://www.rssboard.org/rss-specification)."""

import re
from collections.abc import Iterable, Iterator
from email.utils import formatdate
from xml.sax.saxutils import escape

from turnpike.domain.catalog import Model

MEDIA_TYPE = "application/rss+xml"

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def present_feed(models: Iterable[Model], base_url: str) -> bytes:
    """The newest first; `base_url` is the API's, and may be empty where it is not known."""
    return "".join(_lines(models, base_url)).encode()


def _lines(models: Iterable[Model], base_url: str) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel><title>Models</title>'
    yield f"<link>{_text(base_url)}/models</link><description>Every model that can be asked for</description>"
    for model in sorted(models, key=lambda model: -model.created):
        yield (
            f"<item><title>{_text(model.name)}</title><link>{_text(f'{base_url}/model/{model.id}')}</link>"
            f'<guid isPermaLink="false">{_text(model.id)}</guid>'
            f"<pubDate>{formatdate(model.created, usegmt=True)}</pubDate>"
            f"<description>{_text(model.description)}</description></item>"
        )
    yield "</channel></rss>"


def _text(text: str) -> str:
    return escape(_NOT_IN_XML.sub("", text))
