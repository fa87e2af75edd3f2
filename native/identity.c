/* identity.c - see identity.h. */

#include <stddef.h>
#include <stdint.h>

#include "meta.h"

#include "part.h"

#include "identity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    /* PS3.10 7.1: preamble and prefix, then (0002,0000) UL, whose 4 byte value ends at 144. */
    GROUP_LENGTH_AT = 140,
    GROUP_AT = 144,
    COMPARE_CHUNK = 128 * 1024,
};

/* Read exactly length bytes at offset; 1 when they were there, 0 when not, -1 with errno. */
static int read_exactly(int descriptor, uint8_t *bytes, size_t length, uint64_t offset)
{
    size_t done = 0;
    while (done < length) {
        ssize_t got = pread(descriptor, bytes + done, length - done, (off_t)(offset + done));
        if (got == 0)
            return 0;
        if (got > 0)
            done += (size_t)got;
        else if (errno != EINTR)
            return -1;
    }
    return 1;
}

static uint32_t group_length(const uint8_t *header)
{
    const uint8_t *value = header + GROUP_LENGTH_AT;
    return value[0] | (uint32_t)value[1] << 8 | (uint32_t)value[2] << 16 | (uint32_t)value[3] << 24;
}

/* Whether two files hold the same bytes from here and there on. 1, 0, or -1 with errno. */
static int same_bytes(int here, uint64_t here_at, int there, uint64_t there_at, uint64_t length)
{
    uint8_t *bytes = malloc(2 * COMPARE_CHUNK);
    if (!bytes)
        return -1;
    int same = 1;
    for (uint64_t done = 0; same == 1 && done < length;) {
        size_t chunk = length - done < COMPARE_CHUNK ? (size_t)(length - done) : COMPARE_CHUNK;
        same = read_exactly(here, bytes, chunk, here_at + done);
        if (same == 1)
            same = read_exactly(there, bytes + COMPARE_CHUNK, chunk, there_at + done);
        if (same == 1)
            same = memcmp(bytes, bytes + COMPARE_CHUNK, chunk) == 0;
        done += chunk;
    }
    free(bytes);
    return same;
}

int p104_same_instance(const p104_part *part, int ours, int stored)
{
    struct stat about;
    uint8_t header[1024];
    size_t identity = part->identity_end < sizeof header ? part->identity_end : sizeof header;
    if (fstat(stored, &about) < 0)
        return -1;
    int there = read_exactly(stored, header, identity, 0);
    if (there != 1)
        return there;
    if (memcmp(header + GROUP_AT, part->header + GROUP_AT, identity - GROUP_AT) != 0)
        return 0;
    uint64_t data_set_at = GROUP_AT + (uint64_t)group_length(header);
    uint64_t length = part->size - part->header_length;
    if ((uint64_t)about.st_size != data_set_at + length)
        return 0;
    return same_bytes(ours, part->header_length, stored, data_set_at, length);
}
