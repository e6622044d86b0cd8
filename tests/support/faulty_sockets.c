#include "faulty_sockets.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "seeded.h"
#include "ws_uring.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct faulty_sockets how; /* under lock, as all here */
static uint64_t seed;
static bool is_on;
static pthread_t exempt;
static uint64_t met[FAULTY_CALLS];

void faulty_sockets_begin(uint64_t new_seed, const struct faulty_sockets *new_how)
{
    pthread_mutex_lock(&lock);
    seed = new_seed;
    how = *new_how;
    exempt = pthread_self();
    is_on = true;
    pthread_mutex_unlock(&lock);
}

void faulty_sockets_end(void)
{
    pthread_mutex_lock(&lock);
    is_on = false;
    pthread_mutex_unlock(&lock);
}

uint64_t faulty_sockets_met(enum faulty_call call)
{
    pthread_mutex_lock(&lock);
    uint64_t faults = met[call];
    pthread_mutex_unlock(&lock);
    return faults;
}

/* The errors that a call may meet; those that end a connection come last. */
static const struct {
    int errors[8];
    unsigned count, breaking;
} rows[FAULTY_CALLS] = {
    [FAULTY_SEND] = {{EAGAIN, EAGAIN, EINTR, ENOBUFS, ECONNRESET, EPIPE}, 6, 2},
    /* Not ENOBUFS: that ends a connection of libwebsockets. */
    [FAULTY_LIBRARY_SEND] = {{EAGAIN, EAGAIN, EINTR, ECONNRESET, EPIPE}, 5, 2},
    [FAULTY_RECEIVE] = {{EAGAIN, EAGAIN, EINTR, ECONNRESET}, 4, 1},
    [FAULTY_ACCEPT] = {{EMFILE, ENFILE, ENOMEM, ECONNABORTED, EINTR, EAGAIN}, 6, 0},
    [FAULTY_URING] = {{EAGAIN, EAGAIN, EINTR, ENOBUFS, ECONNRESET, EPIPE}, 6, 2},
};

static int meet_locked(enum faulty_call call, size_t *len)
{
    if (!is_on || pthread_equal(pthread_self(), exempt))
        return 0;
    if (seeded_below(&seed, 1000) < how.per_thousand) {
        met[call]++;
        return rows[call]
            .errors[seeded_below(&seed, rows[call].count - (how.breaks ? 0 : rows[call].breaking))];
    }
    if (len && *len > 1 && seeded_below(&seed, 2) == 0) {
        met[call]++;
        *len = 1 + seeded_below(&seed, *len - 1);
    }
    return 0;
}

/* What a call meets: 0, or an error. `len`, unless NULL, is made shorter at times, and never 0. */
static int meet(enum faulty_call call, size_t *len)
{
    pthread_mutex_lock(&lock);
    int error = meet_locked(call, len);
    pthread_mutex_unlock(&lock);
    return error;
}

static int fail(int error)
{
    errno = error;
    return -1;
}

/* The next definition behind this one: the C library's, or that of a sanitizer. */
static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    return found;
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    ssize_t (*next)(int, const void *, size_t, int);
    *(void **)&next = real("send");
    int error = meet(flags & MSG_DONTWAIT ? FAULTY_SEND : FAULTY_LIBRARY_SEND, &len);
    return error ? fail(error) : next(fd, bytes, len, flags);
}

ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
    ssize_t (*next)(int, void *, size_t, int);
    *(void **)&next = real("recv");
    int error = meet(FAULTY_RECEIVE, &len);
    return error ? fail(error) : next(fd, bytes, len, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t (*next)(int, const struct msghdr *, int);
    *(void **)&next = real("sendmsg");
    int error = meet(FAULTY_LIBRARY_SEND, NULL);
    return error ? fail(error) : next(fd, message, flags);
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    int (*next)(int, struct sockaddr *, socklen_t *, int);
    *(void **)&next = real("accept4");
    int error = meet(FAULTY_ACCEPT, NULL);
    return error ? fail(error) : next(fd, address, len, flags);
}

bool __real_ws_uring_send(struct ws_uring *uring, struct ws_uring_send *sends, unsigned count);
bool __wrap_ws_uring_send(struct ws_uring *uring, struct ws_uring_send *sends, unsigned count);

/* Those that fail are not given to the kernel. */
bool __wrap_ws_uring_send(struct ws_uring *uring, struct ws_uring_send *sends, unsigned sends_count)
{
    struct ws_uring_send *given = calloc(sends_count, sizeof *given);
    unsigned *from = calloc(sends_count, sizeof *from), given_count = 0;
    if (!given || !from)
        abort();
    for (unsigned i = 0; i < sends_count; i++) {
        struct ws_uring_send send = sends[i];
        sends[i].result = -meet(FAULTY_URING, &send.len);
        if (sends[i].result != 0)
            continue;
        from[given_count] = i;
        given[given_count++] = send;
    }
    bool works = given_count == 0 || __real_ws_uring_send(uring, given, given_count);
    for (unsigned i = 0; i < given_count; i++)
        sends[from[i]].result = given[i].result;
    free(given);
    free(from);
    return works;
}
