/* All connections are lost at one moment, as by a redeployment, and come back as fast as they may, while
 * events are published all the time. With --command the server is made to end them; else they are cut here.
 */
#include <spawn.h>
#include <sys/wait.h>

#include "churn.h"
#include "progress.h"
#include "scenario.h"

extern char **environ;

static enum err start_command(const char *command, pid_t *ret_pid)
{
    char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)command, NULL};
    return posix_spawn(ret_pid, "/bin/sh", NULL, NULL, argv, environ) ? ERR_IO : ERR_OK;
}

/* Half of the time before, the avalanche, half of the time after. */
static enum err run(struct churn *churn, pid_t *ret_command)
{
    struct fanout *fanout = &churn->fanout;
    double half_s = fanout->options->duration_s / 2;
    enum err err = fanout_load(fanout, half_s, "before");

    if (err)
        return err;
    if (fanout->options->command) {
        err = start_command(fanout->options->command, ret_command);
        if (err)
            snprintf(fanout->problem, sizeof fanout->problem, "--command: /bin/sh cannot be started");
    } else {
        atomic_fetch_add(&churn->wave, 1);
    }
    return err ? err : fanout_load(fanout, half_s, "after");
}

enum err avalanche_run(const struct bench_options *options, struct report *report, bool *ret_lost,
                       char *problem)
{
    static struct churn churn = {0};
    struct fanout *fanout = &churn.fanout;
    struct fanout_begin begin;
    pid_t command = 0;
    enum err err = churn_open(&churn, options);

    if (!err) {
        fanout_begin(fanout, CROWD_MEASURED, &begin);
        err = run(&churn, &command);
    }
    if (!err) {
        uint32_t never_back = churn_wait_back(&churn);
        progress_end();
        bool is_lossy = fanout_report(fanout, &begin, report);
        *ret_lost = is_lossy || never_back > 0;
        churn_report(&churn, never_back, report);
    }
    if (command > 0)
        waitpid(command, NULL, 0);
    progress_end();
    snprintf(problem, BENCH_PROBLEM_SIZE, "%s", fanout->problem);
    churn_close(&churn);
    return err;
}
