"""What a stage's resources are called.

Everything is found by its name, in any stack and any region, so no stack exports what another one then holds on to.
"""

from dataclasses import dataclass

from aws_cdk import Aws, Stack

from turnpike.storage.schema import Table


@dataclass(frozen=True, slots=True)
class Names:
    """Of one stage. ARNs are those of `stack`'s region and account."""

    stage: str
    stack: Stack

    def named(self, what: str) -> str:
        return f"turnpike-{self.stage}-{what}"

    @property
    def usage_queue(self) -> str:
        return self.named("usage")

    @property
    def dead_letters(self) -> str:
        return self.named("usage-dlq")

    @property
    def provider_secret(self) -> str:
        return self.named("providers")

    @property
    def payments_secret(self) -> str:
        return self.named("payments")

    @property
    def byok_alias(self) -> str:
        return f"alias/{self.named('byok')}"

    @property
    def usage_queue_url(self) -> str:
        return f"https://sqs.{self.stack.region}.{Aws.URL_SUFFIX}/{self.stack.account}/{self.usage_queue}"

    @property
    def exports_bucket(self) -> str:
        """Names of buckets are everybody's: the account and the region make this one ours."""
        return f"{self.named('exports')}-{self.stack.account}-{self.stack.region}"

    @property
    def exports_bucket_arn(self) -> str:
        return f"arn:{Aws.PARTITION}:s3:::{self.exports_bucket}"

    @property
    def batches_queue(self) -> str:
        return self.named("batches")

    @property
    def batches_dead_letters(self) -> str:
        return self.named("batches-dlq")

    def batches_queue_url(self, region: str) -> str:
        return f"https://sqs.{region}.{Aws.URL_SUFFIX}/{self.stack.account}/{self.batches_queue}"

    def batches_bucket(self, region: str) -> str:
        return f"{self.named('batches')}-{self.stack.account}-{region}"

    def batches_bucket_arn(self, region: str) -> str:
        return f"arn:{Aws.PARTITION}:s3:::{self.batches_bucket(region)}"

    def log_group(self, what: str) -> str:
        return f"/turnpike/{self.stage}/{what}"

    def table_arn(self, table: Table, *, region: str | None = None) -> str:
        return self.arn("dynamodb", f"table/{self.named(table.name)}", region=region)

    @property
    def usage_queue_arn(self) -> str:
        return self.arn("sqs", self.usage_queue)

    @property
    def alarm_topic_arn(self) -> str:
        return self.arn("sns", self.named("alarms"))

    def secret_arn(self, secret: str) -> str:
        """Secrets Manager appends six characters of its own to a secret's name."""
        return self.arn("secretsmanager", f"secret:{secret}-??????")

    def arn(self, service: str, resource: str, *, region: str | None = None) -> str:
        return f"arn:{Aws.PARTITION}:{service}:{region or self.stack.region}:{self.stack.account}:{resource}"
