"""Starts the process: finds the app, takes the snapshot where one is wanted, and enters the loop."""

import asyncio
import importlib
import inspect
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from stream_runtime import logs
from stream_runtime.exchange import App
from stream_runtime.failure import Failure, failure_of
from stream_runtime.loop import serve
from stream_runtime.runtime_api import RuntimeApi, RuntimeApiError

_INIT_FAILED, _API_GONE, _SNAPSHOT_FAILED, _RESTORE_FAILED = 1, 2, 64, 65
"""Exit codes; the first and the last two as Lambda's own runtime has them."""
Hook = tuple[Callable[..., object], Iterable[Any], Mapping[str, Any]]


class HandlerNotFound(Exception):
    """The function's module has no `app`."""


def main() -> None:
    logs.install()
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    extend_path(os.environ)
    try:
        app = load_app(os.environ["_HANDLER"])
    except BaseException as error:  # An import that exits the process would do so without a word.
        _give_up(api.fail_init, _init_failure(error), _INIT_FAILED)
    try:
        asyncio.run(_run(api, app))
    except (OSError, RuntimeApiError) as error:
        logs.log_failure("there is no Runtime API any more", failure_of(error, message=str(error)))
        sys.exit(_API_GONE)


def extend_path(environ: Mapping[str, str]) -> None:
    """The function's folder and the layers, before Python's own; Lambda's copies of boto3 and the like, after it."""
    layers = Path(__file__).parents[1]
    packages = layers / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    ours = [environ.get("LAMBDA_TASK_ROOT", "."), str(packages), str(layers)]
    rest = [path for path in sys.path if path not in ours]
    sys.path[:] = [*ours, *rest, *filter(None, [environ.get("LAMBDA_RUNTIME_DIR")])]


def load_app(handler: str) -> App:
    """The ASGI app `app` of the module in `handler`. What follows the last dot is for hosts that call a function."""
    name = handler.rpartition(".")[0].replace("/", ".")
    app: App | None = getattr(importlib.import_module(name), "app", None)
    if app is None:
        raise HandlerNotFound(f"{name} has no ASGI app called `app`")
    return app


async def _run(api: RuntimeApi, app: App) -> None:
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        await _take_snapshot(api)
    await serve(api, app, at_once=int(os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY") or 1))


async def _take_snapshot(api: RuntimeApi) -> None:
    """With the hooks that were registered with AWS's own `snapshot_restore_py`, if anything has loaded it."""
    registry = sys.modules.get("snapshot_restore_py")
    try:
        # The last that was registered comes first.
        await _call_hooks(reversed(registry.get_before_snapshot() if registry else []))
        await api.restore()
    except Exception as error:
        await _exit(api.fail_init, _init_failure(error, "Runtime.BeforeSnapshotError"), _SNAPSHOT_FAILED)
    try:
        await _call_hooks(registry.get_after_restore() if registry else [])
    except Exception as error:
        await _exit(api.fail_restore, _init_failure(error, "Runtime.AfterRestoreError"), _RESTORE_FAILED)


async def _call_hooks(hooks: Iterable[Hook]) -> None:
    for hook, arguments, named in hooks:
        result = hook(*arguments, **named)
        if inspect.isawaitable(result):
            await result


def _init_failure(error: BaseException, kind: str | None = None) -> Failure:
    """With the error's text: no customer had a part in it yet, and the operator has to see which setting is missing."""
    return Failure(kind or _kind_of(error), f"{type(error).__name__}: {error}", failure_of(error).places)


def _kind_of(error: BaseException) -> str:
    """As Lambda's own runtime calls it."""
    for kind, name in (
        (HandlerNotFound, "HandlerNotFound"),
        (ImportError, "ImportModuleError"),
        (SyntaxError, "UserCodeSyntaxError"),
    ):
        if isinstance(error, kind):
            return f"Runtime.{name}"
    return type(error).__name__


async def _exit(report: Callable[[Failure], Awaitable[None]], failure: Failure, code: int) -> NoReturn:
    logs.log_failure("the function could not be started", failure)
    await report(failure)
    sys.exit(code)


def _give_up(report: Callable[[Failure], Awaitable[None]], failure: Failure, code: int) -> NoReturn:
    asyncio.run(_exit(report, failure, code))
    raise AssertionError  # It has exited.
