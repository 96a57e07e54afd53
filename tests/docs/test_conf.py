"""What the site's build holds every page to."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

CONF = Path(__file__).parents[2] / "docs" / "conf.py"


@pytest.fixture(scope="module")
def conf() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_conf", CONF)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "page",
    [
        '<link rel="stylesheet" href="https://fonts.example/css">',
        '<script src="//cdn.example/mermaid.js"></script>',
        '<img alt="" src="http://badge.example/build.svg">',
    ],
)
def test_a_page_that_fetches_from_another_host_is_found(conf: ModuleType, page: str) -> None:
    assert len(conf.foreign_fetches(f"<html><body>{page}</body></html>")) == 1


@pytest.mark.parametrize(
    "page",
    [
        '<link rel="stylesheet" href="_static/styles/furo.css">',
        '<link rel="canonical" href="https://docs.example/">',
        '<a href="https://github.com/envoyproxy/envoy">Envoy</a>',
        '<img alt="" src="_images/report.png">',
    ],
)
def test_a_page_of_its_own_files_and_of_links_is_not(conf: ModuleType, page: str) -> None:
    assert conf.foreign_fetches(page) == []


def test_the_version_is_that_of_pyproject(conf: ModuleType) -> None:
    assert f'version = "{conf.release}"' in (CONF.parents[1] / "pyproject.toml").read_text()
