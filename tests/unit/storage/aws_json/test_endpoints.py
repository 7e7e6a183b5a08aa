"""Addresses of services, against those that botocore finds."""

from collections.abc import Mapping

import botocore.session
import pytest

from turnpike.storage.aws_json.endpoints import find_endpoint
from turnpike.storage.aws_json.services import DYNAMODB, KMS, SECRETS_MANAGER, SQS, Service

from tests.stubs import service_model

SERVICES = (DYNAMODB, KMS, SECRETS_MANAGER, SQS)
RESOLVER = botocore.session.get_session()._get_internal_component("endpoint_resolver")
REGION = "eu-central-1"
LOOKED_UP = "https://looked.up"


def endpoint(environ: Mapping[str, str], service: Service = DYNAMODB, region: str = REGION) -> str:
    return find_endpoint(environ, service, region, lambda: LOOKED_UP)


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
@pytest.mark.parametrize("service", SERVICES, ids=lambda each: each.name)
def test_in_a_region_it_is_where_botocore_has_it(service: Service, partition: str) -> None:
    regions = [each for each in RESOLVER.get_available_endpoints(service.name, partition) if "fips" not in each]
    assert regions
    for region in regions:
        found = RESOLVER.construct_endpoint(service.name, region, partition)["hostname"]
        assert endpoint({}, service, region) == f"https://{found}"


@pytest.mark.parametrize("region", ["us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "eusc-de-east-1", "mars-1"])
def test_of_what_is_no_usual_region_botocore_is_asked(region: str) -> None:
    assert endpoint({}, region=region) == LOOKED_UP


@pytest.mark.parametrize("name", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
def test_of_special_addresses_botocore_is_asked(name: str) -> None:
    assert endpoint({name: "true"}) == LOOKED_UP
    assert endpoint({name: "false"}) != LOOKED_UP


@pytest.mark.parametrize("service", SERVICES, ids=lambda each: each.name)
def test_the_environment_says_first_where_it_is(service: Service) -> None:
    everywhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_USE_FIPS_ENDPOINT": "true"}
    alone = everywhere | {service.endpoint_variable: "http://127.0.0.1:2"}
    assert endpoint(everywhere, service) == "http://127.0.0.1:1"
    assert endpoint(alone, service) == "http://127.0.0.1:2"
    ignored = {**alone, "AWS_USE_FIPS_ENDPOINT": "", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    assert endpoint(ignored, service) == f"https://{service.name}.{REGION}.amazonaws.com"


@pytest.mark.parametrize("service", SERVICES, ids=lambda each: each.name)
def test_a_service_is_as_its_model_says(service: Service) -> None:
    model = service_model(service.name)
    metadata = model.metadata
    assert metadata["protocol"] == "json"
    assert (metadata["targetPrefix"], metadata["jsonVersion"]) == (service.target_prefix, service.json_version)
    assert metadata.get("signingName", metadata["endpointPrefix"]) == service.name
    assert service.endpoint_variable == f"AWS_ENDPOINT_URL_{model.service_id.upper().replace(' ', '_')}"
    assert ("awsQueryCompatible" in metadata) == ("x-amzn-query-mode" in service.headers)
    tokens, blobs = {}, set()
    for operation in map(model.operation_model, service.operations.values()):
        for name in operation.idempotent_members:
            tokens[operation.name] = name
        members = operation.output_shape.members if operation.output_shape else {}
        blobs |= {name for name, shape in members.items() if shape.type_name == "blob"}
    assert tokens == service.tokens
    assert blobs == service.blobs
