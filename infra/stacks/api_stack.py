"""The stateless half of a deployment, in one region: the functions and their API. Safe to destroy and deploy anew."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import Aws, CfnOutput, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.config import StageConfig
from infra.stacks.alarms import Alarms
from infra.stacks.custom_domain import CustomDomain
from infra.stacks.firewall import Firewall
from infra.stacks.function import ARCHITECTURE, RUNTIME, TurnpikeFunction
from infra.stacks.names import Names
from infra.stacks.rest_api import TurnpikeApi
from infra.stacks.rollout import Rollout
from turnpike.settings import Settings
from turnpike.storage.schema import BATCHES, BYOK, CACHE, CATALOG, HEALTH, KEYS, LEDGER, PRESETS

_BATCH = 50
_WINDOW = Duration.seconds(1)
"""Messages are gathered that long, and so many at most: a batch's generations of one key are settled in one write."""


class ApiStack(Stack):
    def __init__(
        self, scope: Construct, construct_id: str, *, config: StageConfig, layers: Mapping[str, Path], **kwargs: Any
    ) -> None:
        """`layers`: zip files by name."""
        super().__init__(scope, construct_id, **kwargs)
        self.config = config
        self.names = Names(config.stage, self)
        self.is_home = self.region == config.home_region
        self.api = TurnpikeApi(self, "Api", names=self.names, config=config)
        self.functions = self._functions([self._layer(name, path) for name, path in layers.items()])
        self.api.serve(self.functions, streams=not config.is_emulated)
        self._feed_metering()
        if "batches" in self.functions:
            self._feed_batches()
        if self.is_home:
            self._schedule_upkeep()
        if config.domain:
            CustomDomain(self, "Domain", api=self.api, domain=config.domain, config=config)
        if config.waf:
            Firewall(self, "Firewall", api=self.api, names=self.names, config=config)
        self._roll_out()
        CfnOutput(self, "Url", value=f"{self.public_url}/api/v1", description="The base URL for clients")

    @property
    def public_url(self) -> str:
        if self.config.domain:
            return f"https://{self.config.domain.name}"
        # Not the API's own word for it: that names the deployment, which is made of the functions that ask.
        host = f"{self.api.rest_api_id}.execute-api.{self.region}.{Aws.URL_SUFFIX}"
        return f"https://{host}/{self.config.stage}"

    def _settings(self, function: str) -> Settings:
        """What it finds in its environment. The names of secrets are there for those who may read them."""
        names, home = self.names, self.config.home_region
        has_batches = self.config.batches and function in ("keys", "batches", "upkeep")
        return Settings(
            stage=self.config.stage,
            home_region="" if self.is_home else self.config.home_region,
            ledger_table=names.named(LEDGER.name),
            keys_table=names.named(KEYS.name),
            catalog_table=names.named(CATALOG.name),
            health_table=names.named(HEALTH.name),
            cache_table=names.named(CACHE.name),
            usage_queue_url=names.usage_queue_url,
            exports_bucket=names.exports_bucket if function == "upkeep" else "",
            batches_table=names.named(BATCHES.name),
            batches_bucket=names.batches_bucket(home) if has_batches else "",
            batches_queue_url=names.batches_queue_url(home) if has_batches else "",
            byok_table=names.named(BYOK.name),
            byok_kms_key=names.byok_alias if self.config.byok else "",
            presets_table=names.named(PRESETS.name),
            provider_secret=names.provider_secret if function in ("completions", "catalog", "batches") else "",
            payments_secret=names.payments_secret if self.config.payments else "",
            public_url=self.public_url,
            **self.config.settings,  # type: ignore[arg-type]  # The config has checked names and types.
        )

    def _layer(self, name: str, path: Path) -> lambda_.LayerVersion:
        return lambda_.LayerVersion(
            self,
            f"{name.title().replace('_', '')}Layer",
            layer_version_name=self.names.named(name.replace("_", "-")),
            code=lambda_.Code.from_asset(str(path)),
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[ARCHITECTURE],
        )

    def _functions(self, layers: list[lambda_.ILayerVersion]) -> Mapping[str, TurnpikeFunction]:
        return {
            name: TurnpikeFunction(
                self, name, names=self.names, config=self.config, settings=self._settings(name), layers=layers
            )
            for name in self.config.functions(self.region)
        }

    def _feed_metering(self) -> None:
        lambda_.EventSourceMapping(
            self,
            "UsageSource",
            target=self.functions["metering"].live,
            event_source_arn=self.names.usage_queue_arn,
            batch_size=_BATCH,
            max_batching_window=_WINDOW,
            report_batch_item_failures=True,
            max_concurrency=self.config.metering_concurrency,
        )

    def _feed_batches(self) -> None:
        lambda_.EventSourceMapping(
            self,
            "BatchesSource",
            target=self.functions["batches"].live,
            event_source_arn=self.names.arn("sqs", self.names.batches_queue),
            # Each may take all of an invocation's time.
            batch_size=1,
            report_batch_item_failures=True,
            max_concurrency=self.config.most_batch_environments,
        )

    def _schedule_upkeep(self) -> None:
        # Whatever fails is done by the next run: there is nothing to repeat.
        upkeep = targets.LambdaFunction(self.functions["upkeep"].live, retry_attempts=0)
        events.Rule(
            self,
            "EveryMinute",
            rule_name=self.names.named("upkeep"),
            schedule=events.Schedule.rate(Duration.minutes(1)),
            targets=[upkeep],
        )

    def _roll_out(self) -> None:
        """Behind the same alarms that tell the operator."""
        alarms = Alarms(self, names=self.names)
        server_errors = alarms.server_errors(self.api.rest_api_name)
        watched = {
            name: alarms.function_errors(name) if name in ("metering", "upkeep", "batches") else server_errors
            for name in self.functions
        }
        if self.config.canary:
            Rollout(self, "Rollout", functions=self.functions, alarms=watched, names=self.names)
