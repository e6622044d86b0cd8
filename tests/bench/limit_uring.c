/* The yardstick by io_uring: the sends of a room are submitted together, at most BATCH at a time. Exits with
 * 77 where the kernel refuses io_uring. */
#include <liburing.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "limit_server.h"

#define BATCH 1024

static struct io_uring ring;

static int init_ring(void)
{
    static const unsigned flags[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        IORING_SETUP_COOP_TASKRUN,
        0,
    };
    int status = -1;
    for (size_t i = 0; i < sizeof flags / sizeof flags[0] && status < 0; i++)
        status = io_uring_queue_init(BATCH, &ring, flags[i]);
    return status;
}

static void take_result(struct limit_client *client, const char *bytes, size_t len, int sent)
{
    size_t done = sent > 0 ? (size_t)sent : 0;
    if (done < len)
        limit_keep(client, bytes + done, len - done);
}

static void submit(const char *bytes, size_t len, unsigned count)
{
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0;

    while (seen < count) {
        unsigned taken = 0;
        io_uring_submit_and_wait(&ring, count - seen);
        io_uring_for_each_cqe(&ring, head, cqe)
        {
            take_result(io_uring_cqe_get_data(cqe), bytes, len, cqe->res);
            taken++;
        }
        io_uring_cq_advance(&ring, taken);
        seen += taken;
    }
}

void limit_write(struct limit_room *room, const char *bytes, size_t len)
{
    unsigned count = 0;

    for (size_t i = 0; i < room->count; i++) {
        struct limit_client *client = room->members[i].client;
        if (client->is_waiting) {
            limit_keep(client, bytes, len);
            continue;
        }
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
        io_uring_prep_send(sqe, client->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        io_uring_sqe_set_data(sqe, client);
        if (++count == BATCH) {
            submit(bytes, len, count);
            count = 0;
        }
    }
    if (count > 0)
        submit(bytes, len, count);
}

int main(int argc, char **argv)
{
    int status = init_ring();
    if (status < 0) {
        fprintf(stderr, "limit_uring: no io_uring here: %s\n", strerror(-status));
        return 77;
    }
    return limit_serve(argc, argv);
}
