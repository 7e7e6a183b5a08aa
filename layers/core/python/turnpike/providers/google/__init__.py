"""Gemini's generateContent, as Google AI Studio and Vertex AI speak it."""
