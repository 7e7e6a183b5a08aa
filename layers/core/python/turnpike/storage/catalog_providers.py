"""Providers as catalog files declare them, with the credentials and addresses that the environment adds."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import cast, get_args

from turnpike.domain.catalog import CredentialKind, Provider
from turnpike.domain.catalog_tables import CatalogFileError, Row
from turnpike.domain.service_accounts import ServiceAccount, parse_service_account

_API_KEY = "API_KEY"
_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_NAME = re.compile("[a-z][a-z0-9_]*")
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]*")
"""What may stand in a host's name or a path as it is: regions, projects, locations, resources."""


def parse_providers(
    tables: Mapping[str, Row], environ: Mapping[str, str], on_unserved: Callable[[str], None]
) -> tuple[Mapping[str, Provider], Mapping[str, Provider]]:
    """(declared, served), by slug. A provider is served when its credential and its whole address are there.

    `on_unserved` is told in plain words of each that has a credential, and misses a part of its address.
    Raises CatalogFileError for what is wrong, be it in a file or in a variable that completes it.
    """
    declared = {slug: _declared(slug, table) for slug, table in tables.items()}
    served: dict[str, Provider] = {}
    for slug, provider in declared.items():
        address = _Address(provider, tables[slug], environ, _account_of(provider, tables[slug], environ))
        if not address.has_credential:
            continue
        try:
            served[slug] = replace(provider, base_url=address.fill(provider.base_url))
        except _Missing as missing:
            on_unserved(f"{provider.name} is not served, although its credential is there: {missing}")
    return declared, served


def address_for_customers(
    provider: Provider, table: Row, environ: Mapping[str, str], variables: Mapping[str, str]
) -> str | None:
    """Where a declared provider is called with a customer's own key, which may bring `variables` of the address; the
    file and the environment have the others. None while one is missing, or cannot stand in an address.
    """
    told = {variable(provider.slug, name): value for name, value in variables.items()}
    if told and _PLACEHOLDER.search(provider.base_url):
        # The deployment's own resource or proxy is another customer's, as soon as theirs has a place of its own.
        told.setdefault(variable(provider.slug, "BASE_URL"), "")
    try:
        return _Address(provider, table, _Over(told, environ), None).fill(provider.base_url)
    except (_Missing, CatalogFileError):
        return None


