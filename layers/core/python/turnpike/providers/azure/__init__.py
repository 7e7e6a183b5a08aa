"""Azure OpenAI in Microsoft Foundry: OpenAI's two APIs at Azure's addresses, with Azure's keys and filters.

https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle
"""
