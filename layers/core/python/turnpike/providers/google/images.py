"""Images of Gemini's models that draw. https://ai.google.dev/gemini-api/docs/image-generation"""

from turnpike.providers.google.adapter import build_adapter as build_chat_adapter
from turnpike.providers.images_by_chat import ImagesByChat


def build_adapter(provider: str) -> ImagesByChat:
    # Text as well: models before the third generation refuse to be asked for an image alone.
    return ImagesByChat(provider, build_chat_adapter(provider), ("text", "image"))
