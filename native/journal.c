/* journal.c - see journal.h: the groups. Their files are those of journal_files.c. */

#include <stddef.h>
#include <stdint.h>

#include "meta.h"

#include "part.h"

#include "journal_inside.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    GROUP_HEAD = 48,
    FILE_HEAD = 24 + P104_NAME_LENGTH,
    SUM_AT = 40, /* in the group's head; behind all that it is of */
};

static const char MAGIC[8] = {'P', '1', '0', '4', 'j', 'r', 'n', '1'};

/* ---- numbers ---- */

static void put(uint8_t *at, uint64_t number)
{
    number = htole64(number);
    memcpy(at, &number, sizeof number);
}

static uint64_t get(const uint8_t *at)
{
    uint64_t number;
    memcpy(&number, at, sizeof number);
    return le64toh(number);
}

/* Of the group's head and its files' heads; the files' bytes have sums of their own. */
static uint64_t sum_of_heads(const uint8_t *group, uint64_t count)
{
    p104_sum sum;
    p104_sum_start(&sum);
    p104_sum_add(&sum, group, SUM_AT);
    p104_sum_add(&sum, group + GROUP_HEAD, (size_t)count * FILE_HEAD);
    return p104_sum_of(&sum);
}

/* ---- reading ---- */

/* Whether a whole group stands here, the next of its half. */
static int is_group(const uint8_t *at, uint64_t left, uint64_t epoch, uint64_t sequence)
{
    if (left < GROUP_HEAD || memcmp(at, MAGIC, sizeof MAGIC) != 0 || get(at + 8) != epoch || get(at + 16) != sequence)
        return 0;
    uint64_t length = get(at + 24);
    uint64_t count = get(at + 32);
    if (length > left || count > (left - GROUP_HEAD) / FILE_HEAD || get(at + SUM_AT) != sum_of_heads(at, count))
        return 0;
    uint64_t end = GROUP_HEAD + count * FILE_HEAD;
    for (uint64_t index = 0; index < count; index++) {
        const uint8_t *head = at + GROUP_HEAD + index * FILE_HEAD;
        uint64_t size = get(head);
        p104_sum sum;
        if (end > length || size > length - end)
            return 0;
        p104_sum_start(&sum);
        p104_sum_add(&sum, at + end, (size_t)size);
        if (p104_sum_of(&sum) != get(head + 8))
            return 0;
        end += size;
    }
    return end == length;
}

static int take_group(const uint8_t *at, p104_journal_take take, void *context)
{
    uint64_t count = get(at + 32);
    const uint8_t *bytes = at + GROUP_HEAD + count * FILE_HEAD;
    int failure = 0;
    for (uint64_t index = 0; failure == 0 && index < count; index++) {
        const uint8_t *head = at + GROUP_HEAD + index * FILE_HEAD;
        size_t size = (size_t)get(head);
        p104_part part = {.descriptor = -1, .copy = (uint8_t)get(head + 16)};
        memcpy(part.name, head + 24, P104_NAME_LENGTH);
        failure = take(context, &part, bytes, size);
        bytes += size;
    }
    return failure;
}

static int take_half(p104_journal_half *half, const uint8_t *bytes, uint64_t length, p104_journal_take take,
                     void *context)
{
    uint64_t epoch = length >= GROUP_HEAD ? get(bytes + 8) : 0;
    int failure = 0;
    half->used = half->sequence = 0;
    while (failure == 0 && half->used < length
           && is_group(bytes + half->used, length - half->used, epoch, half->sequence)) {
        half->epoch = epoch;
        failure = take_group(bytes + half->used, take, context);
        half->used += p104_journal_padded(get(bytes + half->used + 24));
        half->sequence++;
    }
    return failure;
}

/* The half that was written to last, by what stands at its beginning. */
static int later_half(uint8_t *const *bytes, const uint64_t *lengths)
{
    if (lengths[0] < GROUP_HEAD || lengths[1] < GROUP_HEAD)
        return lengths[0] < GROUP_HEAD;
    return get(bytes[1] + 8) > get(bytes[0] + 8);
}

