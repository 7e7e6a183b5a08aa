"""What the use cases need from the world, as protocols. Storage is synchronous, providers asynchronous."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from turnpike.domain.api_keys import ApiKey, KeySpend
from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Completion, Delta
from turnpike.domain.errors import UpstreamError
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId, GenerationId, HoldId, KeyHash, LeaseId
from turnpike.domain.ledger import Balance, Correction, Hold, LedgerEntry, Resolution
from turnpike.domain.money import ZERO, NanoUsd

if TYPE_CHECKING:
    # What only some requests use is not loaded with what all of them do.
    from turnpike.domain.activity import ActivityDays
    from turnpike.domain.audit import LimitItem, SpendItem, Trail
    from turnpike.domain.auto_top_up import Attempt, AutoTopUp
    from turnpike.domain.batch_steps import Step
    from turnpike.domain.batches import (
        Batch,
        BatchId,
        BatchPage,
        BatchStatus,
        Chunk,
        ChunkBusy,
        ChunkClaim,
        ChunkClosed,
        UploadId,
    )
    from turnpike.domain.batches import Tally as BatchTally
    from turnpike.domain.byok import ByokKey, Sealed
    from turnpike.domain.dead_letters import DeadLetter
    from turnpike.domain.exports import ExportMark, Extent, PartFacts
    from turnpike.domain.free_quota import FullWindow
    from turnpike.domain.health import HealthReport, HealthSnapshot
    from turnpike.domain.jobs import JobClaim
    from turnpike.domain.operation import Operation, OperationRequest, ResultT
    from turnpike.domain.payments import Checkout, CheckoutOrder, Payment, PaymentEvent, SavedPaymentMethod
    from turnpike.domain.presets import Preset, PresetVersion
    from turnpike.domain.response_cache import CachedAnswer, CacheKey
    from turnpike.domain.speech import SpeechPiece, SpeechRequest
    from turnpike.domain.stored_catalog import CatalogVersions, Document, StoredArtefact, StoredOverrides
    from turnpike.domain.tallies import Tally
    from turnpike.domain.uptime import UptimeHour
    from turnpike.domain.web_search import Query, SearchResult


class Ledger(Protocol):
    """Credit, holds and history. Every method is atomic and safe to repeat.

    Whatever stores a generation counts it as activity of the UTC day that it is settled on, all or nothing.
    """

    def hold(self, hold: Hold, *, floor: NanoUsd = ZERO) -> None:
        """Move `hold.amount` from available to held, if the account and the key have at least `floor` left.

        Repeating the same hold is a no-op.

        Raises InsufficientCredit, KeyLimitExceeded, HoldMismatch, HoldResolved, TemporarilyBusy.
        """

    def extend(self, hold: Hold, by: NanoUsd, now_s: int) -> Hold:
        """Add to a pending hold, which must be as last seen; returns it with its new amount. Not to a closed lease.

        Raises as `hold`, and HoldNotFound.
        """

    def capture(
        self, account_id: AccountId, hold_id: HoldId, cost: NanoUsd, now_s: int, record: Generation | None
    ) -> Resolution:
        """Charge `cost`, return the rest of the hold, and store the generation, all or nothing.

        What exceeds the hold is overage, as far as the account's credit and the key's limit go.
        The stored record's cost is what was charged. Raises HoldNotFound, HoldResolved, TemporarilyBusy;
        HoldMismatch for a lease, as `void` does.
        """

    def void(self, account_id: AccountId, hold_id: HoldId, now_s: int, record: Generation | None) -> Resolution:
        """Return the whole hold, charge nothing. Raises as `capture`."""

    def expire(self, account_id: AccountId, hold_id: HoldId, now_s: int) -> Resolution:
        """Return a hold that is past its time, or what is left of a lease.

        Raises as `capture`; HoldMismatch if it is not past it.
        """

    def capture_part(self, record: Generation, lease_id: LeaseId, cost: NanoUsd, now_s: int) -> Resolution:
        """Charge `cost` to a pending lease, once per generation, and store the generation, all or nothing.

        What exceeds the lease is overage, as in `capture`. Raises HoldResolved with state `captured` when this
        generation was captured or recorded before, with the lease's own when that is over; HoldNotFound and
        TemporarilyBusy.
        """

    def capture_together(self, records: Sequence[Generation], now_s: int) -> Mapping[GenerationId, Resolution]:
        """Charge generations of one account's key their costs, each from its hold or lease, in one transaction.

        At most 18, each of them once. Those that the answer lacks were not touched, and are to be captured by
        themselves: it has all of those that their holds cover, or none. Raises TemporarilyBusy.
        """

    def close(self, lease: Hold, give_back: NanoUsd, now_s: int) -> None:
        """Return a part of a lease, once; from then on it is only captured from. It must be of the amount last seen.

        Raises HoldNotFound, HoldResolved, HoldMismatch, TemporarilyBusy. Closing it again is a no-op.
        """

    def record(self, record: Generation, now_s: int) -> bool:
        """Store a generation for which nothing is to be charged; False when one of its id is there, which stays.

        `now_s` is when it is settled: the day that it counts on. Raises TemporarilyBusy.
        """

    def top_up(self, account_id: AccountId, amount: NanoUsd, *, reference: str, now_s: int) -> bool:
        """Add credit once per reference; False when that reference was used before.

        Raises ReferenceReused when it was used with another amount, and TemporarilyBusy.
        """

    def adjust(
        self,
        account_id: AccountId,
        kind: Correction,
        amount: NanoUsd,
        *,
        reference: str,
        now_s: int,
        may_overdraw: bool = False,
    ) -> bool:
        """Give or take credit once per kind and reference; False when it was done before.

        Only with `may_overdraw` may it take more than there is: a payment that was taken back is gone, and the account
        owes what it has spent of it. Raises ReferenceReused when it was done with another amount, InsufficientCredit,
        and TemporarilyBusy.
        """

    def find_hold(self, account_id: AccountId, hold_id: HoldId) -> Hold | None: ...

    def get_balance(self, account_id: AccountId) -> Balance:
        """Zero for an account that never had any credit."""

    def get_room(self, account_id: AccountId, key: ApiKey, now_s: int) -> NanoUsd:
        """What the key could hold: what is available, or what its limit leaves of that. Below zero for what is owed."""

    def list_entries(self, account_id: AccountId) -> Iterator[LedgerEntry]:
        """Every entry once, in no promised order."""

    def list_expired_holds(self, now_s: int) -> Iterator[Hold]:
        """Pending holds past their time, of every account."""

    def get_key_spend(self, account_id: AccountId, key: ApiKey, now_s: int) -> KeySpend: ...

    def count_earlier_spending(self, account_id: AccountId, key: ApiKey, now_s: int) -> None:
        """Count against the key's limit what it has spent in the limit's current window, where less is counted.

        For a limit that is new, or that counts in another window than before. Raises TemporarilyBusy.
        """


class AuditReads(Protocol):
    """The whole ledger, as it was last written. All of them may raise TemporarilyBusy."""

    def next_account(self, after: AccountId | None) -> AccountId | None:
        """In an order of its own, in which each account comes once; None after the last one."""

    def trails(self, account_id: AccountId, *, after: str, before: str) -> Iterator["Trail"]:
        """Those with an id between the two, by id. Read as they are asked for, each part of them at another moment."""

    def find_trail(self, account_id: AccountId, trail_id: str) -> "Trail":
        """An empty one if there is none."""

    def find_lease(self, account_id: AccountId, lease_id: LeaseId) -> Hold | None: ...

    def limits(self, account_id: AccountId) -> Iterator["LimitItem"]: ...

    def spends(self, account_id: AccountId) -> Iterator["SpendItem"]:
        """Of each key and month."""

    def get_balance(self, account_id: AccountId) -> Balance:
        """Nothing that could be seen before is not in it yet."""


class EntryReads(Protocol):
    """Both may raise TemporarilyBusy."""

    def next_account(self, after: AccountId | None) -> AccountId | None:
        """As of `AuditReads`."""

    def entries(self, account_id: AccountId, *, after: str) -> Iterator[tuple[str, LedgerEntry]]:
        """Each with its place, which is the same for ever; those behind the place `after`, in order. The newest may be
        missing, and new ones come anywhere.
        """


class ExportStore(Protocol):
    """Objects that are written once. All of them may raise TemporarilyBusy."""

    def list_keys(self, prefix: str) -> Iterator[str]:
        """In order."""

    def get(self, key: str) -> bytes: ...

    def get_facts(self, key: str) -> "PartFacts": ...

    def put_once(self, key: str, data: bytes, facts: "PartFacts") -> bool:
        """False where there is an object already, which stays."""


class ExportMarks(Protocol):
    """What was exported of accounts, as last noted. Both may raise TemporarilyBusy."""

    def find(self, account_id: AccountId) -> "ExportMark":
        """An empty one where nothing was."""

    def put(self, account_id: AccountId, days: "Mapping[str, Extent]", *, seen: "ExportMark") -> bool:
        """Whether it was still as it was `seen`, and is this now."""


class Jobs(Protocol):
    """What is done once a day. Both may raise TemporarilyBusy."""

    def claim(self, job: str, now_s: int, *, due_s: int, until_s: int) -> "JobClaim | None":
        """To begin it, if that was not done since it was `due_s`, or to go on with it; None where there is nothing to
        do, or somebody else is about it. Nobody else is given it before `until_s`.
        """

    def keep(self, claim: "JobClaim", state: bytes, *, is_done: bool) -> "JobClaim | None":
        """Leave the state for whoever claims it next. None when somebody else was given it in the meantime: then
        nothing is kept. Raises ValueError for more than can be kept.
        """


class Generations(Protocol):
    def find(self, account_id: AccountId, generation_id: GenerationId) -> Generation | None:
        """Reads what was last written; None once its time is over, even if it is still there."""


class Activities(Protocol):
    def list_days(
        self, account_id: AccountId, first_day: str, last_day: str, *, by_user: bool, most: int
    ) -> "ActivityDays":
        """What was counted on these UTC days, both included, as last written, and without what is past its time.

        Each generation is in it once, though its cell may come in parts: with `by_user` in its user's cell, without in
        the one of all users. Of more than `most` parts, the latest days that are within it, whole; of a day that alone
        has more, as many as that.
        Raises TemporarilyBusy.
        """


class EntryNotes(Protocol):
    """Why a ledger entry was made, in the words of whoever made it."""

    def put(self, account_id: AccountId, entry_id: str, note: str, now_s: int) -> str:
        """The note that stands: the first one of an entry stays. Raises TemporarilyBusy."""


class AutoTopUps(Protocol):
    """Accounts' automatic top-ups and saved payment methods. All of them may raise TemporarilyBusy."""

    def find(self, account_id: AccountId) -> "AutoTopUp | None":
        """As last written."""

    def list_all(self) -> "Iterator[AutoTopUp]":
        """Of the few accounts that ever turned one on, as last written."""

    def put(self, state: "AutoTopUp") -> "AutoTopUp":
        """In the place of the version that it was made from (0: of none); returned with its new version.

        Raises Conflict when another one is there by now.
        """

    def save_method(self, saved: "SavedPaymentMethod") -> None:
        """Unless a newer one is there."""

    def find_method(self, account_id: AccountId) -> "SavedPaymentMethod | None": ...


