"""The operator's own domain: the same name in each region, answered by the nearest one that is well."""

from aws_cdk import Aws, Duration
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from constructs import Construct

from infra.config import Domain, StageConfig
from infra.routes import BASE_PATHS

_CHECKED = f"{BASE_PATHS[0]}/models/count"
"""Public, and it takes the API, a function and a table to answer it."""


class CustomDomain(Construct):
    def __init__(
        self, scope: Construct, construct_id: str, *, api: apigateway.RestApi, domain: Domain, config: StageConfig
    ) -> None:
        super().__init__(scope, construct_id)
        region = api.stack.region
        arn = domain.certificate_arns[region]
        name = apigateway.DomainName(
            self,
            "Name",
            domain_name=domain.name,
            certificate=acm.Certificate.from_certificate_arn(self, "Certificate", arn),
            endpoint_type=apigateway.EndpointType.REGIONAL,
            security_policy=apigateway.SecurityPolicy.TLS_1_2,
            mapping=api,
        )
        zone = route53.HostedZone.from_hosted_zone_attributes(
            self, "Zone", hosted_zone_id=domain.hosted_zone_id, zone_name=domain.hosted_zone_name
        )
        for kind in (route53.ARecord, route53.AaaaRecord):
            kind(
                self,
                kind.__name__,
                zone=zone,
                record_name=domain.name,
                target=route53.RecordTarget.from_alias(targets.ApiGatewayDomain(name)),
                region=region,
                set_identifier=f"{api.rest_api_name}-{region}",
                health_check=self._health_check(api, config),
            )

    def _health_check(self, api: apigateway.RestApi, config: StageConfig) -> route53.HealthCheck | None:
        """With one region there is nowhere else to go."""
        if len(config.regions) == 1:
            return None
        found = self.node.try_find_child("Health")
        if isinstance(found, route53.HealthCheck):
            return found
        return route53.HealthCheck(
            self,
            "Health",
            type=route53.HealthCheckType.HTTPS,
            fqdn=f"{api.rest_api_id}.execute-api.{api.stack.region}.{Aws.URL_SUFFIX}",
            resource_path=f"/{config.stage}{_CHECKED}",
            request_interval=Duration.seconds(30),
            failure_threshold=3,
        )
