"""Claude on other companies' platforms: Anthropic's messages in the platform's own envelope."""
