"""Addresses of objects, and globs of keys."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advertisex.errors import ConfigurationError
from advertisex.ingestion.object_address import address_of, glob_pattern
from advertisex.ingestion.sources import Files, Objects, Url, source_of


def test_the_parts_of_an_address() -> None:
    address = address_of("S3://bucket/a b/ü.csv")
    assert (address.scheme, address.bucket, address.pattern) == ("s3", "bucket", "a b/ü.csv")
    assert Objects(address).name == "s3://bucket/a b/ü.csv"


@pytest.mark.parametrize("text", ["s3://b", "s3://b/", "GS://b/a/*.csv", "az://$root/x", "s3://b/a?b#c"])
def test_addresses_of_object_stores(text: str) -> None:
    assert isinstance(source_of(text), Objects)


@pytest.mark.parametrize("text", ["a/s3.csv", "C:\\x", "C://x", "s3"])
def test_paths_are_not_addresses(text: str) -> None:
    assert source_of(text) == Files(text)


def test_apis_are_not_objects() -> None:
    assert source_of("HTTP://h/x") == Url("HTTP://h/x")


@pytest.mark.parametrize("text", ["ftp://h/x.csv", "S4://b/x", "file:///x.csv", "abfs://c@a/x", "s3a://b/x"])
def test_an_unknown_scheme_lists_the_known_ones(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"unknown scheme .*http://, https://, s3://, gs://, az://"):
        source_of(text)


@pytest.mark.parametrize("text", ["s3://", "s3:///x", "s3://b k/x", "s3://key:hidden@b/x", "s3://key:hid/den@b/x"])
def test_an_address_without_a_valid_bucket_is_not_shown(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no valid bucket name") as error:
        source_of(text)
    assert "hid" not in str(error.value)


@pytest.mark.parametrize("text", ["s3://b//x", "s3://b/a//x", "s3://b/a//"])
def test_empty_parts_of_a_key(text: str) -> None:
    with pytest.raises(ConfigurationError, match="empty part"):
        source_of(text)


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [
        ("", ""),
        ("a/b", "a/b"),
        ("a/b/", "a/b"),
        ("*.csv", ""),
        ("a/b*.csv", "a"),
        ("a/[b]/c", "a"),
        ("a/b/**/c?.csv", "a/b"),
    ],
)
def test_the_folder_that_is_listed(pattern: str, folder: str) -> None:
    assert address_of(f"s3://bucket/{pattern}").folder == folder


@pytest.mark.parametrize(
    ("glob", "matching", "others"),
    [
        ("*.csv", ["a.csv", ".csv", "a\n.csv"], ["a/b.csv", "a.csvx"]),
        ("a/?.csv", ["a/b.csv"], ["a/bc.csv", "a//.csv"]),
        ("**/x", ["x", "a/x", "a/b/x"], ["ax", "a/bx"]),
        ("a/**/b", ["a/b", "a/c/b", "a/c/d/b"], ["ab", "a/cb"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "b/a"]),
        ("a**b", ["ab", "axxb"], ["a/b"]),
        ("[a-c]x", ["ax", "cx"], ["dx", "-x"]),
        ("[!a]x", ["bx"], ["ax", "/x"]),
        ("[]]x", ["]x"], ["x"]),
        ("[!]]x", ["ax"], ["]x"]),
        ("[z-a]x", [], ["ax", "zx", "-x"]),
        ("[!z-a]x", ["ax"], ["/x"]),
        ("[a", ["[a"], ["a"]),
        ("[[]*]", ["[x]"], ["x]"]),
        ("[a/b]", ["[a/b]"], ["a", "b"]),
    ],
)
def test_globs(glob: str, matching: list[str], others: list[str]) -> None:
    pattern = glob_pattern(glob)
    assert [key for key in matching if not pattern.fullmatch(key)] == []
    assert [key for key in others if pattern.fullmatch(key)] == []


LETTERS = "ab]-!^[*?.\\&~|"


@given(st.text(LETTERS, max_size=8), st.lists(st.text("ab]-!^.\\&~|[", max_size=4), max_size=5))
def test_without_folders_globs_are_those_of_fnmatch(glob: str, keys: list[str]) -> None:
    if glob == "**":
        return
    pattern = glob_pattern(glob)
    expected = re.compile(fnmatch.translate(glob))
    assert [bool(pattern.fullmatch(key)) for key in keys] == [bool(expected.fullmatch(key)) for key in keys]
