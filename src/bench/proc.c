#include "proc.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum err proc_set_parse(const char *text, struct proc_set *ret_set)
{
    struct proc_set set = {.count = 0};

    while (*text) {
        char *end;
        long pid = strtol(text, &end, 10);
        if (end == text || (*end != '\0' && *end != ',') || pid <= 0 || pid > INT32_MAX)
            return ERR_SYNTAX;
        if (set.count == PROC_MAX)
            return ERR_RANGE;
        if (kill((pid_t)pid, 0))
            return ERR_MISSING;
        set.pids[set.count++] = (pid_t)pid;
        text = *end ? end + 1 : end;
    }
    *ret_set = set;
    return ERR_OK;
}

static uint64_t thread_ns(pid_t pid, const char *thread)
{
    char path[320];
    uint64_t ns = 0;

    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)pid, thread);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%" SCNu64, &ns) != 1)
        ns = 0;
    fclose(file);
    return ns;
}

static uint64_t process_ns(pid_t pid)
{
    char path[64];
    uint64_t ns = 0;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *directory = opendir(path);
    if (!directory)
        return 0;
    for (struct dirent *entry; (entry = readdir(directory));)
        if (entry->d_name[0] != '.')
            ns += thread_ns(pid, entry->d_name);
    closedir(directory);
    return ns;
}

uint64_t proc_cpu_ns(const struct proc_set *set)
{
    uint64_t ns = 0;
    for (size_t i = 0; i < set->count; i++)
        ns += process_ns(set->pids[i]);
    return ns;
}

/* What everybody may read, also of a process that hides its mappings (process.core_dumps): in pages, and what
 * is shared with others is not divided among them. */
static void add_statm(pid_t pid, struct proc_memory *memory)
{
    char path[64];
    unsigned long long resident, shared;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    if (fscanf(file, "%*u %llu %llu", &resident, &shared) == 2 && resident >= shared) {
        memory->rss += resident * page;
        memory->pss += resident * page;
        memory->anonymous += (resident - shared) * page;
    }
    fclose(file);
}

static void add_memory(pid_t pid, struct proc_memory *memory)
{
    const struct {
        const char *name;
        uint64_t *sum;
    } rows[] = {{"Rss:", &memory->rss}, {"Pss:", &memory->pss}, {"Anonymous:", &memory->anonymous}};
    char path[64], line[256];

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file) {
        add_statm(pid, memory);
        return;
    }
    while (fgets(line, sizeof line, file))
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            if (strncmp(line, rows[i].name, strlen(rows[i].name)) == 0)
                *rows[i].sum += strtoull(line + strlen(rows[i].name), NULL, 10) * 1024;
    fclose(file);
}

struct proc_memory proc_memory(const struct proc_set *set)
{
    struct proc_memory memory = {0};
    for (size_t i = 0; i < set->count; i++)
        add_memory(set->pids[i], &memory);
    return memory;
}

uint64_t proc_own_user_ns(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_utime.tv_sec * 1000000000u + (uint64_t)usage.ru_utime.tv_usec * 1000u;
}

uint64_t proc_thread_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
