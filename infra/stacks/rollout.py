"""New versions take a tenth of the calls first, and are taken back when an alarm goes off meanwhile."""

from collections.abc import Mapping

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.config import ALIAS
from infra.stacks.function import TurnpikeFunction
from infra.stacks.names import Names


class Rollout(Construct):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: Mapping[str, TurnpikeFunction],
        alarms: Mapping[str, cloudwatch.Alarm],
        names: Names,
    ) -> None:
        """`alarms`: what takes a function's new version back."""
        super().__init__(scope, construct_id)
        application = codedeploy.LambdaApplication(self, "Application", application_name=names.named("functions"))
        role = self._role(list(functions), list({id(each): each for each in alarms.values()}.values()), names)
        for name, function in functions.items():
            codedeploy.LambdaDeploymentGroup(
                self,
                name.title(),
                application=application,
                deployment_group_name=name,
                alias=function.live,
                # As it is: CDK would add a policy of AWS's that may change any function.
                role=role.without_policy_updates(),
                deployment_config=codedeploy.LambdaDeploymentConfig.CANARY_10_PERCENT_5_MINUTES,
                alarms=[alarms[name]],
            )

    def _role(self, functions: list[str], alarms: list[cloudwatch.Alarm], names: Names) -> iam.Role:
        deployed = [names.arn("lambda", f"function:{names.named(function)}") for function in functions]
        move = iam.PolicyStatement(
            actions=["lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"],
            resources=[*deployed, *(f"{arn}:{ALIAS}" for arn in deployed)],
        )
        watch = iam.PolicyStatement(
            actions=["cloudwatch:DescribeAlarms"], resources=[alarm.alarm_arn for alarm in alarms]
        )
        return iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("codedeploy.amazonaws.com"),
            inline_policies={"rollout": iam.PolicyDocument(statements=[move, watch])},
        )
