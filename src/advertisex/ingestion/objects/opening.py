"""Open an object store with the credentials and the endpoint of the environment."""

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advertisex.errors import ConfigurationError
from advertisex.extras import extra
from advertisex.ingestion.object_address import Address
from advertisex.ingestion.objects.environment import allows_http, check_environment
from advertisex.ingestion.objects.failures import CREDENTIALS
from advertisex.ingestion.options.api import ApiOptions

if TYPE_CHECKING:
    from obstore.store import ObjectStore


def opened_store(address: Address, options: ApiOptions) -> "ObjectStore":
    """Return the client of a bucket.

    Raises:
        ConfigurationError: the extra `objects` is not installed, or the environment has an invalid setting.
    """
    with extra("objects", "object stores", where=address.name_of("")):
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra
        from obstore.store import AzureStore, GCSStore, S3Store  # noqa: PLC0415 - an extra
    check_environment(address.scheme)
    given: dict[str, Any] = {
        "client_options": {"timeout": timedelta(seconds=options.timeout), "allow_http": allows_http(address.scheme)},
        "retry_config": {"max_retries": 0},  # the caller repeats requests
    }
    try:
        match address.scheme:
            case "s3":
                return S3Store(address.bucket, **given, **_profile(address))
            case "gs":
                return GCSStore(address.bucket, **given)
            case _:
                return AzureStore(address.bucket, **given)
    except (BaseError, ValueError, OSError) as error:
        raise ConfigurationError(
            "the environment has no valid settings for the object store",
            where=address.name_of(""),
            hint=CREDENTIALS[address.scheme],
        ) from error


def _profile(address: Address) -> dict[str, Any]:
    """Take credentials from a profile of the AWS configuration, which the client does not read, if one is to be used.

    Raises:
        ConfigurationError: boto3, which reads it, is not installed; or the profile has no credentials.
    """
    named = os.environ.get("AWS_PROFILE")
    file = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or Path.home() / ".aws" / "credentials")
    given = os.environ.get("AWS_ACCESS_KEY_ID") or os.environ.get("AWS_SKIP_SIGNATURE")
    if not named and (given or not file.exists()):
        return {}
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415 - another optional library
    except ImportError as error:
        raise ConfigurationError(
            "profiles of the AWS configuration need boto3, which is not installed",
            where=address.name_of(""),
            hint="pip install boto3, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ) from error
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - comes with boto3

    try:
        return {"credential_provider": Boto3CredentialProvider()}
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(
            f"the profile {named or 'default'!r} of the AWS configuration has no credentials",
            where=address.name_of(""),
            hint="check AWS_PROFILE, or run `aws configure`",
        ) from error
