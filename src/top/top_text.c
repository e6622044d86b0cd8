#include "top_text.h"

#include <stdbool.h>

#include <roomcast/base/text.h>

/* ASCII, and the Latin letters behind it, of which each takes one column on every terminal. */
static bool takes_one_column(uint32_t point)
{
    return (point >= 0x20 && point < 0x7F) || (point >= 0xA1 && point <= 0x24F && point != 0xAD);
}

unsigned top_text_width(struct slice text)
{
    unsigned width = 0;
    for (size_t i = 0; i < text.len; i++)
        width += ((unsigned char)text.data[i] & 0xC0) != 0x80;
    return width;
}

void top_text_name(struct buffer *out, const char *name, unsigned width)
{
    struct slice rest = slice_of(name);
    bool is_cut = top_text_width(rest) > width;
    for (unsigned column = 0; rest.len > 0 && column < width; column++) {
        uint32_t point = 0;
        size_t len = text_decode(rest, &point);
        if (is_cut && column + 1 == width)
            buffer_append_char(out, '~');
        else if (len > 0 && takes_one_column(point))
            buffer_append(out, rest.data, len);
        else
            buffer_append_char(out, '?');
        if (len == 0)
            len = 1;
        rest = (struct slice){rest.data + len, rest.len - len};
    }
}

void top_text_count(struct buffer *out, double value)
{
    static const char units[] = " kMGT";
    unsigned unit = 0;
    if (value < 9999.5) {
        buffer_appendf(out, value > 0 && value < 9.95 && value != (double)(int)value ? "%.1f" : "%.0f",
                       value);
        return;
    }
    while (value >= 999.5 && unit + 2 < sizeof units) {
        value /= 1000;
        unit++;
    }
    buffer_appendf(out, value < 9.995 ? "%.2f%c" : value < 99.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
}

void top_text_bytes(struct buffer *out, uint64_t bytes)
{
    static const char units[] = " KMGTP";
    double value = (double)bytes;
    unsigned unit = 0;
    while (value >= 999.5 && unit + 2 < sizeof units) {
        value /= 1024;
        unit++;
    }
    if (unit == 0)
        buffer_appendf(out, "%.0f", value);
    else
        buffer_appendf(out, value < 9.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
}

void top_text_duration(struct buffer *out, uint64_t seconds)
{
    uint64_t minutes = seconds / 60, hours = minutes / 60;
    if (seconds < 100)
        buffer_appendf(out, "%us", (unsigned)seconds);
    else if (minutes < 100)
        buffer_appendf(out, "%um", (unsigned)minutes);
    else if (hours < 48)
        buffer_appendf(out, "%uh%02u", (unsigned)hours, (unsigned)(minutes % 60));
    else
        buffer_appendf(out, "%llud", (unsigned long long)(hours / 24));
}
