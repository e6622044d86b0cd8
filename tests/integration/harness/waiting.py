"""Waiting for a condition, with a deadline. The tests hold no fixed sleeps."""
import os
import time

# Sanitizer builds are several times slower; tests/run says so here.
SCALE = float(os.environ.get("ROOMCAST_TIME_SCALE", "1"))
DEFAULT_SECONDS = 10


def seconds(value=DEFAULT_SECONDS):
    return value * SCALE


def eventually(condition, timeout=DEFAULT_SECONDS, what="condition"):
    """Calls `condition` until it returns something true, and returns that. An exception of the last try is
    shown as the cause when the deadline passes. `what`: text, or a function that makes it at the end."""
    deadline = time.monotonic() + seconds(timeout)
    while True:
        cause = None
        try:
            value = condition()
            if value:
                return value
        except (AssertionError, OSError, LookupError) as error:
            cause = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds(timeout):g} s: {what() if callable(what) else what}") from cause
        time.sleep(0.01)
