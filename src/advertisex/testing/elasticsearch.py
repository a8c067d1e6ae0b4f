"""A real Elasticsearch on this machine: one node, the core without the extra modules."""

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

from advertisex.errors import ServerError
from advertisex.testing.artifacts import ELASTICSEARCH_JAVA, elasticsearch_home
from advertisex.testing.java import find_java, unprivileged
from advertisex.testing.local_server import HOST, LocalServer, free_port
from advertisex.testing.process import ServerProcess
from advertisex.testing.tls import Tls

USER = "advertisex"
_ROLE = re.compile(r"^(\w+):", re.MULTILINE)


class LocalElasticsearch(LocalServer):
    """An Elasticsearch node for tests: `with LocalElasticsearch() as elasticsearch: ... elasticsearch.url`.

    Elasticsearch refuses to run as root; for root it runs as the user `nobody`, in a folder made over to that user.

    Args:
        folder: where its data stays between runs; by default a temporary folder that goes when the server is closed.
        port: where it listens, on 127.0.0.1; by default a free one.
        heap: Java's heap, such as `512m`.
        quick: as for every local server.
        security: ask for a user and a password; `.url`, `.user` and `.password` have them.
        tls: speak TLS only; goes with `security`.
        roles: the text of a `roles.yml`: each role has a user of its name, with the same password; goes with
            `security`.
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
        """Where it is, as `--store` takes it: with the user and the password when there are any."""
        return self.url_of(self.user)

    def url_of(self, user: str) -> str:
        """The same for another user, one of `roles`."""
        who = f"{user}:{self.password}@" if user else ""
        return f"elasticsearch{'+https' if self._tls else ''}://{who}{HOST}:{self.port}"

    @property
    def http_url(self) -> str:
        """Where it is, for a browser or curl; without the password."""
        return f"http{'s' if self._tls else ''}://{HOST}:{self.port}"

    def _prepare(self) -> None:
        config = self.folder / "config"
        if not config.exists():
            shutil.copytree(elasticsearch_home() / "config", config)
        self._write_settings(config)
        (self.folder / "tmp").mkdir(exist_ok=True)
        self._make_over()
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
            **(_secured(config, self._tls) if self._tls else {}),
        }
        (config / "elasticsearch.yml").write_text(
            "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items())
        )
        (config / "roles.yml").write_text(self._roles)
        shutil.copy(elasticsearch_home() / "config" / "jvm.options", config)
        options = config / "jvm.options"  # no log of every collection, no dump of the heap
        unwanted = ("-Xlog:gc", "-XX:+HeapDump", *(["-XX:+UseG1GC"] if self.quick else []))
        options.write_text(
            "".join(line for line in options.read_text().splitlines(True) if not line.startswith(unwanted))
        )

    def _make_over(self) -> None:
        user = unprivileged()
        if user is None:
            return
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, user, user)
        seen = subprocess.run(
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
        if seen.returncode:
            raise ServerError(
                "Elasticsearch does not run as root, and the user it runs as instead cannot get at its folders",
                where=f"{self.folder}, {elasticsearch_home()}",
                hint="put the data, TMPDIR and XDG_CACHE_HOME where every user can enter",
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
            ran = subprocess.run(
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
            if ran.returncode:
                raise ServerError(
                    f"Elasticsearch's user could not be made: {ran.stdout.strip()[-400:]}", where=str(self.folder)
                )

    def _launch(self) -> ServerProcess:
        return ServerProcess(
            ["bash", str(elasticsearch_home() / "bin" / "elasticsearch")],
            environment=self._environment(),
            folder=self.folder,
            output=self._output,
            user=unprivileged(),
        )

    def _answers(self) -> bool:
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
        trusting = ssl.create_default_context(cafile=self._tls.authority)
        return http.client.HTTPSConnection(HOST, self.port, timeout=5, context=trusting)


def _secured(config: Path, tls: Tls) -> dict[str, object]:
    """What it needs to speak TLS; the files have to stand among its configuration."""
    shutil.copy(tls.key, config / "http.key")
    shutil.copy(tls.certificate, config / "http.crt")
    return {
        "xpack.security.http.ssl.enabled": True,
        "xpack.security.http.ssl.key": "http.key",
        "xpack.security.http.ssl.certificate": "http.crt",
    }
