"""OpenAI's embeddings, as OpenRouter has them: `POST /embeddings`."""
