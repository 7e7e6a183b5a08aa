"""Whether a request that is asked later, or not at all, names a model that could answer it."""

from turnpike.domain.availability import Availability
from turnpike.domain.catalog import Catalog
from turnpike.domain.chat import ChatRequest
from turnpike.domain.errors import ModelNotFound, NoEndpoints, RequestError
from turnpike.domain.routing.request import RoutedRequest
from turnpike.domain.routing.targets import chats_alone, get_model
from turnpike.domain.slugs import AUTO, FREE, parse_slug


def check_models(request: RoutedRequest, catalog: Catalog) -> None:
    """Of conditions that depend on the day, such as who serves the model at which price, nothing is said.

    Raises ModelNotFound or NoEndpoints for the first of its models, where none of them is there and gives what is
    asked for.
    """
    problems: list[RequestError] = []
    for text in request.models:
        try:
            _check(text, request, catalog)
        except (ModelNotFound, NoEndpoints) as error:
            problems.append(error)
        else:
            return
    raise problems[0]


def _check(text: str, request: RoutedRequest, catalog: Catalog) -> None:
    slug, outputs = parse_slug(text), request.output_kinds
    if slug.model == FREE:
        return
    if slug.model == AUTO:
        if not isinstance(request, ChatRequest):
            raise chats_alone(outputs)
        return
    model = get_model(catalog, text, slug)
    if model.output_modalities and not outputs <= set(model.output_modalities):
        kinds = ",".join(sorted(outputs))
        gives = ", ".join(model.output_modalities)
        advice = f"GET /models?output_modalities={kinds} lists others"
        availability = Availability("constraint_filtered", [text], constraint=("model", advice))
        raise NoEndpoints(f"{text} gives {gives} and not {kinds}; {advice}", availability)
