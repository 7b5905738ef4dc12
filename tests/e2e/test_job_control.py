"""The installed program under the job control of a shell, and where there is none."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.installed import FIRST, PROGRAM, dashboard
from tests.support.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

SOON = 2.0
"""Seconds within which a process that is told to end has to."""

CTRL_Z = b"\x1a"
PROMPT = b"what next> "


class Shell:
    """An interactive bash whose only job is the dashboard."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self._asked = self._typed_at = 0

    def type(self, line: str) -> None:
        """Type a command once bash reads one."""
        self.wait_prompt()
        self._typed_at = len(self.terminal.raw)
        self.terminal.send(line.encode() + b"\r")

    def wait_prompt(self) -> None:
        """Wait until bash reads commands again: what is typed before that the dashboard may read."""
        self.terminal.wait_until(lambda: PROMPT in self.terminal.raw[self._typed_at :], "for the shell")

    def start(self, command: str = f"{PROGRAM} --demo") -> None:
        """Start the dashboard in the foreground."""
        self.type(command)
        self.terminal.wait_for(FIRST, "● live")

    def go_on(self) -> None:
        """Bring the dashboard to the foreground."""
        self.type("fg")
        self.terminal.wait_until(partial(taken_anew, self.terminal, self._typed_at), "for it to take the terminal anew")
        self.terminal.wait_for(FIRST, "● live")

    @property
    def job(self) -> int:
        """The process id of the dashboard."""
        (found,) = self.answers("$(jobs -p)")
        return int(found)

    def answers(self, expression: str) -> list[str]:
        """Return the words that bash makes of an expression, once all it was told before is done."""
        self._asked += 1
        marks = f"<{self._asked}:", f":{self._asked}>"
        self.type(f"echo '{marks[0][0]}'\"{marks[0][1:]} {expression} {marks[1][:-1]}\"'{marks[1][-1]}'")
        pattern = re.compile(f"{marks[0]}(.*){marks[1]}".encode(), re.DOTALL)
        self.terminal.wait_until(lambda: pattern.search(self.terminal.raw) is not None, f"to be told {expression}")
        found = pattern.search(self.terminal.raw)
        assert found is not None
        return found[1].decode().split()

    def assert_ready(self, status: int | None = None) -> None:
        """The terminal is as the shell had it: modes of the line as well as those that Textual switches."""
        if status is not None:
            assert self.answers("$?") == [str(status)]
        words = self.answers("$(stty -a)")
        assert {"icanon", "echo", "isig", "icrnl"} <= {*words}
        # Bash switches bracketed paste on while it reads a line, and echo off.
        assert self.terminal.unrestored <= {"2004", "line"}

    def suspend(self) -> None:
        """Press the key that suspends, and wait for the shell."""
        self.terminal.send(CTRL_Z)
        self.wait_prompt()
        assert b"Stopped" in self.terminal.raw[self._typed_at :]

    def clear(self) -> None:
        """Clear the screen, which the emulator does not put back."""
        self.type(r"printf '\033[2J\033[H'")
        self.wait_prompt()

    def assert_ends(self, job: int) -> None:
        """The job is gone soon."""
        for _ in range(int(SOON / 0.05)):
            if not Path(f"/proc/{job}").exists() or state_of(job) == "Z":
                return
            self.terminal.listen(0.05)
        raise AssertionError(f"it still runs: {state_of(job)}")