class PaymentGateway(Protocol):
    """The payment provider. All but `parse_event` may raise PaymentProviderUnavailable; all of them PaymentsOff."""

    def check(self) -> None:
        """Raises PaymentsOff where no keys are configured."""

    def create_checkout(self, order: "CheckoutOrder") -> "Checkout":
        """Raises PaymentRefused."""

    def charge(self, account_id: AccountId, attempt: "Attempt") -> "Payment":
        """Charge a saved payment method in its payer's absence; repeated with the same attempt it charges once.

        What was refused comes as a payment that failed.
        """

    def find_payment(self, payment_id: str) -> "Payment | None":
        """None for what this deployment has nothing to do with."""

    def parse_event(self, body: bytes, signature: str | None) -> "PaymentEvent | None":
        """None for what says nothing of a payment of ours. Raises InvalidSignature."""


class ApiKeys(Protocol):
    def find(self, key_hash: KeyHash, *, fresh: bool = False) -> ApiKey | None:
        """`fresh` reads what was last written; without it, at half the price, a change may show a moment later."""

    def list_for(self, account_id: AccountId) -> Sequence[ApiKey]:
        """Newest first."""

    def create(self, key: ApiKey) -> None:
        """Raises Conflict when the hash exists."""

    def replace(self, key: ApiKey, *, was: ApiKey) -> None:
        """Write a changed key if it is still as it `was`. Raises Conflict otherwise."""

    def delete(self, key: ApiKey) -> None:
        """Deleting a key that is gone is a no-op."""


