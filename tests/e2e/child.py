"""The parts of a deployment as separate processes, for tests that kill one and look at the others.

`python -m tests.e2e.child <part> [argument ...]`, with the storage and the settings in the environment.
"""

import importlib
import json
import os
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from infra.local.demo_provider import DemoProvider
from infra.local.dispatch import Dispatch
from infra.local.invoke import load_batches, load_function
from infra.local.poller import poll_queue
from infra.local.provision import provision
from infra.local.serving import listen, port_of
from infra.routes import ROUTES

STAGE = "e2e"


def create_tables() -> None:
    resources = provision(STAGE)
    say(
        {
            **resources.tables,
            "usage_queue_url": resources.usage_queue_url,
            "byok_kms_key": resources.byok_kms_key,
            "batches_bucket": resources.batches_bucket,
            "batches_queue_url": resources.batches_queue_url,
        }
    )


def seed(account_id: str, credit_usd: str) -> None:
    from turnpike.bootstrap.seed import seed_account

    keys = seed_account(os.environ, account_id=account_id, credit_usd=credit_usd)
    say({"api_key": keys.api_key, "management_key": keys.management_key})


def store_overrides(path: str) -> None:
    """As `make catalog-override` does in a deployment."""
    from turnpike.bootstrap.override import put_overrides

    say({"version": put_overrides(os.environ, path, Path(path).read_text(encoding="utf-8"))})


def serve_completions() -> None:
    from turnpike.bootstrap.completions import app

    serve(app())


def serve_api() -> None:
    """Every function that is called over HTTP, as the local run composes them, and those that queues feed."""
    apps = {name: importlib.import_module(f"turnpike.bootstrap.{name}").app() for name in ROUTES}
    fed = {"USAGE": (load_function("metering", STAGE), 10), "BATCHES": (load_batches(STAGE), 1)}
    for queue, (invoke, batch) in fed.items():
        poll = partial(poll_queue, os.environ[f"TURNPIKE_{queue}_QUEUE_URL"], invoke, threading.Event(), batch=batch)
        # They have nothing to bring to an end: what is left in the queues goes down with the tests' own storage.
        threading.Thread(target=poll, daemon=True).start()
    serve(Dispatch(apps))


def serve_provider() -> None:
    serve(DemoProvider(os.environ["DEMO_API_KEY"]))


def run_upkeep() -> None:
    load_function("upkeep", STAGE)({})


def serve(app: Any) -> None:
    sock = listen()
    say({"port": port_of(sock)})
    config = uvicorn.Config(app, lifespan="off", access_log=False, log_config=None)
    uvicorn.Server(config).run(sockets=[sock])


def say(facts: dict[str, Any]) -> None:
    """The one line that a part says: what its caller must know."""
    print(json.dumps(facts), flush=True)


PARTS = {
    each.__name__: each
    for each in (
        *(create_tables, seed, store_overrides, run_upkeep),
        *(serve_api, serve_completions, serve_provider),
    )
}

if __name__ == "__main__":
    PARTS[sys.argv[1]](*sys.argv[2:])
