"""What cdk-nag's AwsSolutions rules find and we keep, each with the reason; whatever else they find fails the build."""

from collections.abc import Mapping

from aws_cdk import Stack, Validations

from infra.config import FUNCTIONS, StageConfig
from infra.stacks.names import Names

_AWS_POLICIES = "arn:<AWS::Partition>:iam::aws:policy/service-role"
_RULES = {
    "AwsSolutions-APIG4": "Keys are checked by the functions, which have to read them anyway, to know whom to charge",
    "AwsSolutions-COG4": "Clients are programs with API keys, and not people who sign in",
    "AwsSolutions-APIG2": "Requests are checked by the functions, whose answers say which field is wrong",
    "AwsSolutions-APIG6": "Execution logs would hold keys and prompts; the access log has neither",
    "AwsSolutions-L1": "The wheels in the layers are built for this version of Python, which is supported until 2029",
    "AwsSolutions-SMG4": "Providers have no call that makes a new key; docs/operations.md tells how keys are changed",
    "AwsSolutions-S1": (
        "Only functions read exports and batches, or whom they give an address; whoever wants a log has CloudTrail's, "
        "which cannot be written over"
    ),
    f"AwsSolutions-IAM4[Policy::{_AWS_POLICIES}/AmazonAPIGatewayPushToCloudWatchLogs]": (
        "API Gateway's log role is the whole account's, and this is the policy that AWS documents for it"
    ),
}
_WITHOUT_WAF = {"AwsSolutions-APIG3": "A web ACL costs $6 a month; `waf = true` in infra/config.toml adds one"}
_BEDROCK = {
    f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:bedrock:*:{models}]": (
        "Which models are called is the catalog's to say, and in which regions the inference profiles'"
    )
    for models in (":foundation-model/*", "<AWS::AccountId>:inference-profile/*")
} | {"AwsSolutions-IAM5[Resource::*]": "bedrock:Rerank has no resources; tests/infra/test_grants.py allows no other"}


def acknowledge(stack: Stack, config: StageConfig) -> None:
    names = Names(config.stage, stack)
    rules = {**_RULES, **_log_streams(names), **_exports(names)}
    if not config.waf:
        rules |= _WITHOUT_WAF
    if config.byok:
        rules |= {
            f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:kms:{config.home_region}:<AWS::AccountId>:key/*]": (
                "A condition leaves of all keys the one that has the stage's alias"
            )
        }
    if config.bedrock:
        rules |= _BEDROCK
    if config.batches:
        rules |= _batches(names, config)
    # Not by `acknowledge`, which takes what is before the last of two colons for the name of a rule pack.
    stack.node.add_metadata(
        Validations.ACKNOWLEDGED_RULES_METADATA_KEY,
        {f"AwsSolutions::{rule}": reason for rule, reason in rules.items()},
    )


def _log_streams(names: Names) -> Mapping[str, str]:
    """By the function's log group, so that any other wildcard is still found."""
    start = f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:logs:{names.stack.region}:<AWS::AccountId>:log-group:"
    return {
        f"{start}{names.log_group(function)}:log-stream:*]": "Lambda names the streams, with a random part"
        for function in FUNCTIONS
    }


def _exports(names: Names) -> Mapping[str, str]:
    start = f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:s3:::{names.named('exports')}-<AWS::AccountId>"
    return {
        f"{start}-{names.stack.region}/{prefix}/*]": "Objects are named for days and accounts"
        for prefix in ("ledger", "manifests")
    }


def _batches(names: Names, config: StageConfig) -> Mapping[str, str]:
    objects = f"arn:<AWS::Partition>:s3:::{names.named('batches')}-<AWS::AccountId>-{config.home_region}/*"
    return {f"AwsSolutions-IAM5[Resource::{objects}]": "Objects are named for accounts and batches"}
