"""Compiles the catalog from open data: models.dev for models, genai-prices for what they cost.

Pure: parsed JSON and the texts of our own TOML files go in, one mapping comes out; `infra/catalog.py` does it from
packages when the catalog is built, and the upkeep function from downloads. What makes no sense in the data is left
out and listed; only our own files raise.

The artefact is that mapping as JSON, the same for the same input:

    format       1, raised when older readers would misread it
    version      a hash of all else, which no time is part of: the same data and prices are the same version
    parameters   [[names]], the sets of supported parameters; models and endpoints hold their place in this list
    providers    {slug: {name, wire, base_url, variables, credential, privacy_policy_url, ..., "headquarters"}}, the
                 table of a catalog file as it is, so that addresses and credentials are completed in the same way;
                 and `policy` {training, retention_days, source}, as far as it is known
    models       {slug: {name, description, created, context_length, input_modalities, output_modalities, tokenizer,
                 knowledge_cutoff?, distillable?, parameters, endpoints}}, by slug
      endpoints  [{provider, upstream_model, wire?, pricing, tiers?, context_length?, max_completion_tokens?,
                 parameters?, quantization?, variant?, region?, input_modalities?, collects_data?, zdr?}], the
                 cheapest first. What is left out is as in the model; `quantization` "unknown", `collects_data`
                 true, `zdr` false
      pricing    {part: "USD per token as a decimal", "overrides": [{min_prompt_tokens?, utc_start?, utc_end?,
                 utc_days?, part: price}]}, as OpenRouter prints it; `tiers` {"flex" | "priority": the same of the
                 parts that differ}: without `overrides`, those of the endpoint change the tier's in proportion
    aliases      {slug: slug}: `~author/family-latest`, and names that models had before

Reading it (`storage/catalog_artefact.py`) costs one `orjson.loads`; a model is built when it is first asked for.
"""

from turnpike.domain.catalog_tables import CatalogFileError, parse_toml
from turnpike.services.catalog_overrides import apply_overrides
from turnpike.services.compile_catalog.comparing import compare
from turnpike.services.compile_catalog.compiling import Artefact, CompiledCatalog, compile_catalog, parse_json
from turnpike.services.compile_catalog.settings import Settings, parse_settings

__all__ = [
    "Artefact",
    "CatalogFileError",
    "CompiledCatalog",
    "Settings",
    "apply_overrides",
    "compare",
    "compile_catalog",
    "parse_json",
    "parse_settings",
    "parse_toml",
]
