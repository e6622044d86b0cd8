/* The live line on a terminal: standard error, only when that is one, a few times a second. */
#ifndef ROOMCAST_BENCH_PROGRESS_H
#define ROOMCAST_BENCH_PROGRESS_H

#include "crowd.h"

void progress_show(const char *phase, const struct crowd *crowd, uint64_t now_ns);
/* Wipes the line. */
void progress_end(void);

#endif
