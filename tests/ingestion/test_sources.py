import io
import os
from pathlib import Path

import pytest

from advertisex.errors import ConfigurationError, SourceError
from advertisex.ingestion import sources
from advertisex.ingestion.sources import Files, Source, Stdin, Url, redacted, source_of
from advertisex.ingestion.stream import open_file


@pytest.mark.parametrize(
    ("text", "source", "name"),
    [
        ("-", Stdin(), "stdin"),
        ("https://u:p@h/x", Url("https://u:p@h/x"), "https://h/x"),
        ("HTTP://h/x", Url("HTTP://h/x"), "http://h/x"),
        ("a/*.csv", Files("a/*.csv"), "a/*.csv"),
        ("httpd.csv", Files("httpd.csv"), "httpd.csv"),
        ("", Files(""), ""),
    ],
)
def test_what_a_source_names(text: str, source: Source, name: str) -> None:
    assert source_of(text) == source
    assert source_of(text).name == name


@pytest.mark.parametrize("name", ["", "**/*.csv"])
def test_a_source_of_too_many_files_is_an_error(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_FILES", 3)
    for number in range(4):
        assert len(Files(str(tmp_path / name)).paths()) == number
        (tmp_path / f"{number}.csv").touch()
    with pytest.raises(SourceError, match="more than 3 files") as caught:
        Files(str(tmp_path / name)).paths()
    assert "a glob of one month" in caught.value.hint


def test_the_standard_input_can_be_another_stream() -> None:
    stream = io.BytesIO()
    assert source_of("-", stream) == Stdin(stream)


def test_the_representation_of_a_url_hides_secrets() -> None:
    assert "hidden" not in repr(Url("https://u:hidden@h/x?token=hidden"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@h/x?a=1", "https://h/x?a=1"),
        ("https://h/x?api_key=1&b=2#f", "https://h/x?api_key=***&b=2"),
        ("https://h/x?X-Amz-Signature=1", "https://h/x?X-Amz-Signature=***"),
        ("https://h:port/x", "the given URL"),
        ("https://h/{cursor}?a={since}&key=1", "https://h/{cursor}?a={since}&key=***"),
        ("https://h/x?a={since:%Y-%m-%d}&b={until:epoch}", "https://h/x?a={since:%Y-%m-%d}&b={until:epoch}"),
        ("https://h/x?a={other}", "https://h/x?a=%7Bother%7D"),
    ],
)
def test_a_shown_url_hides_secrets(url: str, shown: str) -> None:
    assert redacted(url) == shown


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("http://[x/y", "the address in"),
        ("http://[::1", "the address in"),
        ("http://h:0/x", "the port is not"),
        ("http://h:99999/x", "the port is not"),
        ("http://h:port/x", "the port is not"),
        ("http://u:PW/x@h/x", "of the password"),
        ("http://u:PW#x@h/x", "of the password"),
        ("http://u:PW[x@h/x", "of the password"),
        ("http:///x", "the host is missing"),
        ("http://a b/x", "the host has a space"),
        ("http://h\0/x", "not valid"),
        ("http://xn--\xdf.example/", "not valid"),
        ("http://h..x/", "not valid"),
        ("http:/u:PW@h/x?token=PW", "two slashes"),
        ("http:u:PW@h/x?token=PW", "two slashes"),
        ("HTTPS:/h/x?token=PW", "two slashes"),
        ("s3:/bucket/key?token=PW", "two slashes"),
    ],
)
def test_an_invalid_url_is_rejected_without_showing_it(text: str, what: str) -> None:
    with pytest.raises(ConfigurationError, match="invalid URL") as raised:
        source_of(text)
    assert what.replace("of the password", "the password") in raised.value.what
    assert "PW" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["http://[::1]:9/x", "http://u:p%2Fw@h/x@y", "http://b\xfccher.example/{since:%H:%M}?a=[1]"]
)
def test_a_valid_url_is_accepted(url: str) -> None:
    assert source_of(url) == Url(url)


def test_a_mistyped_url_that_is_taken_for_a_file_shows_no_secret() -> None:
    with pytest.raises(SourceError, match="no such file") as raised:
        Files("u:PWPW@h/x?token=TTTT").existing_paths()
    assert "PWPW" not in str(raised.value)
    assert "TTTT" not in str(raised.value)


def test_a_pipe_among_files_is_not_read_as_a_file(tmp_path: Path) -> None:
    """It can be read only once, and a file is read again after its format was found."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="a pipe or a device"):
        open_file(tmp_path / "pipe")
