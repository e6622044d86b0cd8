#include "show.h"

#include <roomcast/base/text.h>

void show_text(struct slice text, struct buffer *out)
{
    char unit[TEXT_UNIT_SIZE];

    while (text.len > 0) {
        size_t taken = text_escape(text, unit);
        buffer_append_text(out, unit);
        text.data += taken;
        text.len -= taken;
    }
}

void show_quoted(struct slice text, struct buffer *out)
{
    buffer_append_char(out, '"');
    show_text(text, out);
    buffer_append_char(out, '"');
}

/* Copies `text` with "user:password" of each "scheme://user:password@host" replaced. What stands up to the
 * last
 * '@' before the next "://" is taken for them: rather too much hidden than a password with a ',' shown. */
static void mask_urls(const char *text, struct buffer *out)
{
    for (;;) {
        const char *scheme_end = strstr(text, "://");
        if (!scheme_end)
            break;
        const char *rest = scheme_end + 3;
        const char *next = strstr(rest, "://");
        size_t len = next ? (size_t)(next - rest) : strlen(rest);
        const char *at = memrchr(rest, '@', len);
        buffer_append(out, text, (size_t)(rest - text));
        if (at)
            buffer_append_text(out, SHOW_HIDDEN);
        text = at ? at : rest;
    }
    buffer_append_text(out, text);
}

void show_value(const struct option *option, const char *text, size_t max, struct buffer *out)
{
    struct buffer masked;

    if (option->type == OPTION_SECRET) {
        buffer_append_text(out, SHOW_HIDDEN);
        return;
    }
    buffer_init(&masked, SIZE_MAX);
    mask_urls(text, &masked);
    struct slice shown = buffer_slice(&masked);
    if (shown.len > max)
        shown.len = max;
    show_quoted(shown, out);
    if (masked.len > max)
        buffer_append_text(out, "...");
    buffer_fini(&masked);
}
