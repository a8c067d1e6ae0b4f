"""Who may what: every route for every role, with tokens, sessions and forms, on a real server."""

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from starlette.routing import Route

from advertisex.errors import LogMissing, StoreBusy
from advertisex.settings.model import Settings
from advertisex.web import throttle
from advertisex.web.app import routed_app
from advertisex.web.forms import FIELD
from advertisex.web.site import Site
from advertisex.web.uploads import Uploads
from advertisex.web.visitors import Visitors
from tests.web.conftest import KNOWN, TOKENS, Failing, bearer, client_of

VISITORS = ("nobody", *TOKENS)
PAGE = Path(__file__).parents[2] / "docs" / "dashboard.md"
#: One method that reads and one that changes, besides those that a route has.
METHODS = {"GET", "POST"}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site whose questions fail at once: what is let in gets a status that is not one of `denied`."""
    busy, missing = Failing(StoreBusy("another process has the store open")), Failing(LogMissing("no log"))
    return Site(Settings(), busy, missing, Uploads(tmp_path_factory.mktemp("uploads")), busy)


@pytest.fixture(scope="module")
def guarded(quick: Site) -> Iterator[httpx.Client]:
    with client_of(quick, tokens=KNOWN) as client:
        yield client


def routes_of(site: Site) -> set[tuple[str, str]]:
    """Methods and paths of all routes, and those of the collector."""
    app = routed_app(site, Visitors(()), CollectorRegistry())
    found = {("POST", "/v1/events/clicks"), ("GET", "/v1/pixel.gif")}
    found |= {(method, path) for method in ("OPTIONS", "PUT", "PATCH", "DELETE") for path in ("/", "/api/v1/ledger")}
    for route in every(app.routes):
        assert route.methods is not None
        path = re.sub(r"{[^}]*}", "x", route.path)
        found |= {(method, path) for method in route.methods | METHODS}
    return found - {("POST", "/login")}  # it has its own answer to a wrong token


def every(routes: Any, prefix: str = "") -> Iterator[Route | APIRoute]:
    for route in routes:
        if isinstance(route, Route | APIRoute):
            yield route
        else:
            yield from every(route.original_router.routes)


def denied(response: httpx.Response) -> bool:
    """Whether a request was not let in."""
    if response.status_code == 303:
        return response.headers["location"].startswith("/login") and response.request.url.path != "/logout"
    return response.status_code in (401, 403)


def documented() -> dict[str, dict[str, bool]]:
    """The table of the guide: of each kind of request, who may make it."""
    lines = PAGE.read_text(encoding="utf-8").partition("| request |")[2].splitlines()
    names = [name.strip() for name in lines[0].strip(" |").split("|")]
    rows = [[cell.strip() for cell in line.strip(" |").split("|")] for line in lines[2:7]]
    return {row[0]: dict(zip(names, (cell == "yes" for cell in row[1:]), strict=True)) for row in rows}


def kind_of(method: str, path: str) -> str:
    if path in ("/healthz", "/readyz", "/login", "/logout") or path.startswith("/static/"):
        return "`/healthz`, `/readyz`, `/login`, `/logout`, `/static/…`"
    if path.startswith("/v1/"):
        return "`/v1/…`: events for the collector"
    if path.startswith("/api/v1/uploads/") or path == "/upload":
        return "`/upload`, `/api/v1/uploads/…`: files that only serve questions"
    reads = method in ("GET", "HEAD", "OPTIONS")
    return (
        "`GET` of all else, and `HEAD` of pages: pages, `/api/v1/…`, `/metrics`" if reads else "any other method there"
    )


def test_every_route_lets_in_who_may_and_nobody_else(guarded: httpx.Client, quick: Site) -> None:
    table = documented()
    assert set(next(iter(table.values()))) == set(VISITORS)
    wrong = []
    for method, path in sorted(routes_of(quick)):
        for visitor in VISITORS:
            headers = bearer(visitor) | ({"Content-Type": "application/json"} if method == "POST" else {})
            found = not denied(guarded.request(method, path, headers=headers))
            if found != table[kind_of(method, path)][visitor]:
                wrong.append((method, path, visitor, found))
    assert wrong == []


def test_without_tokens_everyone_may_everything(quick: Site) -> None:
    with client_of(quick) as client:
        for method, path in sorted(routes_of(quick)):
            assert not denied(client.request(method, path, headers={"Content-Type": "application/json"})), path
        assert client.get("/login?next=/funnel").headers["location"] == "/funnel"
        assert "No tokens are configured" in client.get("/").text


@pytest.mark.parametrize(
    "path",
    ["/login%3Fx", "/healthz%3F/../", "//login", "/login/../funnel", "/healthz%2F..%2Ffunnel", "/LOGIN", "/static"],
)
def test_a_path_that_looks_open_is_not(guarded: httpx.Client, path: str) -> None:
    assert denied(guarded.request("GET", httpx.URL(str(guarded.base_url).rstrip("/") + path)))


def test_an_api_says_what_is_missing(guarded: httpx.Client) -> None:
    for headers, detail in (({}, "a token is needed"), ({"Authorization": "Bearer no"}, "the token is wrong")):
        response = guarded.get("/api/v1/ledger", headers=headers)
        assert (response.status_code, response.json()["detail"]) == (401, detail)
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["www-authenticate"].startswith("Bearer")
    response = guarded.post("/api/v1/ledger", headers=bearer("viewer"))
    assert response.status_code == 403
    assert response.json()["detail"] == "this needs the role operator; the token 'viewer-1' has the role viewer"
    assert 'scope="operator"' in response.headers["www-authenticate"]
    assert guarded.post("/api/v1/ledger", headers=bearer("operator")).status_code == 405


def test_a_preflight_of_the_collector_needs_no_token(guarded: httpx.Client) -> None:
    assert guarded.options("/v1/events/clicks").status_code in (404, 405)


def test_pixels_need_no_token_if_the_settings_say_so(quick: Site) -> None:
    collector = quick.settings.collector.model_copy(update={"public_pixel": True})
    public = replace(quick, settings=quick.settings.model_copy(update={"collector": collector}))
    with client_of(public, tokens=KNOWN) as client:
        for path in ("/v1/pixel.gif", "/v1/burl"):
            assert not denied(client.get(path))
        for method, path in (("GET", "/v1/pixel.gif/"), ("POST", "/v1/events/clicks"), ("GET", "/api/v1/ledger")):
            assert denied(client.request(method, path))


# -- sessions --------------------------------------------------------------------------------------------------------


def form_token(page: str) -> str:
    found = re.search(rf'name="{FIELD}" value="([0-9a-f]+)"', page)
    assert found is not None
    return found[1]


def log_in(client: httpx.Client, token: str, following: str = "/", **headers: str) -> httpx.Response:
    page = client.get("/login", params={"next": following}, headers=headers)
    fields = {FIELD: form_token(page.text), "token": token, "next": following}
    return client.post("/login", data=fields, headers=headers)


def cookie_of(client: httpx.Client) -> str:
    """The name of the session's cookie: browsers send a cookie to all ports of a host, so it has the port."""
    return f"advertisex-{client.base_url.port}"


