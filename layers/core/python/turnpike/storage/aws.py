"""Where AWS clients come from: services of JSON protocols have one of ours, S3 has botocore's, loaded when it is asked.

AWS's own variables are read from the process's environment, as botocore reads them.
"""

import os
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from turnpike.storage.aws_json.client import JsonClient
from turnpike.storage.aws_json.connections import Connections
from turnpike.storage.aws_json.credentials import find_credentials
from turnpike.storage.aws_json.endpoints import find_endpoint
from turnpike.storage.aws_json.services import DYNAMODB, KMS, SECRETS_MANAGER, SQS, Service

if TYPE_CHECKING:
    import botocore.session
    from botocore.credentials import Credentials
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient


class Aws:
    """Clients, new with each call. `region` is the environment's unless it is given."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._get_credentials = find_credentials(os.environ, self.credentials)
        if "AWS_CONTAINER_CREDENTIALS_FULL_URI" in os.environ:
            # Of SnapStart: what finds these credentials belongs into the snapshot, not before the first request.
            self._session.get_component("credential_provider")

    def dynamodb(self, region: str = "") -> "DynamoDBClient":
        return cast("DynamoDBClient", self._json_client(DYNAMODB, region))

    def kms(self, region: str = "") -> "KMSClient":
        return cast("KMSClient", self._json_client(KMS, region))

    def s3(self, region: str = "", **changed: Any) -> "S3Client":
        """`changed`: what of botocore's configuration is otherwise than that of other clients."""
        return cast("S3Client", self._botocore_client("s3", region, **changed))

    def secrets_manager(self, region: str = "") -> "SecretsManagerClient":
        return cast("SecretsManagerClient", self._json_client(SECRETS_MANAGER, region))

    def sqs(self, region: str = "") -> "SQSClient":
        return cast("SQSClient", self._json_client(SQS, region))

    def credentials(self) -> "Credentials | None":
        """The function's role on Lambda, the environment's or the profile's elsewhere; they renew themselves."""
        with self._lock:
            return self._session.get_credentials()

    @cached_property
    def _session(self) -> "botocore.session.Session":
        import botocore.session

        return botocore.session.get_session()

    def _json_client(self, service: Service, region: str) -> JsonClient:
        # botocore's variable, and Lambda's; a profile may name one too.
        region = region or os.environ.get("AWS_DEFAULT_REGION") or self._region_of_profile()

        def look_up() -> str:
            found: str = self._botocore_client(service.name, region).meta.endpoint_url
            return found

        endpoint = find_endpoint(os.environ, service, region, look_up)
        connections = Connections(endpoint, ca_bundle=os.environ.get("AWS_CA_BUNDLE", ""))
        return JsonClient(service, region, connections, self._get_credentials)

    def _region_of_profile(self) -> str:
        found: str | None = self._session.get_config_variable("region")
        if not found:
            from botocore.exceptions import NoRegionError

            raise NoRegionError
        return found

    def _botocore_client(self, service: str, region: str, **changed: Any) -> Any:
        from botocore.config import Config

        config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
        merged = config.merge(Config(**changed))
        return self._session.create_client(service, region_name=region or None, config=merged)
