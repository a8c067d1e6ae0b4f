"""The creatives of the catalogue in a CSV file: read completely, or rejected with a line number."""

from datetime import datetime
from pathlib import Path

import pytest

from advertisex.catalogue.creatives_file import read_catalogue
from advertisex.errors import ConfigurationError
from advertisex.model import CATALOGUE_COLUMNS


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
        (b"creative_id,campaign_id\n007,1.0\n", [("007", "1.0", None)]),
    ],
)
def test_a_catalogue_is_read_as_text(tmp_path: Path, content: bytes, rows: list[tuple[str, str, str | None]]) -> None:
    creatives = read_catalogue(written(tmp_path, content))

    assert dict(creatives.schema) == CATALOGUE_COLUMNS
    assert creatives.rows() == [(*row, None) for row in rows]


@pytest.mark.parametrize(
    ("text", "valid_from"),
    [
        ("", None),
        ("2026-01-31", datetime(2026, 1, 31)),
        ("2026-01-31T12:00:00", datetime(2026, 1, 31, 12)),
        ("2026-01-31 12:00:00.25", datetime(2026, 1, 31, 12, 0, 0, 250_000)),
        ("2026-01-31T12:00:00+02:00", datetime(2026, 1, 31, 10)),
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12)),
    ],
)
def test_the_time_from_which_a_row_holds(tmp_path: Path, text: str, valid_from: datetime | None) -> None:
    content = f"creative_id,campaign_id,valid_from\nc1,k1, {text} \n".encode()

    assert read_catalogue(written(tmp_path, content))["valid_from"].to_list() == [valid_from]


def test_a_creative_may_have_several_rows_which_are_ordered(tmp_path: Path) -> None:
    content = b"creative_id,campaign_id,valid_from\nc2,k1,\nc1,k3,2026-02-01\nc1,k2,2026-01-01\nc1,k1,\n"

    rows = read_catalogue(written(tmp_path, content))

    assert rows["creative_id"].to_list() == ["c1", "c1", "c1", "c2"]
    assert rows["campaign_id"].to_list() == ["k1", "k2", "k3", "k1"]


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
        (b"creative_id,campaign_id,campaign_id\nc1,k1,k2\n", "repeated column in the catalogue: campaign_id", 1),
        (b"creative_id,campaign_id\nc1,k1,k2\n", "more cells than columns", 2),
        (b"creative_id,campaign_id,start,budget\nc1,k1,,5\n", "has columns of campaigns: start, budget", 1),
        (b"creative_id,campaign_id,valid_from\nc1,k1,soon\n", "invalid valid_from 'soon'", 2),
        (
            b"creative_id,campaign_id,valid_from\nc1,k1,2026-01-31\nc1,k2,2026-01-31T00:00:00Z\n",
            "duplicate creative 'c1'",
            3,
        ),
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


def test_a_catalogue_without_creatives_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="the catalogue has no creatives"):
        read_catalogue(written(tmp_path, b"creative_id,campaign_id,advertiser_id\n"))


@pytest.mark.parametrize(
    ("bound", "value", "line"), [("MOST_ROWS", 2, 4), ("LINE_CHARACTERS", 24, 2), ("FILE_CHARACTERS", 60, 3)]
)
def test_a_catalogue_beyond_a_bound_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int, line: int
) -> None:
    path = written(tmp_path, b"creative_id,campaign_id\nc1,a-long-name-of-it-%s\nc2,k\nc3,k\n" % (b"k" * 10))
    monkeypatch.setattr(f"advertisex.catalogue.csv_file.{bound}", value)
    with pytest.raises(ConfigurationError, match=f"more than {value}") as caught:
        read_catalogue(path)
    assert caught.value.where == f"{path}:{line}"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b""])
@pytest.mark.parametrize("more", [0, 1])
def test_the_bound_of_a_line_does_not_count_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes, more: int
) -> None:
    monkeypatch.setattr("advertisex.catalogue.csv_file.LINE_CHARACTERS", 30)
    path = written(tmp_path, b"creative_id,campaign_id\nc1," + b"k" * (27 + more) + end)
    if more:
        with pytest.raises(ConfigurationError, match="the line has more than 30 characters"):
            read_catalogue(path)
    else:
        assert read_catalogue(path)["campaign_id"].to_list() == ["k" * 27]


def test_an_endless_line_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.csv"
    with path.open("wb") as file:
        file.truncate(2**40)  # zeros, without a line break
    with pytest.raises(ConfigurationError, match="the line has more than 65,536 characters") as caught:
        read_catalogue(path)
    assert caught.value.where == f"{path}:1"
