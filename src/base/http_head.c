#include <roomcast/base/http_head.h>

#include <strings.h>

struct slice http_head_find(struct slice head, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = head.data, *end; head.len > 0 && (end = memchr(line, '\n', head.len));
         head.len -= (size_t)(end + 1 - line), line = end + 1) {
        size_t line_len = (size_t)(end - line);
        if (line_len <= len || line[len] != ':' || strncasecmp(line, name, len) != 0)
            continue;
        line_len -= line[line_len - 1] == '\r';
        return slice_trim((struct slice){line + len + 1, line_len - len - 1});
    }
    return (struct slice){NULL, 0};
}
