"""Hosts an ASGI app on Lambda and streams its responses, which the managed Python runtime cannot do.

Speaks the Runtime API (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html) with the standard library alone,
and knows nothing of the app but its module, which the handler string names.
"""