int p104_journal_read(p104_journal *journal, p104_journal_take take, void *context)
{
    uint8_t *bytes[P104_JOURNAL_HALVES] = {NULL};
    uint64_t lengths[P104_JOURNAL_HALVES] = {0};
    int failure = 0;
    for (int half = 0; failure == 0 && half < P104_JOURNAL_HALVES; half++) {
        if (journal->halves[half].descriptor < 0)
            continue;
        bytes[half] = p104_journal_read_all(journal->halves[half].descriptor, &lengths[half]);
        failure = bytes[half] ? 0 : errno;
    }
    if (failure == 0)
        journal->current = later_half(bytes, lengths);
    for (int turn = 1; failure == 0 && turn >= 0; turn--) {
        int half = journal->current ^ turn;
        failure = take_half(&journal->halves[half], bytes[half], lengths[half], take, context);
    }
    free(bytes[0]);
    free(bytes[1]);
    return failure;
}

/* ---- forgetting ---- */

/* Take away the group that stands there, durably. */
static int blank(const p104_journal_half *half, uint64_t at)
{
    uint8_t *nothing = p104_journal_aligned(P104_JOURNAL_BLOCK);
    if (!nothing)
        return ENOMEM;
    memset(nothing, 0, P104_JOURNAL_BLOCK);
    int failure = p104_journal_write_at(half->descriptor, nothing, P104_JOURNAL_BLOCK, at);
    free(nothing);
    return failure ? failure : p104_sync(fdatasync, half->descriptor);
}

int p104_journal_clear_half(p104_journal *journal, int half)
{
    p104_journal_half *cleared = &journal->halves[half];
    int failure = cleared->epoch ? blank(cleared, 0) : 0;
    if (failure == 0)
        cleared->used = cleared->sequence = cleared->epoch = 0;
    return failure;
}

int p104_journal_clear(p104_journal *journal)
{
    int failure = p104_journal_clear_half(journal, !journal->current);
    return failure ? failure : p104_journal_clear_half(journal, journal->current);
}

/* ---- room ---- */

uint64_t p104_journal_need(uint64_t count, uint64_t size)
{
    return p104_journal_padded(GROUP_HEAD + count * FILE_HEAD + size);
}

uint64_t p104_journal_room(const p104_journal *journal)
{
    uint64_t left = journal->capacity - journal->halves[journal->current].used;
    return left < P104_JOURNAL_GROUP ? left : P104_JOURNAL_GROUP;
}

void p104_journal_turn(p104_journal *journal)
{
    journal->current = !journal->current;
}

/* ---- writing ---- */

void p104_journal_begin(p104_journal *journal, uint64_t count)
{
    journal->heads = 0;
    journal->filled = GROUP_HEAD + count * FILE_HEAD;
}

int p104_journal_add(p104_journal *journal, const p104_part *part)
{
    uint8_t *head = journal->group + GROUP_HEAD + journal->heads++ * FILE_HEAD;
    put(head, part->size);
    put(head + 8, p104_sum_of(&part->sum));
    put(head + 16, part->copy);
    memcpy(head + 24, part->name, P104_NAME_LENGTH);
    int failure = p104_part_read(part, journal->group + journal->filled);
    journal->filled += part->size;
    return failure;
}

int p104_journal_write(p104_journal *journal)
{
    p104_journal_half *half = &journal->halves[journal->current];
    uint64_t epoch = half->epoch ? half->epoch : journal->epoch + 1;
    uint8_t *group = journal->group;
    uint64_t length = p104_journal_padded(journal->filled);
    memcpy(group, MAGIC, sizeof MAGIC);
    put(group + 8, epoch);
    put(group + 16, half->sequence);
    put(group + 24, journal->filled);
    put(group + 32, journal->heads);
    put(group + SUM_AT, sum_of_heads(group, journal->heads));
    memset(group + journal->filled, 0, length - journal->filled);
    int failure = p104_journal_write_at(half->descriptor, group, length, half->used);
    if (failure == 0)
        failure = p104_sync(fdatasync, half->descriptor);
    if (failure) {
        blank(half, half->used); /* it may be whole all the same, and its files were refused */
        return failure;
    }
    half->epoch = journal->epoch = epoch;
    half->used += length;
    half->sequence++;
    return 0;
}
