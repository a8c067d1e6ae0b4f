"""The catalogue in a CSV file: read completely, or rejected with a line number."""

from pathlib import Path

import pytest
from advertisex.processing.catalogue_file import read_catalogue

from advertisex.errors import ConfigurationError


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "catalogue.csv"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"creative_id,campaign_id,advertiser_id\nc1,k1,a1\nc2,k1,\n", [("c1", "k1", "a1"), ("c2", "k1", None)]),
        (b"creative_id,campaign_id\r\nc1,k1\r\n", [("c1", "k1", None)]),
        (b"\xef\xbb\xbfcampaign_id,note,creative_id\nk1,x,c1\n", [("c1", "k1", None)]),
        (b'creative_id,campaign_id\n"a,""b""","c\nd"\n', [('a,"b"', "c\nd", None)]),
        ("creative_id,campaign_id\né,\U0001f642\n".encode(), [("é", "\U0001f642", None)]),
        (b"creative_id,campaign_id,advertiser_id\n", []),
        (b"creative_id,campaign_id\n007,1.0\n", [("007", "1.0", None)]),
    ],
)
def test_a_catalogue_is_read_as_text(tmp_path: Path, content: bytes, rows: list[tuple[str, str, str | None]]) -> None:
    creatives = read_catalogue(written(tmp_path, content)).creatives

    assert creatives.columns == ["creative_id", "campaign_id", "advertiser_id"]
    assert creatives.rows() == rows


@pytest.mark.parametrize(
    ("content", "what", "line"),
    [
        (b"", "missing column in the catalogue: creative_id", 1),
        (b"creative,campaign_id\nc1,k1\n", "missing column in the catalogue: creative_id", 1),
        (b"creative_id\nc1\n", "missing column in the catalogue: campaign_id", 1),
        (b"creative_id,campaign_id\nc1,k1\nc2,\n", "empty", 3),
        (b"creative_id,campaign_id\n,k1\n", "empty", 2),
        (b"creative_id,campaign_id\nc1\n", "empty", 2),
        (b"creative_id,campaign_id\nc1,k1\nc2,k1\nc1,k2\n", "duplicate creative 'c1'", 4),
    ],
)
def test_an_invalid_line_is_reported(tmp_path: Path, content: bytes, what: str, line: int) -> None:
    path = written(tmp_path, content)

    with pytest.raises(ConfigurationError, match=what) as caught:
        read_catalogue(path)

    assert caught.value.where == f"{path}:{line}"
    assert caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("content", [b"creative_id,campaign_id\n\xff\xfe,k\n", None])
def test_an_unreadable_file_is_reported(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "absent.csv" if content is None else written(tmp_path, content)

    with pytest.raises(ConfigurationError, match="cannot read the catalogue") as caught:
        read_catalogue(path)

    assert caught.value.where == str(path)
