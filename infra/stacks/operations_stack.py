"""What watches a deployment: alarms, a dashboard, and a budget for AWS's own bill."""

from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.config import StageConfig
from infra.stacks import alarms as told
from infra.stacks.alarms import Alarms
from infra.stacks.names import Names

_SLOW_MS = 10_000
"""Models that think take longer than others; this is when people give up."""
_HOLDS_LEFT = 3
"""Within five minutes: a single environment may end in the middle of its request."""
_WAITING_S = 300
"""A message that old has failed more than once, or metering does not keep up."""


class OperationsStack(Stack):
    def __init__(self, scope: Construct, construct_id: str, *, config: StageConfig, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self.config = config
        self.names = Names(config.stage, self)
        self.is_home = self.region == config.home_region
        self.alarms = Alarms(self, names=self.names)
        self._measure_first_content()
        self._watch_requests()
        self._watch_usage()
        self._watch_providers()
        if self.is_home:
            self._watch_upkeep()
            if config.batches:
                self._watch_batches()
        self._draw()
        if config.budget_usd_per_month and self.is_home:
            self._budget()

    def _measure_first_content(self) -> None:
        logs.MetricFilter(
            self,
            "FirstContent",
            log_group=logs.LogGroup.from_log_group_name(self, "MeteringLog", self.names.log_group("metering")),
            filter_pattern=logs.FilterPattern.literal('{ $.message = "settled" && $.latency_ms >= 0 }'),
            metric_namespace=told.NAMESPACE,
            metric_name=told.TIME_TO_FIRST_CONTENT,
            metric_value="$.latency_ms",
            # Each line names its service, which is that of metering.
            dimensions={"service": "$.service"},
            unit=cloudwatch.Unit.MILLISECONDS,
        )

    def _watch_requests(self) -> None:
        add, alarms = self.alarms.add, self.alarms
        add(
            "slow-first-content",
            self._first_content("p95"),
            threshold=_SLOW_MS,
            periods=3,
            of_them=3,
            says=f"For 15 minutes, one request in 20 waited over {_SLOW_MS // 1000} seconds for its first content",
        )
        add(
            "throttled",
            alarms.lambda_metric("completions", "Throttles"),
            threshold=0,
            periods=3,
            of_them=2,
            says="Requests were turned away because all environments that completions may have were busy",
        )
        add(
            "usage-waiting",
            self._waiting(),
            threshold=_WAITING_S,
            periods=2,
            of_them=2,
            says="Usage has been waiting to be settled for more than five minutes",
        )

    def _watch_usage(self) -> None:
        add, alarms = self.alarms.add, self.alarms
        add(
            "unsettled-usage",
            alarms.metric("completions", told.UNSETTLED_USAGE),
            threshold=0,
            says="A generation was neither queued nor settled; its log line holds it whole",
        )
        add(
            "dead-letters",
            alarms.queue_metric(self.names.dead_letters, "ApproximateNumberOfMessagesVisible"),
            threshold=0,
            says="Usage that could not be settled waits in the queue of dead letters",
        )
        if not self.config.is_emulated:
            # The emulator does no arithmetic.
            add(
                "provider-spend",
                alarms.spend(),
                threshold=self.config.provider_spend_usd_per_hour,
                says=f"Providers cost more than ${self.config.provider_spend_usd_per_hour:g} within an hour",
            )
        if self.config.payments:
            add(
                "payment-trouble",
                alarms.metric("billing", told.PAYMENT_TROUBLE),
                threshold=0,
                says="A payment needs the operator's eye; the log says why",
            )

    def _watch_providers(self) -> None:
        self.alarms.add(
            "provider-refused-us",
            self.alarms.metric("completions", told.PROVIDER_REFUSED_US),
            threshold=0,
            periods=3,
            of_them=2,
            says="A provider refuses our credential, or our account there is without money",
        )
        if self.config.byok:
            self.alarms.add(
                "byok-failures",
                self.alarms.metric("completions", told.BYOK_FAILURES),
                threshold=0,
                periods=3,
                of_them=2,
                says="Provider keys that customers have brought cannot be read or opened",
            )

    def _watch_upkeep(self) -> None:
        add, alarms = self.alarms.add, self.alarms
        add(
            "expired-holds",
            alarms.metric("upkeep", told.EXPIRED_HOLDS),
            threshold=_HOLDS_LEFT,
            periods=3,
            of_them=3,
            says="Many holds expired that nobody settled: generations may not have been charged",
        )
        add(
            "audit-findings",
            alarms.metric("upkeep", told.AUDIT_FINDINGS),
            threshold=0,
            says="The ledger's audit found something that does not add up",
        )
        add(
            "audit-failed",
            alarms.metric("upkeep", told.AUDIT_FAILED),
            threshold=0,
            periods=3,
            of_them=3,
            says="For 15 minutes the ledger could not be audited, or its entries not be exported",
        )
        add(
            "catalog-refresh",
            alarms.metric("upkeep", told.CATALOG_REFRESH_FAILED, period=Duration.hours(1)),
            threshold=0,
            periods=6,
            of_them=6,
            says="For six hours the catalog could not be refreshed; the last good one is served",
        )

    def _watch_batches(self) -> None:
        self.alarms.add(
            "batches-dead-letters",
            self.alarms.queue_metric(self.names.batches_dead_letters, "ApproximateNumberOfMessagesVisible"),
            threshold=0,
            says="Steps of batches were given up, and wait in the queue of dead letters",
        )
        self.alarms.add(
            "batches-unsettled-usage",
            self.alarms.metric("batches", told.UNSETTLED_USAGE),
            threshold=0,
            says="A generation of a batch was neither queued nor settled; its log line holds it whole",
        )

    def _first_content(self, statistic: str) -> cloudwatch.Metric:
        return self.alarms.metric("metering", told.TIME_TO_FIRST_CONTENT, statistic=statistic)

    def _waiting(self) -> cloudwatch.Metric:
        return self.alarms.queue_metric(self.names.usage_queue, "ApproximateAgeOfOldestMessage")

    def _draw(self) -> None:
        metric, lambda_metric = self.alarms.metric, self.alarms.lambda_metric
        functions = self.config.functions(self.region)
        attempts = (told.ATTEMPTS, told.FAILED_ATTEMPTS, told.RATE_LIMITED_ATTEMPTS)
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=self.names.named(self.region),
            widgets=[
                [
                    _graph("Generations", metric("metering", told.SETTLED_GENERATIONS)),
                    _graph("First content, ms", *(self._first_content(each) for each in ("p50", "p95", "p99"))),
                    _graph("Attempts at providers", *(metric("metering", name) for name in attempts)),
                ],
                [
                    _graph("Invocations", *(lambda_metric(each, "Invocations") for each in functions)),
                    _graph("Errors", *(lambda_metric(each, "Errors") for each in functions)),
                    _graph("Environments", lambda_metric("completions", "ConcurrentExecutions", "Maximum")),
                ],
                [
                    _graph("Provider spend, USD an hour", self.alarms.spend()),
                    _graph("Usage waiting, s", self._waiting()),
                    _graph("Expired holds", metric("upkeep", told.EXPIRED_HOLDS)),
                ],
            ],
        )

    def _budget(self) -> None:
        mail = budgets.CfnBudget.SubscriberProperty(address=self.config.alarm_email, subscription_type="EMAIL")
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=self.names.named("budget"),
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=self.config.budget_usd_per_month, unit="USD"),
                # What other stages cost is theirs; the tag has to be activated once for cost allocation.
                cost_filters={"TagKeyValue": [f"user:turnpike:stage${self.config.stage}"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN", notification_type="ACTUAL", threshold=percent
                    ),
                    subscribers=[mail],
                )
                for percent in (80, 100)
            ],
        )


def _graph(title: str, *metrics: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=8)