class ByokKeys(Protocol):
    """Customers' own keys for providers. All of them may raise TemporarilyBusy."""

    def list_for(self, account_id: AccountId) -> "Sequence[ByokKey]":
        """Those that are not deleted, as last written, in the order in which each provider's are tried."""

    def find(self, account_id: AccountId, key_id: str) -> "ByokKey | None":
        """As last written; None for one that is deleted."""

    def create(self, key: "ByokKey") -> None:
        """Raises Conflict when there ever was one of this id."""

    def replace(self, key: "ByokKey", *, was: "ByokKey") -> None:
        """Write a changed key if it is still as it `was`. Raises Conflict otherwise."""

    def delete(self, key: "ByokKey", now_s: int) -> None:
        """Wipe its secret, and keep for a while that there was one. Deleting what is gone is a no-op."""


class Presets(Protocol):
    """Accounts' presets, each with the version that is designated. All of them may raise TemporarilyBusy."""

    def find(self, account_id: AccountId, slug: str, *, fresh: bool = False) -> "Preset | None":
        """`fresh` reads what was last written; without it, at half the price, a change may show a moment later."""

    def list_for(self, account_id: AccountId) -> "Sequence[Preset]":
        """As last written, those that were changed last first."""

    def create(self, preset: "Preset") -> None:
        """With its designated version. Raises Conflict when there is one of this slug."""

    def replace(self, preset: "Preset", *, was: "Preset") -> None:
        """Write a changed preset if it is still as it `was`, and its designated version if its number is a new one.

        Raises Conflict otherwise.
        """

    def find_version(self, preset: "Preset", wanted: int) -> "PresetVersion | None": ...

    def list_versions(self, preset: "Preset") -> "Sequence[PresetVersion]":
        """As last written, the oldest first."""

    def delete(self, preset: "Preset") -> None:
        """With all versions, for good. Raises Conflict when it was changed; deleting what is gone is a no-op."""


