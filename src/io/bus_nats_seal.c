#include "bus_nats.h"

#define SEALED_MAX ((size_t)INT32_MAX)

static const struct bus_seal *seal_for(const struct bus_nats *bus, struct slice subject)
{
    const struct bus_seal *seal = bus->access ? bus->access->seal : NULL;

    return seal && seal->covers(seal, subject) ? seal : NULL;
}

bool bus_nats_seal(const struct bus_nats *bus, const char *subject, struct slice *data, struct buffer *store)
{
    const struct bus_seal *seal = seal_for(bus, slice_of(subject));

    buffer_init(store, SEALED_MAX);
    if (!seal)
        return true;
    seal->put(seal, slice_of(subject), *data, store);
    *data = buffer_slice(store);
    return !buffer_failed(store);
}

/* The data is the library's, which gave it to us alone with its message, in memory of the heap. */
bool bus_nats_open(const struct bus_nats *bus, struct slice subject, struct slice *data)
{
    const struct bus_seal *seal = seal_for(bus, subject);

    return !seal || seal->open(seal, subject, (char *)(uintptr_t)data->data, data->len, data);
}
