#include "limit_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES (1u << 20)
#define EVENTS       512
#define BUCKETS      65536
#define DIRTY_MAX    1024
#define GUID         "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static int epoll_fd;
static bool is_coalescing;
static char *buffer, *frame;
static struct limit_room *buckets[BUCKETS];
static struct limit_room *dirty[DIRTY_MAX]; /* with frames that are not written yet */
static size_t dirty_count;

static void watch(struct limit_client *client, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = client};
    epoll_ctl(epoll_fd, operation, client->fd, &event);
}

void limit_keep(struct limit_client *client, const char *bytes, size_t len)
{
    client->output = realloc(client->output, client->output_len + len);
    memcpy(client->output + client->output_len, bytes, len);
    client->output_len += len;
    if (!client->is_waiting)
        watch(client, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    client->is_waiting = true;
}

static void write_kept(struct limit_client *client)
{
    ssize_t sent = send(client->fd, client->output, client->output_len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0)
        return;
    client->output_len -= (size_t)sent;
    memmove(client->output, client->output + sent, client->output_len);
    if (client->output_len > 0)
        return;
    free(client->output);
    client->output = NULL;
    client->is_waiting = false;
    watch(client, EPOLL_CTL_MOD, EPOLLIN);
}

static struct limit_room **bucket_of(const char *name, size_t len)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    return &buckets[hash % BUCKETS];
}

static struct limit_room *find_room(const char *name, size_t len)
{
    struct limit_room **head = bucket_of(name, len);
    for (struct limit_room *room = *head; room; room = room->next)
        if (strncmp(room->name, name, len) == 0 && room->name[len] == '\0')
            return room;
    struct limit_room *room = calloc(1, sizeof *room);
    memcpy(room->name, name, len);
    room->next = *head;
    return *head = room;
}

static void add_member(struct limit_room *room, struct limit_client *client)
{
    if (room->count == room->cap) {
        room->cap = room->cap ? 2 * room->cap : 8;
        room->members = realloc(room->members, room->cap * sizeof *room->members);
    }
    client->seats = realloc(client->seats, (client->seats_count + 1) * sizeof *client->seats);
    client->seats[client->seats_count] = (struct limit_seat){room, room->count};
    room->members[room->count++] = (struct limit_member){client, client->seats_count++};
}

static void free_room(struct limit_room *room)
{
    struct limit_room **link = bucket_of(room->name, strlen(room->name));
    while (*link != room)
        link = &(*link)->next;
    *link = room->next;
    free(room->members);
    free(room->frames);
    free(room);
}

/* The last member moves into the hole. */
static void leave(const struct limit_seat *seat)
{
    struct limit_room *room = seat->room;
    struct limit_member moved = room->members[--room->count];

    room->members[seat->index] = moved;
    moved.client->seats[moved.seat].index = seat->index;
    if (room->count == 0)
        free_room(room);
}

static void coalesce(struct limit_room *room, size_t len)
{
    if (room->frames_len == 0)
        dirty[dirty_count++] = room;
    if (room->frames_len + len > room->frames_cap) {
        room->frames_cap = 2 * (room->frames_len + len);
        room->frames = realloc(room->frames, room->frames_cap);
    }
    memcpy(room->frames + room->frames_len, frame, len);
    room->frames_len += len;
}

static void flush(void)
{
    for (; dirty_count > 0; dirty_count--) {
        struct limit_room *room = dirty[dirty_count - 1];
        limit_write(room, room->frames, room->frames_len);
        room->frames_len = 0;
    }
}

static void publish(struct limit_room *room, const char *body, size_t len)
{
    size_t head = len < 126 ? 2 : 4;

    frame[0] = (char)0x81;
    frame[1] = (char)(head == 2 ? len : 126);
    if (head == 4) {
        frame[2] = (char)(len >> 8);
        frame[3] = (char)len;
    }
    memcpy(frame + head, body, len);
    if (!is_coalescing)
        limit_write(room, frame, head + len);
    else
        coalesce(room, head + len);
    if (dirty_count == DIRTY_MAX)
        flush();
}

