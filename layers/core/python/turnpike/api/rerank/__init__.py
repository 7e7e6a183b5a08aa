"""OpenRouter's rerank, which is Cohere's: `POST /rerank`."""
