#include <roomcast/wire/json_array.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip(struct slice *text, size_t count)
{
    text->data += count;
    text->len -= count;
}

static void skip_space(struct slice *text)
{
    while (text->len && is_space(text->data[0]))
        skip(text, 1);
}

bool json_array_open(struct json_array *array, struct slice text)
{
    skip_space(&text);
    if (text.len == 0 || text.data[0] != '[')
        return false;
    skip(&text, 1);
    *array = (struct json_array){.rest = text, .first = true};
    return true;
}

/* The index behind the string that begins at `at`; text.len when it does not end. */
static size_t string_end(struct slice text, size_t at)
{
    for (at++; at < text.len; at++) {
        if (text.data[at] == '\\')
            at++;
        else if (text.data[at] == '"')
            return at + 1;
    }
    return text.len;
}

/* Where the value at the start of `text` is followed by ',' or ']'; text.len when it is not. */
static size_t value_end(struct slice text)
{
    size_t depth = 0, at = 0;

    while (at < text.len) {
        char c = text.data[at];

        if (c == '"') {
            at = string_end(text, at);
            continue;
        }
        if (depth == 0 && (c == ',' || c == ']'))
            return at;
        if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && depth > 0)
            depth--;
        at++;
    }
    return text.len;
}

static enum json_array_step end(struct json_array *array)
{
    skip(&array->rest, 1);
    skip_space(&array->rest);
    return array->rest.len ? JSON_ARRAY_BROKEN : JSON_ARRAY_END;
}

enum json_array_step json_array_next(struct json_array *array, struct slice *ret_element)
{
    struct slice *rest = &array->rest;

    skip_space(rest);
    if (rest->len && rest->data[0] == ']')
        return end(array);
    if (!array->first) {
        if (rest->len == 0 || rest->data[0] != ',')
            return JSON_ARRAY_BROKEN;
        skip(rest, 1);
        skip_space(rest);
    }
    array->first = false;
    size_t len = value_end(*rest);
    if (len == 0 || len == rest->len)
        return JSON_ARRAY_BROKEN;
    struct slice element = {rest->data, len};
    while (is_space(element.data[element.len - 1]))
        element.len--;
    skip(rest, len);
    *ret_element = element;
    return JSON_ARRAY_ELEMENT;
}
