"""`GET /providers`."""

from openrouter import OpenRouter


def test_openrouter_lists_the_providers(openrouter: OpenRouter) -> None:
    providers = {provider.slug: provider.name for provider in openrouter.providers.list().data}

    assert providers.items() >= {"demo": "Demo", "demo-broken": "Demo (broken)"}.items()
