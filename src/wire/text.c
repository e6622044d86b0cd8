#include "text.h"

#include <roomcast/wire/position.h>

bool text_fits(struct slice text, size_t max)
{
    return text.len <= max && text_is_plain(text);
}

bool text_is_graphic(struct slice text, size_t max)
{
    if (text.len > max)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x21 || text.data[i] > 0x7e)
            return false;
    }
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool text_is_epoch(struct slice text)
{
    if (text.len == 0 || text.len > EPOCH_LEN_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.data[i]) && !(text.data[i] >= 'a' && text.data[i] <= 'z'))
            return false;
    }
    return true;
}

bool text_is_traceparent(struct slice text)
{
    static const char form[] = "00-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";

    if (text.len != sizeof form - 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (form[i] == 'h' ? !is_digit(c) && !(c >= 'a' && c <= 'f') : c != form[i])
            return false;
    }
    return true;
}

void text_excerpt(struct slice text, char *excerpt)
{
    size_t len = text.len < TEXT_EXCERPT_MAX ? text.len : TEXT_EXCERPT_MAX;

    for (size_t i = 0; i < len; i++)
        excerpt[i] = text.data[i] >= 0x20 && text.data[i] <= 0x7e ? text.data[i] : '?';
    strcpy(excerpt + len, text.len > len ? "..." : "");
}
