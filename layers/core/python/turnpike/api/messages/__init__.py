"""The messages skin: Anthropic's Messages API as OpenRouter extends it (reference 8.1 and 8.2)."""
