"""The CDK stacks: what is deployed into an AWS account."""
