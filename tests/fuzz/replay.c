/* Feeds every file of the folders and files given to one fuzz target, each in a block of its exact size:
 * corpora run as ordinary tests, with any compiler. Fails when there is nothing to feed. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_MAX (16 * 1024 * 1024) /* bytes of one file */

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *all = malloc(INPUT_MAX);
    size_t len = 0;

    if (file && all)
        len = fread(all, 1, INPUT_MAX, file);
    if (!file || !all || ferror(file)) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    fclose(file);
    uint8_t *exact = malloc(len ? len : 1);
    if (!exact)
        exit(1);
    memcpy(exact, all, len);
    free(all);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return 1;
}

static int replay(const char *path)
{
    struct stat info;
    struct dirent *entry;
    int count = 0;

    if (stat(path, &info) == 0 && S_ISREG(info.st_mode))
        return replay_file(path);
    DIR *folder = opendir(path);
    if (!folder) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    while ((entry = readdir(folder))) {
        char child[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        count += replay(child);
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;

    for (int i = 1; i < argc; i++)
        count += replay(argv[i]);
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
