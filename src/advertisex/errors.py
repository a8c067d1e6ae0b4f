"""The exceptions that AdvertiseX raises for expected failures.

    AdvertiseXError               one human-readable line: what failed, where, and a hint
    ├── ConfigurationError        a flag, a setting or a file named by the user is wrong       exit 2
    │   └── RejectMissing         no reject has the id
    ├── SourceError               an input cannot be read: API, file, archive                  exit 1
    │   ├── RequestRejected       a server does not accept a request (404, 410); it may accept another one
    │   └── SourceUnavailable     the same, but a retry may succeed (connection refused, 503, reset)
    │       ├── ErrorReported     a server reports an error in a document with status 200
    │       └── ObjectReplaced    an object of a bucket was replaced while it was read
    ├── LogError                  the event log cannot be read or written                      exit 1
    │   ├── LogMissing            the log does not exist yet, or is gone
    │   ├── LogDamaged            messages of the log are damaged: altered, unreadable, or missing
    │   └── LogUnavailable        the same, but a retry may succeed: its server does not respond
    ├── StoreError                the event store cannot be read or written                    exit 1
    │   ├── StoreUnavailable      the same, but a retry may succeed: its server does not respond
    │   ├── StoreBusy             another process has the store open
    │   ├── StoreMissing          the store does not exist yet
    │   ├── StoreOutdated         the store has another format: `advertisex rebuild` makes a new one from the log
    │   ├── IndexGone             an index of the store was deleted, or replaced by another one
    │   ├── StoreInterrupted      interrupted while waiting for the store; nothing advanced    exit 130
    │   └── LedgerMoved           the partition was advanced, or something was erased or removed
    └── AnalysisError             the question cannot be answered from these events            exit 1

A bad *message* is never an exception: it becomes a reject, which is data.
"""

#: Exit code of a command interrupted before it finished: the shell convention for SIGINT (128 + 2).
INTERRUPTED = 130


class AdvertiseXError(Exception):
    """Base class: what failed, where, and what to do about it.

    Args:
        what: the failure, as a clause without a full stop.
        where: file:line, topic/partition/offset or URL (without its password); may be empty.
        hint: what the user can do; may be empty.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.what}{place}{hint}"


class ConfigurationError(AdvertiseXError):
    """A flag, a setting or a file named by the user is wrong.

    Args:
        what: see AdvertiseXError.
        where: see AdvertiseXError.
        hint: see AdvertiseXError.
        setting: the keys of the setting that is wrong, such as `("log", "url")`, if it was found by code that does not
            know where settings are given: a command adds the place.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", hint: str = "", setting: tuple[str | int, ...] = ()) -> None:
        super().__init__(what, where=where, hint=hint)
        self.setting = setting


class RejectMissing(ConfigurationError):
    """No reject has the id that the user named."""


class SourceError(AdvertiseXError):
    """An input cannot be read."""


class SourceUnavailable(SourceError):
    """An input cannot be read now, but a retry may succeed.

    Args:
        what: see AdvertiseXError.
        where: see AdvertiseXError.
        hint: see AdvertiseXError.
        retry_after: seconds to wait before the retry, if the server sent Retry-After.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(what, where=where, hint=hint)
        self.retry_after = retry_after


class ErrorReported(SourceUnavailable):
    """The server reports an error in a document with status 200; a retry, or another request, may succeed."""


class ObjectReplaced(SourceUnavailable):
    """The object of a bucket is no longer the version that was listed."""


class RequestRejected(SourceError):
    """The server does not accept this request; it may accept another one."""


class LogError(AdvertiseXError):
    """The event log cannot be read or written."""


class LogMissing(LogError):
    """The event log does not exist yet, or is gone."""


class LogDamaged(LogError):
    """Messages of the log are damaged.

    Args:
        what: see AdvertiseXError.
        topic: their topic.
        partition: their partition.
        start: the first offset that cannot be given.
        end: the offset after the last one.
        command: the command that can skip them.
    """

    def __init__(
        self, what: str, *, topic: str, partition: int, start: int, end: int, command: str = "process"
    ) -> None:
        offsets = f"{start}" if end == start + 1 else f"{start} to {end - 1}"
        super().__init__(
            what,
            where=f"{topic}/{partition}/{offsets}",
            hint=f"restore the log from a backup, or go on without them: `advertisex {command} --skip-damaged`",
        )
        self.topic, self.partition, self.start, self.end = topic, partition, start, end

    def skippable_by(self, command: str) -> "LogDamaged":
        """The same with a hint that names another command."""
        topic, partition = self.topic, self.partition
        return LogDamaged(self.what, topic=topic, partition=partition, start=self.start, end=self.end, command=command)


class LogUnavailable(LogError):
    """The event log cannot be reached now, but a retry may succeed."""


class StoreError(AdvertiseXError):
    """The event store cannot be read or written."""


class StoreUnavailable(StoreError):
    """The event store cannot be reached now, but a retry may succeed."""


class StoreBusy(StoreError):
    """Another process has the store open."""


class StoreMissing(StoreError):
    """The store does not exist yet."""


class StoreOutdated(StoreError):
    """The store has another format than this version of AdvertiseX; only `rebuild` and `doctor` open it."""


class IndexGone(StoreError):
    """An index of the store was deleted, or replaced by another one of the same name."""


class StoreInterrupted(StoreError):
    """Interrupted while waiting for the store; the next run repeats the unfinished batch."""

    exit_code = INTERRUPTED


class LedgerMoved(StoreError):
    """Another worker advanced this partition, or a user or an old period was removed; this batch was not counted."""


class AnalysisError(AdvertiseXError):
    """The question cannot be answered from these events."""


def error_named(name: str, what: str, *, where: str = "", hint: str = "") -> AdvertiseXError | None:
    """Make an error of the class that another process has named; None if it is unknown, or takes more than texts."""
    kind = globals().get(name)
    if not isinstance(kind, type) or not issubclass(kind, AdvertiseXError):
        return None
    try:
        return kind(what, where=where, hint=hint)
    except TypeError:
        return None
