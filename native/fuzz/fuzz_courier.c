/* Whatever a peer answers, what it is sent is each file once, in order and whole, in PDUs as short as asked; and as many
 * count as answered as its bytes begin with plain responses, scanned by themselves.
 *
 * Input: the peer's maximum length (2 bytes), how long each of three data sets is (1 byte each), and what the peer
 * sends. */

#include "fuzz.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pdata.h"

#include "link.h"

#include "command.h"

#include "courier.h"

enum { FIXED = 5, PARCELS = 3, LENGTH_UNIT = 7, LONGEST = 255 * LENGTH_UNIT, CONTEXT = 1, HEADER = 12, ROOM = 1 << 16 };

static const char INSTANCE[] = "1.2.3.4";
/* What stands for a command set: the courier passes it on as it is. */
static const uint8_t COMMAND[] = {4, 0, 0, 0, 0, 10, 0, 0, 0, 6, CONTEXT, 3, 'c', 'm', 'd', 's'};

static uint8_t content[LONGEST];
static int files[PARCELS];
static char paths[PARCELS][32];

static void make_files(void)
{
    for (size_t at = 0; at < sizeof content; at++)
        content[at] = (uint8_t)(at * 31 + at / 256);
    for (int index = 0; index < PARCELS; index++) {
        files[index] = memfd_create("file", MFD_CLOEXEC);
        HOLDS(files[index] >= 0);
        HOLDS(pwrite(files[index], content, sizeof content, 0) == (ssize_t)sizeof content);
        snprintf(paths[index], sizeof paths[index], "/proc/self/fd/%d", files[index]);
    }
}

static p104_parcel parcel_of(int index, size_t length)
{
    struct stat status;
    HOLDS(ftruncate(files[index], (off_t)sizeof content) == 0 && fstat(files[index], &status) == 0);
    return (p104_parcel){
        .path = paths[index],
        .size = status.st_size,
        .modified = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec,
        .data_set_at = (int64_t)(sizeof content - length),
        .command = COMMAND,
        .command_length = sizeof COMMAND,
        .sop_instance = (const uint8_t *)INSTANCE,
        .sop_instance_length = strlen(INSTANCE),
        .message_id = (uint16_t)(index + 1),
        .context_id = CONTEXT,
    };
}

static size_t big_32(const uint8_t *at)
{
    return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
}

/* The message of parcel stands at sent, of which length bytes came. Returns its length. */
static size_t check_message(const uint8_t *sent, size_t length, const p104_parcel *parcel, uint32_t maximum_length)
{
    size_t left = (size_t)(parcel->size - parcel->data_set_at);
    const uint8_t *expected = content + parcel->data_set_at;
    size_t at = sizeof COMMAND;
    int last;
    HOLDS(length >= at && memcmp(sent, COMMAND, at) == 0);
    do {
        HOLDS(length - at >= HEADER && sent[at] == 4 && sent[at + 1] == 0);
        size_t pdu = big_32(sent + at + 2);
        size_t fragment = pdu - 6;
        last = sent[at + 11] == 2;
        HOLDS(maximum_length == 0 || pdu <= maximum_length);
        HOLDS(big_32(sent + at + 6) == pdu - 4 && sent[at + 10] == CONTEXT && (last || sent[at + 11] == 0));
        HOLDS(fragment % 2 == 0 && length - at - HEADER >= fragment);
        size_t taken = fragment < left ? fragment : left;
        HOLDS(memcmp(sent + at + HEADER, expected, taken) == 0);
        HOLDS(fragment == taken || (last && fragment == taken + 1 && sent[at + HEADER + taken] == 0));
        expected += taken;
        left -= taken;
        at += HEADER + fragment;
    } while (!last);
    HOLDS(left == 0);
    return at;
}

/* How many plain responses the peer's bytes begin with. */
static size_t count_responses(const uint8_t *bytes, size_t length, const p104_parcel *parcels, uint16_t *statuses)
{
    p104_scanner scanner = {0};
    p104_scanner_establish(&scanner, 0);
    size_t count = 0;
    while (count < PARCELS) {
        p104_run run = {0};
        if (p104_scan(&scanner, bytes, length, &run) != P104_COMMAND || !run.ends || run.context_id != CONTEXT)
            break;
        if (!p104_read_store_response(bytes + run.offset, run.length, parcels[count].message_id,
                                      parcels[count].sop_instance, parcels[count].sop_instance_length,
                                      &statuses[count]))
            break;
        bytes += run.consumed;
        length -= run.consumed;
        count++;
    }
    return count;
}

static size_t receive_all(int socket, uint8_t *into)
{
    size_t length = 0;
    ssize_t got;
    while ((got = recv(socket, into + length, ROOM - length, MSG_DONTWAIT)) > 0)
        length += (size_t)got;
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t sent[ROOM];
    p104_parcel parcels[PARCELS];
    uint16_t statuses[PARCELS];
    int ends[2];
    int end = -1;
    if (size < FIXED || size > ROOM / 2)
        return 0;
    if (files[0] == 0)
        make_files();
    uint32_t maximum_length = (uint32_t)(data[0] | data[1] << 8);
    if (maximum_length != 0 && maximum_length < P104_SMALLEST_PDU)
        maximum_length = P104_SMALLEST_PDU;
    for (int index = 0; index < PARCELS; index++)
        parcels[index] = parcel_of(index, (size_t)data[2 + index] * LENGTH_UNIT);
    HOLDS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
    HOLDS(send(ends[0], data + FIXED, size - FIXED, 0) == (ssize_t)(size - FIXED) && shutdown(ends[0], SHUT_WR) == 0);
    p104_link *link = p104_link_new(ends[1], ends[1]);
    HOLDS(link);
    p104_link_establish(link, 0);

    p104_courier_terms terms = {maximum_length, 1, 1000, 60000};
    size_t begun = p104_courier(link, parcels, PARCELS, &terms, &end);
    size_t done = 0;
    while (done < begun && parcels[done].answered)
        done++;
    HOLDS(begun == done + (done < PARCELS));
    HOLDS(done == count_responses(data + FIXED, size - FIXED, parcels, statuses));
    HOLDS(end == (done == PARCELS ? P104_COURIER_DONE : P104_COURIER_RESPONSE));
    for (size_t index = 0; index < done; index++)
        HOLDS(parcels[index].status == statuses[index]);
    size_t length = receive_all(ends[0], sent);
    size_t at = 0;
    for (size_t index = 0; index < begun; index++)
        at += check_message(sent + at, length - at, &parcels[index], maximum_length);
    HOLDS(at == length);

    p104_link_free(link);
    close(ends[0]);
    close(ends[1]);
    return 0;
}
