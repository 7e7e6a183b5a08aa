"""What batches ask and are answered, in S3. Only here, and gone with the bucket's own rules if by nothing else.

    uploads/<account>/<upload>.jsonl                      what a client has uploaded, until it becomes a batch's input
    batches/<account>/<batch>/input.jsonl                 what is asked, one request a line
                              plan.json                   where its chunks begin and end
                              results/<chunk>/<n>.json    the n-th request's result, until its chunk is closed
                              chunks/<chunk>.jsonl        a chunk's results, until they are put together
                              results.jsonl               all results, in the order of the requests

A result is written on condition that there is none, so whoever was first to be answered stays.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

import orjson
from botocore.exceptions import ClientError

from turnpike.domain.batches import Batch, Chunk, UploadId
from turnpike.domain.errors import NotFound
from turnpike.domain.ids import AccountId
from turnpike.storage.buckets import IS_THERE, translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PIECE_BYTES = 1024 * 1024
_PART_BYTES = 8 * 1024 * 1024
"""Of an object that is written in parts; S3 takes no less than five megabytes but for the last."""
_DELETED_AT_ONCE = 1000
_READ_AT_ONCE = 16
_translated = partial(translated, "batches")


class S3BatchFiles:
    def __init__(self, client: "S3Client", bucket: str) -> None:
        """The client signs with SigV4: addresses that it makes are for one size, which older signatures cannot say."""
        self._client, self._bucket = client, bucket

    def offer_upload(self, account_id: AccountId, upload_id: UploadId, size: int, *, ttl_s: int) -> str:
        params = {"Bucket": self._bucket, "Key": _upload_key(account_id, upload_id), "ContentLength": size}
        return self._client.generate_presigned_url("put_object", Params=params, ExpiresIn=ttl_s)

    def copy_upload(self, batch: Batch, upload_id: UploadId) -> None:
        uploaded = _upload_key(batch.account_id, upload_id)
        try:
            with _translated():
                # A copy: whoever has the upload's address can write there until the address expires.
                self._client.copy_object(
                    Bucket=self._bucket,
                    Key=_key(batch, "input.jsonl"),
                    CopySource={"Bucket": self._bucket, "Key": uploaded},
                )
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                raise NotFound(
                    "There is no such upload. Send the file to the url of POST /batches/uploads first; each upload "
                    "makes one batch"
                ) from None
            raise

    def drop_upload(self, account_id: AccountId, upload_id: UploadId) -> None:
        with _translated():
            self._client.delete_object(Bucket=self._bucket, Key=_upload_key(account_id, upload_id))

    def put_input(self, batch: Batch, data: bytes) -> None:
        self._put(_key(batch, "input.jsonl"), data)

    def stream_input(self, batch: Batch) -> Iterator[bytes]:
        with _translated():
            body = self._client.get_object(Bucket=self._bucket, Key=_key(batch, "input.jsonl"))["Body"]
            yield from body.iter_chunks(_PIECE_BYTES)

    def read_input(self, batch: Batch, offset: int, length: int) -> bytes:
        with _translated():
            span = f"bytes={offset}-{offset + length - 1}"
            key = _key(batch, "input.jsonl")
            return self._client.get_object(Bucket=self._bucket, Key=key, Range=span)["Body"].read()

    def put_plan(self, batch: Batch, chunks: Sequence[Chunk]) -> None:
        self._put(_key(batch, "plan.json"), orjson.dumps([astuple(chunk) for chunk in chunks]))

    def get_plan(self, batch: Batch) -> Sequence[Chunk]:
        return [Chunk(*row) for row in orjson.loads(self._get(_key(batch, "plan.json")))]

    def keep_result(self, batch: Batch, chunk: int, number: int, line: bytes) -> bool:
        try:
            with _translated():
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=f"{_results_prefix(batch, chunk)}{number}.json",
                    Body=line,
                    ContentType="application/json",
                    # Only if there is none.
                    IfNoneMatch="*",
                )
        except ClientError as error:
            if error.response["Error"]["Code"] == IS_THERE:
                return False
            raise
        return True

    def read_results(self, batch: Batch, chunk: int) -> Mapping[int, bytes]:
        prefix = _results_prefix(batch, chunk)
        return {_number_of(key): self._get(key) for key in self._list(prefix)}

    def close_results(self, batch: Batch, chunk: int, data: bytes) -> None:
        self._put(_chunk_key(batch, chunk), data)

    def drop_results(self, batch: Batch, chunk: int) -> None:
        self._delete(self._list(_results_prefix(batch, chunk)))

    def assemble(self, batch: Batch) -> int:
        wanted = [_chunk_key(batch, number) for number in range(batch.chunks)]
        key = _key(batch, "results.jsonl")
        parts: list[str] = []
        size, pending, upload_id = 0, bytearray(), ""
        with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
            for start in range(0, len(wanted), _READ_AT_ONCE):
                for data in pool.map(self._get_chunk, wanted[start : start + _READ_AT_ONCE]):
                    pending += data
                    size += len(data)
                if len(pending) >= _PART_BYTES:
                    upload_id = upload_id or self._begin_upload(key)
                    parts.append(self._put_part(key, upload_id, len(parts) + 1, bytes(pending)))
                    pending.clear()
        if not upload_id:
            self._put(key, bytes(pending))
            return size
        if pending:
            parts.append(self._put_part(key, upload_id, len(parts) + 1, bytes(pending)))
        with _translated():
            self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(parts, start=1)]},
            )
        return size

    def read_output(self, batch: Batch, *, most_bytes: int) -> bytes | None:
        key = _key(batch, "results.jsonl")
        try:
            with _translated():
                size = self._client.head_object(Bucket=self._bucket, Key=key)["ContentLength"]
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        return self._get(key) if size <= most_bytes else None

    def output_url(self, batch: Batch, *, ttl_s: int) -> str:
        params = {
            "Bucket": self._bucket,
            "Key": _key(batch, "results.jsonl"),
            "ResponseContentDisposition": f'attachment; filename="{batch.id}.jsonl"',
        }
        return self._client.generate_presigned_url("get_object", Params=params, ExpiresIn=ttl_s)

    def drop_chunks(self, batch: Batch) -> None:
        for what in ("chunks/", "results/"):
            self._delete(self._list(_key(batch, what)))

    def drop(self, batch: Batch) -> None:
        self._delete(self._list(_key(batch, "")))

    def _begin_upload(self, key: str) -> str:
        with _translated():
            return self._client.create_multipart_upload(Bucket=self._bucket, Key=key, ContentType="application/jsonl")[
                "UploadId"
            ]

    def _put_part(self, key: str, upload_id: str, number: int, data: bytes) -> str:
        with _translated():
            return self._client.upload_part(
                Bucket=self._bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=data
            )["ETag"]

    def _put(self, key: str, data: bytes) -> None:
        with _translated():
            # Whatever is there: whoever writes it again writes the same.
            self._client.put_object(Bucket=self._bucket, Key=key, Body=data, ContentType="application/jsonl")

    def _get(self, key: str) -> bytes:
        with _translated():
            return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()

    def _get_chunk(self, key: str) -> bytes:
        try:
            return self._get(key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                raise NotFound("A chunk of this batch has no results") from None
            raise

    def _list(self, prefix: str) -> Sequence[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        with _translated():
            return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def _delete(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            some = keys[start : start + _DELETED_AT_ONCE]
            with _translated():
                self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in some], "Quiet": True}
                )


def _upload_key(account_id: AccountId, upload_id: UploadId) -> str:
    return f"uploads/{quote(account_id, safe='')}/{upload_id}.jsonl"


def _key(batch: Batch, what: str) -> str:
    return f"batches/{quote(batch.account_id, safe='')}/{batch.id}/{what}"


def _results_prefix(batch: Batch, chunk: int) -> str:
    return _key(batch, f"results/{chunk}/")


def _chunk_key(batch: Batch, chunk: int) -> str:
    return _key(batch, f"chunks/{chunk}.jsonl")


def _number_of(key: str) -> int:
    return int(key.rpartition("/")[2].removesuffix(".json"))
