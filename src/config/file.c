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

/* Editors and `echo` end a file with a newline that is no part of the secret. */
static size_t without_newline(const char *bytes, size_t len)
{
    if (len > 0 && bytes[len - 1] == '\n')
        len--;
    if (len > 0 && bytes[len - 1] == '\r')
        len--;
    return len;
}

const char *file_read_secret(const char *path, char bytes[FILE_SECRET_SIZE], size_t *ret_len)
{
    size_t len = 0;
    const char *why = file_read(path, bytes, FILE_SECRET_SIZE, &len);

    len = without_newline(bytes, len);
    if (!why && len == 0)
        why = "the file is empty";
    if (!why && memchr(bytes, '\0', len))
        why = "the file holds a NUL byte";
    if (!why)
        *ret_len = len;
    return why;
}
