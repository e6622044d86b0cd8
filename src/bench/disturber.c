#include "disturber.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fanout.h"

#define STEP_S         0.05 /* how often it looks whether it shall end */
#define DISTURBER_NICE 19

struct work {
    const struct bench_options *options;
    struct target target;
    struct layout layout;
    struct crowd stalled;
    struct fanout hot;
    struct bench_options hot_options;
};

static void ignore(struct crowd_loop *loop, uint32_t client, struct slice text, uint64_t now_ns)
{
    (void)loop;
    (void)client;
    (void)text;
    (void)now_ns;
}

static enum err open_stalled(struct work *work, uint32_t run, char *problem)
{
    uint32_t count = (uint32_t)work->options->stalled;
    const struct crowd_options how = {
        .target = &work->target,
        .layout = &work->layout,
        .loops = 1,
        .opening = 64,
        .stalls = true,
        .on_text = ignore,
    };

    if (count == 0)
        return ERR_OK;
    work->layout = (struct layout){1, count, count, run};
    enum err err = target_init(&work->target, &work->options->target, problem);
    if (!err)
        err = target_make_tokens(&work->target, &work->layout, count, problem);
    if (!err)
        err = crowd_init(&work->stalled, &how);
    return err ? err : crowd_open_all(&work->stalled, problem);
}

static enum err open_hot(struct work *work)
{
    work->hot_options = *work->options;
    work->hot_options.rooms = 1;
    work->hot_options.members = work->hot_options.connections = work->options->hot;
    work->hot_options.in_flight = work->options->hot_in_flight;
    work->hot_options.until = UNTIL_ALL;
    work->hot_options.threads = 1;
    return work->options->hot > 0 ? fanout_open(&work->hot, &work->hot_options, true) : ERR_OK;
}

static void load_until_told(struct work *work, int from)
{
    struct pollfd ending = {.fd = from, .events = POLLIN};

    while (poll(&ending, 1, work->options->hot > 0 ? 0 : -1) == 0)
        if (fanout_load(&work->hot, STEP_S, "hot"))
            return;
}

static _Noreturn void child(const struct bench_options *options, int from, int to)
{
    struct work *work = calloc(1, sizeof *work);
    char problem[256] = "out of memory";
    uint32_t run;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* Receiving what it asked for must not take the processors from the process that measures the others:
     * what is sought is how the server shares itself out. */
    if (setpriority(PRIO_PROCESS, 0, DISTURBER_NICE) != 0)
        _exit(2);
    if (read(from, &run, sizeof run) != sizeof run)
        _exit(0);
    enum err err = work ? ERR_OK : ERR_NO_MEMORY;
    if (!err) {
        work->options = options;
        err = open_stalled(work, run, problem);
    }
    if (!err) {
        err = open_hot(work);
        if (err)
            snprintf(problem, sizeof problem, "%s", work->hot.problem);
    }
    if (err) {
        fprintf(stderr, "roomcast-bench: the disturbing neighbours: %s\n", problem);
        _exit(2);
    }
    if (write(to, "r", 1) == 1)
        load_until_told(work, from);
    _exit(0); /* the kernel closes what is open */
}

enum err disturber_start(struct disturber *disturber, const struct bench_options *options)
{
    int to[2], from[2];

    disturber->pid = -1;
    if (pipe(to))
        return ERR_IO;
    if (pipe(from)) {
        close(to[0]);
        close(to[1]);
        return ERR_IO;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(to[1]);
        close(from[0]);
        child(options, to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    *disturber = (struct disturber){pid, to[1], from[0]};
    return pid > 0 ? ERR_OK : ERR_IO;
}

enum err disturber_go(struct disturber *disturber, uint32_t run)
{
    char answer;

    if (write(disturber->to, &run, sizeof run) != sizeof run || read(disturber->from, &answer, 1) != 1)
        return ERR_UNAVAILABLE;
    return ERR_OK;
}

void disturber_stop(struct disturber *disturber)
{
    if (disturber->pid < 0)
        return;
    close(disturber->to);
    close(disturber->from);
    waitpid(disturber->pid, NULL, 0);
    disturber->pid = -1;
}
