"""Where the functions run: the CDK app, and this machine."""
