"""Run by the emulator's own interpreter: ministack, closed to everybody but the run that started it.

With AUTH=true, ministack 1.5.33 still takes the access key `test`, any account number and an empty key for
the root user, without checking a signature, and answers its `/_ministack/` controls to anybody. So a web
page open on the developer's machine could create and run functions. Here only this run's random key is root.
"""

import importlib
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_OPEN_CONTROLS = ("/_ministack/health", "/_ministack/ready")


def main() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    root_key = os.environ["AWS_ACCESS_KEY_ID"]
    evaluator: Any = importlib.import_module("ministack.core.iam_evaluator")
    evaluator.is_root_access_key = lambda key: key == root_key
    # After the line above, since other modules import that name.
    ministack: Any = importlib.import_module("ministack.app")
    ministack.app = _guarded(ministack.app, root_key)
    sys.argv = ["ministack"]
    ministack.main()


def _guarded(app: App, root_key: str) -> App:
    """Ask for the root key on ministack's controls; everything else ministack checks by itself."""
    credential = f"Credential={root_key}/".encode()

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", ""))
        control = path.startswith("/_ministack/") and path not in _OPEN_CONTROLS
        if control and credential not in dict(scope["headers"]).get(b"authorization", b""):
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await app(scope, receive, send)

    return guarded


def _end_with_parent() -> None:
    """Kill our whole group, workers included, once the parent's end of the pipe is closed."""
    # os.read rather than sys.stdin: a daemon thread holding that lock would break a regular exit.
    os.read(0, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
