"""The commands that reach a deployment in AWS: `python -m infra.cloud <command> <stage>`, as the Makefile runs them."""