class Vault(Protocol):
    """Seals secrets so that they open for the same context alone. Both raise VaultError and TemporarilyBusy."""

    def seal(self, secret: str, context: Mapping[str, str]) -> "Sealed":
        """The context is no secret."""

    def open(self, sealed: "Sealed", context: Mapping[str, str]) -> str: ...


class FreeQuota(Protocol):
    """How often accounts asked free models, by UTC day and by minute."""

    def take(self, account_id: AccountId, now_s: float, *, per_minute: int, per_day: int) -> "FullWindow | None":
        """Count one more request if the minute and the day have room for it, and nothing otherwise.

        A day takes the highest `per_day` that was ever named for it. Returns the window that is full, the day
        when both are; None when the request was counted. Atomic. Raises TemporarilyBusy.
        """

    def used(self, account_id: AccountId, now_s: float) -> int:
        """The requests counted so far in the current UTC day."""


class CachedAnswers(Protocol):
    """Answers under the keys of the requests that they answer. All of them may raise TemporarilyBusy."""

    def find(self, key: "CacheKey", now_s: int) -> "CachedAnswer | None":
        """Whole, as it was last kept, and never after its time."""

    def keep(self, key: "CacheKey", answer: "CachedAnswer") -> None:
        """In the place of an older one; an answer too large to be kept is not."""

    def drop(self, key: "CacheKey") -> None:
        """Dropping what is not there is a no-op."""


