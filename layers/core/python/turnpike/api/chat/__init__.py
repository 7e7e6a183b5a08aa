"""The chat skin: OpenAI's chat completions as OpenRouter extends them."""
