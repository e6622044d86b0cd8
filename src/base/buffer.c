#include <roomcast/base/buffer.h>

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_CAP 64 /* bytes */

void buffer_init(struct buffer *buffer, size_t max)
{
    *buffer = (struct buffer){.max = max};
}

void buffer_fini(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){.max = buffer->max};
}

void buffer_clear(struct buffer *buffer)
{
    buffer_cut(buffer, 0);
}

void buffer_cut(struct buffer *buffer, size_t len)
{
    assert(len <= buffer->len);
    buffer->len = len;
    buffer->failed = false;
}

/* Room for `extra` bytes and a NUL behind them, or the buffer is marked failed. One byte more than `cap` is
 * always allocated, so that buffer_text() never has to allocate. */
static bool reserve(struct buffer *buffer, size_t extra)
{
    if (buffer->failed)
        return false;
    if (buffer->data && extra <= buffer->cap - buffer->len)
        return true;
    buffer->failed = true;
    if (extra > buffer->max - buffer->len || buffer->len + extra == SIZE_MAX)
        return false;
    size_t cap = buffer->cap < FIRST_CAP / 2 ? FIRST_CAP : buffer->cap * 2;
    if (cap < buffer->cap || cap > buffer->max)
        cap = buffer->max;
    if (cap < buffer->len + extra || cap == SIZE_MAX)
        cap = buffer->len + extra;
    char *data = realloc(buffer->data, cap + 1);
    if (!data)
        return false;
    buffer->data = data;
    buffer->cap = cap;
    buffer->failed = false;
    return true;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t len)
{
    if (len == 0 || !reserve(buffer, len))
        return;
    memcpy(buffer->data + buffer->len, bytes, len);
    buffer->len += len;
}

void buffer_append_slice(struct buffer *buffer, struct slice slice)
{
    buffer_append(buffer, slice.data, slice.len);
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_char(struct buffer *buffer, char c)
{
    buffer_append(buffer, &c, 1);
}

void buffer_append_u64(struct buffer *buffer, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buffer_append(buffer, digits + at, sizeof digits - at);
}

void buffer_append_i64(struct buffer *buffer, int64_t value)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%" PRId64, value);

    buffer_append(buffer, text, (size_t)len);
}

void buffer_appendf(struct buffer *buffer, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0) {
        buffer->failed = true;
        return;
    }
    if (!reserve(buffer, (size_t)len))
        return;
    va_start(args, format);
    vsnprintf(buffer->data + buffer->len, (size_t)len + 1, format, args);
    va_end(args);
    buffer->len += (size_t)len;
}

const char *buffer_text(struct buffer *buffer)
{
    if (buffer->failed)
        return NULL;
    if (!buffer->data)
        return "";
    buffer->data[buffer->len] = '\0';
    return buffer->data;
}

char *buffer_take(struct buffer *buffer)
{
    if (!reserve(buffer, 0))
        return NULL;
    char *data = buffer->data;
    data[buffer->len] = '\0';
    *buffer = (struct buffer){.max = buffer->max};
    return data;
}
