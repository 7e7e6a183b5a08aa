"""How a deployment is: what runs, what waits, and what is wrong."""

from collections.abc import Iterator

from infra.cloud.reach import Reach
from infra.config import ALIAS, StageConfig


def tell(config: StageConfig) -> str:
    """Raises Missing."""
    Reach(config, config.home_region).require_deployment()
    return "\n".join(line for region in config.regions for line in _region(Reach(config, region)))


def _region(reach: Reach) -> Iterator[str]:
    yield f"{reach.config.stage} in {reach.region}, account {reach.account}"
    yield f"  URL          {reach.url or 'none: the API is not deployed'}"
    for half in ("data", "api", "operations"):
        stack = reach.stack(half)
        changed = stack and (stack.get("LastUpdatedTime") or stack["CreationTime"])
        yield f"  {half:<12} {stack['StackStatus']}, {changed:%Y-%m-%d %H:%M} UTC" if stack else f"  {half:<12} none"
    yield f"  versions     {', '.join(_versions(reach)) or 'none'}"
    for queue, what in _queues(reach):
        yield f"  {queue:<12} {_waiting(reach, queue)} {what}"
    ringing = list(_alarms(reach))
    yield f"  alarms       {', '.join(ringing) or 'none'}"
    if ringing:
        yield "Next: docs/operations.md has a chapter for each alarm"


def _queues(reach: Reach) -> Iterator[tuple[str, str]]:
    yield "usage", "to be settled"
    yield "usage-dlq", "given up: docs/operations.md, dead-letters"
    if reach.config.batches and reach.region == reach.config.home_region:
        yield "batches", "steps of batches to be done"
        yield "batches-dlq", "given up: docs/operations.md, batches-dead-letters"


def _versions(reach: Reach) -> Iterator[str]:
    client = reach.client("lambda")
    prefix = f"turnpike-{reach.config.stage}-"
    for page in client.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            name = function["FunctionName"]
            if name.startswith(prefix):
                alias = client.get_alias(FunctionName=name, Name=ALIAS)
                # While a new version is tried, it has a share of the calls.
                tried = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
                shares = "".join(f" ({weight:.0%} on {version})" for version, weight in tried.items())
                yield f"{name.removeprefix(prefix)} {alias['FunctionVersion']}{shares}"


def _waiting(reach: Reach, queue: str) -> int:
    url = reach.sqs.get_queue_url(QueueName=f"turnpike-{reach.config.stage}-{queue}")["QueueUrl"]
    counts = reach.sqs.get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    )
    return sum(map(int, counts["Attributes"].values()))


def _alarms(reach: Reach) -> Iterator[str]:
    prefix = f"turnpike-{reach.config.stage}-"
    pages = reach.client("cloudwatch").get_paginator("describe_alarms")
    for page in pages.paginate(AlarmNamePrefix=prefix, StateValue="ALARM"):
        yield from (alarm["AlarmName"].removeprefix(prefix) for alarm in page["MetricAlarms"])
