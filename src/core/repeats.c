#include <roomcast/core/repeats.h>

bool repeats_note(struct repeats *repeats, uint64_t id)
{
    for (unsigned i = 0; i < REPEATS_KEPT; i++) {
        if (repeats->ids[i] == id)
            return true;
    }
    repeats->ids[repeats->count++ % REPEATS_KEPT] = id;
    return false;
}
