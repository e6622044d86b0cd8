#include "signals.h"

#include <pthread.h>
#include <signal.h>

static void fill(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
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
    /* The default action of both is to end the process. */
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return number;
}
