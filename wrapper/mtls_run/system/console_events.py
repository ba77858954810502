"""The events of a Windows console: Ctrl-C, Ctrl-Break, and its end."""

from __future__ import annotations

import ctypes
import threading
from ctypes import wintypes

_CTRL_C, _CTRL_BREAK = 0, 1
# After the close of a console Windows gives a process five seconds, after a logoff no less.
_PATIENCE = 4.5


class Guard:
    """Keeps this process until `release`, for as long as Windows lets it.

    Ctrl-C and Ctrl-Break reach every process of the console, so the tool decides about them. When a
    handler of any other event returns, Windows ends the process.
    """

    def __init__(self) -> None:
        self._released = threading.Event()
        routine = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)  # type: ignore[attr-defined,unused-ignore]
        self._handler = routine(self._handle)
        self._set = ctypes.WinDLL("kernel32").SetConsoleCtrlHandler  # type: ignore[attr-defined,unused-ignore]
        self._set(self._handler, 1)

    def release(self) -> None:
        """Let every event do what it does to any process."""
        self._set(self._handler, 0)
        self._released.set()

    def _handle(self, event: int) -> bool:
        if event not in (_CTRL_C, _CTRL_BREAK):
            self._released.wait(_PATIENCE)
        return True
