"""Cohere's Chat API, version 2: https://docs.cohere.com/reference/chat."""
