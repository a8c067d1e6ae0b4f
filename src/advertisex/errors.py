"""Every exception that AdvertiseX raises on purpose.

    AdvertiseXError               one line for people: what failed, where, and the mend
    ├── ConfigurationError        a flag, a setting or a file that the user named is wrong     exit 2
    ├── SourceError               an input cannot be read: API, file, archive                  exit 1
    │   └── SourceUnavailable     the same, but a later try may succeed (refused, 503, cut)
    ├── LogError                  the event log cannot be read or written                      exit 1
    ├── StoreError                the event store cannot be read or written                    exit 1
    │   ├── StoreBusy             another process holds the store
    │   ├── StoreMissing          nothing has been stored there yet
    │   ├── StoreInterrupted      an interrupt ended the wait for the store; nothing advanced exit 130
    │   └── LedgerMoved           another worker advanced this partition; nothing was written
    ├── AnalysisError             the question has no answer on these events                   exit 1
    └── ServerError               a local server for tests cannot be had or does not start     exit 1

A bad *message* is never an exception: it becomes a reject, which is data.
"""

#: Exit code of a command that was interrupted before it was done, as shells have it for SIGINT.
INTERRUPTED = 130


class AdvertiseXError(Exception):
    """What failed, where, and what to do about it.

    Args:
        what: the failure, as a clause without a full stop.
        where: file:line, topic/partition/offset or URL (without its password); may be empty.
        mend: what the user can do; may be empty.
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
    """A flag, a setting, or a file that the user named is wrong."""

    exit_code = 2


class SourceError(AdvertiseXError):
    """An input cannot be read."""


class SourceUnavailable(SourceError):
    """An input cannot be read now, but a later try may succeed.

    Args:
        what: see AdvertiseXError.
        where: see AdvertiseXError.
        mend: see AdvertiseXError.
        retry_after: seconds that the other side asked us to wait, if it did.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(what, where=where, hint=hint)
        self.retry_after = retry_after


class LogError(AdvertiseXError):
    """The event log cannot be read or written."""


class StoreError(AdvertiseXError):
    """The event store cannot be read or written."""


class StoreBusy(StoreError):
    """Another process holds the store."""


class StoreMissing(StoreError):
    """Nothing has been stored there yet."""


class StoreInterrupted(StoreError):
    """An interrupt ended the wait for the store; what was under way is done again by the next run."""

    exit_code = INTERRUPTED


class LedgerMoved(StoreError):
    """Another worker has advanced this partition; nothing of this batch was written."""


class AnalysisError(AdvertiseXError):
    """The question has no answer on these events."""


class ServerError(AdvertiseXError):
    """A local server for tests cannot be had, or does not start."""
