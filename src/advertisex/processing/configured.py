"""Builds the configuration of processing from the settings."""

from advertisex.errors import ConfigurationError
from advertisex.logs.open import check_skippable
from advertisex.processing.policy import Policy
from advertisex.processing.runner import Processing
from advertisex.processing.websites import host_of
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.model import Settings


def processing_of(
    settings: Settings, *, follow: bool = False, waits: bool = False, skip_damaged: bool = False
) -> Processing:
    """The processing configuration of the settings.

    Args:
        settings: all settings.
        follow: whether to wait for new messages at the end of the log.
        waits: whether to wait for a log that does not respond at the start.
        skip_damaged: whether damaged messages of the log are lost; otherwise they end the run.

    Raises:
        ConfigurationError: a setting is invalid.
    """
    if skip_damaged:
        check_skippable(settings.log_url)
    policy = settings.policy
    return Processing(
        feeds=configured_feeds(settings),
        policy=Policy(
            policy.negative_users,
            frozenset(user.strip() for user in policy.blocked_users),  # as ids are decoded
            frozenset(_host(site.strip(), settings) for site in policy.blocked_sites),
            policy.test_requests,
        ),
        batch_size=settings.batch_size,
        follow=follow,
        waits=waits,
        pseudonym_key=pseudonym_key_of(settings),
        skip_damaged=skip_damaged,
        keep_days=settings.store.keep_days,
    )


def pseudonym_key_of(settings: Settings) -> bytes:
    """The secret key for pseudonyms from the settings; empty if none is set."""
    key = settings.privacy.pseudonym_key
    return b"" if key is None else key.get_secret_value().encode()


def _host(site: str, settings: Settings) -> str:
    host = host_of(site)
    if host is None:
        raise ConfigurationError(
            f"setting policy.blocked_sites: invalid host {site!r}",
            where=settings.origin("policy", "blocked_sites"),
            hint="expected a host name such as example.com",
        )
    return host.rstrip(".")
