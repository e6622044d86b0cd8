/* One client of a crowd: from connect to the frames. Called by the loop that it belongs to. */
#ifndef ROOMCAST_BENCH_CROWD_CLIENT_H
#define ROOMCAST_BENCH_CROWD_CLIENT_H

#include "crowd.h"

#define CROWD_OUTPUT_MAX (16u * 1024 * 1024)

/* CLOSED -> CONNECTING; counts as failed when that is not possible. */
void client_open(struct crowd_loop *loop, uint32_t index);
/* What epoll says of it: `events`. `room`: bytes of the loop's buffer. */
void client_handle(struct crowd_loop *loop, uint32_t index, uint32_t events, size_t room);
/* Any state -> CLOSED, without a word. */
void client_close(struct crowd_loop *loop, uint32_t index);

#endif
