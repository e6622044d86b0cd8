"""A bot that writes faster than people do, so that there is something to miss while a node is dead. One storm at a time."""
import threading

from refused import Refused

LINES_MAX = 500
PER_SECOND_MAX = 200


class Storm:
    def __init__(self, chat):
        self._chat = chat
        self._running = threading.Lock()

    def start(self, lines, per_second):
        """False when one runs already, which then goes on. Otherwise the first line is posted when it returns."""
        if not (1 <= lines <= LINES_MAX and 1 <= per_second <= PER_SECOND_MAX):
            raise Refused(400, "INVALID_STORM", f"lines from 1 to {LINES_MAX}, per_second from 1 to {PER_SECOND_MAX}")
        if not self._running.acquire(blocking=False):
            return False
        try:
            self._say(1, lines)
            threading.Thread(target=self._go_on, args=(lines, 1 / per_second), daemon=True).start()
        except BaseException:
            self._running.release()
            raise
        return True

    def _go_on(self, lines, pause_seconds):
        pause = threading.Event()
        try:
            for number in range(2, lines + 1):
                pause.wait(pause_seconds)
                self._say(number, lines)
        except Refused as refused:
            print(f"storm: {refused}", flush=True)
        finally:
            self._running.release()

    def _say(self, number, lines):
        self._chat.post_by_bot(f"Check {number} of {lines} passed")
