"""What the local run tells the person at the terminal; everything else goes to its log files."""

import os
import sys
from pathlib import Path

from infra.local.seed import Seeded

_READY = """
Turnpike is ready at {base_url} after {seconds:.1f} s. Ctrl-C stops it.

  API key         {api_key}
  management key  {management_key}
  environment     {env}   (export $(cat {env}))
  logs            {logs}

curl -N {base_url}/chat/completions \\
  -H "Authorization: Bearer {api_key}" -H "Content-Type: application/json" \\
  -d '{{"model": "demo/chat", "stream": true, "messages": [{{"role": "user", "content": "Hello!"}}]}}'
"""


def say(step: str, detail: str = "") -> None:
    """One line for one step of starting or stopping."""
    print(f"  {step:<10} {detail}".rstrip(), flush=True)


def complain(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def announce(base_url: str, seeded: Seeded, env_path: Path, logs: Path, seconds: float) -> None:
    """Everything that is needed for a first request, ready to be pasted."""
    text = _READY.format(
        base_url=base_url,
        seconds=seconds,
        api_key=seeded.api_key,
        management_key=seeded.management_key,
        env=os.path.relpath(env_path),
        logs=os.path.relpath(logs),
    )
    print(text, flush=True)
