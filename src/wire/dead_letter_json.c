#include <roomcast/wire/dead_letter_json.h>

#include <string.h>

#include <roomcast/base/text.h>
#include <roomcast/wire/json_text.h>

#include "json_load.h"

#define SHORT_MAX 256u /* bytes that each of the others may take */
#define DEPTH_MAX 64u
#define PARSE_MAX (64u * 1024) /* a larger text is not looked into */

/* False: it would take more than `max` bytes, and is cut. */
static bool append_text(struct buffer *out, struct slice text, size_t max)
{
    char unit[TEXT_UNIT_SIZE];
    buffer_append_char(out, '"');
    while (text.len > 0) {
        size_t used = text_escape(text, unit), len = strlen(unit);
        if (len > max)
            break;
        buffer_append(out, unit, len);
        max -= len;
        text = (struct slice){text.data + used, text.len - used};
    }
    buffer_append_char(out, '"');
    return text.len == 0;
}

static void member(struct buffer *out, const char *name, struct slice value)
{
    buffer_appendf(out, ",\"%s\":", name);
    append_text(out, value, SHORT_MAX);
}

static void append_event_type(struct buffer *out, struct slice event)
{
    json_t *document;
    if (event.len > PARSE_MAX || json_depth(event, DEPTH_MAX) > DEPTH_MAX ||
        json_load(event, 0, &document, NULL) != ERR_OK)
        return;
    const char *type = json_string_value(json_object_get(document, "event_type"));
    if (type)
        member(out, "event_type", slice_of(type));
    json_decref(document);
}

void dead_letter_json_write(const struct dead_letter_json *letter, size_t text_max, struct buffer *out)
{
    buffer_append_text(out, "{\"entry\":");
    append_text(out, letter->id, SHORT_MAX);
    member(out, "ts", letter->ts);
    member(out, "reason", letter->reason);
    member(out, "source", letter->source);
    append_event_type(out, letter->event);
    buffer_appendf(out, ",\"bytes\":%zu,\"truncated\":%s", letter->event.len,
                   letter->is_truncated ? "true" : "false");
    if (text_max > 0) {
        buffer_append_text(out, ",\"text\":");
        if (!append_text(out, letter->event, text_max))
            buffer_append_text(out, ",\"text_cut\":true");
    }
    buffer_append_char(out, '}');
}
