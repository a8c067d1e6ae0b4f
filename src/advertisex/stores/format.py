"""The format of a store: its schema, the identity of events, and how values are read.

A store of another format is never read or converted in place: `advertisex rebuild` makes a new one from the log.
"""

from advertisex.errors import ConfigurationError, StoreOutdated

#: Raise it with any change of the stored columns, of the identity of a feed, or of what `standardise` makes of a value.
FORMAT = 8
#: The first format in which rejects have a `resolution`.
RESOLUTIONS_SINCE = 6
#: The first format in which the catalogue has campaigns.
CAMPAIGNS_SINCE = 7


def check_format(found: int, where: str) -> None:
    """Check the format of a store; stores without one have format 1.

    Raises:
        StoreOutdated: it is not `FORMAT`.
    """
    if found != FORMAT:
        raise StoreOutdated(
            f"the store has format {found}, but this version of AdvertiseX uses format {FORMAT}",
            where=where,
            hint="run `advertisex rebuild` to make a new store from the log",
        )


def field_changed(feed: str, name: str) -> ConfigurationError:
    """The exception for an own field whose stored column has another kind."""
    return ConfigurationError(
        f"setting feeds.{feed}.extra: the store has a field {name!r} of another kind",
        hint="use another name, restore the setting, or run `advertisex rebuild`",
        setting=("feeds", feed, "extra", name),
    )
