"""SIGINT and SIGTERM: the first a clean end; a second, or a clean end that takes long: at once."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

EXIT_SIGINT, EXIT_SIGTERM = 130, 143
#: How long a clean end may take. Slurm kills 30 s after its SIGTERM; 10 s are promised.
GRACE_S = 8.0

_CODES = {int(signal.SIGINT): EXIT_SIGINT, int(signal.SIGTERM): EXIT_SIGTERM}


class Terminated(BaseException):
    """SIGTERM arrived: unwind, so that nothing half-written stays, then exit 143."""


@contextmanager
def stopping_in_time(grace_s: float = GRACE_S) -> Iterator[None]:
    """Raise KeyboardInterrupt or Terminated at a signal, and end the process where that does not do.

    The process ends at once (130 or 143) at a second signal, or `grace_s` after the first. Python
    itself hears no signal while a compiled program runs, so a thread listens. What exsim writes is
    whole or not there, whenever the process ends. After a signal the process stays deaf to further
    ones: what it ends with is its exit code, not the traceback of a second.
    """
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    handlers = {number: signal.getsignal(number) for number in _CODES}
    # What a shell starts in the background is to hear no Ctrl-C.
    handlers = {number: handler for number, handler in handlers.items() if handler != signal.SIG_IGN}
    heard: list[int] = []

    def raise_once(number: int, frame: FrameType | None) -> None:
        # Of a second one the listener alone takes notice.
        if not heard:
            heard.append(number)
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    for number in handlers:
        signal.signal(number, raise_once)
    previous_wakeup = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    listener = threading.Thread(target=_listen, args=(receiver, grace_s), name="exsim-signals", daemon=True)
    listener.start()
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_IGN if heard else handler)
        signal.set_wakeup_fd(previous_wakeup)
        sender.close()
        listener.join()
        receiver.close()


def _listen(receiver: socket.socket, grace_s: float) -> None:
    first, deadline = None, 0.0
    while True:
        receiver.settimeout(None if first is None else max(deadline - time.monotonic(), 1e-3))
        try:
            heard = receiver.recv(64)
        except TimeoutError:
            _end_at_once(_CODES[first or signal.SIGTERM])
        if not heard:
            return
        for number in heard:
            if number in _CODES and first is not None:
                _end_at_once(_CODES[number])
            if number in _CODES:
                first, deadline = number, time.monotonic() + grace_s


def _end_at_once(code: int) -> NoReturn:
    try:
        os.write(2, b"exsim: stopped at once; what is under its final name is whole\n")
    finally:
        os._exit(code)
