#include <roomcast/base/cgroup.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MOUNTED_AT "/sys/fs/cgroup"
#define FILE_SIZE  8192 /* memory.stat has some 60 short lines */

/* The text of group/name, with NUL. False: it is not there, or too long to be what it should be. */
static bool read_text(const char *group, const char *name, char text[FILE_SIZE])
{
    char path[CGROUP_PATH_SIZE + 64];
    int len = snprintf(path, sizeof path, "%s/%s", group, name);
    if (len < 0 || (size_t)len >= sizeof path)
        return false;
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t got = fread(text, 1, FILE_SIZE - 1, file);
    bool good = !ferror(file) && got < FILE_SIZE - 1;
    fclose(file);
    text[got] = '\0';
    return good;
}

/* "max" is no number. */
static bool read_number(const char *group, const char *name, uint64_t *ret_value)
{
    char text[FILE_SIZE];
    return read_text(group, name, text) && sscanf(text, "%" SCNu64, ret_value) == 1;
}

static void note_limit(const char *group, const char *name, struct cgroup_memory *found)
{
    uint64_t limit;
    if (!read_number(group, name, &limit) || limit == 0 ||
        (found->limit_bytes > 0 && limit >= found->limit_bytes))
        return;
    found->limit_bytes = limit;
    snprintf(found->group, sizeof found->group, "%s", group);
}

/* The line of the one hierarchy of version 2 begins with "0::". */
static bool read_own_group(const char *root, const char *membership, char group[CGROUP_PATH_SIZE])
{
    const char *line = strncmp(membership, "0::/", 4) == 0 ? membership : strstr(membership, "\n0::/");
    if (!line)
        return false;
    const char *path = strchr(line, '/');
    int path_len = (int)strcspn(path, "\n");
    if (strncmp(path, "/..", 3) == 0) /* outside of what this process sees of the tree */
        path_len = 0;
    int len = snprintf(group, CGROUP_PATH_SIZE, "%s%.*s", root, path_len, path);
    return len > 0 && len < CGROUP_PATH_SIZE;
}

bool cgroup_memory_find_in(const char *root, const char *membership, struct cgroup_memory *ret_memory)
{
    struct cgroup_memory found = {.limit_bytes = 0};
    char group[CGROUP_PATH_SIZE];
    if (!read_own_group(root, membership, group))
        return false;
    while (strlen(group) >= strlen(root)) {
        note_limit(group, "memory.max", &found);
        note_limit(group, "memory.high", &found);
        *strrchr(group, '/') = '\0';
    }
    if (found.limit_bytes == 0)
        return false;
    *ret_memory = found;
    return true;
}

bool cgroup_memory_find(struct cgroup_memory *ret_memory)
{
    char membership[FILE_SIZE];
    return read_text("/proc/self", "cgroup", membership) &&
           cgroup_memory_find_in(MOUNTED_AT, membership, ret_memory);
}

/* Of a file of "name value" lines; 0: it has none of that name. */
static uint64_t value_of(const char *text, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        uint64_t value;
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && line[len] == ' ')
            return sscanf(line + len, "%" SCNu64, &value) == 1 ? value : 0;
    }
    return 0;
}

uint64_t cgroup_memory_used(const struct cgroup_memory *memory)
{
    char stat[FILE_SIZE];
    uint64_t current;
    if (!read_number(memory->group, "memory.current", &current))
        return 0;
    if (!read_text(memory->group, "memory.stat", stat))
        return current;
    uint64_t reclaimable =
        value_of(stat, "inactive_file") + value_of(stat, "active_file") + value_of(stat, "slab_reclaimable");
    return current > reclaimable ? current - reclaimable : 0;
}
