#include <string.h>

#include "jetstream_api.h"

#include "fuzz.h"

#define STREAM  "roomcast_1"
#define SUBJECT "roomcast.ev.chat.a"
#define SEQ     1042

/* The next line of `at`, NUL-terminated in place, or NULL when it is empty or there is none. */
static const char *take_line(char **at)
{
    char *line = *at, *end = strchr(line, '\n');

    if (end)
        *end = '\0';
    *at = end ? end + 1 : line + strlen(line);
    return *line ? line : NULL;
}

/* Four lines are the headers' values. Only the message that was asked for is one that was found, and only a
 * server that has none says so. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *at = text;

    must(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    const char *status = take_line(&at), *stream = take_line(&at), *subject = take_line(&at);
    const struct jetstream_direct_headers headers = {status, stream, subject, take_line(&at)};
    enum bus_last_status verdict = jetstream_judge_direct(&headers, STREAM, SUBJECT, SEQ);
    bool is_there = headers.sequence && strcmp(headers.sequence, "1042") == 0 && stream && subject &&
                    strcmp(stream, STREAM) == 0;
    bool is_absent = status && strcmp(status, "404") == 0 && !stream && !subject && !headers.sequence;

    must((verdict == BUS_LAST_FOUND) == (is_there && strcmp(subject, SUBJECT) == 0));
    must((verdict == BUS_LAST_NONE) == (is_absent || (is_there && strcmp(subject, SUBJECT) != 0)));
    free(text);
    return 0;
}
