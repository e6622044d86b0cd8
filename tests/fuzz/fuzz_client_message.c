#include <roomcast/wire/client_message.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct client_limits limits = {.max_depth = 16, .max_chats = 128};
    struct client_message message;
    struct client_fault fault;

    if (client_message_parse(fuzz_slice(data, size), &limits, &message, &fault)) {
        must(fault.message[0] != '\0');
        return 0;
    }
    for (size_t i = 0; i < message.chats_count; i++)
        must(message.chats[i].chat.len == UUID_TEXT_LEN);
    client_message_release(&message);
    return 0;
}
