"""Which sources a command reads: those of its arguments, or those of the settings that --source names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed
from advertisex.ingestion.configured import api_options, source_named
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.questions.reading import given_options
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.model import Settings

#: Fields of `ApiOptions` that change what is read.
_READING = ("paginate", "cursor", "lookback", "since")

NamedOption = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="NAME", help="A source of the settings, in place of FEED and SOURCE; repeatable."),
]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Sources that are read in the same way.

    Attributes:
        feed: feed of their records.
        sources: the sources.
        options: how they are read.
    """

    feed: Feed
    sources: Sequence[str]
    options: IngestOptions


def chosen_sources(
    settings: Settings,
    feed: str | None,
    sources: Sequence[str],
    named: Sequence[str] | None,
    options: IngestOptions,
    api: Mapping[str, Any],
) -> list[Chosen]:
    """Return the sources of the arguments, or those that are named.

    Args:
        settings: the settings.
        feed: the argument FEED.
        sources: the argument SOURCE.
        named: the values of --source.
        options: the options that say how sources are read.
        api: the given options for HTTP APIs; they win over the settings.

    Raises:
        ConfigurationError: the arguments contradict each other, or a feed or a source is unknown or misconfigured.
    """
    if named:
        if feed is not None:
            raise ConfigurationError(
                "FEED and SOURCE cannot be combined with --source", hint="the settings name the feed and the address"
            )
        _check_unchanged(options, api)
        return [_of_settings(settings, name, api) for name in dict.fromkeys(named)]
    if feed is None or not sources:
        raise ConfigurationError(
            f"missing argument {'FEED' if feed is None else 'SOURCE'}",
            hint="name a feed and a source, or a source of the settings with --source",
        )
    chosen = Chosen(_feed_named(feed, settings), sources, replace(options, api=api_options(settings.api, api)))
    chosen.options.checked_for(chosen.feed)
    return [chosen]


def _check_unchanged(options: IngestOptions, api: Mapping[str, Any]) -> None:
    """Reject options that would read a source of the settings in another way than `run`: as another source."""
    changed = given_options(options) + [f"--{name}" for name in _READING if name in api]
    if changed:
        raise ConfigurationError(
            f"{changed[0]} cannot be combined with --source", hint="set it in the settings of the source"
        )


def _of_settings(settings: Settings, name: str, api: Mapping[str, Any]) -> Chosen:
    found = source_named(settings, name)
    options = replace(found.options, api=replace(found.options.api, **api), follow=False)
    return Chosen(found.feed, [found.source], options)


def _feed_named(name: str, settings: Settings) -> Feed:
    feeds = configured_feeds(settings)
    if name not in feeds:
        raise ConfigurationError(f"unknown feed {name!r}", hint=f"use one of {', '.join(feeds)}")
    return feeds[name]
