"""An S3 server on this machine: moto's, in a thread of this process."""

import logging
from typing import Any

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

from tests.servers.local_server import HOST

REGION = "us-east-1"
#: The bucket that the samples of the guide use.
SAMPLES = "ad-feeds"


class LocalS3:
    """A server that keeps its objects in memory; `close` it.

    Attributes:
        url: its endpoint.
        client: a client of it.
    """

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # no line for each request
        self._server = ThreadedMotoServer(HOST, 0, verbose=False)
        self._server.start()
        self.url = f"http://{HOST}:{self._server.get_host_and_port()[1]}"
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            config=Config(retries={"max_attempts": 0}),
        )
        self.client.create_bucket(Bucket=SAMPLES)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which it is used."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": REGION,
        }

    def close(self) -> None:
        """Stop it."""
        self.client.close()
        self._server.stop()
