"""Answers from recordings, and from the cases that are written from documentation."""

import struct
from collections.abc import Iterator

from tests.replay.recordings import Exchange, exchanges
from tests.simulator.http import Reply


def find_case(name: str) -> Exchange | None:
    """By `<folder>.<file>.<index>`, which stands for the id `<folder>/<file>[<index>]`."""
    folder, _, rest = name.partition(".")
    stem, _, index = rest.rpartition(".")
    wanted = f"{folder}/{stem}[{index}]"
    found = [each.values[0] for each in exchanges(folder=folder) if each.values[0] is not None]
    return next((each for each in found if isinstance(each, Exchange) and each.name == wanted), None)


def option_of(exchange: Exchange) -> str:
    """What to append to a model's name to be answered with this exchange."""
    return f"~case.{exchange.name.replace('/', '.').replace('[', '.').rstrip(']')}"


def reply_of(exchange: Exchange) -> Reply:
    pieces = tuple(split(exchange)) if exchange.streamed else (exchange.body,)
    return Reply(exchange.status, exchange.content_type, pieces, exchange.streamed, exchange.headers)


def split(exchange: Exchange) -> Iterator[bytes]:
    """The events of a stream, each with what separates it from the next."""
    body = exchange.body
    if exchange.framed:
        at = 0
        while at < len(body):
            (size,) = struct.unpack_from(">I", body, at)
            yield body[at : at + size]
            at += size
        return
    end = b"\r\n\r\n" if b"\r\n\r\n" in body else b"\n\n"
    *events, rest = body.split(end)
    yield from (event + end for event in events)
    if rest:
        yield rest
