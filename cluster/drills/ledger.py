"""What was published, what each client's application received of it, and what that amounts to.

Nothing here knows of sockets, processes or clocks: times are arguments, in seconds of the monotonic clock."""
import bisect


class Channel:
    """A room, or the notifications of one user, as published: event 0, 1, 2, ... in the order of the Redis stream."""

    def __init__(self, index, target):
        self.index = index
        self.target = target  # chat id or user id
        self.published_at = []  # of event n: when it was first offered to Redis
        self.places = {}  # (epoch, seq) -> n, as the first client that received it saw it
        self.disagreements = 0  # deliveries that put another event at a place

    def __len__(self):
        return len(self.published_at)


class Ledger:
    """One client and one channel. `deliver` is called for what passes the client's cursor, not for repeats."""

    __slots__ = ("channel", "received", "highest", "duplicated", "reordered", "reports", "_covered", "_open")

    def __init__(self, channel):
        self.channel = channel
        self.received = {}  # n -> when
        self.highest = -1
        self.duplicated = 0
        self.reordered = 0
        self.reports = 0
        self._covered = []  # (first, last) n that a report stands for
        self._open = None  # (first n not received, epoch, seq, when) of a report after which nothing came yet

    def deliver(self, n, epoch, seq, now):
        if self._open:
            self._close_report(n, epoch, seq)
        if self.channel.places.setdefault((epoch, seq), n) != n:
            self.channel.disagreements += 1
        if n in self.received:
            self.duplicated += 1
            return
        self.received[n] = now
        if n < self.highest:
            self.reordered += 1
        else:
            self.highest = n

    def report(self, epoch, seq, now):
        """The server said that what comes before this position must be reloaded, and that it goes on from here."""
        self.reports += 1
        first = self._open[0] if self._open else self.highest + 1
        self._open = (first, epoch, seq, now)

    def _close_report(self, n, epoch, seq):
        """The event after a report tells which one stood at the reported position: each step of `seq` is an event."""
        first, reported_epoch, reported_seq, _ = self._open
        last = n - (seq - reported_seq) if epoch == reported_epoch else n - 1
        self._covered.append((first, last))
        self._open = None

    def _last_of_open_report(self):
        """Nothing came after the report: what stood there is known from other clients, else by the time."""
        _, epoch, seq, now = self._open
        known = [(place[1], n) for place, n in self.channel.places.items() if place[0] == epoch and place[1] <= seq]
        if known:
            known_seq, n = max(known)
            return n + seq - known_seq
        return bisect.bisect_right(self.channel.published_at, now) - 1 if seq else -1

    def missing(self):
        """(lost, reported): published and not received, without and with a report that says so."""
        total = len(self.channel)
        if len(self.received) == total:
            return 0, 0
        covered = list(self._covered)
        if self._open:
            covered.append((self._open[0], self._last_of_open_report()))
        told = set()
        for first, last in covered:
            told.update(n for n in range(first, min(last, total - 1) + 1) if n not in self.received)
        return total - len(self.received) - len(told), len(told)

    def delays(self):
        """(published at, received at) of every event."""
        published_at = self.channel.published_at
        return [(published_at[n], at) for n, at in self.received.items()]


def recovery_times(faults, delays, late_s):
    """For each fault, given by when it began: seconds from there until the last late event arrived, an event being
    late when it arrives more than `late_s` after its publication. It is put down to the last fault that had begun
    while it was still in time."""
    recovered = [0.0] * len(faults)
    for published, received in delays:
        if received - published > late_s:
            fault = bisect.bisect_right(faults, published + late_s) - 1
            if fault >= 0:
                recovered[fault] = max(recovered[fault], received - faults[fault])
    return recovered


def percentile(ordered, share):
    """Of a sorted list; None when it is empty."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None
