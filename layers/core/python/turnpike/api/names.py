"""Names in requests that become parts of storage keys, which is why their alphabets are narrow."""

from typing import Annotated

from pydantic import Field

AccountName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
KeyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]
"""An idempotency key, or the id of a generation."""
