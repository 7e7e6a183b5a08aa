"""The skin of OpenAI's legacy text completions: chat completions in other words, hence built on that skin."""
