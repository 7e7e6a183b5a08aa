"""Turnpike: an OpenAI-compatible router over many model providers, with prepaid credit."""

import os

# There are none, and to look for them in whatever is installed takes 20 ms of a start.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
