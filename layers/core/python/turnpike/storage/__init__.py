"""The only package that speaks to AWS: repositories over DynamoDB, the usage queue, and the catalog's files."""
