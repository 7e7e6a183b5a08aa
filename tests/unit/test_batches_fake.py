"""The stand-ins for the storage of batches keep the contracts."""

import pytest

from turnpike.domain.batches import UploadId
from turnpike.domain.ids import AccountId
from turnpike.ports.batches import BatchFiles

from tests.contracts.batches import BatchesContract, BatchFilesContract
from tests.fake_batches import InMemoryBatches, InMemoryBatchFiles


class TestInMemoryBatches(BatchesContract):
    @pytest.fixture
    def batches(self) -> InMemoryBatches:
        return InMemoryBatches()


class TestInMemoryBatchFiles(BatchFilesContract):
    @pytest.fixture
    def files(self) -> InMemoryBatchFiles:
        return InMemoryBatchFiles()

    def upload(self, files: BatchFiles, account_id: AccountId, upload_id: UploadId, data: bytes) -> None:
        assert isinstance(files, InMemoryBatchFiles)
        files.uploads[account_id, upload_id] = data
