"""The requests of an API: that of a poll that begins, with its placeholders, and that of one that resumes."""

import re
from dataclasses import replace
from datetime import datetime

import msgspec
from msgspec import structs

from advertisex.errors import ConfigurationError
from advertisex.ingestion.api.cursor_field import check_since
from advertisex.ingestion.api.cursor_value import cursor_value, value_of
from advertisex.ingestion.api.paging.parameters import Place
from advertisex.ingestion.api.placeholders import Values, filled, placeholders_in
from advertisex.ingestion.api.request import Request
from advertisex.ingestion.api.secrets import Secrets
from advertisex.ingestion.api.state import ApiState, OpenPoll, digest_of
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.sources import Url
from advertisex.times import micros_of, time_of

#: A name in braces that is not a placeholder. Braces are not valid in a URL, so it is a misspelt one.
_UNKNOWN = re.compile(r"\{(?!(?:since|until|cursor)[:}])[^{}]*\}")


class RequestTemplate:
    """The requests of an API, as they are configured and as they are stored.

    Args:
        source: the API.
        api: how it is asked.

    Attributes:
        secrets: its secrets.
        options: digest of everything that its polls depend on, without secrets.

    Raises:
        ConfigurationError: a placeholder is invalid, or the cursor is not used.
    """

    def __init__(self, source: Url, api: ApiOptions) -> None:
        self._api, self.secrets = api, Secrets(source.url, api)
        with_placeholders = {name: value for name, value in api.headers.items() if placeholders_in([value])}
        body = None if api.body is None else api.body.encode()
        self._template = Request(source.url, api.method, with_placeholders, body)
        self._used = placeholders_in([source.url, *api.headers.values(), api.body or ""])
        self._check(source.name)
        self.options = self.digest(self._template, repr((api.paginate, api.cursor)).encode())

    def begun(self, state: ApiState, now: datetime) -> OpenPoll:
        """Return a poll that begins.

        Raises:
            ConfigurationError: it is not known where to begin.
        """
        since, cursor = self._api.since or "", self._api.since or ""
        if state.backfill_since:
            since = cursor = state.backfill_since
        elif state.cursor:
            since, cursor = cursor_value(state.cursor).minus(self._api.lookback).text, state.cursor
        if self._used & {"since", "cursor"} and not since:
            raise ConfigurationError(
                "it is not known where the first poll starts",
                where=self._template.where,
                hint='set since, as in --since 2026-01-01 or since = "2026-01-01"',
            )
        return OpenPoll(self.options, micros_of(now), since, cursor)

    def first(self, poll: OpenPoll) -> Request:
        """Return the first request of a poll, with the values of its placeholders."""
        return filled(self._template, Values(value_of(poll.since), time_of(poll.until), value_of(poll.cursor)))

    def stored(self, poll: OpenPoll, request: Request) -> OpenPoll:
        """Return a poll with what is needed to ask for the page to read, without the user's secrets."""
        place = _body_place(poll)
        value = place.value(request) if place else None
        return structs.replace(poll, url=self.secrets.without(request.url), value=value)

    def resumed(self, poll: OpenPoll, first: Request) -> Request:
        """Return the request of the page to read; `first` is that of the first page."""
        request, place = replace(first, url=self.secrets.restored(poll.url)), _body_place(poll)
        return request if place is None or poll.value is None else place.set(request, msgspec.Raw(poll.value))

    def digest(self, request: Request, options: bytes = b"") -> bytes:
        """Return a digest of a request without its secrets, and of options."""
        body = self.secrets.marked((request.body or b"").decode("utf-8", "replace")).encode()
        safe = replace(request, url=self.secrets.without(request.url), body=body)
        return digest_of(safe, options or self.options)

    def _check(self, where: str) -> None:
        if self._api.since is not None:
            check_since(self._api.since, "since")
        if unknown := _UNKNOWN.search(self._template.url):
            raise ConfigurationError(
                f"unknown placeholder {unknown[0]} in the URL",
                where=where,
                hint="use {since}, {until} or {cursor}; write braces that are meant as such as %7B and %7D",
            )
        named = self._used & {"since", "cursor"}
        if self._api.cursor and not named:
            raise ConfigurationError(
                f"the cursor {self._api.cursor} is not used in the request",
                where=where,
                hint="put {since} or {cursor} into the URL, a header or the body, as in ?updated_since={since}",
            )
        if named and not self._api.cursor and ("cursor" in named or not self._api.since):
            raise ConfigurationError(
                f"the placeholder {{{min(named)}}} needs a field of the records that orders them",
                where=where,
                hint='name it, as in --cursor updated_at or cursor = "updated_at"',
            )


def _body_place(poll: OpenPoll) -> Place | None:
    """Return where the body of a request has what distinguishes the pages; None if the URL has it."""
    path = poll.paginate and poll.paginate.body_param
    return Place(path, in_body=True) if path else None
