"""Runs a real Elasticsearch on this machine: one node, the core distribution without the extra modules."""

import base64
import http.client
import json
import os
import re
import secrets
import shutil
import ssl
import subprocess
from pathlib import Path

from tests.servers.artifacts import ELASTICSEARCH_JAVA, elasticsearch_home
from tests.servers.errors import ServerError
from tests.servers.java import find_java, unprivileged
from tests.servers.local_server import HOST, LocalServer, free_port
from tests.servers.process import ServerProcess
from tests.servers.tls import Tls

USER = "advertisex"
_ROLE = re.compile(r"^(\w+):", re.MULTILINE)


class LocalElasticsearch(LocalServer):
    """An Elasticsearch node for tests: `with LocalElasticsearch() as elasticsearch: ... elasticsearch.url`.

    Elasticsearch does not run as root. If we are root, it runs as `nobody`, and its folder is chowned to that user.

    Args:
        folder: folder for its data, kept between runs; by default a temporary folder that `close` removes.
        port: port on 127.0.0.1; by default a free one.
        heap: size of the Java heap, such as `512m`.
        quick: see `LocalServer`.
        security: whether to require authentication; the credentials are in `.url`, `.user` and `.password`.
        tls: certificate files; the node then serves TLS only. Requires `security`.
        roles: contents of a `roles.yml`. For each role a user of the same name is created, with the same password.
            Requires `security`.
    """

    name = "Elasticsearch"

    def __init__(
        self,
        *,
        folder: Path | None = None,
        port: int | None = None,
        heap: str = "512m",
        quick: bool = True,
        security: bool = False,
        tls: Tls | None = None,
        roles: str = "",
    ) -> None:
        super().__init__(folder=folder, port=port, heap=heap, quick=quick)
        self._tls = tls
        self._roles = roles
        self.user = USER if security else ""
        self.password = ""
        if security:
            self.password = secrets.token_urlsafe(18)

    @property
    def url(self) -> str:
        """The URL for `--store`, including the credentials if security is on."""
        return self.url_of(self.user)

    def url_of(self, user: str) -> str:
        """The same URL for another user, one of `roles`."""
        credentials = f"{user}:{self.password}@" if user else ""
        return f"elasticsearch{'+https' if self._tls else ''}://{credentials}{HOST}:{self.port}"

    @property
    def http_url(self) -> str:
        """The HTTP URL, without credentials."""
        return f"http{'s' if self._tls else ''}://{HOST}:{self.port}"

    def _prepare(self) -> None:
        config = self.folder / "config"
        if not config.exists():
            shutil.copytree(elasticsearch_home() / "config", config)
        self._write_settings(config)
        (self.folder / "tmp").mkdir(exist_ok=True)
        self._hand_over_folder()
        if self.user:
            for user, role in [(self.user, "superuser"), *((name, name) for name in _ROLE.findall(self._roles))]:
                self._add_user(user, role)

    def _write_settings(self, config: Path) -> None:
        settings = {
            "cluster.name": "advertisex-local",
            "node.name": "local",
            "discovery.type": "single-node",
            "path.data": str(self.folder / "data"),
            "path.logs": str(self.folder / "logs"),
            "network.host": HOST,
            "http.port": self.port,
            "transport.port": free_port(),
            "cluster.routing.allocation.disk.threshold_enabled": False,
            "xpack.security.enabled": bool(self.user),
            "xpack.security.autoconfiguration.enabled": False,
            **(_tls_settings(config, self._tls) if self._tls else {}),
        }
        (config / "elasticsearch.yml").write_text(
            "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items())
        )
        (config / "roles.yml").write_text(self._roles)
        shutil.copy(elasticsearch_home() / "config" / "jvm.options", config)
        options = config / "jvm.options"  # no GC log, no heap dumps
        unwanted = ("-Xlog:gc", "-XX:+HeapDump", *(["-XX:+UseG1GC"] if self.quick else []))
        options.write_text(
            "".join(line for line in options.read_text().splitlines(True) if not line.startswith(unwanted))
        )

    def _hand_over_folder(self) -> None:
        user = unprivileged()
        if user is None:
            return
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, user, user)
        access = subprocess.run(
            [
                "/bin/sh",
                "-c",
                'test -w "$1" && test -r "$2"',
                "sh",
                self.folder,
                elasticsearch_home() / "bin" / "elasticsearch",
            ],
            user=user,
            group=user,
            extra_groups=[],
            cwd="/",
            check=False,
        )
        if access.returncode:
            raise ServerError(
                "Elasticsearch does not run as root, and the user `nobody` has no access to its folders",
                where=f"{self.folder}, {elasticsearch_home()}",
                hint="set the data folder, TMPDIR and XDG_CACHE_HOME to folders that every user can access",
            )

    def _environment(self) -> dict[str, str]:
        java = find_java(ELASTICSEARCH_JAVA, "Elasticsearch", unprivileged())
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ES_", "JAVA_", "JDK_"))}
        return kept | {
            "ES_JAVA_HOME": str(java),
            "ES_PATH_CONF": str(self.folder / "config"),
            "ES_TMPDIR": str(self.folder / "tmp"),
            "ES_JAVA_OPTS": " ".join([*self.java_options, "-XX:-AlwaysPreTouch"]),
            "CLI_JAVA_OPTS": "-XX:TieredStopAtLevel=1",
            "HOME": str(self.folder),
        }

    def _add_user(self, name: str, role: str) -> None:
        user = unprivileged()
        command = ["bash", str(elasticsearch_home() / "bin" / "elasticsearch-users")]
        for arguments in (["userdel", name], ["useradd", name, "-p", self.password, "-r", role]):
            if arguments[0] == "userdel" and name not in (self.folder / "config" / "users").read_text():
                continue
            result = subprocess.run(
                [*command, *arguments],
                env=self._environment(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
            if result.returncode:
                raise ServerError(
                    f"could not create the Elasticsearch user {name}: {result.stdout.strip()[-400:]}",
                    where=str(self.folder),
                )

    def _launch(self) -> ServerProcess:
        return ServerProcess(
            ["bash", str(elasticsearch_home() / "bin" / "elasticsearch")],
            environment=self._environment(),
            folder=self.folder,
            output=self._output,
            user=unprivileged(),
        )

    def _is_ready(self) -> bool:
        connection = self._connection()
        basic = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        try:
            connection.request(
                "GET",
                "/_cluster/health?wait_for_no_initializing_shards=true&timeout=3s",
                headers={"Authorization": f"Basic {basic}"} if self.user else {},
            )
            answer = connection.getresponse()
            health = json.loads(answer.read())
        except (OSError, ValueError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return answer.status == http.HTTPStatus.OK and health["status"] != "red"

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(HOST, self.port, timeout=5)
        context = ssl.create_default_context(cafile=self._tls.authority)
        return http.client.HTTPSConnection(HOST, self.port, timeout=5, context=context)


def _tls_settings(config: Path, tls: Tls) -> dict[str, object]:
    """Settings for TLS. Elasticsearch reads the files from its configuration folder only, so they are copied there."""
    shutil.copy(tls.key, config / "http.key")
    shutil.copy(tls.certificate, config / "http.crt")
    return {
        "xpack.security.http.ssl.enabled": True,
        "xpack.security.http.ssl.key": "http.key",
        "xpack.security.http.ssl.certificate": "http.crt",
    }
