import os
import signal
from pathlib import Path

import anyio
import pytest

from wsbench.errors import LabError, ResultError
from wsbench.interruption import exit_code_of, run_interruptible


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_cancels_the_work_in_order(number: signal.Signals, code: int) -> None:
    tidied = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), number)
            await anyio.sleep_forever()
        finally:
            tidied.append(True)

    ending = run_interruptible(work)
    assert ending is number
    assert exit_code_of(number) == code
    assert tidied


def test_a_hangup_that_nohup_ignores_stays_ignored() -> None:
    async def work() -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        await anyio.sleep(0.01)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run_interruptible(work) is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_signal_does_not_disturb_the_orderly_end() -> None:
    tidied = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                os.kill(os.getpid(), signal.SIGINT)
                # It has come when the loop has been round once more.
                await anyio.sleep(0.01)
            tidied.append(True)

    assert run_interruptible(work) is signal.SIGINT
    assert tidied


def test_the_end_an_error_of_ours_and_a_full_disk_are_told_apart(tmp_path: Path) -> None:
    async def done() -> None: ...

    async def failed() -> None:
        raise LabError("it broke")

    async def unwritable() -> None:
        (tmp_path / "no" / "folder").write_text("")

    assert run_interruptible(done) is None
    assert str(run_interruptible(failed)) == "it broke"
    assert isinstance(run_interruptible(unwritable), ResultError)


def test_a_fault_of_the_program_is_raised() -> None:
    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        run_interruptible(work)
