"""What depends on the kind of a source."""

from pathlib import Path

import pytest

from advertisex.feeds import FEEDS
from advertisex.ingestion.kinds import identity_of, polled
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.sources import source_of
from advertisex.testing import memory_log

CLICKS = FEEDS["clicks"]


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("https://a.example/x?token=SECRET", "api"),
        ("s3://bucket/a/*.csv", "objects"),
        ("exports/*.csv", "files"),
    ],
)
@pytest.mark.parametrize(
    "options",
    [
        IngestOptions(follow=True),
        IngestOptions(follow=True, format="json", every=60),
        IngestOptions(follow=True, name="a", api=ApiOptions(method="POST", body="{}", headers={"A": "b"})),
    ],
)
def test_the_id_of_a_source_is_that_of_the_polled_one(address: str, kind: str, options: IngestOptions) -> None:
    source = source_of(address)
    identity = identity_of(source, CLICKS, options)
    assert identity is not None
    with memory_log() as log:
        one = polled(source, CLICKS, options, log)
        assert identity == (one.id, one.kind, one.address)
        one.close()
    assert identity.kind == kind
    assert "SECRET" not in identity.address
    assert identity_of(source, FEEDS["bids"], options) != identity


def test_standard_input_has_no_id_and_files_have_one_if_their_reading_is_kept(tmp_path: Path) -> None:
    assert identity_of(source_of("-"), CLICKS, IngestOptions()) is None
    (tmp_path / "a.csv").write_text("user_id\nu\n")
    with memory_log() as log:
        ids = [
            polled(source_of(str(tmp_path)), CLICKS, options, log).id != ""
            for options in (IngestOptions(), IngestOptions(name="a"), IngestOptions(follow=True))
        ]
    assert ids == [False, True, True]
