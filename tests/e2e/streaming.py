"""The streaming Lambda: the completions function's own folder and layers behind a front that plays AWS."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import httpx2
from openai import OpenAI

from infra import layers
from infra.local.demo_provider import DemoProvider
from infra.local.serving import HOST, listen, port_of, serving

from tests.e2e.asking import http_client
from tests.e2e.deployment import PROVIDER_KEY, Deployment
from tests.e2e.gates import GatedProvider, Sluice, sluice
from tests.e2e.run import ROOT
from tests.runtime_api.environment import Function
from tests.runtime_api.front import Front, fronting
from tests.runtime_api.layers import merge

ACCOUNT, POOR_ACCOUNT = "acct-streaming", "acct-poor"
_PASSED_ON = ("AWS_", "DEMO_", "TURNPIKE_")
_NOT_ON_LAMBDA = ("TURNPIKE_CATALOG_ARTEFACT", "TURNPIKE_LOG_FILE")


@dataclass(frozen=True)
class StreamingLambda:
    """`usage` is shut by tests that hold what is reported."""

    function: Function
    front: Front
    openai: OpenAI
    poor: OpenAI
    http: httpx2.Client
    provider: GatedProvider
    usage: Sluice
    queue: Any
    queue_url: str

    def reported(self) -> list[str]:
        """Ids of the generations whose usage has been reported since the last call."""
        self.front.wait_until_idle()
        ids = []
        while messages := self.queue.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                ids.append(json.loads(message["Body"])["generation"]["id"])
                self.queue.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return ids

    @contextmanager
    def changed(self, **changes: Any) -> Iterator[tuple[Front, OpenAI]]:
        """The same function with other settings, and its process started."""
        with fronting(replace(self.function, **changes)) as front:
            front.warm_up()
            # Its connections are the other client's, which closes them.
            yield front, self.openai.with_options(base_url=f"{front.url}/api/v1")


@contextmanager
def streaming_lambda(parts: Deployment, folder: Path) -> Iterator[StreamingLambda]:
    with ExitStack() as stack:
        provider, sock = GatedProvider(DemoProvider(PROVIDER_KEY)), listen()
        stack.enter_context(serving(provider, sock))
        usage = stack.enter_context(sluice(parts.aws.port))
        queue = boto3.client("sqs", **_client_options(parts))
        stack.callback(queue.close)
        queue_url = queue.create_queue(QueueName="turnpike-streaming-usage")["QueueUrl"]
        provider_url = f"http://{HOST}:{port_of(sock)}/v1"
        variables = {name: value for name, value in parts.variables.items() if name.startswith(_PASSED_ON)}
        variables |= {
            "AWS_ENDPOINT_URL_SQS": usage.url,
            "DEMO_BASE_URL": provider_url,
            "DEMO_BROKEN_BASE_URL": provider_url,
            "TURNPIKE_USAGE_QUEUE_URL": queue_url,
        }
        function = Function(
            ROOT / "functions" / "completions",
            merge(layers.build("local", folder / "layers"), folder / "opt"),
            folder / "lambda.log",
            folder / "bytecode",
            wrapper=layers.EXEC_WRAPPER,
            variables={name: value for name, value in variables.items() if name not in _NOT_ON_LAMBDA},
        )
        front = stack.enter_context(fronting(function))
        keys = [parts.call("seed", *account)["api_key"] for account in ((ACCOUNT, "10"), (POOR_ACCOUNT, "0.000000001"))]
        base_url = f"{front.url}/api/v1"
        openai, poor = (
            stack.enter_context(OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=20)) for key in keys
        )
        http = stack.enter_context(http_client(base_url, keys[0]))
        yield StreamingLambda(function, front, openai, poor, http, provider, usage, queue, queue_url)
        provider.let()


def _client_options(parts: Deployment) -> dict[str, str]:
    return {
        "endpoint_url": parts.aws.endpoint_url,
        "region_name": parts.aws.region,
        "aws_access_key_id": parts.aws.access_key_id,
        "aws_secret_access_key": parts.aws.secret_access_key,
    }