class CatalogStore(Protocol):
    """What is newer than the packaged catalog, for all environments of a deployment. Raises TemporarilyBusy."""

    def versions(self) -> "CatalogVersions":
        """What there is, without reading it."""

    def find_artefact(self) -> "StoredArtefact | None": ...

    def put_artefact(self, artefact: "StoredArtefact", *, was: str | None) -> None:
        """In the place of the version that `was` there. Raises Conflict when another one is."""

    def find_overrides(self) -> "StoredOverrides | None": ...

    def put_overrides(self, overrides: "StoredOverrides", *, was: str | None) -> None:
        """In the place of the version that `was` there. Raises Conflict when another one is."""

    def claim_refresh(self, now_s: int, *, until_s: int) -> bool:
        """Whether a refresh is due and nobody else is about it; then nobody else is before `until_s`."""

    def schedule_refresh(self, at_s: int) -> None:
        """When the next one is due."""


class HealthCounts(Protocol):
    """Attempts by endpoint key and minute (epoch seconds / 60), and uptime by hour (minute / 60).

    All of them may raise TemporarilyBusy.
    """

    def add(self, minute: int, endpoint: str, tally: "Tally", *, batch: str) -> None:
        """Add to what is counted, atomically. What the same `batch` adds twice in a row is added once."""

    def list_minute(self, minute: int) -> "Mapping[str, Tally]":
        """By endpoint key; may miss what was added within the last second."""

    def claim(self, job: str, now_s: float, *, every_s: float) -> bool:
        """Whether it is time to do what is to be done only so often; of several who ask, one is told so."""

    def list_hours(self, first: int, last: int) -> "Mapping[int, UptimeHour]":
        """Those that there are, both ends included, as last written."""

    def put_hour(self, hour: int, uptime: "UptimeHour", *, seen: "UptimeHour | None") -> bool:
        """Write it if it is still as it was `seen`, which False says it is not."""


class HealthSnapshots(Protocol):
    """The last of each kind; an older one never replaces a newer one. All of them may raise TemporarilyBusy."""

    def put_snapshot(self, snapshot: "HealthSnapshot") -> None: ...

    def find_snapshot(self) -> "HealthSnapshot | None": ...

    def put_report(self, report: "HealthReport") -> None: ...

    def find_report(self) -> "HealthReport | None": ...


class Download(Protocol):
    """Gets what others publish."""

    async def __call__(self, url: str, etag: str | None) -> "Document | None":
        """None where it is still the one with this etag. Raises SourceUnavailable."""


class SearchEngine(Protocol):
    """Searches the web."""

    async def __call__(self, query: "Query") -> "Sequence[SearchResult]":
        """No more than were asked for, the best first. Raises SearchFailed."""


class Moderator(Protocol):
    """Says what of a text is not fit to be sent."""

    async def __call__(self, texts: Sequence[str]) -> Sequence[Sequence[str]]:
        """For each of the texts the names of what it is flagged for, empty where it is not. Raises ModerationFailed."""


class FileSource(Protocol):
    """Gets files of messages, wherever they are."""

    async def __call__(self, parts: Sequence[Mapping[str, Any]]) -> Sequence[bytes]:
        """The content of each of these parts of the type `file`. Raises InvalidRequest."""


