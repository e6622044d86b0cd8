/* The yardstick: one send() per delivery. */
#include <sys/socket.h>

#include "limit_server.h"

void limit_write(struct limit_room *room, const char *bytes, size_t len)
{
    for (size_t i = 0; i < room->count; i++) {
        struct limit_client *client = room->members[i].client;
        ssize_t sent = 0;
        if (!client->is_waiting)
            sent = send(client->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < (ssize_t)len)
            limit_keep(client, bytes + (sent > 0 ? sent : 0), len - (size_t)(sent > 0 ? sent : 0));
    }
}

int main(int argc, char **argv)
{
    return limit_serve(argc, argv);
}