@pytest.fixture
def browser_of(guarded: httpx.Client) -> Iterator[httpx.Client]:
    """A client with its own cookies."""
    with httpx.Client(base_url=guarded.base_url, timeout=60) as client:
        yield client


def test_a_browser_logs_in_and_out(browser_of: httpx.Client) -> None:
    asked = browser_of.get("/funnel?by=day")
    assert (asked.status_code, asked.headers["location"]) == (303, "/login?next=%2Ffunnel%3Fby%3Dday")

    response = log_in(browser_of, TOKENS["viewer"], "/funnel?by=day")
    assert (response.status_code, response.headers["location"]) == (303, "/funnel?by=day")
    cookie = response.headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "secure" not in cookie
    assert TOKENS["viewer"] not in cookie
    page = browser_of.get("/funnel")
    assert page.status_code == 503  # the store is busy
    assert "viewer-1 (viewer)" in page.text
    assert browser_of.get("/api/v1/ledger").status_code == 503
    assert browser_of.post("/api/v1/ledger", json={}).status_code == 403

    session = browser_of.cookies[cookie_of(browser_of)]
    ended = browser_of.post("/logout", data={FIELD: form_token(page.text)})
    assert (ended.status_code, ended.headers["location"]) == (303, "/login")
    assert not browser_of.cookies
    assert browser_of.get("/api/v1/ledger", headers={"Cookie": f"{cookie_of(browser_of)}={session}"}).status_code == 401


def test_a_session_gets_a_new_id_and_the_old_one_ends(browser_of: httpx.Client) -> None:
    log_in(browser_of, TOKENS["viewer"], Cookie=f"{cookie_of(browser_of)}=chosen-by-someone-else")
    first = browser_of.cookies[cookie_of(browser_of)]
    log_in(browser_of, TOKENS["operator"])
    second = browser_of.cookies[cookie_of(browser_of)]

    assert len({"chosen-by-someone-else", first, second}) == 3
    browser_of.cookies.clear()
    for session, status in ((first, 401), (second, 503), ("chosen-by-someone-else", 401)):
        found = browser_of.get("/api/v1/ledger", headers={"Cookie": f"{cookie_of(browser_of)}={session}"})
        assert found.status_code == status


@pytest.mark.parametrize(
    "token",
    ["", "no", "é", TOKENS["viewer"][:-1], TOKENS["ingest"]],
    ids=["empty", "short", "not ASCII", "cut", "of another role"],
)
def test_a_wrong_token_does_not_log_in(browser_of: httpx.Client, token: str) -> None:
    response = log_in(browser_of, token)

    assert response.status_code == (403 if token == TOKENS["ingest"] else 401)
    assert 'role="alert"' in response.text
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "address",
    [
        "//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "/%0d%0a x", "evil", "",
        "javascript:alert(1)", "/é", "\\/evil",
    ],
)  # fmt: skip
def test_a_log_in_leads_to_no_other_site(browser_of: httpx.Client, address: str) -> None:
    assert log_in(browser_of, TOKENS["viewer"], address).headers["location"] == "/"


