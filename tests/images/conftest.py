from __future__ import annotations

import shutil

import pytest

from tests.images.containers import CLIENT, SERVER, Podman, settings


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Podman:
    if shutil.which("podman") is None:
        pytest.skip("podman is not on PATH: no image was run")
    path = tmp_path_factory.mktemp("podman") / "containers.conf"
    path.write_text(settings())
    podman = Podman({"CONTAINERS_CONF": str(path)})
    for image in (SERVER, CLIENT):
        if podman("image", "exists", image, check=False).returncode != 0:
            pytest.skip(f"no image {image} here (make images): it was not run")
    return podman
