/* Files that are looked at in one call: each told by itself, whatever stands beside it. */

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "file_meta.h"
#include "looking.h"

#include "check.h"

#define HEAD "DICM\2\0\2\0UI\2\0" "1\0" "\2\0\3\0UI\2\0" "2\0" "\2\0\x10\0UI\2\0" "3\0"

static void write_file(const char *name, const char *content, size_t length, size_t size)
{
    int file = open(name, O_WRONLY | O_CREAT, 0600);
    CHECK(file >= 0 && pwrite(file, content, length, 128) == (ssize_t)length && ftruncate(file, (off_t)size) == 0);
    close(file);
}

static void test_each_is_told(void)
{
    static const char paths[] = "whole\0nowhere\0folder\0pipe\0empty\0ends\0text\0nameless\0whole";
    enum { COUNT = 9 };
    p104_looked found[COUNT];
    write_file("whole", HEAD "\x08\0", sizeof HEAD + 1, 10000);
    CHECK(mkdir("folder", 0700) == 0 && mkfifo("pipe", 0600) == 0);
    write_file("empty", "", 0, 0);
    write_file("ends", HEAD, sizeof HEAD - 1, 128 + sizeof HEAD - 1); /* whether more of group 0002 follows is not seen */
    write_file("text", "no", 2, 10000);
    write_file("nameless", "DICM\x08\0", 6, 10000);
    memset(found, 0xff, sizeof found);
    int lowest = open("whole", O_RDONLY);
    close(lowest);
    p104_look(paths, COUNT, found);
    for (int index = 0; index < COUNT; index++)
        CHECK(found[index].plain == (index == 0 || index == COUNT - 1));
    CHECK(found[0].size == 10000 && found[0].meta.data_set_at == 128 + sizeof HEAD - 1);
    CHECK(memcmp(found[0].meta.sop_instance, "\1" "2", 2) == 0);
    CHECK(memcmp(&found[0], &found[COUNT - 1], sizeof *found) == 0);
    struct stat status;
    CHECK(stat("whole", &status) == 0);
    CHECK(found[0].modified == (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec);
    CHECK(open("whole", O_RDONLY) == lowest); /* none was left open */
}

int main(void)
{
    char folder[] = "/tmp/port104-looking-XXXXXX";
    CHECK(mkdtemp(folder) && chdir(folder) == 0);
    test_each_is_told();
    CHECK(chdir("/") == 0);
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}
