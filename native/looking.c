/* looking.c - see looking.h. */

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_meta.h"
#include "looking.h"

/* Holds the File Meta Information of most files. */
enum { FIRST_BYTES = 4096 };

static int is_whole(const p104_file_meta *meta, size_t seen)
{
    return meta->sop_class[0] && meta->sop_instance[0] && meta->transfer_syntax[0]
        && (size_t)meta->data_set_at + 2 <= seen; /* the group of the element behind it, too */
}

static int look_into(int file, p104_looked *found)
{
    uint8_t head[FIRST_BYTES];
    struct stat status;
    if (fstat(file, &status) < 0 || !S_ISREG(status.st_mode))
        return 0;
    found->size = status.st_size;
    found->modified = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    ssize_t seen = pread(file, head, sizeof head, 0);
    return seen > 0 && p104_read_file_meta(head, (size_t)seen, &found->meta) == 0
        && is_whole(&found->meta, (size_t)seen);
}

void p104_look(const char *paths, size_t count, p104_looked *found)
{
    for (size_t index = 0; index < count; index++) {
        /* Not blocking, as it may be a pipe that nobody writes to. */
        int file = open(paths, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        memset(&found[index], 0, sizeof found[index]);
        if (file >= 0) {
            found[index].plain = (uint8_t)look_into(file, &found[index]);
            close(file);
        }
        paths += strlen(paths) + 1;
    }
}
