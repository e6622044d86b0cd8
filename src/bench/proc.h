/* What the measured processes cost, as the kernel counts it: CPU time of all threads, memory by kind. */
#ifndef ROOMCAST_BENCH_PROC_H
#define ROOMCAST_BENCH_PROC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <roomcast/base/err.h>

#define PROC_MAX 16

struct proc_set {
    pid_t pids[PROC_MAX];
    size_t count;
};
struct proc_memory {
    uint64_t rss, pss, anonymous; /* bytes, of all processes of the set */
};

/* "123,456". ERR_SYNTAX; ERR_RANGE: more than PROC_MAX; ERR_MISSING: no such process. "" gives an empty set.
 */
enum err proc_set_parse(const char *text, struct proc_set *ret_set) MUST_CHECK;
/* Nanoseconds on a CPU since the processes began (/proc/PID/task/TID/schedstat: exact, not sampled). 0 for an
 * empty set. */
uint64_t proc_cpu_ns(const struct proc_set *set);
/* From /proc/PID/smaps_rollup, or as near as /proc/PID/statm comes; zeros where it cannot be read. */
struct proc_memory proc_memory(const struct proc_set *set);
/* Of this process. */
uint64_t proc_own_user_ns(void);
uint64_t proc_thread_cpu_ns(void);

#endif
