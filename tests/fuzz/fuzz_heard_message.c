#include <string.h>

#include <roomcast/base/text.h>
#include <roomcast/wire/heard_message.h>
#include <roomcast/wire/http_reply.h>
#include <roomcast/wire/position.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct heard_message message;
    struct http_reply reply;

    if (heard_message_parse(fuzz_slice(data, size), &message) == ERR_OK) {
        must(message.type.len > 0);
        must(message.kind != HEARD_EVENT || message.has_position);
        must(!message.has_position || (message.position.epoch[0] && message.position.seq <= SEQ_MAX &&
                                       text_is_plain(slice_of(message.position.epoch))));
        must(message.data.len == 0 || (message.data.data >= (const char *)data &&
                                       message.data.data + message.data.len <= (const char *)data + size));
        heard_message_release(&message);
    }
    if (http_reply_parse(fuzz_slice(data, size), &reply) == ERR_OK)
        must(text_is_plain(slice_of(reply.code)) && text_is_plain(slice_of(reply.message)));
    return 0;
}
