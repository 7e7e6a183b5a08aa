"""A web ACL in front of the API. It sees requests; what is streamed back it does not."""

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_wafv2 as wafv2
from constructs import Construct

from infra.config import StageConfig
from infra.stacks.names import Names


class Firewall(Construct):
    def __init__(
        self, scope: Construct, construct_id: str, *, api: apigateway.RestApi, names: Names, config: StageConfig
    ) -> None:
        super().__init__(scope, construct_id)
        acl = wafv2.CfnWebACL(
            self,
            "Acl",
            name=names.named("api"),
            scope="REGIONAL",
            default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_seen_as(names.named("api")),
            # No rules that look into bodies: prompts hold what those take for attacks.
            rules=[
                _rule(0, "requests-per-address", names, block=_rate(config.waf_requests_per_5_minutes)),
                _rule(1, "reputation", names, managed="AWSManagedRulesAmazonIpReputationList"),
            ],
        )
        wafv2.CfnWebACLAssociation(
            self, "Association", resource_arn=api.deployment_stage.stage_arn, web_acl_arn=acl.attr_arn
        )


def _rule(
    priority: int,
    name: str,
    names: Names,
    *,
    block: wafv2.CfnWebACL.StatementProperty | None = None,
    managed: str = "",
) -> wafv2.CfnWebACL.RuleProperty:
    """Blocks what is in `block`, or does what AWS's own group of rules says."""
    if block is not None:
        return wafv2.CfnWebACL.RuleProperty(
            name=name,
            priority=priority,
            statement=block,
            action=wafv2.CfnWebACL.RuleActionProperty(block={}),
            visibility_config=_seen_as(names.named(name)),
        )
    group = wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(vendor_name="AWS", name=managed)
    return wafv2.CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        statement=wafv2.CfnWebACL.StatementProperty(managed_rule_group_statement=group),
        override_action=wafv2.CfnWebACL.OverrideActionProperty(none={}),
        visibility_config=_seen_as(names.named(name)),
    )


def _rate(limit: int) -> wafv2.CfnWebACL.StatementProperty:
    return wafv2.CfnWebACL.StatementProperty(
        rate_based_statement=wafv2.CfnWebACL.RateBasedStatementProperty(
            limit=limit, aggregate_key_type="IP", evaluation_window_sec=300
        )
    )


def _seen_as(metric: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=metric, sampled_requests_enabled=False
    )
