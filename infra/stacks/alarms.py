"""What an operator is told of. docs/operations.md has a chapter for each: what it means, what to check, what to do."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.stacks.names import Names

NAMESPACE = "Turnpike"
"""Of turnpike.telemetry, as are the names below: a test compares them, since this side may not import that one."""
UNSETTLED_USAGE = "UnsettledUsage"
EXPIRED_HOLDS = "ExpiredHolds"
CATALOG_REFRESH_FAILED = "CatalogRefreshFailed"
PROVIDER_REFUSED_US = "ProviderRefusedUs"
CHARGED_USD = "ChargedUsd"
ABSORBED_USD = "AbsorbedUsd"
PAYMENT_TROUBLE = "PaymentTrouble"
BYOK_FAILURES = "ByokFailures"
SETTLED_GENERATIONS = "SettledGenerations"
ATTEMPTS = "Attempts"
FAILED_ATTEMPTS = "FailedAttempts"
RATE_LIMITED_ATTEMPTS = "RateLimitedAttempts"
AUDIT_FINDINGS = "AuditFindings"
AUDIT_FAILED = "AuditFailed"

TIME_TO_FIRST_CONTENT = "TimeToFirstContent"
"""In milliseconds, from the log: metering writes a line for each generation."""

_HOUR = Duration.hours(1)
_FIVE_MINUTES = Duration.minutes(5)


class Alarms:
    """Makes them in `scope`. None goes off for want of traffic, and each tells the stage's topic."""

    def __init__(self, scope: Construct, *, names: Names) -> None:
        self._scope, self._names = scope, names
        self._topic = sns.Topic.from_topic_arn(scope, "AlarmTopic", names.alarm_topic_arn)

    def server_errors(self, api_name: str) -> cloudwatch.Alarm:
        metric = cloudwatch.Metric(
            namespace="AWS/ApiGateway",
            metric_name="5XXError",
            dimensions_map={"ApiName": api_name},
            # Of a metric that is 0 or 1 for each request, the average is the rate.
            statistic="Average",
            period=Duration.minutes(1),
        )
        return self.add(
            "server-errors",
            metric,
            threshold=0.05,
            periods=5,
            of_them=3,
            says="More than 5 % of requests were answered with 5xx in 3 of 5 minutes",
        )

    def function_errors(self, function: str) -> cloudwatch.Alarm:
        return self.add(
            f"{function}-errors",
            self.lambda_metric(function, "Errors"),
            threshold=0,
            periods=3,
            of_them=2,
            says=f"The function {function} failed in 2 of 3 periods of five minutes",
        )

    def lambda_metric(self, function: str, name: str, statistic: str = "Sum") -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/Lambda",
            metric_name=name,
            dimensions_map={"FunctionName": self._names.named(function)},
            statistic=statistic,
            period=_FIVE_MINUTES,
        )

    def metric(
        self, function: str, name: str, *, statistic: str = "Sum", period: Duration = _FIVE_MINUTES
    ) -> cloudwatch.Metric:
        """One that the function counts itself."""
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=name,
            dimensions_map=dimensions(self._names, function),
            statistic=statistic,
            period=period,
        )

    def queue_metric(self, queue: str, name: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/SQS",
            metric_name=name,
            dimensions_map={"QueueName": queue},
            statistic="Maximum",
            period=_FIVE_MINUTES,
        )

    def spend(self) -> cloudwatch.MathExpression:
        """USD that providers ask for an hour: what was charged is their price, and the rest is ours."""
        parts = {"charged": CHARGED_USD, "absorbed": ABSORBED_USD}
        return cloudwatch.MathExpression(
            expression="FILL(charged, 0) + FILL(absorbed, 0)",
            label="USD",
            using_metrics={part: self.metric("metering", name, period=_HOUR) for part, name in parts.items()},
            period=_HOUR,
        )

    def add(
        self,
        slug: str,
        metric: cloudwatch.IMetric,
        *,
        threshold: float,
        says: str,
        periods: int = 1,
        of_them: int = 1,
    ) -> cloudwatch.Alarm:
        """Goes off above `threshold` in `of_them` of the last `periods`."""
        alarm = cloudwatch.Alarm(
            self._scope,
            "".join(word.title() for word in slug.split("-")),
            alarm_name=self._names.named(slug),
            alarm_description=f"{says}. See docs/operations.md, {slug}",
            metric=metric,
            threshold=threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=periods,
            datapoints_to_alarm=of_them,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self._topic))
        alarm.add_ok_action(actions.SnsAction(self._topic))
        return alarm


def dimensions(names: Names, function: str) -> Mapping[str, str]:
    """Those of every metric that a function counts itself; its service is named for the stage as well."""
    return {"service": names.named(function)}
