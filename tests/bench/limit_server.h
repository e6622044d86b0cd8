/* What the two limit programs have in common: one thread, epoll, a real WebSocket handshake, rooms. They do
 * nothing that a broker does beyond this, and so are the yardstick of what the kernel allows.
 *
 * A text frame `sROOM` joins a room; `pROOM<newline>BODY` sends BODY to its members, as one frame that is
 * built once. Only the last step differs: how one frame is written to all members (limit_write). */
#ifndef ROOMCAST_LIMIT_SERVER_H
#define ROOMCAST_LIMIT_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct limit_client {
    int fd;
    bool is_upgraded, is_waiting; /* waiting: for room in the socket */
    char *input, *output;         /* owned: what is incomplete, what could not be written yet */
    size_t input_len, output_len;
    struct limit_seat *seats; /* owned: its place in each room that it is in */
    size_t seats_count;
};

struct limit_seat {
    struct limit_room *room;
    size_t index; /* in the room's members */
};

/* `seat`: the index in client->seats. */
struct limit_member {
    struct limit_client *client;
    size_t seat;
};

struct limit_room {
    char name[64];
    struct limit_member *members; /* owned */
    size_t count, cap;
    char *frames; /* with --coalesce: what one turn of the loop has brought, from all its clients */
    size_t frames_len, frames_cap;
    struct limit_room *next;
};

/* The program's own: writes `len` bytes to every member of `room`, and gives what a socket does not take to
 * limit_keep. */
void limit_write(struct limit_room *room, const char *bytes, size_t len);

/* Keeps bytes until the socket takes them. */
void limit_keep(struct limit_client *client, const char *bytes, size_t len);

/* Parses `--listen PORT` and `--coalesce`, serves until SIGTERM; the exit status. */
int limit_serve(int argc, char **argv);

#endif
