#include "signals.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

static void fill(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

void signals_block(void)
{
    sigset_t set;
    fill(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int signals_wait(void)
{
    sigset_t set;
    int number;
    fill(&set);
    while (sigwait(&set, &number) != 0)
        ;
    signals_release();
    return number;
}

int signals_wait_ms(unsigned timeout_ms)
{
    sigset_t set;
    fill(&set);
    const struct timespec timeout = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000};
    int number = sigtimedwait(&set, NULL, &timeout);
    return number > 0 ? number : 0;
}

void signals_release(void)
{
    sigset_t set;
    fill(&set);
    sigdelset(&set, SIGHUP); /* who asks for new certificates does not mean to end anything */
    /* The default action of the others is to end the process. */
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
