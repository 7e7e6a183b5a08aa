"""Sound: `POST /audio/speech` and `POST /audio/transcriptions`, as OpenAI and OpenRouter have them."""
