#include <string.h>

#include <roomcast/base/address.h>

#include "fuzz.h"

static void check_address(const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];
    struct address again, subscriber = address_subscriber(address);
    struct network narrow, wide;

    address_format(address, text);
    must(address_parse(slice_of(text), &again));
    must(memcmp(&again, address, sizeof again) == 0);
    must(network_parse(slice_of(text), &narrow) && narrow.bits == 128 && network_contains(&narrow, address));
    wide = (struct network){.base = subscriber, .bits = address_is_v4(address) ? 128 : 64};
    must(network_contains(&wide, address));
}

/* What is an address reads the same as it is written; a network contains its base, and nothing stands behind
 * its mask. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = fuzz_slice(data, size);
    struct address address, node;
    struct network network;

    if (address_parse(text, &address)) {
        check_address(&address);
        must(address_parse_node(text, &node) && memcmp(&node, &address, sizeof node) == 0);
    } else if (address_parse_node(text, &node)) {
        check_address(&node);
    }
    if (network_parse(text, &network)) {
        must(network.bits <= 128 && network_contains(&network, &network.base));
        for (unsigned bit = network.bits; bit < 128; bit++)
            must((network.base.bytes[bit / 8] & 0x80u >> bit % 8) == 0);
    }
    return 0;
}