def test_only_a_declared_proxy_says_what_the_client_is(quick: Site) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    for proxies, name in (((), "advertisex"), (("127.0.0.1",), "__Host-advertisex")):
        with client_of(quick, tokens=KNOWN, proxies=proxies) as client:
            cookie = log_in(client, TOKENS["viewer"], **headers).headers["set-cookie"]
        assert cookie.startswith(f"{name}-{client.base_url.port}=")
        assert ("Secure" in cookie) == bool(proxies)


# -- forms -----------------------------------------------------------------------------------------------------------


def test_a_form_without_its_text_is_not_handled(browser_of: httpx.Client) -> None:
    log_in(browser_of, TOKENS["operator"])
    page = browser_of.get("/").text
    with httpx.Client(base_url=browser_of.base_url) as other:
        log_in(other, TOKENS["operator"])
        of_other = form_token(other.get("/").text)
    anonymous = form_token(httpx.get(browser_of.base_url.join("/login")).text)
    for given in (of_other, anonymous, "", "x"):
        assert browser_of.post("/logout", data={FIELD: given}).status_code == 403
        assert browser_of.post("/logout", files={FIELD: (None, given)}).status_code == 403
    assert browser_of.post("/logout", files={FIELD: ("f", form_token(page).encode())}).status_code == 403
    for kind in ("text/plain", "text/plain; charset=utf-8", "Application/X-WWW-Form-Urlencoded", "multipart/form-data"):
        response = browser_of.post("/logout", content=b"x=1", headers={"Content-Type": kind})
        assert response.status_code in (400, 403)
        assert 'role="alert"' in response.text
    assert browser_of.get("/api/v1/ledger").status_code == 503  # still logged in
    assert browser_of.post("/logout", files={FIELD: (None, form_token(page))}).status_code == 303


def test_without_tokens_forms_are_checked_too(quick: Site) -> None:
    with client_of(quick) as client:
        assert client.post("/logout", data={"a": "b"}).status_code == 403
        assert client.post("/api/v1/ledger", data={"a": "b"}).json()["detail"] == "the form is not one of an open page"
        assert client.post("/api/v1/ledger", json={}).status_code == 405


def test_a_form_with_a_token_in_the_header_needs_no_text(guarded: httpx.Client) -> None:
    assert guarded.post("/logout", data={"a": "b"}, headers=bearer("operator")).status_code == 303


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"a=" + b"x" * (1 << 20), "application/x-www-form-urlencoded", 413),
        (urlencode([("a", "b")] * 1_001).encode(), "application/x-www-form-urlencoded", 400),
        (b"no form", "multipart/form-data; boundary=x", 400),
        (b"--x\r\nno header\r\n", "multipart/form-data; boundary=x", 400),
        (b"a=%ff%00&b=%zz", "application/x-www-form-urlencoded", 403),
    ],
)
def test_a_hostile_form_is_an_error(guarded: httpx.Client, content: bytes, kind: str, status: int) -> None:
    response = guarded.post("/login", content=content, headers={"Content-Type": kind})
    assert response.status_code == status
    assert "set-cookie" not in response.headers


def test_a_form_that_does_not_arrive_is_cut_off(quick: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advertisex.web.forms._SECONDS", 0.1)

    head = "POST /logout HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\na=b"
    with client_of(quick) as client, socket.create_connection((client.base_url.host, client.base_url.port), 60) as slow:
        slow.sendall(head.encode())
        received = b"".join(iter(lambda: slow.recv(4_096), b""))
    assert received.startswith(b"HTTP/1.1 408 ")


# -- wrong tokens ----------------------------------------------------------------------------------------------------


def test_many_wrong_tokens_of_a_client_block_it_and_no_other(quick: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "MOST_IN_TOTAL", 20)

    def asked(address: str, token: str) -> httpx.Response:
        headers = {"X-Forwarded-For": address, "Authorization": f"Bearer {token}"}
        return client.get("/api/v1/ledger", headers=headers)

    with client_of(quick, tokens=KNOWN, proxies=["127.0.0.1"]) as client:
        log_in(client, TOKENS["viewer"], **{"X-Forwarded-For": "192.0.2.1"})
        statuses = [asked("192.0.2.1", "no").status_code for _ in range(12)]
        assert statuses == [401] * 10 + [429] * 2
        blocked = asked("192.0.2.1", TOKENS["viewer"])
        assert blocked.status_code == 429
        assert 0 < int(blocked.headers["retry-after"]) <= 60
        assert log_in(client, TOKENS["viewer"], **{"X-Forwarded-For": "192.0.2.1"}).status_code == 429
        assert client.get("/api/v1/ledger").status_code == 503  # its session goes on
        assert asked("192.0.2.2", TOKENS["viewer"]).status_code == 503
        for number in range(20):
            last = asked(f"2001:db8:{number:x}::1", "no").status_code
        assert last == 429
        assert asked("198.51.100.7", TOKENS["viewer"]).status_code == 503
