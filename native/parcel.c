/* parcel.c - see parcel.h. */

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parcel.h"

enum {
    P_DATA_TF = 4,
    IS_LAST = 2, /* PS3.8 E.2 */
};

static void put_big_32(uint8_t *at, size_t number)
{
    for (int index = 0; index < 4; index++)
        at[index] = (uint8_t)(number >> (24 - 8 * index));
}

void p104_put_pdu_header(uint8_t *at, uint8_t context_id, size_t fragment, int last)
{
    at[0] = P_DATA_TF;
    at[1] = 0;
    put_big_32(at + 2, fragment + P104_PDV_OVERHEAD);
    put_big_32(at + 6, fragment + 2);
    at[10] = context_id;
    at[11] = (uint8_t)(last ? IS_LAST : 0);
}

int p104_read_whole(int file, uint8_t *into, size_t length, off_t from)
{
    while (length > 0) {
        ssize_t got = pread(file, into, length, from);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        into += got;
        length -= (size_t)got;
        from += got;
    }
    return 1;
}

size_t p104_parcel_length(const p104_parcel *parcel)
{
    return (size_t)(parcel->size - parcel->data_set_at);
}

size_t p104_message_length(const p104_parcel *parcel, size_t room)
{
    size_t data_set = p104_parcel_length(parcel);
    return parcel->command_length + data_set + 1 + (data_set / room + 1) * P104_FRAGMENT_HEADER;
}

uint8_t *p104_parcel_fill(uint8_t *at, size_t room, const p104_parcel *parcel, int file)
{
    size_t left = p104_parcel_length(parcel);
    off_t from = (off_t)parcel->data_set_at;
    memcpy(at, parcel->command, parcel->command_length);
    at += parcel->command_length;
    do {
        size_t fragment = left < room ? left : room;
        if (!p104_read_whole(file, at + P104_FRAGMENT_HEADER, fragment, from))
            return NULL;
        from += (off_t)fragment;
        left -= fragment;
        if (fragment % 2) /* only the last one is (PS3.8 E.1); a deflated data set may need it (PS3.5 A.5) */
            at[P104_FRAGMENT_HEADER + fragment++] = 0;
        p104_put_pdu_header(at, parcel->context_id, fragment, left == 0);
        at += P104_FRAGMENT_HEADER + fragment;
    } while (left > 0);
    return at;
}

static int is_the_same(int file, const p104_parcel *parcel)
{
    struct stat status;
    if (fstat(file, &status) < 0)
        return 0;
    int64_t modified = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    return S_ISREG(status.st_mode) && status.st_size == parcel->size && modified == parcel->modified;
}

int p104_parcel_open(const p104_parcel *parcel)
{
    if (parcel->size < parcel->data_set_at || parcel->command_length > P104_COMMAND_ROOM)
        return -1;
    int file = open(parcel->path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || is_the_same(file, parcel))
        return file;
    close(file);
    return -1;
}
