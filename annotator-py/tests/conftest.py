from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy import Proxy
from support import Meterd, Sink


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.stop()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture(scope="session")
def meterd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meterd]:
    # The embedded Postgres has a user of its own when root starts it.
    home = tmp_path_factory.mktemp("meterd")
    for directory in (home, *home.parents[:3]):
        if directory.stat().st_mode & 0o055 != 0o055 and directory != directory.parent:
            directory.chmod(directory.stat().st_mode | 0o055)
    meterd = Meterd(home / "data")
    yield meterd
    meterd.stop()


@pytest.fixture
def meterd_proxy(meterd: Meterd) -> Iterator[Proxy]:
    proxy = Proxy(meterd.url)
    yield proxy
    proxy.stop()
