"""Exports in S3: objects that are written on condition that they are not there, and never again."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from botocore.exceptions import ClientError

from turnpike.domain.exports import Extent, KindSums, PartFacts
from turnpike.storage.buckets import IS_THERE, translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_FACTS = "facts"
_translated = partial(translated, "exports")


class S3ExportStore:
    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client, self._bucket = client, bucket

    def list_keys(self, prefix: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        with _translated():
            for page in pages:
                yield from (found["Key"] for found in page.get("Contents", []))

    def get(self, key: str) -> bytes:
        with _translated():
            return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()

    def get_facts(self, key: str) -> PartFacts:
        with _translated():
            found = self._client.head_object(Bucket=self._bucket, Key=key)
        return _parse_facts(orjson.loads(found["Metadata"][_FACTS]))

    def put_once(self, key: str, data: bytes, facts: PartFacts) -> bool:
        is_packed = key.endswith(".gz")
        try:
            with _translated():
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=data,
                    ContentType="application/gzip" if is_packed else "application/json",
                    Metadata={_FACTS: _present_facts(facts)},
                    # Only if it was never written.
                    IfNoneMatch="*",
                )
        except ClientError as error:
            if error.response["Error"]["Code"] == IS_THERE:
                return False
            raise
        return True


def _present_facts(facts: PartFacts) -> str:
    """In a fraction of the two kilobytes that stand beside an object."""
    kinds = {kind: [sums.entries, sums.available_delta, sums.held_delta] for kind, sums in facts.kinds.items()}
    content = {"count": facts.extent.count, "digest": facts.extent.digest, "kinds": kinds}
    return orjson.dumps(content).decode()


def _parse_facts(content: Any) -> PartFacts:
    kinds = {kind: KindSums(*sums) for kind, sums in content["kinds"].items()}
    return PartFacts(Extent(content["count"], content["digest"]), kinds)
