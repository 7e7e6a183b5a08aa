"""Clients as their users install them: run headless, each in a home of its own, and kept on this machine."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.run import HOST, environ, free_port
from tests.e2e.simulated import Simulated

_ENDS_WITHIN_S = 90


class Client:
    """Runs commands. `folder` is both their home and where they work, and `sim` is who answers them."""

    def __init__(self, sim: Simulated, folder: Path) -> None:
        self.sim = sim
        self.folder = folder
        self.base_url = str(sim.openai.base_url).rstrip("/")
        self.api_key = sim.openai.api_key

    def run(self, command: Sequence[str | Path], **variables: str) -> str:
        """What it says. Whatever it asks of others than ourselves goes to a proxy that is not there."""
        nobody = f"http://{HOST}:{free_port()}"
        away = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"), nobody)
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environ(**{**away, "HOME": str(self.folder), **variables}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ENDS_WITHIN_S,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    def asked(self) -> list[str]:
        """The bodies that the providers got, all of which they took."""
        requests = self.sim.requests()
        assert not [request["refused"] for request in requests if "refused" in request]
        return [json.dumps(request["body"]) for request in requests]
