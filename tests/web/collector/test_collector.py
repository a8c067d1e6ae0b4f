"""Group commit, a log that is behind or fails, other sites, and the settings."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from advertisex.settings.web import WebSettings
from advertisex.web.collector.room import MOST_WAITING
from advertisex.web.server import serving
from tests.processing.messages import message
from tests.web.collector.places import JSON, Place, collecting, site_of


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that every append to the log needs."""
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    other.close()


def rows(path: Path) -> int:
    with sqlite3.connect(path) as db:
        (number,) = db.execute("SELECT count(*) FROM batch").fetchone()
    db.close()
    return int(number)


def test_requests_that_wait_are_appended_together_and_too_many_are_not_accepted(tmp_path: Path) -> None:
    with collecting(tmp_path) as place, ThreadPoolExecutor(MOST_WAITING + 1) as pool:
        with locked(place.path):
            all_posts = [pool.submit(place.post, "clicks", message("clicks")) for _ in range(MOST_WAITING + 1)]
            (behind,), waiting = wait(all_posts, timeout=60, return_when=FIRST_COMPLETED)
            assert place.client.get("/healthz").is_success  # the others are answered meanwhile
        positions = [one.result().json()["positions"][0]["first_offset"] for one in waiting]

        assert (behind.result().status_code, behind.result().headers["retry-after"]) == (429, "5")
        assert behind.result().json()["hint"] == "send them again later"
        assert place.post("clicks", message("clicks")).status_code == 202
    assert sorted(positions) == list(range(MOST_WAITING))
    assert rows(tmp_path / "log.db") <= 3  # the first, all that waited for it, and the last


def test_a_log_that_cannot_be_written_is_an_error_without_its_place(tmp_path: Path) -> None:
    with collecting(tmp_path, wait=0.1) as place:
        with locked(place.path):
            response = place.post("clicks", message("clicks"))
        assert (response.status_code, response.headers["retry-after"]) == (503, "5")
        assert "log.db" not in response.text
        assert place.end() == 0
        assert place.post("clicks", message("clicks")).status_code == 202


def test_concurrent_requests_get_their_own_positions(place: Place) -> None:
    barrier = threading.Barrier(8)

    def run(client: int) -> list[tuple[int, bytes]]:
        barrier.wait()
        sent = [message("impressions", user_id=f"{client}-{number}") for number in range(20)]
        responses = [place.post("impressions", one).json() for one in sent]
        return [(found["positions"][0]["first_offset"], one) for found, one in zip(responses, sent, strict=True)]

    with ThreadPoolExecutor(8) as pool:
        sent = dict(pair for pairs in pool.map(run, range(8)) for pair in pairs)

    assert sent == dict(enumerate(place.messages("ad_impressions")))


@pytest.mark.parametrize("path", ["pixel.gif", "burl"])
def test_only_posts_and_gets_are_answered(place: Place, path: str) -> None:
    assert place.client.post(f"/v1/{path}").status_code == 405
    assert place.client.get("/v1/events/clicks").status_code == 405


SHOP, OTHER = "https://shop.example.com", "https://other.example.com"


def test_pages_of_other_sites_may_post_only_if_the_settings_name_them(place: Place, tmp_path: Path) -> None:
    def asked(of: Place, origin: str) -> httpx.Response:
        wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        return of.client.options("/v1/events/clicks", headers={"Origin": origin} | wanted)

    with collecting(tmp_path, origins=[SHOP]) as shared:
        allowed = shared.post("clicks", message("clicks"), Origin=SHOP)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (202, SHOP)
        assert asked(shared, SHOP).headers["access-control-allow-origin"] == SHOP
        for of, origin in ((shared, OTHER), (place, SHOP)):
            assert of.post("clicks", message("clicks"), Origin=origin).status_code == 403
            assert "access-control-allow-origin" not in asked(of, origin).headers
        elsewhere = shared.client.get("/healthz", headers={"Origin": SHOP})
        assert "access-control-allow-origin" not in elsewhere.headers


@pytest.mark.parametrize(("method", "path"), [("POST", "events/clicks"), ("GET", "pixel.gif"), ("GET", "burl")])
def test_it_is_off_unless_it_is_enabled(tmp_path: Path, method: str, path: str) -> None:
    with serving(site_of({"data": tmp_path}, None), WebSettings(port=0)) as address:
        response = httpx.request(method, f"{address}v1/{path}")
        described = httpx.get(f"{address}api/v1/openapi.json").json()["paths"]
    assert (response.status_code, response.json()["hint"]) == (
        404,
        "set collector.enabled in the settings of the server",
    )
    assert not [one for one in described if one.startswith("/v1/")]


def test_it_is_described(place: Place) -> None:
    paths = place.client.get("/api/v1/openapi.json").json()["paths"]

    assert [one for one in paths if one.startswith("/v1/")] == ["/v1/events/{feed}", "/v1/pixel.gif", "/v1/burl"]
    assert JSON in paths["/v1/events/{feed}"]["post"]["requestBody"]["content"]


def test_new_conversion_types_are_reported_once(place: Place) -> None:
    with capture_logs() as logs:
        for _ in range(2):
            assert place.post("clicks", message("clicks", conversion_type="just-invented")).status_code == 202
            assert place.post("clicks", message("clicks", conversion_type="click")).status_code == 202
    assert [(one["feed"], one["types"]) for one in logs if one["event"] == "new conversion types"] == [
        ("clicks", ("just-invented",))
    ]