class PdfReader(Protocol):
    """Reads PDFs, which may be hostile."""

    def __call__(self, content: bytes, *, within_s: float) -> str:
        """The text of all of its pages. Raises InvalidRequest for what cannot be read, or not within limits."""

    def count_pages(self, content: bytes, *, within_s: float) -> int:
        """Also of pages without text. Raises InvalidRequest."""


class Ocr(Protocol):
    """Recognises the text of pages that are pictures, at a price for each page."""

    async def __call__(self, content: bytes) -> str:
        """Of a PDF, all of its pages. Raises InvalidRequest for a file that it cannot read, OcrFailed."""


class UsageQueue(Protocol):
    def send(self, event: Mapping[str, Any]) -> None:
        """Raises TemporarilyBusy when the event was not taken."""


class DeadLetters(Protocol):
    """Where usage events are parked that could not be settled. All of them may raise TemporarilyBusy."""

    def count(self) -> int:
        """Of late, and about."""

    def receive(self) -> "Sequence[DeadLetter]":
        """Some of them, hidden from others for some minutes; none when there are no more."""

    def move(self, letter: "DeadLetter") -> None:
        """Back to the queue that it came from. When this raises, it is still parked, and may be in both."""

    def release(self, letter: "DeadLetter") -> None:
        """Hide it no longer."""


OnPart = Callable[[Any], Awaitable[None]]
"""Takes what there is of a result while the rest is still to come, such as a `PartialImage`."""


class Upstream(Protocol):
    """Calls providers. What calls them raises UpstreamError, also for timeouts and broken connections."""

    async def complete(self, request: ChatRequest, endpoint: Endpoint) -> Completion: ...

    def stream(self, request: ChatRequest, endpoint: Endpoint) -> AsyncGenerator[Sequence[Delta], None]:
        """Batches of deltas, as they arrived together. An error after the first batch is a delta's `error`.

        The caller closes the generator.
        """

    def offers(self, operation: "Operation", endpoint: Endpoint) -> bool:
        """Whether the endpoint's wire format can be asked for it."""

    async def perform(
        self, request: "OperationRequest[ResultT]", endpoint: Endpoint, on_part: OnPart | None = None
    ) -> "ResultT":
        """Only of what the endpoint `offers`. `on_part` is given what there is of the result before it is whole, where
        the provider shows it; with None, nobody is asked to.
        """

    def speak(self, request: "SpeechRequest", endpoint: Endpoint) -> "AsyncGenerator[SpeechPiece, None]":
        """The sound as it comes, some in the first piece. The caller closes the generator, which raises what ends it
        before its time.
        """


