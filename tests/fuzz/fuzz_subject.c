#include <roomcast/wire/subject.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char again[SUBJECT_SIZE];
    enum subject_kind kind;
    struct room_key room;

    if (subject_parse("roomcast", fuzz_slice(data, size), &kind, &room))
        return 0;
    subject_format("roomcast", kind, &room, again);
    must(slice_equal(slice_of(again), fuzz_slice(data, size)));
    return 0;
}
