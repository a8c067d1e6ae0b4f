"""`advertisex erase` and `advertisex erasures`: remove a user, and list past erasures."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
import typer

from advertisex.cli.confirming import check_can_ask, confirm
from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    opened_log,
    opened_store,
    settings_of,
    store_for_changes,
)
from advertisex.cli.output import err, print_json, say
from advertisex.cli.progress import progress
from advertisex.cli.reading import reading
from advertisex.cli.tables import print_table
from advertisex.errors import StoreMissing
from advertisex.feeds import Feed
from advertisex.inspection.erasures import REMOVED, Erasures, run_document, totals
from advertisex.inspection.erasures import erasures as erasures_of
from advertisex.logs.contract import EventLog
from advertisex.privacy.erasure import check_user
from advertisex.privacy.erasure import erase as erase_user
from advertisex.processing.configured import pseudonym_key_of
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.model import Settings
from advertisex.stores.open import kept_old

_COLUMNS = ("feed", *REMOVED)


def erase(
    user: Annotated[str, typer.Argument(metavar="USER", help="User id, as it appears in messages.")],
    yes: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Permanently remove a user from events, rejects and the embedded log, and suppress their later messages.

    Put an id that begins with a dash last, after `--`.
    """
    settings = settings_of(config, data=data, log=log, store=store)
    check_user(user)
    if not yes:
        _confirm()
    _check_exists(settings)
    with opened_log(settings) as event_log, store_for_changes(settings) as event_store:
        key = pseudonym_key_of(settings)
        feeds = configured_feeds(settings)
        with progress("erasing", _messages_in(event_log, feeds)) as bar:
            run = erase_user(user, event_log, event_store, feeds, pseudonym_key=key, on_read=bar.advance)
    kept = kept_old(settings.store_url, elasticsearch=settings.elasticsearch)
    if as_json:
        print_json(run_document(run) | {"kept_old": kept})
        return
    if any(removed.anything for removed in run.removed):
        print_table("Removed", _COLUMNS, map(msgspec.structs.astuple, run.removed), numbers=_COLUMNS[1:])
    else:
        say("Nothing of this user was found.")
    if not run.log:
        say("Kafka keeps the messages until their retention ends; they are kept out of the store.")
    say("New messages of this user will be suppressed and counted as erased.")
    if kept:
        say(
            f"What a rebuild left beside the store may still have this user ({', '.join(kept)}): "
            "delete it with `advertisex rebuild --drop-old`."
        )


def _show(found: Erasures) -> None:
    if not found.runs:
        say("No user has been erased.")
        return
    columns = ("requested (UTC)", "done (UTC)", *REMOVED)
    rows = [
        (
            f"{run.asked_at:%Y-%m-%d %H:%M:%S}",
            f"{run.done_at:%Y-%m-%d %H:%M:%S}" if run.done_at else "interrupted or running",
            *totals(run.removed),
        )
        for run in found.runs
    ]
    print_table("Erasures", columns, rows, numbers=REMOVED)


erasures = reading(erasures_of, _show, "erasures")


def _messages_in(log: EventLog, feeds: Mapping[str, Feed]) -> int | None:
    """The number of messages that are read to be erased; None if the log does not erase them."""
    topics = [feed.topic for feed in feeds.values()]
    return sum(log.end_offsets(topics).values()) - sum(log.start_offsets(topics).values()) if log.erasable else None


def _check_exists(settings: Settings) -> None:
    """Check that the store or the log exists, so that a mistyped path does not create them.

    Raises:
        LogError: neither exists.
    """
    try:
        with opened_store(settings, read_only=True):
            return
    except StoreMissing:
        with opened_log(settings, create=False):
            return


def _confirm() -> None:
    check_can_ask("an erasure")
    err.print("This removes all events and messages of the user. It cannot be undone.")
    confirm("Erase the user?", "nothing was erased")
