/* The memory limit that a control group sets on this process (Linux, cgroup v2: "Memory Interface Files" in
 * the kernel's cgroup-v2 document).
 *
 * A group is limited by its own files and by those of the groups around it; the smallest limit counts, and
 * what counts against it is used by the whole group that has it.   Thread: any. */
#ifndef ROOMCAST_BASE_CGROUP_H
#define ROOMCAST_BASE_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#define CGROUP_PATH_SIZE 4096

struct cgroup_memory {
    uint64_t limit_bytes;         /* memory.max, or memory.high when that is lower */
    char group[CGROUP_PATH_SIZE]; /* the directory of the group that has it */
};

/* Of this process. False: none is set, or it cannot be told. */
bool cgroup_memory_find(struct cgroup_memory *ret_memory);
/* Likewise, of the group `membership` (the text of /proc/<pid>/cgroup) below `root`, the directory where the
 * tree is mounted. */
bool cgroup_memory_find_in(const char *root, const char *membership, struct cgroup_memory *ret_memory);
/* What the group uses and the kernel cannot take back at will: file cache and reclaimable slabs are left
 * out. 0 when it cannot be told. */
uint64_t cgroup_memory_used(const struct cgroup_memory *memory);

#endif
