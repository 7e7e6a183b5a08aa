"""Mistral's chat completions: OpenAI's, with content in chunks. https://docs.mistral.ai/api/endpoint/chat"""
