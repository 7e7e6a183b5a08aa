"""OpenAI's chat completions, as OpenAI and everyone who copied them speak it."""