static void take_text(struct limit_client *client, const char *text, size_t len)
{
    const char *end = memchr(text, '\n', len);
    size_t name_len = (end ? (size_t)(end - text) : len) - 1;

    if (len < 2 || name_len >= sizeof((struct limit_room *)0)->name)
        return;
    if (text[0] == 's')
        add_member(find_room(text + 1, name_len), client);
    else if (text[0] == 'p' && end)
        publish(find_room(text + 1, name_len), end + 1, len - name_len - 2);
}

/* Returns the bytes used up: 0 when the frame is not complete. */
static size_t take_frame(struct limit_client *client, char *bytes, size_t len)
{
    const unsigned char *head = (const unsigned char *)bytes;
    if (len < 6)
        return 0;
    size_t payload = head[1] & 0x7f, at = 2;
    if (payload == 126) {
        payload = (size_t)head[2] << 8 | head[3];
        at = 4;
    } else if (payload == 127) {
        return 0; /* never sent by the generator */
    }
    if (len < at + 4 + payload)
        return 0;
    char *mask = bytes + at, *text = bytes + at + 4;
    for (size_t i = 0; i < payload; i++)
        text[i] ^= mask[i % 4];
    if ((head[0] & 15) == 1)
        take_text(client, text, payload);
    return at + 4 + payload;
}

static size_t upgrade(struct limit_client *client, char *bytes, size_t len)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char accepted[64], answer[256];
    char *end = memmem(bytes, len, "\r\n\r\n", 4), *key = memmem(bytes, len, "Sec-WebSocket-Key: ", 19);
    unsigned digest_len = 0;

    if (!end || !key || end - key < 19 + 24)
        return 0;
    char text[24 + sizeof GUID];
    memcpy(text, key + 19, 24);
    memcpy(text + 24, GUID, sizeof GUID - 1);
    EVP_Digest(text, sizeof text - 1, digest, &digest_len, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)accepted, digest, (int)digest_len);
    int answer_len =
        snprintf(answer, sizeof answer,
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: %s\r\n\r\n",
                 accepted);
    client->is_upgraded = true;
    if (send(client->fd, answer, (size_t)answer_len, MSG_NOSIGNAL) != answer_len)
        return 0;
    return (size_t)(end - bytes) + 4;
}

/* Nothing of it is left, its room may go too: the next run has the descriptors of this one. */
static void hang_up(struct limit_client *client)
{
    flush();
    for (size_t i = 0; i < client->seats_count; i++)
        leave(&client->seats[i]);
    close(client->fd);
    free(client->seats);
    free(client->input);
    free(client->output);
    free(client);
}

static void read_client(struct limit_client *client)
{
    size_t len = client->input_len, used = 0, step;

    memcpy(buffer, client->input ? client->input : "", len);
    ssize_t got = recv(client->fd, buffer + len, BUFFER_BYTES - len, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            hang_up(client);
        return;
    }
    len += (size_t)got;
    if (!client->is_upgraded)
        used = upgrade(client, buffer, len);
    while (client->is_upgraded && (step = take_frame(client, buffer + used, len - used)) > 0)
        used += step;
    client->input_len = len - used;
    client->input = realloc(client->input, client->input_len ? client->input_len : 1);
    memcpy(client->input, buffer + used, client->input_len);
}

static void accept_all(int listener)
{
    int one = 1;
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        struct limit_client *client = calloc(1, sizeof *client);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        client->fd = fd;
        watch(client, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) {
        perror("limit: listen");
        return -1;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    return fd;
}

static void handle(int listener, const struct epoll_event *event)
{
    struct limit_client *client = event->data.ptr;

    if (!client)
        accept_all(listener);
    else if (event->events & (EPOLLERR | EPOLLHUP))
        hang_up(client);
    else if (event->events & EPOLLOUT)
        write_kept(client);
    else
        read_client(client);
}

int limit_serve(int argc, char **argv)
{
    struct rlimit files;
    struct epoll_event events[EVENTS];
    int port = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--coalesce") == 0)
            is_coalescing = true;
        else if (strcmp(argv[i], "--listen") == 0 && i + 1 < argc)
            port = atoi(argv[++i]);
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    buffer = malloc(BUFFER_BYTES);
    frame = malloc(BUFFER_BYTES);
    int listener = listen_on(port);
    if (listener < 0 || port == 0 || !buffer || !frame) {
        fprintf(stderr, "usage: %s --listen PORT [--coalesce]\n", argv[0]);
        return 2;
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++)
            handle(listener, &events[i]);
        flush();
    }
}
