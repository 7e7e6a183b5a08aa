"""Have a text spoken: planned and paid for as every operation, and answered by a stream of sound."""

from dataclasses import dataclass

from turnpike.domain.api_keys import Principal
from turnpike.domain.speech import SpeechRequest
from turnpike.services.complete_chat import CompleteChat
from turnpike.services.generation_call import Origin
from turnpike.services.run_operation import RunOperation
from turnpike.services.speech_call import SpeechCall


@dataclass(frozen=True, slots=True)
class RunSpeech:
    """The use case, as `RunOperation`."""

    parts: CompleteChat

    async def __call__(self, principal: Principal, request: SpeechRequest, origin: Origin) -> SpeechCall:
        """Raises RequestError or ServiceError, and then nothing is held."""
        return await RunOperation(self.parts).begin(SpeechCall, principal, request, origin)
