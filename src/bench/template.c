#include "template.h"

#include <string.h>

/* Appends the value that `text` begins with the placeholder of; returns its length, 0 when there is none. */
static size_t append_placeholder(const char *text, const struct template_values *values, struct buffer *out)
{
    if (strncmp(text, "{room}", 6) == 0) {
        buffer_append_slice(out, values->room);
        return 6;
    }
    if (strncmp(text, "{payload}", 9) == 0) {
        buffer_append_slice(out, values->payload);
        return 9;
    }
    if (strncmp(text, "{length}", 8) == 0) {
        buffer_append_u64(out, values->payload.len);
        return 8;
    }
    if (strncmp(text, "{id}", 4) == 0) {
        buffer_append_u64(out, values->id);
        return 4;
    }
    return 0;
}

static size_t append_escape(const char *text, struct buffer *out)
{
    static const char names[] = "rnt0\\", values[] = "\r\n\t\0\\";
    const char *name = text[0] == '\\' && text[1] != '\0' ? strchr(names, text[1]) : NULL;

    if (!name)
        return 0;
    buffer_append_char(out, values[name - names]);
    return 2;
}

void template_expand(const char *template, const struct template_values *values, struct buffer *out)
{
    while (*template) {
        size_t taken = values ? append_placeholder(template, values, out) : 0;
        if (taken == 0)
            taken = append_escape(template, out);
        if (taken == 0)
            buffer_append_char(out, *template);
        template += taken ? taken : 1;
    }
}
