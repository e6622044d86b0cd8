#include "nats_process.h"

#include <stdarg.h>
#include <stddef.h>

#include <setjmp.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <roomcast/base/clock.h>

#define START_MS 10000

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static uint16_t take_port(void)
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

/* A NATS server speaks first: INFO {...}. */
static bool answers(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    struct timeval limit = {.tv_sec = 2};
    char text[5] = "";
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    bool good = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                recv(fd, text, sizeof text, MSG_WAITALL) == (ssize_t)sizeof text &&
                memcmp(text, "INFO ", 5) == 0;
    close(fd);
    return good;
}

static void run_server(const struct nats_process *nats)
{
    const char *binary = getenv("ROOMCAST_NATS_SERVER");
    char port[8], log[96];

    if (!binary || !*binary)
        binary = "nats-server";
    snprintf(port, sizeof port, "%u", nats->port);
    snprintf(log, sizeof log, "%s/log", nats->directory);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execlp(binary, binary, "-a", "127.0.0.1", "-p", port, "-l", log, "-js", "-sd", nats->directory,
           nats->user ? "--user" : (char *)NULL, nats->user, "--pass", nats->password, (char *)NULL);
    _exit(127);
}

void nats_process_init(struct nats_process *nats)
{
    *nats = (struct nats_process){.port = take_port()};
    strcpy(nats->directory, "/tmp/roomcast-nats-XXXXXX");
    assert_non_null(mkdtemp(nats->directory));
}

void nats_process_start(struct nats_process *nats)
{
    uint64_t deadline = clock_monotonic_ms() + START_MS;

    assert_int_equal(nats->pid, 0);
    nats->pid = fork();
    assert_true(nats->pid >= 0);
    if (nats->pid == 0)
        run_server(nats);
    while (!answers(nats->port)) {
        if (clock_monotonic_ms() > deadline || waitpid(nats->pid, NULL, WNOHANG) != 0)
            fail_msg("nats-server does not start");
        poll(NULL, 0, 5);
    }
}

void nats_process_stop(struct nats_process *nats)
{
    assert_true(nats->pid > 0);
    kill(nats->pid, SIGKILL);
    assert_int_equal(waitpid(nats->pid, NULL, 0), nats->pid);
    nats->pid = 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

void nats_process_fini(struct nats_process *nats)
{
    if (nats->pid > 0)
        nats_process_stop(nats);
    nftw(nats->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void nats_process_freeze(struct nats_process *nats)
{
    int status;

    assert_int_equal(kill(nats->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(nats->pid, &status, WUNTRACED), nats->pid);
    assert_true(WIFSTOPPED(status));
}

void nats_process_thaw(struct nats_process *nats)
{
    assert_int_equal(kill(nats->pid, SIGCONT), 0);
}

unsigned nats_process_count_log(const struct nats_process *nats, const char *text)
{
    char path[96], line[1024];
    unsigned count = 0;

    snprintf(path, sizeof path, "%s/log", nats->directory);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (strstr(line, text))
            count++;
    if (file)
        fclose(file);
    return count;
}

void nats_process_wait_log(const struct nats_process *nats, const char *text, unsigned times)
{
    uint64_t deadline = clock_monotonic_ms() + START_MS;

    while (nats_process_count_log(nats, text) < times) {
        if (clock_monotonic_ms() > deadline)
            fail_msg("nats-server does not log \"%s\" %u times", text, times);
        poll(NULL, 0, 20);
    }
}

void nats_process_url(const struct nats_process *nats, const char *scheme, char url[128])
{
    snprintf(url, 128, "%s://%s%s%s%s127.0.0.1:%u", scheme, nats->user ? nats->user : "",
             nats->user ? ":" : "", nats->user ? nats->password : "", nats->user ? "@" : "", nats->port);
}
