"""A bucket of the S3 server for one test."""

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from tests.servers.s3 import LocalS3

HEADER = "user_id,timestamp,campaign_id,conversion\n"


def rows(*numbers: int) -> bytes:
    """A CSV file of clicks with one row for each number."""
    return (HEADER + "".join(f"u{number},2026-01-05 09:00:00,c1,0\n" for number in numbers)).encode()


def users(messages: list[bytes]) -> list[int]:
    """The numbers of the users of messages."""
    return [int(found[1]) for message in messages if (found := re.search(rb'"user_id":"u(\d+)"', message))]


def zipped(**members: bytes) -> bytes:
    """A zip archive of CSV files, by their names without the extension."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.csv", content)
    return file.getvalue()


@dataclass
class S3Bucket:
    """A bucket.

    Attributes:
        name: its name.
    """

    server: LocalS3
    name: str = field(default_factory=lambda: f"b{uuid4().hex[:12]}")

    def __post_init__(self) -> None:
        self.server.client.create_bucket(Bucket=self.name)

    def url(self, pattern: str = "") -> str:
        return f"s3://{self.name}/{pattern}"

    def put(self, key: str, body: bytes) -> None:
        self.server.client.put_object(Bucket=self.name, Key=key, Body=body)

    def fill(self, objects: Mapping[str, bytes]) -> None:
        """Put many objects, without a request for each."""
        backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        for key, body in objects.items():
            backend.put_object(self.name, key, body)

    def delete(self, *keys: str) -> None:
        for key in keys:
            self.server.client.delete_object(Bucket=self.name, Key=key)
