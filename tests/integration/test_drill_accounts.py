"""The drills' book-keeping (cluster/drills), on deliveries made up here: it must see what it is there to see."""
import struct
import sys

import pytest

from harness.processes import ROOT

sys.path.append(str(ROOT / "cluster" / "drills"))

import replicas  # noqa: E402
from ledger import Channel, Ledger, percentile, recovery_times  # noqa: E402


@pytest.fixture
def channel():
    """Ten events, one a second."""
    channel = Channel(0, "room")
    channel.published_at = [float(n) for n in range(10)]
    return channel


def deliver(ledger, *numbers):
    """Event n stands at seq n + 1, and arrives half a second after its publication."""
    for n in numbers:
        ledger.deliver(n, "e1", n + 1, n + 0.5)


def test_all_received_is_nothing_missing(channel):
    ledger = Ledger(channel)
    deliver(ledger, *range(10))
    assert ledger.missing() == (0, 0)
    assert (ledger.duplicated, ledger.reordered, channel.disagreements) == (0, 0, 0)


def test_what_is_missing_without_a_word_is_lost(channel):
    ledger = Ledger(channel)
    deliver(ledger, 0, 1, 2, 6, 7)
    assert ledger.missing() == (5, 0)


def test_a_report_covers_what_lies_before_its_position_and_nothing_else(channel):
    ledger = Ledger(channel)
    deliver(ledger, 0, 1)
    ledger.report("e1", 5, 4.6)  # event 4 stands there
    deliver(ledger, 5, 6, 8, 9)
    assert ledger.missing() == (1, 3), "2, 3 and 4 were reported, 7 was not"


def test_a_gap_right_after_a_report_is_lost(channel):
    ledger = Ledger(channel)
    deliver(ledger, 0)
    ledger.report("e1", 3, 2.6)
    deliver(ledger, 5, 6, 7, 8, 9)
    assert ledger.missing() == (2, 2), "1 and 2 were reported, 3 and 4 were not"


def test_a_report_after_which_nothing_came_reaches_to_its_position(channel):
    deliver(Ledger(channel), *range(10))  # another client knows what stands where
    ledger = Ledger(channel)
    deliver(ledger, 0)
    ledger.report("e1", 4, 3.6)
    assert ledger.missing() == (6, 3)


def test_a_report_after_which_nothing_came_to_anybody_goes_by_the_time(channel):
    ledger = Ledger(channel)
    ledger.report("e1", 4, 3.6)
    assert ledger.missing() == (6, 4)


def test_a_report_of_an_empty_room_covers_nothing(channel):
    ledger = Ledger(channel)
    ledger.report("0", 0, 3.6)
    assert ledger.missing() == (10, 0)


def test_reports_in_a_row_are_one(channel):
    ledger = Ledger(channel)
    deliver(ledger, 0)
    ledger.report("e1", 3, 2.6)
    ledger.report("e2", 0, 4.6)
    ledger.deliver(5, "e2", 1, 5.5)
    deliver(ledger, 6, 7, 8, 9)
    assert ledger.missing() == (0, 4)


def test_an_event_twice_and_an_event_too_late_are_seen(channel):
    ledger = Ledger(channel)
    deliver(ledger, 0, 1, 3, 2, 4)
    ledger.deliver(4, "e1", 6, 5.5)
    assert (ledger.duplicated, ledger.reordered) == (1, 1)


def test_clients_that_see_different_events_at_one_place_are_seen(channel):
    deliver(Ledger(channel), *range(10))
    other = Ledger(channel)
    other.deliver(3, "e1", 3, 3.5)
    assert channel.disagreements == 1


def test_recovery_ends_with_the_last_late_event():
    delays = [(9.0, 9.1), (10.5, 14.0), (11.0, 14.2), (13.5, 14.3), (20.0, 20.1), (31.0, 33.5)]
    assert recovery_times([10.0, 30.0], delays, 1.0) == [pytest.approx(4.2), pytest.approx(3.5)]
    assert recovery_times([10.0], [(3.0, 9.0)], 1.0) == [0.0], "late before the fault"


def test_percentiles():
    assert percentile([], 0.5) is None
    assert percentile(list(range(100)), 0.99) == 99
    assert percentile(list(range(100)), 0.5) == 50


def record(sequence, content, time=1):
    subject = b"roomcast.ev.chat.x"
    length = 22 + len(subject) + len(content) + 8
    return struct.pack("<IQQH", length, sequence, time, len(subject)) + subject + content + bytes(8)


def copy_of(directory, *records):
    blocks = directory / "jetstream" / "$G" / "streams" / "s" / "msgs"
    blocks.mkdir(parents=True)
    (blocks / "1.blk").write_bytes(b"".join(records[:2]))
    (blocks / "2.blk").write_bytes(b"".join(records[2:]))
    return replicas.read_copy(directory, "s")


def test_copies_are_compared_by_content(tmp_path):
    whole = [record(number, b"event %d" % number) for number in (1, 2, 3)]
    first = copy_of(tmp_path / "a", *whole)
    again = copy_of(tmp_path / "b", *whole)
    assert replicas.compare([first, again]) == "same (3 messages)"
    changed = copy_of(tmp_path / "c", whole[0], record(2, b"another"), whole[2])
    assert replicas.compare([first, again, changed]) == "DIFFERENT (1 of 3 sequences, from 2 to 2)"
    shorter = copy_of(tmp_path / "d", *whole[:2])
    assert replicas.compare([first, shorter]) == "DIFFERENT (they end at 2, 3)"
