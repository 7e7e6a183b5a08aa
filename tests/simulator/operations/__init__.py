"""What the simulator's wire formats do besides chats: each checks its request strictly, and answers by rules that a
test can follow.
"""

from collections.abc import Callable, Mapping

from tests.simulator.http import Reply, Request
from tests.simulator.operations.bedrock import invoke, rerank_as_bedrock
from tests.simulator.operations.cohere import embed_as_cohere, rerank_as_cohere
from tests.simulator.operations.google import embed_as_google
from tests.simulator.operations.google_speech import speak_as_google
from tests.simulator.operations.openai_audio import speak_as_openai, transcribe_as_openai
from tests.simulator.operations.openai_embeddings import embed_as_azure, embed_as_mistral, embed_as_openai
from tests.simulator.operations.openai_images import draw_as_openai
from tests.simulator.wires.wire import Target

Perform = Callable[[Request, Target, str], Reply]
"""Given the key that the request must bear. Raises Trouble, and LookupError, TypeError or AttributeError where a member
is not of its type."""

OPERATIONS: Mapping[tuple[str, str], Perform] = {
    ("azure", "embeddings"): embed_as_azure,
    ("bedrock", "invoke"): invoke,
    ("bedrock", "rerank"): rerank_as_bedrock,
    ("cohere", "embeddings"): embed_as_cohere,
    ("cohere", "rerank"): rerank_as_cohere,
    ("google", "embeddings"): embed_as_google,
    ("mistral", "embeddings"): embed_as_mistral,
    ("openai_compatible", "embeddings"): embed_as_openai,
    ("openai_compatible", "speech"): speak_as_openai,
    ("openai_compatible", "transcription"): transcribe_as_openai,
    ("google", "speech"): speak_as_google,
    ("openai_compatible", "images"): draw_as_openai,
}
"""By wire and operation."""
