"""What functions may do. That it is enough, the deployed stack's tests say; that it is no more, these."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from infra.config import FUNCTIONS

from tests.infra.synthesized import STAGE, Synthesized

ROLE, POLICY = "AWS::IAM::Role", "AWS::IAM::Policy"

LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
READ = {"dynamodb:GetItem"}
SECRET = {"secretsmanager:GetSecretValue"}
EXPORTS = "exports-<AWS::AccountId>-eu-central-1"
ALLOWED: Mapping[str, Mapping[str, set[str]]] = {
    "completions": {
        "keys": READ,
        "ledger": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
        "catalog": {"dynamodb:GetItem", "dynamodb:Query"},
        "health": READ,
        "presets": READ,
        "cache": {"dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"},
        "usage": {"sqs:SendMessage"},
        "providers": SECRET,
    },
    "catalog": {"keys": READ, "catalog": {"dynamodb:GetItem", "dynamodb:Query"}, "health": READ, "providers": SECRET},
    "keys": {
        "keys": {"dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem"},
        "keys/index/keys_by_account": {"dynamodb:Query"},
        "ledger": {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"},
        "presets": {
            "dynamodb:ConditionCheckItem",
            "dynamodb:DeleteItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
        },
    },
    "billing": {
        "keys": READ,
        "ledger": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"},
    },
    "metering": {
        "ledger": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
        "health": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"},
        "usage": {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"},
    },
    "upkeep": {
        "ledger": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem"},
        EXPORTS: {"s3:ListBucket"},
        f"{EXPORTS}/ledger/*": {"s3:GetObject", "s3:PutObject"},
        f"{EXPORTS}/manifests/*": {"s3:GetObject", "s3:PutObject"},
        "ledger/index/holds_by_expiry": {"dynamodb:Query"},
        "catalog": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
    },
}
"""By function and resource, with a stage that has nothing besides."""

BATCH_FILES = "batches-<AWS::AccountId>-eu-central-1"
FILES = {
    BATCH_FILES: {"s3:ListBucket"},
    f"{BATCH_FILES}/*": {"s3:DeleteObject", "s3:GetObject", "s3:PutObject"},
}
ALL_OF_A_TABLE = {
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
}

ADDED: Mapping[str, Mapping[str, set[str]]] = {
    "completions": {"byok": {"dynamodb:Query"}},
    "catalog": {},
    "keys": {
        **FILES,
        # The table and the queue are of one name.
        "batches": {*ALL_OF_A_TABLE, "sqs:SendMessage"},
        "catalog": {"dynamodb:GetItem", "dynamodb:Query"},
        "byok": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"},
    },
    "billing": {"payments": SECRET},
    "metering": {},
    "upkeep": {
        "payments": SECRET,
        "batches": {"dynamodb:GetItem", "dynamodb:UpdateItem", "sqs:SendMessage"},
        "batches/index/open_batches": {"dynamodb:Query"},
    },
    "batches": {
        **ALLOWED["completions"],
        **FILES,
        "byok": {"dynamodb:Query"},
        "batches": {
            *("dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"),
            *("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"),
        },
    },
}
"""With one that has everything."""

WILDCARDS = {
    ":log-stream:*": "Lambda names the streams of a function's own log group",
    "-??????": "Secrets Manager appends six characters to the name of a secret",
    ":kms:eu-central-1:<AWS::AccountId>:key/*": "a condition leaves the one that has the stage's alias",
    "/ledger/*": "entries are exported by day and account",
    "/manifests/*": "and told of by day",
    "batches-<AWS::AccountId>-eu-central-1/*": "and batches are filed by account and id",
    ":bedrock:*::foundation-model/*": "the catalog says which models are called",
    ":bedrock:*:": "inference profiles lead to other regions, and the catalog says which are called",
}
"""What may stand in a resource besides its name, and why."""


def statements(properties: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for policy in properties["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def arn_of(resource: Any) -> str:
    """As one text, in which what only AWS knows has its name."""
    if isinstance(resource, str):
        return resource
    if "Fn::Join" in resource:
        return "".join(arn_of(part) for part in resource["Fn::Join"][1])
    return f"<{next(iter(resource.values()))}>"


def role_of(stacks: Synthesized, function: str) -> Mapping[str, Any]:
    (found,) = [
        resource["Properties"]
        for name, resource in stacks.resources("api", ROLE).items()
        if name.startswith(f"{function.title()}Role")
    ]
    return found


def granted(stacks: Synthesized, function: str) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for statement in statements(role_of(stacks, function)):
        assert statement["Effect"] == "Allow"
        for resource in listed(statement["Resource"]):
            name = arn_of(resource).partition(f"turnpike-{STAGE}-")[2].removesuffix("-??????")
            found.setdefault(name, set()).update(listed(statement["Action"]))
    return found


@pytest.mark.parametrize("function", ALLOWED)
def test_a_function_may_do_what_its_code_does_and_no_more(plain: Synthesized, function: str) -> None:
    # Of log groups the name is a path.
    assert granted(plain, function) == {**ALLOWED[function], "": LOGS}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_a_stage_has_besides_adds_what_it_needs(full: Synthesized, function: str) -> None:
    allowed = granted(full, function)
    for name, actions in ADDED[function].items():
        assert allowed[name] == actions
    assert set(allowed) - {""} == {*ALLOWED.get(function, ()), *ADDED[function]}
    kms = {action for action in allowed[""] if action.startswith("kms:")}
    openers = {"completions": {"kms:Decrypt"}, "batches": {"kms:Decrypt"}, "keys": {"kms:GenerateDataKey"}}
    assert kms == openers.get(function, set())
    assert ("bedrock:InvokeModel" in allowed[""]) == (function in ("completions", "batches"))


def test_the_key_of_customers_keys_is_the_stages_own(full: Synthesized) -> None:
    for function in ("completions", "keys", "batches"):
        (statement,) = [
            each for each in statements(role_of(full, function)) if listed(each["Action"])[0].startswith("kms:")
        ]
        alias = {"kms:ResourceAliases": f"alias/turnpike-{STAGE}-byok"}
        assert statement["Condition"] == {"ForAnyValue:StringEquals": alias}


def test_each_function_has_a_role_of_its_own(plain: Synthesized) -> None:
    roles = [properties["Role"]["Fn::GetAtt"][0] for properties in plain.properties("api", "AWS::Lambda::Function")]
    assert len(set(roles)) == len(ALLOWED)
    for name in ALLOWED:
        assert "ManagedPolicyArns" not in role_of(plain, name)


def test_nothing_is_granted_elsewhere(full: Synthesized) -> None:
    for stack in ("data", "api", "operations"):
        assert not full.resources(stack, POLICY)


def test_no_action_is_a_wildcard(full: Synthesized) -> None:
    for properties in full.properties("api", ROLE):
        for statement in statements({"Policies": [], **properties}):
            assert not [action for action in listed(statement["Action"]) if "*" in action]


def test_every_wildcard_in_a_resource_has_its_reason(full: Synthesized) -> None:
    seen = set()
    for properties in full.properties("api", ROLE):
        for statement in statements({"Policies": [], **properties}):
            for resource in map(arn_of, listed(statement["Resource"])):
                if resource == "*":
                    # It has no resources: https://docs.aws.amazon.com/bedrock/latest/userguide/rerank-prereq.html
                    assert listed(statement["Action"]) == ["bedrock:Rerank"]
                elif "*" in resource or "?" in resource:
                    reasons = [reason for reason in WILDCARDS if reason in resource]
                    assert reasons, resource
                    seen.update(reasons)
    assert seen == set(WILDCARDS)


def test_only_the_api_and_the_schedule_may_call_functions(plain: Synthesized) -> None:
    permissions = plain.properties("api", "AWS::Lambda::Permission")
    callers = {permission["Principal"].removesuffix(".amazonaws.com") for permission in permissions}
    assert callers == {"apigateway", "events"}
    for permission in permissions:
        assert permission["Action"] == "lambda:InvokeFunction"
        assert permission["SourceArn"]
