"""Who may ask, how often, what browsers may do with an answer, and what the log says of it."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from acousticsense.api.request_log import JsonFormatter
from acousticsense.api.security import add_security
from acousticsense.errors import SettingsError
from acousticsense.server import create_app
from acousticsense.settings import Settings

LOCAL = ("127.0.0.1", "::1")
EVIL = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}


def client_of(address: str = "10.0.0.1", **settings: Any) -> TestClient:
    """A small application behind the guards, asked from an address."""
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    def answer(path: str) -> str:
        return path

    add_security(app, Settings(**settings))
    return TestClient(app, client=(address, 50_000))


@pytest.fixture(scope="module")
def whole(tiny_models: Path) -> Iterator[TestClient]:
    """The server as it is started, page and all."""
    settings = Settings(models=tiny_models, model="tiny", device="cpu", backend="pytorch")
    with TestClient(create_app(settings), client=("10.0.0.1", 50_000)) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/docs", "/api/models", "/api/nothing", "/gradio_api/info"])
def test_every_answer_tells_browsers_what_it_may_do(whole: TestClient, path: str) -> None:
    headers = whole.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "object-src 'none'" in policy
    assert "http:" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "address", ["/music/api/predict", "/api/predict", "/music/music/api", "/musical", "/music", "/music/"]
)
def test_guards_and_routes_see_the_path_as_without_the_sites(address: str) -> None:
    expected = {"/music": "", "/music/": "", "/music/music/api": "music/api"}.get(
        address, address.replace("/music/", "/")[1:]
    )
    assert client_of(root_path="/music").get(address).json() == expected


@pytest.mark.parametrize("prefix", ["", "/music"])
def test_no_path_leads_around_the_password(prefix: str) -> None:
    client = client_of(root_path="/music", password="secret")
    assert client.get(f"{prefix}/healthz").status_code == 200
    assert client.get(f"{prefix}/api/models").status_code == 401
    assert client.get(f"{prefix}//healthz").status_code == 401
    assert client.get(f"{prefix}/music/music/healthz").status_code == 401


def test_other_sites_may_show_the_page_only_where_that_is_set() -> None:
    assert client_of().get("/").headers["content-security-policy"].endswith("frame-ancestors 'self'")
    allowed = client_of(frame_ancestors="https://a.example").get("/").headers["content-security-policy"]
    assert allowed.endswith("frame-ancestors 'self' https://a.example")
    with pytest.raises(SettingsError):
        Settings(frame_ancestors="*; script-src *")


@pytest.mark.parametrize("path", ["/api/predict", "/api/models", "/gradio_api/queue/join"])
def test_other_sites_may_not_read_answers(whole: TestClient, path: str) -> None:
    for answer in (whole.get(path, headers=EVIL), whole.options(path, headers=EVIL)):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_sites_that_are_allowed_may_read_answers_and_no_others() -> None:
    client = client_of(allowed_origins="https://a.example https://b.example")
    preflight = {**EVIL, "Origin": "https://b.example"}
    assert (
        client.options("/api/predict", headers=preflight).headers["access-control-allow-origin"] == preflight["Origin"]
    )
    assert client.get("/", headers=preflight).headers["access-control-allow-origin"] == preflight["Origin"]
    assert "access-control-allow-origin" not in client.get("/", headers=EVIL).headers


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../../etc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "file:///etc/passwd",
        str(Path(__file__).resolve()),
    ],
)
def test_files_of_the_server_are_not_handed_out(whole: TestClient, path: str) -> None:
    for address in (f"/gradio_api/file={path}", f"/file={path}", f"/api/spectrograms/{path}.png"):
        answer = whole.get(address)
        assert answer.status_code in (400, 403, 404), address
        assert "root:" not in answer.text


def test_no_connection_leaves_this_machine(whole: TestClient, music_mp3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def connects(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in LOCAL:
            asked.append(address)
            raise OSError("no connection leaves this machine")
        connect(self, address)

    def resolves(host: Any, *rest: Any, **named: Any) -> Any:
        if host not in (*LOCAL, "localhost", None):
            asked.append(host)
            raise OSError("no name is looked up")
        return resolve(host, *rest, **named)

    monkeypatch.setattr(socket.socket, "connect", connects)
    monkeypatch.setattr(socket, "getaddrinfo", resolves)
    with pytest.raises(OSError, match="no "):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    asked.clear()
    for path in ("/", "/docs", "/openapi.json", "/metrics", "/gradio_api/info", "/api/models"):
        assert whole.get(path).status_code == 200
    assert whole.post("/api/predict", files={"data": music_mp3.read_bytes()}).status_code == 200
    url = {"data": ["https://example.org/song.mp3"]}
    assert whole.post("/api/predict", json=url).status_code == 400
    assert asked == []


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 401),
        ({"auth": ("anyone", "sesame")}, 200),
        ({"auth": ("anyone", "token-1")}, 200),
        ({"headers": {"Authorization": "Bearer token-2"}}, 200),
        ({"headers": {"authorization": "bearer sesame"}}, 200),
        ({"auth": ("sesame", "")}, 401),
        ({"auth": ("anyone", "sesam")}, 401),
        ({"headers": {"Authorization": "Basic ####"}}, 401),
        ({"headers": {"Authorization": b"Basic \xe9"}}, 401),
        ({"headers": {"Authorization": "Bearer schlüssel".encode()}}, 200),
        ({"headers": {"Authorization": "Bearer "}}, 401),
        ({"headers": {"Authorization": "token-1"}}, 401),
    ],
)
def test_who_knows_no_secret_is_not_let_in(given: dict[str, Any], status: int) -> None:
    client = client_of(password="sesame", api_tokens="token-1, token-2,schlüssel")
    answer = client.get("/api/models", **given)
    assert answer.status_code == status
    if status == 401:
        assert answer.json()["error"]["code"] == "unauthorized"
        assert answer.headers["www-authenticate"].startswith("Basic")
        assert "content-security-policy" in answer.headers


def test_the_page_the_files_and_the_metrics_are_behind_the_password_and_probes_are_not(tiny_models: Path) -> None:
    settings = Settings(models=tiny_models, model="tiny", device="cpu", backend="pytorch", password="sesame")
    client = TestClient(create_app(settings))
    for path in ("/", "/docs", "/metrics", "/openapi.json", "/gradio_api/info", "/config", "/theme.css"):
        assert client.get(path).status_code == 401, path
    assert client.get("/healthz").status_code == 200
    assert client.get("/", auth=("me", "sesame")).status_code == 200


def test_who_guesses_is_made_to_wait_and_others_are_not() -> None:
    client = client_of(password="sesame")
    statuses = [client.get("/", auth=("me", f"guess {n}")).status_code for n in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    refused = client.get("/", auth=("me", "sesame"))
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    other = TestClient(client.app, client=("10.0.0.2", 50_000))
    assert other.get("/", auth=("me", "sesame")).status_code == 200


def test_all_addresses_of_an_ipv6_network_guess_together() -> None:
    app = client_of(password="sesame").app
    statuses = [
        TestClient(app, client=(f"2001:db8::{n}", 50_000)).get("/", auth=("me", "guess")).status_code for n in range(12)
    ]
    assert statuses == [401] * 10 + [429] * 2


@pytest.mark.parametrize("given", [{"api_tokens": ",,"}, {"api_tokens": " , "}])
def test_a_secret_that_is_none_lets_nobody_start(given: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="api_tokens"):
        Settings(**given)


def test_a_blank_password_lets_nobody_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACOUSTICSENSE_PASSWORD", "   ")
    with pytest.raises(SettingsError, match="password"):
        Settings()


def test_one_client_may_ask_so_often_and_another_still_may() -> None:
    app = client_of(max_requests_per_minute=3).app
    one, other = (TestClient(app, client=(address, 50_000)) for address in ("10.0.0.1", "10.0.0.2"))
    assert [one.post("/api/predict").status_code for _ in range(4)] == [200, 200, 200, 429]
    told = one.post("/api/predict", headers={"cookie": "as-language=zh"}).json()["detail"]
    assert told.startswith("请求过于频繁：每分钟最多 3 次。")
    assert one.get("/").status_code == 200  # reading is not limited
    assert other.post("/api/predict").status_code == 200
    refused = one.post("/api/predict")
    assert refused.json()["error"]["code"] == "too_many_requests"
    assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_clients_of_a_proxy_that_maps_addresses_are_told_apart() -> None:
    app = client_of(max_requests_per_minute=1).app
    statuses = [
        TestClient(app, client=(address, 50_000)).post("/api/predict").status_code
        for address in ("::ffff:1.2.3.4", "::ffff:9.9.9.9", "1.2.3.4")
    ]
    assert statuses == [200, 200, 429]


def test_secrets_are_shown_nowhere() -> None:
    settings = Settings(password="sesame", api_tokens="token-1")
    assert "sesame" not in repr(settings)
    assert not {"sesame", "token-1"} & set(settings.to_env().values())


@pytest.mark.parametrize(
    ("sent", "kept"), [("proxy-7f3a.1", True), ("two words", False), ("x" * 65, False), ("", False)]
)
def test_an_id_that_was_sent_is_kept_if_it_can_stand_in_a_log(sent: str, kept: bool) -> None:
    answered = client_of().get("/", headers={"X-Request-ID": sent}).headers["x-request-id"]
    assert (answered == sent) is kept
    assert answered


def test_a_fault_of_ours_has_an_id_in_the_answer_and_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = FastAPI()

    @app.get("/fault")
    def fault() -> None:
        raise ZeroDivisionError("of our own making")

    monkeypatch.setattr(caplog.handler, "formatter", JsonFormatter())
    add_security(app, Settings())
    answered = TestClient(app).get("/fault")
    assert answered.status_code == 500
    assert answered.json()["error"]["code"] == "internal_error"
    assert "of our own making" not in answered.text
    assert answered.headers["x-content-type-options"] == "nosniff"
    (line,) = caplog.text.splitlines()
    assert "ZeroDivisionError" in json.loads(line)["traceback"]
    assert json.loads(line)["request_id"] == answered.headers["x-request-id"]


def test_a_line_says_what_was_asked_and_nothing_of_its_content(caplog: pytest.LogCaptureFixture) -> None:
    client = client_of(log_requests=True)
    with caplog.at_level(logging.INFO, "acousticsense.requests"):
        client.post("/api/predict%0A?model=secret", content=b"sound", headers={"X-Request-ID": "abc"})
        client.get("/healthz")
    (record,) = caplog.records
    line = json.loads(JsonFormatter().format(record))
    assert (line["method"], line["status"], line["client"]) == ("POST", 200, "10.0.0.1")
    assert "secret" not in str(line)
    assert "\n" not in record.getMessage()
