"""The contract of `ports.Vault`."""

from dataclasses import replace

import pytest

from turnpike.domain.byok import Sealed, VaultError
from turnpike.ports.accounts import Vault

CONTEXT = {"account": "acct-1", "key": "key-1", "provider": "openai", "place": '{"a": "ü"}'}
SECRET = "sk-ein-Geheimnis-ü-" + "x" * 4_000


class VaultContract:
    """A subclass provides the fixture `vault`."""

    def test_a_secret_comes_out_as_it_went_in(self, vault: Vault) -> None:
        sealed = vault.seal(SECRET, CONTEXT)

        assert vault.open(sealed, CONTEXT) == SECRET
        assert vault.open(Sealed(bytes(sealed.data_key), bytes(sealed.ciphertext)), CONTEXT) == SECRET

    def test_nothing_of_it_shows(self, vault: Vault) -> None:
        sealed = vault.seal(SECRET, CONTEXT)

        assert SECRET[:20].encode() not in sealed.ciphertext + sealed.data_key
        assert "sk-" not in repr(sealed)
        assert repr(sealed) == "Sealed()"

    def test_no_secret_is_sealed_twice_alike(self, vault: Vault) -> None:
        first, second = vault.seal(SECRET, CONTEXT), vault.seal(SECRET, CONTEXT)

        assert first.ciphertext != second.ciphertext
        assert first.data_key != second.data_key

    @pytest.mark.parametrize("name", sorted(CONTEXT))
    def test_it_opens_for_its_own_context_alone(self, vault: Vault, name: str) -> None:
        sealed = vault.seal(SECRET, CONTEXT)

        with pytest.raises(VaultError):
            vault.open(sealed, CONTEXT | {name: "another"})
        with pytest.raises(VaultError):
            vault.open(sealed, {key: value for key, value in CONTEXT.items() if key != name})

    def test_what_was_changed_does_not_open(self, vault: Vault) -> None:
        sealed, other = vault.seal(SECRET, CONTEXT), vault.seal("another", CONTEXT)
        flipped = bytes([sealed.ciphertext[-1] ^ 1])

        for wrong in (
            replace(sealed, ciphertext=sealed.ciphertext[:-1] + flipped),
            replace(sealed, ciphertext=sealed.ciphertext[:-1]),
            replace(sealed, ciphertext=b""),
            replace(sealed, ciphertext=other.ciphertext, data_key=sealed.data_key[:-1] + b"\x00"),
        ):
            with pytest.raises(VaultError) as caught:
                vault.open(wrong, CONTEXT)
            assert "sk-" not in str(caught.value)
