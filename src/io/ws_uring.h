/* Many sends in one system call, by io_uring (Linux 5.6 and later; best from 6.1 on). One per server.
 *
 * Thread: the one that sends first; it may be made and freed on another. The ring refuses any other thread.
 */
#ifndef ROOMCAST_SRC_IO_WS_URING_H
#define ROOMCAST_SRC_IO_WS_URING_H

#include <stdbool.h>
#include <stddef.h>

#include <roomcast/base/err.h>

struct ws_uring;

struct ws_uring_send {
    int fd;
    const void *bytes; /* borrowed for the call */
    size_t len;
    int result; /* out: bytes sent, or -errno; -EAGAIN: the socket takes nothing now, or it was not tried */
};

/* ERR_IO with `problem` (256 bytes): why the kernel does not let us. `entries`: the most sends at once. */
enum err ws_uring_new(unsigned entries, struct ws_uring **ret_uring, char *problem) MUST_CHECK;
/* Tries each once, without waiting for a socket. False: the ring is broken and of no more use; the results
 * are right all the same. */
bool ws_uring_send(struct ws_uring *uring, struct ws_uring_send *sends, unsigned count);
/* Accepts NULL, nulls. */
void ws_uring_free(struct ws_uring **uring);

#endif
