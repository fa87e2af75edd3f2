/* replay.c - a fuzz target without a fuzzer: runs it over files, and over every file of a folder. Without arguments,
 * over the target's corpus. */

#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

static int replayed;

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat about;
    if (!file || fstat(fileno(file), &about) < 0) {
        perror(path);
        exit(1);
    }
    /* As large as the input and no larger: a byte read behind it is seen. */
    size_t size = (size_t)about.st_size;
    uint8_t *bytes = malloc(size);
    HOLDS(fread(bytes, 1, size, file) == size);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    replayed++;
}

static void replay(const char *path)
{
    char below[1024];
    DIR *folder = opendir(path);
    if (!folder) {
        replay_file(path);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.')
            replay_file(below);
    }
    closedir(folder);
}

int main(int count, char **paths)
{
    for (int index = 1; index < count; index++)
        replay(paths[index]);
    if (count == 1)
        replay(CORPUS);
    printf("%s: %d inputs\n", paths[0], replayed);
    return replayed == 0;
}
