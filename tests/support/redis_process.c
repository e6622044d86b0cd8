#include "redis_process.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/clock.h>

#define START_MS 10000

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

uint16_t free_port(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void append_word(struct buffer *out, const char *word)
{
    buffer_appendf(out, "$%zu\r\n%s\r\n", strlen(word), word);
}

/* Sends the command and QUIT and reads to the end. NULL when nobody answers. */
static char *exchange(uint16_t port, struct buffer *command)
{
    struct sockaddr_in address = loopback(port);
    struct timeval limit = {.tv_sec = 5};
    struct buffer reply;
    char chunk[16384];
    ssize_t got;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    buffer_init(&reply, SIZE_MAX / 2);
    buffer_append_text(command, "*1\r\n$4\r\nQUIT\r\n");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        send(fd, command->data, command->len, MSG_NOSIGNAL) == (ssize_t)command->len)
        while ((got = recv(fd, chunk, sizeof chunk, 0)) > 0)
            buffer_append(&reply, chunk, (size_t)got);
    close(fd);
    if (reply.len < 5) {
        buffer_fini(&reply);
        return NULL;
    }
    reply.len -= 5; /* QUIT's +OK\r\n */
    return buffer_take(&reply);
}

static char *ask(const struct redis_process *redis, va_list words)
{
    struct buffer command, list;
    const char *word;
    unsigned count = 0;

    buffer_init(&command, SIZE_MAX / 2);
    buffer_init(&list, SIZE_MAX / 2);
    while ((word = va_arg(words, const char *)) != NULL) {
        append_word(&list, word);
        count++;
    }
    if (redis->password) {
        buffer_append_text(&command, "*2\r\n$4\r\nAUTH\r\n");
        append_word(&command, redis->password);
    }
    buffer_appendf(&command, "*%u\r\n", count);
    buffer_append_slice(&command, buffer_slice(&list));
    char *reply = exchange(redis->port, &command);
    if (reply && redis->password && strncmp(reply, "+OK\r\n", 5) == 0)
        memmove(reply, reply + 5, strlen(reply + 5) + 1);
    buffer_fini(&list);
    buffer_fini(&command);
    return reply;
}

char *redis_ask(const struct redis_process *redis, ...)
{
    va_list words;

    va_start(words, redis);
    char *reply = ask(redis, words);
    va_end(words);
    assert_non_null(reply);
    return reply;
}

long long redis_ask_number(const struct redis_process *redis, ...)
{
    va_list words;

    va_start(words, redis);
    char *reply = ask(redis, words);
    va_end(words);
    assert_non_null(reply);
    if (reply[0] != ':')
        fail_msg("Redis answered %s", reply);
    long long number = strtoll(reply + 1, NULL, 10);
    free(reply);
    return number;
}

static bool answers(const struct redis_process *redis, ...)
{
    va_list words;

    va_start(words, redis);
    char *reply = ask(redis, words);
    va_end(words);
    bool good = reply && strcmp(reply, "+PONG\r\n") == 0;
    free(reply);
    return good;
}

static void run(struct redis_process *redis)
{
    char port[8];

    snprintf(port, sizeof port, "%u", redis->port);
    redis->pid = fork();
    assert_true(redis->pid >= 0);
    if (redis->pid > 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
           "--appendonly", "no", "--dir", redis->directory, "--logfile", "redis.log",
           redis->password ? "--requirepass" : (char *)NULL, redis->password, (char *)NULL);
    _exit(127);
}

void redis_process_restart(struct redis_process *redis)
{
    uint64_t deadline = clock_monotonic_ms() + START_MS;
    struct timespec pause = {.tv_nsec = 5000000};

    assert_int_equal(redis->pid, 0);
    run(redis);
    while (!answers(redis, "PING", (char *)NULL)) {
        if (clock_monotonic_ms() > deadline || waitpid(redis->pid, NULL, WNOHANG) != 0)
            fail_msg("redis-server does not start");
        nanosleep(&pause, NULL);
    }
}

void redis_process_start(struct redis_process *redis, const char *password)
{
    *redis = (struct redis_process){.port = free_port(), .password = password};
    strcpy(redis->directory, "/tmp/roomcast-redis-XXXXXX");
    assert_non_null(mkdtemp(redis->directory));
    snprintf(redis->url, sizeof redis->url, "redis://%s%s%s127.0.0.1:%u/0", password ? ":" : "",
             password ? password : "", password ? "@" : "", redis->port);
    redis_process_restart(redis);
}

void redis_process_stop(struct redis_process *redis)
{
    assert_true(redis->pid > 0);
    kill(redis->pid, SIGKILL);
    assert_int_equal(waitpid(redis->pid, NULL, 0), redis->pid);
    redis->pid = 0;
}

void redis_process_fini(struct redis_process *redis)
{
    char path[96];

    if (redis->pid > 0)
        redis_process_stop(redis);
    snprintf(path, sizeof path, "%s/redis.log", redis->directory);
    unlink(path);
    rmdir(redis->directory);
}

void redis_process_freeze(struct redis_process *redis)
{
    int status;

    assert_int_equal(kill(redis->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(redis->pid, &status, WUNTRACED), redis->pid);
    assert_true(WIFSTOPPED(status));
}

void redis_process_thaw(struct redis_process *redis)
{
    assert_int_equal(kill(redis->pid, SIGCONT), 0);
}
