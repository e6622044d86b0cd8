#include <roomcast/wire/http_reply.h>

#include <math.h>
#include <string.h>

#include "json_member.h"
#include "text.h"

/* What does not fit whole is left out. */
static void take_text(const json_t *object, const char *name, char *text, size_t size)
{
    struct slice rest = json_string_member(object, name);
    char unit[TEXT_UNIT_SIZE];
    size_t len = 0;

    while (rest.len > 0) {
        size_t used = text_escape(rest, unit), more = strlen(unit);
        if (len + more >= size)
            break;
        memcpy(text + len, unit, more);
        len += more;
        rest = (struct slice){rest.data + used, rest.len - used};
    }
    text[len] = '\0';
}

/* 0 when it is no count. */
static uint64_t count_member(const json_t *object, const char *name)
{
    double number = json_number_value(json_object_get(object, name));
    return number >= 1 && number < 1e15 && floor(number) == number ? (uint64_t)number : 0;
}

enum err http_reply_parse(struct slice body, struct http_reply *ret_reply)
{
    char reason[JSON_REASON_SIZE];
    json_t *document;
    enum err err = json_load_object(body, &document, reason);

    if (err != ERR_OK)
        return err;
    const json_t *error = json_object_get(document, "error");
    *ret_reply = (struct http_reply){.accepted = count_member(document, "accepted"),
                                     .skipped = count_member(document, "skipped")};
    take_text(error, "code", ret_reply->code, sizeof ret_reply->code);
    take_text(error, "message", ret_reply->message, sizeof ret_reply->message);
    json_decref(document);
    return ERR_OK;
}