class UpstreamRequest(Protocol):
    """An HTTP request to a provider, fully decided and not yet sent."""

    @property
    def url(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> Mapping[str, Any]: ...
    @property
    def raw(self) -> bytes | None:
        """What is sent in the place of `body`, of a type that the headers say: a form with a file in it."""

    @property
    def form(self) -> "Sequence[FormFile] | None":
        """The files, if any, of a form whose other fields are the members of `body`; None for JSON."""

    @property
    def signing(self) -> "Signing | None": ...


class FormFile(Protocol):
    """A file in a form: the field's name, and what is said of the file."""

    @property
    def name(self) -> str: ...
    @property
    def filename(self) -> str: ...
    @property
    def media_type(self) -> str: ...
    @property
    def content(self) -> bytes: ...


class Signing(Protocol):
    """That a request carries an AWS signature (version 4) for this service and region instead of a key."""

    @property
    def service(self) -> str: ...
    @property
    def region(self) -> str: ...


class Signer(Protocol):
    """Signs for AWS with the function's own role, or whatever credentials the environment has."""

    def sign(self, url: str, headers: Mapping[str, str], body: bytes, signing: Signing) -> Mapping[str, str]:
        """The headers to send: those given, and the signature's. The method is POST.

        Raises UpstreamError (401) when there are no credentials.
        """


class TokenSource(Protocol):
    """Where the credential for a provider comes from that is not one string for good."""

    async def token(self) -> str:
        """Valid now and for some minutes. Raises UpstreamError: 401 when our own credential is refused."""


class StreamDecoder(Protocol):
    """Turns one provider's bytes into deltas, wherever the network cut them; holds the state of one stream."""

    @property
    def done(self) -> bool:
        """Whether the answer is over, well or not: what the connection does after it means nothing."""

    def feed(self, data: bytes) -> list[Delta]: ...

    def finish(self) -> list[Delta]:
        """The connection ended: the last deltas, one with `error` if the answer was cut. It is `done` then."""


class Reply(NamedTuple):
    """What a provider answered with status 200; header names are in lower case."""

    headers: Mapping[str, str]
    body: bytes


class OperationAdapter(Protocol):
    """Translates between the canonical form of one operation and one wire format. Pure, as `ProviderAdapter` is."""

    def build_requests(self, request: Any, endpoint: Endpoint, api_key: str) -> "Sequence[UpstreamRequest]":
        """Several where the provider takes less at once than was asked for. Raises InvalidRequest."""

    def parse_replies(self, replies: Sequence[Reply], request: Any, endpoint: Endpoint) -> Any:
        """The result, of one reply for each request. Raises UpstreamError where they are no answer, or an empty one."""

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError: ...


class SpeechDecoder(Protocol):
    """Holds one answer of sound."""

    def feed(self, data: bytes) -> "Sequence[SpeechPiece]":
        """Raises UpstreamError for what is no sound."""

    def finish(self) -> "Sequence[SpeechPiece]":
        """The response ended. Raises UpstreamError where it should not have."""


class SpeechAdapter(Protocol):
    """What takes the place of `OperationAdapter` for speech, whose answer is passed on as it comes."""

    def build_request(self, request: "SpeechRequest", endpoint: Endpoint, api_key: str) -> UpstreamRequest:
        """Raises InvalidRequest."""

    def decoder(self, request: "SpeechRequest", headers: Mapping[str, str]) -> SpeechDecoder:
        """For an answer with these headers, whose names are in lower case."""

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError: ...


class PartDecoder(Protocol):
    """Turns one provider's bytes into parts, wherever the network cut them; holds the state of one answer."""

    def feed(self, data: bytes) -> Sequence[Any]:
        """Raises UpstreamError for an error that the provider tells, and for what is no answer."""

    def result(self) -> Any:
        """When everything was fed to it. Raises UpstreamError where the answer was cut."""


class PartsAdapter(OperationAdapter, Protocol):
    """Of an operation whose result a provider may show in parts while it makes it."""

    def part_decoder(self, request: Any, endpoint: Endpoint) -> PartDecoder | None:
        """For the one request that is built then; None where this endpoint shows nothing."""


class ProviderAdapter(Protocol):
    """Translates between the canonical chat and one wire format.

    Pure: no sockets, no clock, no environment. `Upstream` sends what it builds.
    """

    def fetches(self, kind: str, url: str) -> bool:
        """Whether the provider itself gets what stands at an http(s) address in a part of this kind.

        `kind` is image_url, file or video_url. What it does not get comes to `build_request` as a data URL.
        """

    def build_request(self, request: ChatRequest, endpoint: Endpoint, api_key: str) -> UpstreamRequest: ...

    def parse_completion(self, body: bytes) -> Completion:
        """Raises UpstreamError when the body is no answer, or an error with status 200."""

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError: ...

    def stream_decoder(self, endpoint: Endpoint | None = None) -> StreamDecoder:
        """`endpoint`: whose answer it is, where the stream itself does not say it in time."""


class Batches(Protocol):
    """Batches and their chunks, without what is asked and answered. All of them may raise TemporarilyBusy."""

    def create(self, batch: "Batch") -> None:
        """Raises Conflict when there is one of this id."""

    def claim_upload(self, batch: "Batch", upload_id: "UploadId") -> bool:
        """Whether it is this batch that is made of it: of all that ask, one."""

    def find(self, account_id: AccountId, batch_id: "BatchId") -> "Batch | None":
        """As last written; None once its time is over, even if it is still there."""

    def list_page(
        self,
        account_id: AccountId,
        *,
        after: "BatchId | None" = None,
        limit: int,
        statuses: "Sequence[BatchStatus]" = (),
        created_after_s: int | None = None,
        created_before_s: int | None = None,
    ) -> "BatchPage":
        """Newest first; those behind `after`, with any of the statuses if there are some."""

    def put_status(self, batch: "Batch", *, was: "BatchStatus") -> bool:
        """Write its status, and whatever was learnt with it, if the status is still what it `was`. Counts stay."""

    def claim_chunk(
        self, batch: "Batch", number: int, token: str, *, now_s: int, until_s: int
    ) -> "ChunkClaim | ChunkBusy | ChunkClosed":
        """One of those who ask at the same time is given it, and nobody else until then, unless it is released."""

    def release_chunk(self, batch: "Batch", claim: "ChunkClaim") -> None:
        """Let anybody claim it, if it is claimed under this token."""

    def close_chunk(self, batch: "Batch", claim: "ChunkClaim", tally: "BatchTally") -> bool:
        """Count it in the batch, once; False when it is not claimed under this token any more."""

    def list_closed(self, batch: "Batch") -> "set[int]": ...

    def list_due(self, now_s: int) -> "Iterator[tuple[AccountId, BatchId]]":
        """Those of every account whose day is over, though they are not."""

    def claim_ending(self, batch: "Batch", *, now_s: int, until_s: int) -> bool:
        """Whether nobody else was told to end it lately; nobody else is before `until_s`."""

    def delete(self, batch: "Batch") -> None:
        """Raises Conflict for one that is under way. Deleting one that is gone is a no-op."""


class BatchFiles(Protocol):
    """What is asked and answered, as lines of JSON. All of them may raise TemporarilyBusy."""

    def offer_upload(self, account_id: AccountId, upload_id: "UploadId", size: int, *, ttl_s: int) -> str:
        """The address that takes a PUT of exactly so many bytes."""

    def take_upload(self, batch: "Batch", upload_id: "UploadId") -> None:
        """Make what was uploaded the batch's input, which nobody can change any more. Raises NotFound."""

    def put_input(self, batch: "Batch", data: bytes) -> None: ...

    def stream_input(self, batch: "Batch") -> Iterator[bytes]:
        """In pieces of any size."""

    def read_input(self, batch: "Batch", offset: int, length: int) -> bytes: ...

    def put_plan(self, batch: "Batch", chunks: "Sequence[Chunk]") -> None: ...

    def get_plan(self, batch: "Batch") -> "Sequence[Chunk]": ...

    def keep_result(self, batch: "Batch", chunk: int, number: int, line: bytes) -> bool:
        """False where that request has one, which stays."""

    def read_results(self, batch: "Batch", chunk: int) -> Mapping[int, bytes]:
        """Those that are kept of a chunk, by the number of their request."""

    def close_results(self, batch: "Batch", chunk: int, data: bytes) -> None:
        """All of a chunk's lines, in the place of its single results."""

    def drop_results(self, batch: "Batch", chunk: int) -> None: ...

    def assemble(self, batch: "Batch") -> int:
        """Put the lines of all chunks together, in order; how many bytes they are."""

    def read_output(self, batch: "Batch", *, most_bytes: int) -> bytes | None:
        """None where there is none, or it is larger."""

    def output_url(self, batch: "Batch", *, ttl_s: int) -> str:
        """Where whoever has the address can read it."""

    def drop_chunks(self, batch: "Batch") -> None:
        """What was only needed to put the results together."""

    def drop(self, batch: "Batch") -> None:
        """All of it."""


class BatchQueue(Protocol):
    def send(self, steps: "Sequence[Step]", *, delay_s: int = 0) -> None:
        """Delivered at least once, in no order. Raises TemporarilyBusy; some may have been sent then."""
