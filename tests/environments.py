"""This process in the place of an execution environment."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import boto3

from turnpike.bootstrap import resources as parts


@contextmanager
def environment(*variables: Mapping[str, str]) -> Iterator[None]:
    """Set these variables, as `resources()` and handlers that are loaded meanwhile find them.

    A handler keeps what its variables said when it was loaded, and boto3's default session what they said at its
    first call, so neither is kept from one environment to the next.
    """
    before = dict(os.environ)
    for each in variables:
        os.environ.update(each)
    os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"
    _forget()
    try:
        yield
    finally:
        _forget()
        os.environ.clear()
        os.environ.update(before)


def _forget() -> None:
    parts.resources.cache_clear()
    boto3.DEFAULT_SESSION = None
    for name in [name for name in sys.modules if name.startswith("functions.") and name.endswith(".handler")]:
        del sys.modules[name]
