"""A headless Chromium with one page open, spoken to over its DevTools protocol."""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.request import urlopen

from websockets.sync.client import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from websockets.sync.client import ClientConnection

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
_PATIENCE = 60.0
_KEYS = {"ArrowRight": 39, "ArrowLeft": 37, "Home": 36, "End": 35, "Tab": 9, " ": 32}


class Tab:
    """The page: what it was made to load and what it complained of, and a reader's hands."""

    def __init__(self, wire: ClientConnection) -> None:
        self._wire = wire
        self._number = 0
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")
        self.ask("Page.setLifecycleEventsEnabled", enabled=True)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, and its result."""
        self._number += 1
        self._wire.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._wire.recv(timeout=_PATIENCE))
            if message.get("id") == self._number:
                assert "error" not in message, message
                return cast("dict[str, Any]", message["result"])
            self.events.append(message)

    def open(self, url: str, width: int = 1120, height: int = 900) -> None:
        """Loads a page and waits until all of it is there."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.events.clear()
        loader = self.ask("Page.navigate", url=url)["loaderId"]
        while not any(_loaded(event, loader) for event in self.events):
            self.events.append(json.loads(self._wire.recv(timeout=_PATIENCE)))

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answered = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answered, answered
        return answered["result"].get("value")

    def middle(self, selector: str) -> tuple[float, float]:
        """Where an element is on the screen, scrolled there."""
        x, y = self.run(
            f"(() => {{ const found = document.querySelector({json.dumps(selector)});"
            "found.scrollIntoView({block: 'center'}); const box = found.getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        return float(x), float(y)

    def point(self, x: float, y: float) -> None:
        """Moves the mouse."""
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, selector: str) -> None:
        """Clicks on the middle of an element."""
        x, y = self.middle(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Presses a key where the focus is."""
        code = _KEYS[key]
        for kind in ("keyDown", "keyUp"):
            text = {"text": key} if key == " " and kind == "keyDown" else {}
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def requests(self) -> list[str]:
        """Every address that was asked for."""
        return [
            event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[dict[str, Any]]:
        """Exceptions, what was said to the console, and what the browser logged."""
        loud = {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"}
        return [event for event in self.events if event["method"] in loud]


@contextmanager
def chromium(profile: Path) -> Iterator[Tab]:
    """A tab of a Chromium of its own, which is ended with it."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as started:
        try:
            port = _port(started)
            with connect(_tab(port), max_size=None, open_timeout=_PATIENCE, proxy=None) as wire:
                tab = Tab(wire)
                yield tab
        finally:
            started.terminate()
            # Its pipe is read to its end, or a full one would keep it from ending.
            started.communicate(timeout=_PATIENCE)


def _loaded(event: dict[str, Any], loader: str) -> bool:
    """Whether it tells that this page, not the one before it, is there."""
    told = event["params"]
    return event["method"] == "Page.lifecycleEvent" and (told["loaderId"], told["name"]) == (loader, "load")


def _port(started: subprocess.Popen[str]) -> int:
    assert started.stderr is not None
    for line in started.stderr:
        if line.startswith("DevTools listening on ws://"):
            return int(line.split(":")[2].split("/")[0])
    raise AssertionError("chromium ended before it listened")


def _tab(port: int) -> str:
    """The address of the tab that is open from the start."""
    with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=_PATIENCE) as answer:
        (tab,) = [one for one in json.load(answer) if one["type"] == "page"]
    return cast("str", tab["webSocketDebuggerUrl"])
