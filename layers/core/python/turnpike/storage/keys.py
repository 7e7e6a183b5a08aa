"""Every partition and sort key, spelled once.

ledger   ACCOUNT#<account>   BALANCE
                             HOLD#<generation>
                             ENTRY#<entry>
                             GENERATION#<generation>
                             ACTIVITY#<2026-11-23>#<digest>        requests of that day, by all but their user
                             USER_ACTIVITY#<2026-11-23>#<digest>   of them, those that name a user, by user too
                             SPEND#<key hash>#<2026-11>          captured by the key, by day of that month
                             LIMIT#<key hash>#<window>           captured and held, against the key's limit
                             NOTE#<entry>                        why the operator made it
                             PAYMENT_METHOD                      to charge for automatic top-ups
                             EXPORT                              how many entries of each day were exported
         AUTO_TOP_UP         <account>                           of every account that turned it on
         JOB#<name>          STATE                               how far a daily job has come
keys     KEY#<key hash>
byok     ACCOUNT#<account>   BYOK#<id>
presets  ACCOUNT#<account>   PRESET#<slug>                       with its designated version
                             PRESET_VERSION#<id>#<number>
health   MINUTE#<minute>#<shard>   <endpoint key>    its attempts in that minute (epoch seconds / 60)
         UPTIME                    <hour>            of every endpoint (epoch seconds / 3600)
         SNAPSHOT                  ROUTING, REPORT   what is known of every endpoint
         JOB                       <name>            when it was last begun
batches  ACCOUNT#<account>   <batch>                 its status and counts
         BATCH#<batch>       <chunk>                 who works on it, and whether it is closed
         UPLOAD#<upload>     <account>               which batch was made of it
         SUBMISSION#<digest> <account>               likewise, of the request with that Idempotency-Key
         OPEN#<account>      BATCHES                 the ids of those that are not over
"""

import zlib

from turnpike.domain.ids import AccountId, GenerationId, HoldId, KeyHash

Key = dict[str, dict[str, str]]

_ACCOUNT = "ACCOUNT#"

OPEN_SHARDS = tuple(str(shard) for shard in range(8))
"""Pending holds are spread over these, since one index partition takes 1,000 writes a second."""

AUTO_TOP_UPS = "AUTO_TOP_UP"
"""One partition, so that upkeep finds them all without a scan: few accounts have one, and each is written rarely."""

_HEALTH_SHARDS = 4
"""All that is counted within a minute is written then: some 4,000 writes a second, at 1,000 for each of these."""

_ACTIVITY_PARTS = 8
"""Transactions that come for one item at the same time are in each other's way; for these eight, less often."""

_ACTIVITY = {False: "ACTIVITY", True: "USER_ACTIVITY"}


def balance(account_id: AccountId) -> Key:
    return _account(account_id, "BALANCE")


def hold(account_id: AccountId, hold_id: HoldId) -> Key:
    return _account(account_id, f"HOLD#{hold_id}")


def entry(account_id: AccountId, entry_id: str) -> Key:
    return _account(account_id, f"ENTRY#{entry_id}")


def generation(account_id: AccountId, generation_id: GenerationId) -> Key:
    return _account(account_id, f"GENERATION#{generation_id}")


def activity(account_id: AccountId, day: str, digest: str, *, by_user: bool) -> Key:
    """Of any digest with an empty one: what those of the day begin with."""
    return _account(account_id, f"{_ACTIVITY[by_user]}#{day}#{digest}")


def activity_part(generation_id: GenerationId) -> str:
    """Which of a cell's items counts a generation that is recorded by itself."""
    return f"-{zlib.crc32(generation_id.encode()) % _ACTIVITY_PARTS}"


def spend(account_id: AccountId, key_hash: KeyHash, month: str) -> Key:
    """Of any month with an empty one: what those of all months begin with."""
    return _account(account_id, f"SPEND#{key_hash}#{month}")


def limit(account_id: AccountId, key_hash: KeyHash, window: str) -> Key:
    return _account(account_id, f"LIMIT#{key_hash}#{window}")


def note(account_id: AccountId, entry_id: str) -> Key:
    return _account(account_id, f"NOTE#{entry_id}")


def payment_method(account_id: AccountId) -> Key:
    return _account(account_id, "PAYMENT_METHOD")


def auto_top_up(account_id: AccountId) -> Key:
    return {"pk": {"S": AUTO_TOP_UPS}, "sk": {"S": account_id}}


def export(account_id: AccountId) -> Key:
    return _account(account_id, "EXPORT")


def account_of(partition: str) -> AccountId | None:
    """Whose partition it is; None of one that is no account's."""
    return AccountId(partition.removeprefix(_ACCOUNT)) if partition.startswith(_ACCOUNT) else None


def job(name: str) -> Key:
    return {"pk": {"S": f"JOB#{name}"}, "sk": {"S": "STATE"}}


def api_key(key_hash: KeyHash) -> Key:
    return {"pk": {"S": f"KEY#{key_hash}"}}


def byok_key(account_id: AccountId, key_id: str) -> Key:
    """Of any key with an empty id: what those of all keys begin with."""
    return _account(account_id, f"BYOK#{key_id}")


def preset(account_id: AccountId, slug: str) -> Key:
    """Of any preset with an empty slug: what those of all presets begin with."""
    return _account(account_id, f"PRESET#{slug}")


def preset_version(account_id: AccountId, preset_id: str, number: int | None) -> Key:
    """Of any version with None: what those of all versions begin with."""
    return _account(account_id, f"PRESET_VERSION#{preset_id}#{'' if number is None else number}")


def health_minute(minute: int, endpoint: str) -> Key:
    shard = zlib.crc32(endpoint.encode()) % _HEALTH_SHARDS
    return _health(f"MINUTE#{minute}#{shard}", endpoint)


def health_minute_partitions(minute: int) -> tuple[str, ...]:
    """Where all endpoints of that minute are."""
    return tuple(f"MINUTE#{minute}#{shard}" for shard in range(_HEALTH_SHARDS))


def health_snapshot(name: str) -> Key:
    return _health("SNAPSHOT", name)


def health_job(name: str) -> Key:
    return _health("JOB", name)


def uptime_hour(hour: int) -> Key:
    return _health("UPTIME", str(hour))


def batch(account_id: AccountId, batch_id: str) -> Key:
    """Of any batch with an empty id: what those of all batches begin with."""
    return _account(account_id, batch_id)


def batch_chunk(batch_id: str, number: int) -> Key:
    # Filled up, so that they are in order.
    return {"pk": {"S": f"BATCH#{batch_id}"}, "sk": {"S": f"{number:06d}"}}


def batch_upload(account_id: AccountId, upload_id: str) -> Key:
    return {"pk": {"S": f"UPLOAD#{upload_id}"}, "sk": {"S": account_id}}


def batch_submission(account_id: AccountId, digest: str) -> Key:
    return {"pk": {"S": f"SUBMISSION#{digest}"}, "sk": {"S": account_id}}


def open_batches(account_id: AccountId) -> Key:
    return {"pk": {"S": f"OPEN#{account_id}"}, "sk": {"S": "BATCHES"}}


def open_shard(hold_id: HoldId) -> str:
    return OPEN_SHARDS[zlib.crc32(hold_id.encode()) % len(OPEN_SHARDS)]


def _health(partition: str, sort_key: str) -> Key:
    return {"pk": {"S": partition}, "sk": {"S": sort_key}}


def _account(account_id: AccountId, sort_key: str) -> Key:
    return {"pk": {"S": f"{_ACCOUNT}{account_id}"}, "sk": {"S": sort_key}}