class ProviderKeys(Mapping[str, str]):
    """Providers' credentials by slug, as the environment has them: `<SLUG>_API_KEY`. What is empty is not there."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def __getitem__(self, slug: str) -> str:
        key = self._environ.get(variable(slug, _API_KEY), "").strip()
        if not key:
            raise KeyError(slug)
        return key

    def __iter__(self) -> Iterator[str]:
        for name in self._environ:
            slug = name.removesuffix(f"_{_API_KEY}").lower().replace("_", "-")
            if name.endswith(f"_{_API_KEY}") and slug in self:
                yield slug

    def __len__(self) -> int:
        return sum(1 for _ in self)


def variable(slug: str, name: str) -> str:
    """What the environment calls something of a provider."""
    return f"{slug}_{name}".upper().replace("-", "_")


class _Over(Mapping[str, str]):
    """`first`, and what it lacks from `second`."""

    def __init__(self, first: Mapping[str, str], second: Mapping[str, str]) -> None:
        self._first, self._second = first, second

    def __getitem__(self, name: str) -> str:
        return self._first[name] if name in self._first else self._second[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._second, **self._first})

    def __len__(self) -> int:
        return len({**self._second, **self._first})


class _Missing(Exception):
    """A part of an address that neither the file nor the environment has; the message names its variable."""


@dataclass(frozen=True, slots=True)
class _Address:
    """Where a provider is called, and what lets us in, as far as the environment says."""

    provider: Provider
    table: Row
    environ: Mapping[str, str]
    account: ServiceAccount | None

    @property
    def has_credential(self) -> bool:
        """An API key, or a part of the address: who sets one means the function's own AWS credentials to be used."""
        if self._find(_API_KEY):
            return True
        parts = ["BASE_URL", *_PLACEHOLDER.findall(self.provider.base_url)]
        return self.provider.credential == "aws-role" and any(self._find(part) for part in parts)

    def fill(self, template: str) -> str:
        """The whole address. Raises _Missing, CatalogFileError."""
        name = variable(self.provider.slug, "BASE_URL")
        address = self._find("BASE_URL")
        if not address and not template:
            raise _Missing(f"{name} is not set, and every customer of {self.provider.name} has another address")
        address = address or self._filled(template, ())
        if not address.startswith(("https://", "http://")):
            raise self.table.error("base_url", f"is not an http(s) address (it may come from {name})")
        return address.rstrip("/")

    def _filled(self, template: str, within: tuple[str, ...]) -> str:
        return _PLACEHOLDER.sub(lambda placeholder: self._value(placeholder[1], within), template)

    def _value(self, name: str, within: tuple[str, ...]) -> str:
        """`within` are the variables whose value this is for."""
        if name in within:
            raise self.table.error("variables", f"leads from {name} back to {name}")
        told = self._find(name)
        if told:
            if not _VALUE.fullmatch(told):
                its_name = variable(self.provider.slug, name)
                raise self.table.error(
                    "base_url", f"cannot hold the value of {its_name}: a part of it has letters, digits and .:_- only"
                )
            return told
        variables = self.table.table("variables")
        default = variables.values.get(name)
        if isinstance(default, dict):
            choices = variables.table(name)
            chosen = self._value(choices.text("by"), (*within, name))
            return self._filled(choices.text(chosen if chosen in default else "other"), (*within, name))
        if default is not None:
            return self._filled(variables.text(name), (*within, name))
        if name == "project" and self.account is not None and self.account.project_id:
            return self.account.project_id
        raise _Missing(f"{variable(self.provider.slug, name)} is not set")

    def _find(self, name: str) -> str:
        return self.environ.get(variable(self.provider.slug, name), "").strip()


def _declared(slug: str, table: Row) -> Provider:
    """As the file has it: the address may have placeholders, or be left to the environment."""
    if not re.fullmatch("[a-z0-9-]+", slug):
        raise table.error("slug", "has other characters than a-z, 0-9 and -")
    base_url = table.text_or_none("base_url") or ""
    if base_url and not base_url.startswith(("https://", "http://")):
        raise table.error("base_url", "is not an http(s) address")
    _check_variables(table, base_url)
    provider = Provider(
        slug=slug,
        name=table.text("name"),
        wire=table.text("wire"),
        base_url=base_url,
        privacy_policy_url=table.text_or_none("privacy_policy_url"),
        terms_of_service_url=table.text_or_none("terms_of_service_url"),
        status_page_url=table.text_or_none("status_page_url"),
        headquarters=table.text_or_none("headquarters"),
        credential=_credential(table),
        tool_wire=table.text_or_none("tool_wire"),
    )
    table.refuse_unknown()
    return provider


def _credential(table: Row) -> CredentialKind:
    kind, kinds = table.text("credential", "api-key"), get_args(CredentialKind)
    if kind not in kinds:
        raise table.error("credential", f"is none of {', '.join(kinds)}")
    return cast(CredentialKind, kind)


def _check_variables(table: Row, base_url: str) -> None:
    """Whether they are served or not: each has a default, or one for each value of the variable it goes `by`."""
    variables = table.table("variables")
    for name in variables.values:
        if not isinstance(variables.values[name], dict):
            variables.text(name)
            continue
        choices = variables.table(name)
        for required in ("by", "other"):
            choices.text(required)
        for choice in choices.values:
            choices.text(choice)
    for name in _PLACEHOLDER.findall(base_url):
        if not _NAME.fullmatch(name):
            raise table.error("base_url", f"has a placeholder {{{name}}}, which is no name in lower case")


def _account_of(provider: Provider, table: Row, environ: Mapping[str, str]) -> ServiceAccount | None:
    if provider.credential != "google-service-account":
        return None
    name = variable(provider.slug, _API_KEY)
    try:
        return parse_service_account(environ.get(name, ""))
    except ValueError as error:
        raise table.error("credential", f"cannot be used: {name} {error}") from None
