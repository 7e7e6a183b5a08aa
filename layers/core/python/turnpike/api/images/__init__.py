"""Images, as OpenRouter has them: `POST /images`; and at OpenAI's address, in the form of its SDK."""
