"""The responses skin: OpenAI's Responses API as OpenRouter extends it, without stored state (reference 8.3 to 8.5)."""
