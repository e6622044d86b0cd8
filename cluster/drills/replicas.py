"""Whether the three copies of the stream hold the same messages under the same sequences.

No API shows one server's own copy cheaply, so this reads the message blocks on disk, once the servers have ended.
A record (nats-server 2.9 and 2.10): u32 length, its top bit set when there are headers; u64 sequence; i64 time; u16
length of the subject; subject, headers, message; u64 checksum, whose key depends on the block and so says nothing
between servers."""
import struct

_HEAD = struct.Struct("<IQQH")
_LENGTH_MASK = 0x7FFFFFFF
_ERASED = 1 << 63
_SUBJECT = 20  # where the subject's length stands
_CHECKSUM = 8
_SMALLEST = _HEAD.size + _CHECKSUM


def read_copy(store_directory, stream):
    """{sequence: hash of subject and content} of one server's copy."""
    copy = {}
    for block in sorted(store_directory.glob(f"jetstream/*/streams/{stream}/msgs/*.blk")):
        data = block.read_bytes()
        at = 0
        while at + _SMALLEST <= len(data):
            length, sequence, _, _ = _HEAD.unpack_from(data, at)
            length &= _LENGTH_MASK
            if length < _SMALLEST or at + length > len(data):
                raise ValueError(f"{block}: no record at {at}")
            if not sequence & _ERASED:
                copy[sequence] = hash(data[at + _SUBJECT : at + length - _CHECKSUM])
            at += length
    return copy


def compare(copies):
    """A sentence: `same` with the number of messages, or `DIFFERENT` and in what. Sequences that one copy has not
    are left out, as a removed message may still lie in a block, except at the end."""
    common = set(copies[0]).intersection(*copies[1:])
    different = [sequence for sequence in common if len({copy[sequence] for copy in copies}) > 1]
    ends = {max(copy, default=0) for copy in copies}
    if different:
        return f"DIFFERENT ({len(different)} of {len(common)} sequences, from {min(different)} to {max(different)})"
    if len(ends) > 1:
        return f"DIFFERENT (they end at {', '.join(map(str, sorted(ends)))})"
    counts = {len(copy) for copy in copies}
    if len(counts) > 1:
        return f"DIFFERENT (they hold {', '.join(map(str, sorted(counts)))} messages)"
    return f"same ({len(common)} messages)"
