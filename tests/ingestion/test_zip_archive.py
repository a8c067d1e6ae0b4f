import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from advertisex.feeds import FEEDS
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.read import read_file
from advertisex.ingestion.records import Reading
from tests.ingestion.test_formats import CONTENTS, ROWS, as_csv, as_xlsx, zipped


def archive(path: Path, members: dict[str, bytes], **options: Any) -> Path:
    with zipfile.ZipFile(path, "w", **options) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_every_member_is_an_input_of_its_own(tmp_path: Path, ingested) -> None:
    members = {f"day/{kind}.{kind}": content for kind, (content, _) in CONTENTS.items()}
    path = archive(tmp_path / "all.zip", members)
    seen = ingested("clicks", path)
    assert seen.failures == []
    counts = {name: counted.messages for name, counted in seen.published.sources.items()}
    assert counts == {f"{path}/day/{kind}.{kind}": len(ROWS) for kind in CONTENTS}


def test_what_is_not_an_input_is_skipped_and_reported(tmp_path: Path) -> None:
    members = {"d/": b"", "__MACOSX/._a.csv": b"x", "d/.DS_Store": b"x", "d/a.csv": as_csv()}
    inputs: list[tuple[str, int, Reading]] = []
    for one in read_file(archive(tmp_path / "a.zip", members), FEEDS["clicks"], IngestOptions()):
        records = sum(len(chunk.records) for chunk in one.reader.chunks())
        inputs.append((one.name.removeprefix(str(tmp_path)), records, one.reader.reading))
    (name, records, _), (archive_name, nothing, reading) = inputs
    assert (name, records) == ("/a.zip/d/a.csv", len(ROWS))
    assert (archive_name, nothing) == ("/a.zip", 0)
    assert reading.format == "zip"
    assert reading.skipped == {"folder": 1, "hidden file": 2}
    assert reading.rows == 3


def test_members_that_cannot_be_read_are_named_and_the_others_read(tmp_path: Path, ingested) -> None:
    path = archive(tmp_path / "a.zip", {})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("secret.csv", as_csv())
        file.writestr("README.txt", b"read me\n")
        file.writestr("inner.zip", zipped("a.csv", as_csv()))
        file.writestr("document.docx", zipped("[Content_Types].xml", b"<x/>"))
        file.writestr("broken.csv", as_csv())
        file.writestr("rare.csv", as_csv())
        file.writestr("good.csv", as_csv())
    content = bytearray(path.read_bytes())
    set_in_headers(content, b"secret.csv", local=6, central=8, value=1)
    set_in_headers(content, b"rare.csv", local=8, central=10, value=97)
    at = content.index(b"broken.csv") + 10
    content[at + 20 : at + 30] = bytes(10)
    path.write_bytes(content)
    seen = ingested("clicks", path)
    failed = {str(failure).split("a.zip/")[1].split(")")[0].split(":")[0]: str(failure) for failure in seen.failures}
    assert list(failed) == ["secret.csv", "README.txt", "inner.zip", "document.docx", "broken.csv", "rare.csv"]
    assert "encrypted" in failed["secret.csv"]
    assert "could not detect the format" in failed["README.txt"]
    assert "zip archive inside another" in failed["inner.zip"]
    assert "not a valid Excel workbook" in failed["document.docx"]
    assert "compressed data" in failed["broken.csv"]
    assert "unsupported" in failed["rare.csv"]
    assert seen.published.sources[f"{path}/good.csv"].messages == len(ROWS)


def set_in_headers(content: bytearray, name: bytes, *, local: int, central: int, value: int) -> None:
    """Set a 16-bit field in both headers of a member."""
    struct.pack_into("<H", content, content.index(name) - 30 + local, value)
    struct.pack_into("<H", content, content.rindex(name) - 46 + central, value)


def test_members_that_share_bytes_are_rejected(tmp_path: Path, ingested) -> None:
    path = archive(tmp_path / "a.zip", {"a.csv": as_csv(), "b.csv": as_csv()})
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.rindex(b"b.csv") - 46 + 42, 0)
    path.write_bytes(content)
    seen = ingested("clicks", path)
    assert "members of the zip archive overlap" in str(seen.failures[0])
    assert seen.messages == []


@pytest.mark.parametrize("end", [3, 100, 22])
def test_a_truncated_archive_is_an_error_that_names_it(tmp_path: Path, ingested, end: int) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped("a.csv", as_csv())[:-end])
    (failure,) = ingested("clicks", path).failures
    assert f"the zip archive is truncated or damaged ({path})" in str(failure)


def test_a_zip_in_a_folder_is_read_and_an_empty_one_is_not_an_error(tmp_path: Path, ingested) -> None:
    archive(tmp_path / "a.ZIP", {"a.csv": as_csv()})
    empty = archive(tmp_path / "b.zip", {})
    seen = ingested("clicks", tmp_path)
    assert len(seen.messages) == len(ROWS)
    assert seen.failures == []
    assert seen.published.sources[str(empty)].messages == 0


def test_the_format_of_the_user_is_that_of_the_members(tmp_path: Path, ingested) -> None:
    path = archive(tmp_path / "a.zip", {"report.txt": as_csv()})
    assert len(ingested("clicks", path, format="csv").messages) == len(ROWS)


def test_a_workbook_is_not_an_archive(tmp_path: Path, ingested) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(as_xlsx())
    assert len(ingested("clicks", path).messages) == len(ROWS)


def test_an_archive_with_one_member_of_a_workbook_is_an_archive(tmp_path: Path, ingested) -> None:
    path = archive(tmp_path / "a.zip", {"xl/workbook.csv": as_csv(), "a/xl/workbook.xml": as_csv()})
    assert len(ingested("clicks", path, format="csv").messages) == 2 * len(ROWS)
    path = archive(tmp_path / "b.zip", {"xl/workbook.xml": as_csv()})
    assert len(ingested("clicks", path, format="csv").messages) == len(ROWS)


def test_a_name_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"\x1b[2J.csv": as_csv()})
    (one,) = read_file(path, FEEDS["clicks"], IngestOptions())
    assert one.name == f"{path}/\ufffd[2J.csv"


def test_a_large_member_is_streamed(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"a.csv": b"user_id\n" + b"u1\n" * 2**21}, compression=zipfile.ZIP_DEFLATED)
    inputs = read_file(path, FEEDS["clicks"], IngestOptions())
    first = next(next(inputs).reader.chunks())
    assert 0 < len(first.records) < 2**20
