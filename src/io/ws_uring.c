#include "ws_uring.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <liburing.h>

#define PROBLEM_SIZE 256

struct ws_uring {
    struct io_uring ring;
    unsigned entries;
    bool made; /* by the thread that sends */
};

/* The best first: with one submitter that also does the deferred work (Linux 6.1) the kernel takes no lock
 * and sends no interrupt. */
static int make_ring(unsigned entries, struct io_uring *ring)
{
    static const unsigned flag_sets[] = {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, 0};
    int failure = -EINVAL;
    for (size_t at = 0; at < sizeof flag_sets / sizeof flag_sets[0] && failure == -EINVAL; at++)
        failure = io_uring_queue_init(entries, ring, flag_sets[at]);
    return failure;
}

static bool knows_send(struct io_uring *ring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    bool knows = probe && io_uring_opcode_supported(probe, IORING_OP_SEND);
    io_uring_free_probe(probe);
    return knows;
}

/* The ring is made by the thread that sends, whose it is from then on; here one is tried, so that the reason
 * against it is known at the start. */
static int try_ring(unsigned entries)
{
    struct io_uring ring;
    int failure = make_ring(entries, &ring);
    if (failure != 0)
        return failure;
    bool knows = knows_send(&ring);
    io_uring_queue_exit(&ring);
    return knows ? 0 : -EOPNOTSUPP;
}

enum err ws_uring_new(unsigned entries, struct ws_uring **ret_uring, char *problem)
{
    int failure = try_ring(entries);
    if (failure != 0) {
        /* EPERM: forbidden by a container's seccomp profile or by kernel.io_uring_disabled. */
        snprintf(problem, PROBLEM_SIZE, "%s", strerror(-failure));
        return ERR_IO;
    }
    struct ws_uring *uring = calloc(1, sizeof *uring);
    if (!uring) {
        snprintf(problem, PROBLEM_SIZE, "out of memory");
        return ERR_NO_MEMORY;
    }
    uring->entries = entries;
    *ret_uring = uring;
    return ERR_OK;
}

static void prepare(struct ws_uring *uring, struct ws_uring_send *send)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
    assert(sqe); /* the queue holds `entries`, and is empty between the calls */
    /* MSG_DONTWAIT: otherwise a full socket would keep the request, and our bytes, until it has room. */
    io_uring_prep_send(sqe, send->fd, send->bytes, send->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    io_uring_sqe_set_data(sqe, send);
}

static unsigned collect(struct ws_uring *uring)
{
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    io_uring_for_each_cqe(&uring->ring, head, cqe)
    {
        struct ws_uring_send *send = io_uring_cqe_get_data(cqe);
        send->result = cqe->res;
        count++;
    }
    io_uring_cq_advance(&uring->ring, count);
    return count;
}

bool ws_uring_send(struct ws_uring *uring, struct ws_uring_send *sends, unsigned count)
{
    assert(count <= uring->entries);
    if (!uring->made)
        uring->made = make_ring(uring->entries, &uring->ring) == 0;
    for (unsigned i = 0; i < count; i++)
        sends[i].result = -EAGAIN;
    if (!uring->made)
        return false;
    for (unsigned i = 0; i < count; i++)
        prepare(uring, &sends[i]);
    unsigned submitted = 0, done = 0;
    while (done < count) {
        int result = io_uring_submit_and_wait(&uring->ring, count - done);
        if (result > 0)
            submitted += (unsigned)result;
        done += collect(uring);
        /* What was submitted has been tried, and told. What was not stays in the queue and would leave with
         * stale bytes later: that ring is not used again. */
        if (result < 0 && result != -EINTR && done == submitted)
            return false;
    }
    return true;
}

void ws_uring_free(struct ws_uring **uring)
{
    if (!*uring)
        return;
    if ((*uring)->made)
        io_uring_queue_exit(&(*uring)->ring);
    free(*uring);
    *uring = NULL;
}
