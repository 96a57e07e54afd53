"""Kubernetes manifests, read from files: what a cluster gets, the lab gets.

A kustomization's ``resources`` and ``components`` are followed here. What only a renderer can do (patches of mesh
policy, generators, remote resources) is left to kubectl where there is one, and refused by name where there is none.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from wsbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_SUFFIXES = (".yaml", ".yml")
# What touches no rule and no filter: labels, images, names of the workloads.
_HARMLESS = {"apiVersion", "kind", "metadata", "namespace", "images", "replicas", "resources", "components", "patches"}
_MESH_GROUPS = ("istio.io",)
_RENDER_WITHIN_S = 60


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object and the file that it is from."""

    content: Mapping[str, Any]
    source: str

    @property
    def kind(self) -> str:
        """As in ``DestinationRule``."""
        return str(self.content["kind"])

    @property
    def group(self) -> str:
        """The API group; empty for the core one."""
        return str(self.content["apiVersion"]).rpartition("/")[0]

    @property
    def name(self) -> str:
        """Its own, from the metadata."""
        metadata = self.content.get("metadata")
        return str(metadata.get("name", "")) if isinstance(metadata, dict) else ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} in {self.source}"


def shipped(overlay: str) -> Path:
    """The folder of one of the project's own overlays: in the package, or in the checkout that is being worked on."""
    packaged = Path(str(resources.files("wsbench"))) / "k8s"
    root = packaged if packaged.is_dir() else Path(__file__).parents[2] / "k8s"
    return root / "overlays" / overlay


def read_manifests(path: Path) -> tuple[Manifest, ...]:
    """All objects of a file, of a folder of files, or of a kustomization. Raises UsageError, which names the file."""
    if path.is_file():
        return tuple(_read_file(path))
    if not path.is_dir():
        raise UsageError(f"no manifests at {path}: there is no such file or folder")
    try:
        found = tuple(_read_folder(path, []))
    except _RendererNeededError as need:
        found = tuple(_rendered(path, need))
    if not found:
        raise UsageError(f"no manifests in {path}: it has no *.yaml with an object in it")
    return found


class _RendererNeededError(Exception):
    """What a kustomization asks for that is not done here."""


def _read_folder(folder: Path, seen: list[Path]) -> Iterator[Manifest]:
    folder = folder.resolve()
    if folder in seen:
        raise UsageError(f"the kustomization {folder} includes itself")
    kustomization = next((folder / name for name in _KUSTOMIZATIONS if (folder / name).is_file()), None)
    if kustomization is None:
        for path in sorted(folder.iterdir()):
            if path.suffix in _SUFFIXES:
                yield from _read_file(path)
        return
    (content,) = _documents(kustomization) or ({},)
    if not isinstance(content, dict):
        raise UsageError(f"{kustomization} is no kustomization: it must be a mapping")
    unknown = sorted(set(content) - _HARMLESS)
    if unknown:
        raise _RendererNeededError(f"{kustomization} has {', '.join(unknown)}")
    for patch in content.get("patches") or ():
        _check_patch(kustomization, patch)
    for entry in (*(content.get("resources") or ()), *(content.get("components") or ())):
        place = folder / str(entry)
        if place.is_dir():
            yield from _read_folder(place, [*seen, folder])
        elif place.is_file():
            yield from _read_file(place)
        elif "://" in str(entry) or "?" in str(entry):
            raise _RendererNeededError(f"{kustomization} has the remote resource {entry}")
        else:
            raise UsageError(f"{kustomization} names {entry!r}, which is not there")


def _check_patch(kustomization: Path, patch: object) -> None:
    """A patch of a workload changes no mesh policy; any other is for a renderer."""
    target = patch.get("target") if isinstance(patch, dict) else None
    kind = target.get("kind") if isinstance(target, dict) else None
    path = patch.get("path") if isinstance(patch, dict) else None
    if kind is None and isinstance(path, str) and (kustomization.parent / path).is_file():
        contents = _documents(kustomization.parent / path)
        kind = contents[0].get("kind") if contents and isinstance(contents[0], dict) else None
    if kind not in ("Namespace", "Deployment", "Job", "Service", "StatefulSet", "DaemonSet", "CronJob"):
        raise _RendererNeededError(f"{kustomization} has a patch of {kind or 'an unnamed kind'}")


def _rendered(folder: Path, need: _RendererNeededError) -> Iterator[Manifest]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise UsageError(f"{need}, which only kustomize can render: install kubectl, or give the rendered YAML")
    done = subprocess.run(
        [kubectl, "kustomize", str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_RENDER_WITHIN_S,
        check=False,
    )
    if done.returncode:
        raise UsageError(f"kubectl cannot render {folder}: {' '.join(done.stderr.split())[:300]}")
    yield from _manifests(_parsed(done.stdout, f"{folder} (rendered)"), f"{folder} (rendered)")


def _read_file(path: Path) -> Iterator[Manifest]:
    yield from _manifests(_documents(path), str(path))


def _manifests(documents: list[Any], source: str) -> Iterator[Manifest]:
    for content in documents:
        if content is None:
            continue
        if not isinstance(content, dict) or not all(
            isinstance(content.get(key), str) for key in ("apiVersion", "kind")
        ):
            raise UsageError(f"{source} is no manifest: every document needs apiVersion and kind")
        if content["kind"] == "List":
            yield from _manifests(list(content.get("items") or ()), source)
        else:
            yield Manifest(content, source)


def _documents(path: Path) -> list[Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    return _parsed(text, str(path))


def _parsed(text: str, source: str) -> list[Any]:
    try:
        return list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise UsageError(f"{source} is not YAML: {' '.join(str(error).split())}") from None
