"""Where a service is: as the environment says, else in its region, else wherever botocore finds it."""

import re
from collections.abc import Callable, Mapping

from turnpike.storage.aws_json.services import Service

_SUFFIXES = (
    (re.compile(r"(us|eu|ap|sa|ca|me|af|il|mx|us-gov)-[a-z]+-\d+"), "amazonaws.com"),
    (re.compile(r"cn-[a-z]+-\d+"), "amazonaws.com.cn"),
)
"""Of regions, in whole; those of the other partitions are looked up."""

_LOOKED_UP = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")
"""Each service has its own names for these."""


def find_endpoint(environ: Mapping[str, str], service: Service, region: str, look_up: Callable[[], str]) -> str:
    """A URL without a path."""
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() != "true":
        configured = environ.get(service.endpoint_variable) or environ.get("AWS_ENDPOINT_URL")
        if configured:
            return configured
    if any(environ.get(name, "").lower() == "true" for name in _LOOKED_UP):
        return look_up()
    for pattern, suffix in _SUFFIXES:
        if pattern.fullmatch(region):
            return f"https://{service.name}.{region}.{suffix}"
    return look_up()
