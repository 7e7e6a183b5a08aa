"""Turnpike: an OpenAI-compatible router over many model providers, with prepaid credit."""
