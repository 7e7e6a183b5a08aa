"""What each function may do: exactly what its code calls, on exactly what it calls it on.

The deployment's test calls every path with these permissions and no others.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Aws
from aws_cdk import aws_iam as iam

from infra.config import StageConfig
from infra.stacks.names import Names
from turnpike.storage.schema import (
    BATCHES,
    BYOK,
    CACHE,
    CATALOG,
    HEALTH,
    HOLDS_BY_EXPIRY,
    KEYS,
    KEYS_BY_ACCOUNT,
    LEDGER,
    OPEN_BATCHES,
    PRESETS,
    Table,
)


@dataclass(frozen=True, slots=True)
class Grant:
    actions: Sequence[str]
    resources: Sequence[str]
    conditions: Mapping[str, Mapping[str, str]] | None = None

    def statement(self) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            actions=list(self.actions), resources=list(self.resources), conditions=self.conditions
        )


_READ = ("GetItem",)
_LIST = ("GetItem", "Query")
# Transactions are allowed as what they are made of.
_BOOK = ("GetItem", "PutItem", "UpdateItem")


@dataclass(frozen=True, slots=True)
class Grants:
    names: Names
    config: StageConfig

    def of(self, function: str) -> Sequence[Grant]:
        grants: Iterator[Grant] = getattr(self, f"_{function}")()
        return [self._logs(function), *grants]

    def _completions(self) -> Iterator[Grant]:
        yield from self._ask()

    def _batches(self) -> Iterator[Grant]:
        yield from self._ask()
        yield self._table(BATCHES, "GetItem", "Query", "UpdateItem")
        yield Grant(["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"], [self._batches_queue])
        yield self._send_steps()
        yield from self._batch_files("s3:DeleteObject", "s3:GetObject", "s3:PutObject")

    def _ask(self) -> Iterator[Grant]:
        """Whatever answers a request, however it came."""
        yield self._table(KEYS, *_READ)
        # Holds, leases and their extension; the quota of free models; settling at once where the queue is away.
        yield self._table(LEDGER, *_BOOK)
        yield self._table(CATALOG, *_LIST)
        yield self._table(HEALTH, *_READ)
        yield self._table(PRESETS, *_READ)
        yield self._table(CACHE, "BatchGetItem", "DeleteItem", "GetItem", "PutItem")
        yield Grant(["sqs:SendMessage"], [self.names.usage_queue_arn])
        yield self._secret(self.names.provider_secret)
        if self.config.byok:
            yield self._table(BYOK, "Query")
            yield self._byok_key("Decrypt")
        if self.config.bedrock:
            yield self._bedrock()
            # Takes no resource; the model that it calls has to be allowed besides.
            yield Grant(["bedrock:Rerank"], ["*"])

    def _catalog(self) -> Iterator[Grant]:
        yield self._table(KEYS, *_READ)
        yield self._table(CATALOG, *_LIST)
        yield self._table(HEALTH, *_READ)
        # A model is listed when there is a credential for it.
        yield self._secret(self.names.provider_secret)

    def _keys(self) -> Iterator[Grant]:
        yield self._table(KEYS, "DeleteItem", "GetItem", "PutItem")
        yield self._index(KEYS, KEYS_BY_ACCOUNT.name)
        # What keys have spent, and the limit of one that had none before.
        yield self._table(LEDGER, *_LIST, "UpdateItem")
        yield self._table(PRESETS, *_LIST, "ConditionCheckItem", "DeleteItem", "PutItem")
        if self.config.byok or self.config.batches:
            # Which providers and models there are.
            yield self._table(CATALOG, *_LIST)
        if self.config.byok:
            yield self._table(BYOK, *_LIST, "PutItem", "UpdateItem")
            yield self._byok_key("GenerateDataKey")
        if self.config.batches:
            yield self._table(BATCHES, "DeleteItem", *_LIST, "PutItem", "UpdateItem")
            yield self._send_steps()
            # Whoever makes an address for somebody has to have the rights that it gives.
            yield from self._batch_files("s3:DeleteObject", "s3:GetObject", "s3:PutObject")

    def _billing(self) -> Iterator[Grant]:
        yield self._table(KEYS, *_READ)
        yield self._table(LEDGER, *_BOOK, "Query")
        yield from self._payments()

    def _metering(self) -> Iterator[Grant]:
        yield self._table(LEDGER, *_BOOK)
        yield self._table(HEALTH, "GetItem", "PutItem", "Query", "UpdateItem")
        yield Grant(
            ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
            [self.names.usage_queue_arn],
        )

    def _upkeep(self) -> Iterator[Grant]:
        # An audit reads all of it: a scan finds the accounts.
        yield self._table(LEDGER, *_BOOK, "Query", "Scan")
        yield self._index(LEDGER, HOLDS_BY_EXPIRY.name)
        # Without the right to delete: what was exported stays.
        exports = self.names.exports_bucket_arn
        yield Grant(["s3:ListBucket"], [exports])
        yield Grant(["s3:GetObject", "s3:PutObject"], [f"{exports}/ledger/*", f"{exports}/manifests/*"])
        yield self._table(CATALOG, "GetItem", "PutItem", "UpdateItem")
        yield from self._payments()
        if self.config.batches:
            yield self._table(BATCHES, "GetItem", "UpdateItem")
            yield self._index(BATCHES, OPEN_BATCHES.name)
            yield self._send_steps()

    def _send_steps(self) -> Grant:
        # The emulator takes the call's own name for its action, where AWS has one for a message and for several.
        several = ["sqs:SendMessageBatch"] if self.config.is_emulated else []
        return Grant(["sqs:SendMessage", *several], [self._batches_queue])

    @property
    def _batches_queue(self) -> str:
        return self.names.arn("sqs", self.names.batches_queue, region=self.config.home_region)

    def _batch_files(self, *actions: str) -> Iterator[Grant]:
        bucket = self.names.batches_bucket_arn(self.config.home_region)
        # Without it S3 tells of what is not there as if it were forbidden.
        yield Grant(["s3:ListBucket"], [bucket])
        yield Grant(actions, [f"{bucket}/*"])

    def _payments(self) -> Iterator[Grant]:
        if self.config.payments:
            yield self._secret(self.names.payments_secret)

    def _table(self, table: Table, *actions: str) -> Grant:
        return Grant([f"dynamodb:{action}" for action in actions], [self._arn(table)])

    def _index(self, table: Table, index: str) -> Grant:
        return Grant(["dynamodb:Query"], [f"{self._arn(table)}/index/{index}"])

    def _arn(self, table: Table) -> str:
        """Whatever region asks, the ledger and the batches are at home."""
        return self.names.table_arn(table, region=self.config.home_region if table in (LEDGER, BATCHES) else None)

    def _secret(self, secret: str) -> Grant:
        return Grant(["secretsmanager:GetSecretValue"], [self.names.secret_arn(secret)])

    def _byok_key(self, action: str) -> Grant:
        """Of the key that has the stage's alias now: its id is known to the stack alone that makes it."""
        of_the_stage = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": self.names.byok_alias}}
        keys = self.names.arn("kms", "key/*", region=self.config.home_region)
        if self.config.is_emulated:
            # It knows no aliases in conditions, and takes the one that a call names for what is called.
            return Grant([f"kms:{action}"], [keys, self.names.arn("kms", self.names.byok_alias)])
        return Grant([f"kms:{action}"], [keys], of_the_stage)

    def _logs(self, function: str) -> Grant:
        """Lambda names the streams below a function's log group."""
        group = self.names.arn("logs", f"log-group:{self.names.log_group(function)}")
        return Grant(["logs:CreateLogStream", "logs:PutLogEvents"], [f"{group}:log-stream:*"])

    def _bedrock(self) -> Grant:
        """Which models is the catalog's business, and in which regions that of the inference profiles."""
        models = f"arn:{Aws.PARTITION}:bedrock:*::foundation-model/*"
        profiles = f"arn:{Aws.PARTITION}:bedrock:*:{Aws.ACCOUNT_ID}:inference-profile/*"
        return Grant(["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"], [models, profiles])
