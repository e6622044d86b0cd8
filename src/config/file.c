#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* read(2) and no FILE: its buffer would keep a copy of the secret. */
const char *file_read(const char *path, char *bytes, size_t size, size_t *ret_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t got = 0;

    if (fd < 0)
        return strerror(errno);
    while (len < size) {
        got = read(fd, bytes + len, size - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    const char *why = got < 0 ? strerror(errno) : len == size ? "the file is too large" : NULL;
    close(fd);
    if (!why)
        *ret_len = len;
    return why;
}
