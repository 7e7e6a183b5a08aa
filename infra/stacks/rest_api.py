"""The REST API of one region: its paths, and what is decided before a function is called."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from infra.config import StageConfig
from infra.routes import BASE_PATHS, BINARY_TYPES, ROUTES
from infra.stacks.function import SHAPES, TurnpikeFunction
from infra.stacks.log_groups import LogGroup
from infra.stacks.names import Names

_LONGEST_STREAM = Duration.minutes(15)
"""The most that API Gateway allows; whatever is not streamed has its 29 seconds."""

_LOGGED = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    # As it is declared, without the ids that are part of the address.
    "path": "$context.resourcePath",
    "status": "$context.status",
    "refusal": "$context.error.responseType",
    "responseBytes": "$context.responseLength",
    "transferMode": "$context.integration.responseTransferMode",
    "timeToFirstContentMs": "$context.integration.timeToFirstContent",
    "latencyMs": "$context.responseLatency",
}
"""No header, no query and no body: neither keys nor what people say. What a stream adds:
https://docs.aws.amazon.com/apigateway/latest/developerguide/response-streaming-troubleshoot.html"""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What API Gateway answers itself, in the form of our own errors. `status`: None leaves the usual one.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
    """

    kind: str
    code: int
    error_type: str
    message: str | None = None
    """None for API Gateway's own."""
    status: str | None = None

    def template(self) -> str:
        # A string in quotes already.
        message = "$context.error.messageString" if self.message is None else json.dumps(self.message)
        metadata = json.dumps({"error_type": self.error_type})
        return f'{{"error": {{"code": {self.code}, "message": {message}, "metadata": {metadata}}}}}'


_REFUSALS = (
    _Refusal("DEFAULT_4XX", 400, "invalid_request"),
    _Refusal("DEFAULT_5XX", 500, "server"),
    _Refusal("INTEGRATION_FAILURE", 502, "server", "The answer could not be made; try again", "502"),
    _Refusal("INTEGRATION_TIMEOUT", 504, "timeout", "The answer took too long"),
    # What it says where there is no such path is that a token is missing.
    _Refusal(
        "MISSING_AUTHENTICATION_TOKEN",
        404,
        "not_found",
        f"There is nothing at this address; the API lives below {BASE_PATHS[0]}",
        "404",
    ),
    _Refusal("REQUEST_TOO_LARGE", 413, "payload_too_large"),
    _Refusal("THROTTLED", 429, "rate_limit_exceeded", "There are too many requests at the moment; try again"),
    _Refusal("WAF_FILTERED", 403, "permission_denied", "The operator's firewall refuses this request"),
)


class TurnpikeApi(apigateway.RestApi):
    """What lies below a path belongs to the path's function."""

    def __init__(self, scope: Construct, construct_id: str, *, names: Names, config: StageConfig) -> None:
        access_log = LogGroup(scope, "AccessLog", what="access", names=names, config=config)
        super().__init__(
            scope,
            construct_id,
            rest_api_name=names.named("api"),
            # Without CloudFront in front of it, which ends a stream that is silent for 30 seconds.
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            # Health checks of a domain in several regions look at each region's own address.
            disable_execute_api_endpoint=config.domain is not None and len(config.regions) == 1,
            # API Gateway writes no log without a role that is the whole account's. It outlives this stack, since
            # other stages count on it.
            cloud_watch_role=True,
            binary_media_types=list(BINARY_TYPES),
            deploy_options=apigateway.StageOptions(
                stage_name=config.stage,
                throttling_rate_limit=config.throttle_rate_rps,
                throttling_burst_limit=config.throttle_burst,
                access_log_destination=apigateway.LogGroupLogDestination(access_log),
                access_log_format=apigateway.AccessLogFormat.custom(json.dumps(_LOGGED)),
                # Execution logs hold bodies and headers.
                logging_level=apigateway.MethodLoggingLevel.OFF,
                data_trace_enabled=False,
            ),
        )
        for refusal in _REFUSALS:
            self._refuse(refusal)

    def serve(self, functions: Mapping[str, TurnpikeFunction], *, streams: bool) -> None:
        for name, paths in ROUTES.items():
            integration = _integration(functions[name], streams=streams and SHAPES[name].streams)
            for base in BASE_PATHS:
                for path in paths:
                    resource = self.root.resource_for_path(base + path)
                    resource.add_method("ANY", integration)
                    resource.add_resource("{proxy+}").add_method("ANY", integration)

    def _refuse(self, refusal: _Refusal) -> None:
        self.add_gateway_response(
            refusal.kind.title().replace("_", ""),
            type=apigateway.ResponseType.of(refusal.kind),
            status_code=refusal.status,
            # So that programs in browsers can read why.
            response_headers={"Access-Control-Allow-Origin": "'*'"},
            templates={"application/json": refusal.template()},
        )


def _integration(function: TurnpikeFunction, *, streams: bool) -> apigateway.LambdaIntegration:
    if not streams:
        # One permission for all paths: a function's policy holds 20 KB.
        return apigateway.LambdaIntegration(function.live, scope_permission_to_method=False)
    return apigateway.LambdaIntegration(
        function.live,
        scope_permission_to_method=False,
        response_transfer_mode=apigateway.ResponseTransferMode.STREAM,
        timeout=_LONGEST_STREAM,
    )