def state_of(process: int) -> str:
    """Return the state of a process as the system names it: T for stopped."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.fixture
def shell() -> Iterator[Shell]:
    """A shell that has started nothing yet."""
    bash = shutil.which("bash")
    if bash is None or not Path("/proc/self/stat").exists():
        pytest.skip("there is no bash here, or no /proc")
    with Terminal([bash, "--norc", "--noprofile", "-i"], {"HISTFILE": "/dev/null", "PS1": PROMPT.decode()}) as terminal:
        shell = Shell(terminal)
        shell.answers("ready")
        yield shell


def test_suspended_dashboard_gives_the_terminal_back_and_goes_on(shell: Shell) -> None:
    shell.start()
    for _ in range(2):
        shell.suspend()
        shell.assert_ready()
        shell.clear()
        shell.go_on()
    shell.terminal.press("?")
    shell.terminal.wait_for("In a table")
    shell.terminal.press("ctrl+c")
    shell.assert_ready(0)


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU])
def test_signal_that_stops_gives_the_terminal_back(shell: Shell, number: signal.Signals) -> None:
    shell.start()
    os.kill(child_of(shell), number)
    shell.wait_prompt()
    shell.assert_ready()
    shell.clear()
    shell.go_on()
    shell.terminal.press("q")
    shell.assert_ready(0)


@pytest.mark.parametrize("before", ["", "bg"])
def test_suspended_dashboard_obeys_kill_at_once(shell: Shell, before: str) -> None:
    shell.start()
    shell.suspend()
    job = shell.job
    if before:
        shell.type(before)
        shell.terminal.wait_until(lambda: state_of(job) != "T", "for it to go on")
    shell.type("kill %1")
    shell.assert_ends(job)
    shell.assert_ready()


def test_suspended_dashboard_ends_with_its_terminal(shell: Shell) -> None:
    shell.start()
    shell.suspend()
    job = shell.job
    shell.terminal.hang_up()
    for _ in range(int(SOON / 0.05)):
        if not Path(f"/proc/{job}").exists() or state_of(job) == "Z":
            break
        signal.sigtimedwait([], 0.05)
    else:
        raise AssertionError("it still runs")


@pytest.mark.parametrize("end", ["q", "TERM"])
def test_stopped_without_warning_it_restores_the_modes_of_the_start(shell: Shell, end: str) -> None:
    shell.start()
    job = child_of(shell)
    for _ in range(2):
        os.kill(job, signal.SIGSTOP)
        shell.wait_prompt()
        shell.clear()
        shell.go_on()
    shell.terminal.press("q") if end == "q" else os.kill(job, signal.SIGTERM)
    shell.assert_ready(0 if end == "q" else 143)


def test_stopped_without_warning_and_killed_it_leaves_the_screen(shell: Shell) -> None:
    shell.start()
    job = child_of(shell)
    os.kill(job, signal.SIGSTOP)
    shell.wait_prompt()
    shell.type("kill %1")
    shell.assert_ends(job)
    shell.assert_ready()


def test_continued_in_the_background_it_waits_for_the_foreground(shell: Shell) -> None:
    shell.start()
    job = child_of(shell)
    os.kill(job, signal.SIGSTOP)
    shell.wait_prompt()
    os.kill(job, signal.SIGCONT)
    shell.terminal.wait_until(lambda: b"\x1b[?1049l" in shell.terminal.raw, "for it to leave the screen")
    shell.assert_ready()
    assert b"\x1b[?1049h" not in shell.terminal.listen(0.5)
    shell.clear()
    shell.go_on()
    shell.terminal.press("q")
    shell.assert_ready(0)


def test_started_in_the_background_it_waits_for_the_foreground(shell: Shell) -> None:
    shell.type(f"{PROGRAM} --demo &")
    job = shell.job
    shell.terminal.wait_until(lambda: state_of(job) == "T", "for it to stop")
    assert b"\x1b[?1049h" not in shell.terminal.raw
    shell.go_on()
    shell.terminal.press("q")
    shell.assert_ready(0)
    shell.type(f"{PROGRAM} --demo &")
    job = shell.job
    shell.terminal.wait_until(lambda: state_of(job) == "T", "for it to stop")
    shell.type("kill %1")
    shell.assert_ends(job)
    shell.assert_ready()


def test_whole_job_is_suspended(shell: Shell) -> None:
    shell.start(f"(trap : USR1; {PROGRAM} --demo; true)")
    shell.suspend()
    shell.assert_ready()
    shell.clear()
    shell.go_on()
    shell.terminal.press("q")
    shell.assert_ready(0)


def child_of(shell: Shell) -> int:
    """Return the process id of what bash has started, while that has the terminal."""
    (child,) = Path(f"/proc/{shell.terminal.pid}/task/{shell.terminal.pid}/children").read_text().split()
    return int(child)


def refuses(terminal: Terminal) -> None:
    """The key that suspends is answered in words, and all goes on."""
    terminal.wait_for(FIRST, "● live")
    terminal.send(CTRL_Z)
    terminal.wait_for("Cannot suspend")
    terminal.press("?")
    terminal.wait_for("In a table")
    terminal.press("ctrl+c")
    assert terminal.wait_exit() == 0
    assert terminal.unrestored == set()


def test_leader_of_a_session_does_not_suspend() -> None:
    with dashboard("--demo") as terminal:
        refuses(terminal)


@pytest.mark.parametrize(
    "script",
    [f"{PROGRAM} --demo; exit $?", f"trap '' TSTP; exec {PROGRAM} --demo"],
    ids=["orphaned process group", "stops ignored"],
)
def test_suspend_without_job_control_is_refused(script: str) -> None:
    with Terminal(["/bin/sh", "-c", script]) as terminal:
        refuses(terminal)


def test_process_1_does_not_suspend(shell: Shell) -> None:
    unshare = shutil.which("unshare")
    alone = [unshare or "", "--pid", "--fork", "--mount-proc"]
    if unshare is None or subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("processes cannot be numbered anew here")
    shell.start(f"{' '.join(alone)} {PROGRAM} --demo")
    shell.terminal.send(CTRL_Z)
    shell.terminal.wait_for("Cannot suspend")
    shell.terminal.press("q")
    shell.assert_ready(0)


def taken_anew(terminal: Terminal, since: int) -> bool:
    """The alternate screen was left and entered again."""
    return b"\x1b[?1049h" in terminal.raw[since:]


@pytest.mark.parametrize("end", ["q", "TERM"])
def test_stopped_and_continued_leader_restores_the_modes_of_the_start(end: str) -> None:
    with dashboard("--demo") as terminal:
        terminal.wait_for(FIRST, "● live")
        for _ in range(3):
            before = len(terminal.raw)
            terminal.signal(signal.SIGSTOP)
            os.waitid(os.P_PID, terminal.pid, os.WSTOPPED)
            terminal.signal(signal.SIGCONT)
            terminal.wait_until(partial(taken_anew, terminal, before), "for it to take the terminal anew")
        terminal.press("q") if end == "q" else terminal.signal(signal.SIGTERM)
        assert terminal.wait_exit() == (0 if end == "q" else 143)
        assert terminal.unrestored == set()
