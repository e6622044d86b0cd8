/* The text of one log line, logfmt or JSON, in storage of its own.
 *
 * Whatever bytes a field holds, the line stays one line of valid UTF-8 (and, as JSON, one valid object):
 * control characters and quotes are escaped, bytes that are no UTF-8 become U+FFFD. A value is cut between
 * characters; a field that no longer fits is left out and `truncated=true` ends the line. Does not allocate.
 */
#ifndef ROOMCAST_SRC_BASE_LOG_LINE_H
#define ROOMCAST_SRC_BASE_LOG_LINE_H

#include <roomcast/base/log.h>

/* POSIX promises that writes up to this size to a pipe do not mix with those of other threads. */
#define LOG_LINE_MAX 4096 /* bytes, the newline included */

struct log_line {
    enum log_format format;
    bool truncated;
    size_t len;
    char bytes[LOG_LINE_MAX];
};

void log_line_begin(struct log_line *line, enum log_format format);
void log_line_add(struct log_line *line, const struct log_field *field);
void log_line_end(struct log_line *line);

#endif
