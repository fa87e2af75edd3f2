/* sender.c - the load of the bench: a storage SCU too cheap to be the bottleneck.
 *
 *   sender HOST PORT CALLED ASSOCIATIONS SIZE INSTANCES WINDOW
 *
 * Opens ASSOCIATIONS associations, one process each, and sends INSTANCES instances of SIZE bytes over every one,
 * each under a SOP instance UID of its own that is patched into PDUs encoded beforehand. WINDOW
 * outstanding operations are proposed and used as far as granted. Every response is read and its latency kept.
 * Prints one JSON object: instances, failures, seconds, megabytes per second, and latency percentiles in
 * microseconds. Sends with TCP_NODELAY, in PDUs of the acceptor's maximum length; acknowledges at once. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { UID_ROOM = 64, COMMAND_ROOM = 512, LARGEST_PDU = 1 << 20, LARGEST_WINDOW = 256 };

static const char SOP_CLASS[] = "1.2.840.10008.5.1.4.1.1.7";
static const char TRANSFER_SYNTAX[] = "1.2.840.10008.1.2.1";

typedef struct {
    int socket;
    uint32_t maximum_length; /* of the acceptor's */
    int window;
} association;

/* Shared by all processes: each writes its own latencies and counts. */
typedef struct {
    uint64_t began;
    uint64_t ended;
    uint32_t failures;
    uint32_t stored;
    uint32_t latencies[]; /* microseconds */
} report;

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- encoding ---- */

static uint8_t *put(uint8_t *at, const void *bytes, size_t length)
{
    memcpy(at, bytes, length);
    return at + length;
}

static uint8_t *put16(uint8_t *at, uint32_t value)
{
    return put(at, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    return put16(put16(at, value >> 16), value & 0xffff);
}

static uint8_t *put16_little(uint8_t *at, uint32_t value)
{
    return put(at, (uint8_t[]){(uint8_t)value, (uint8_t)(value >> 8)}, 2);
}

static uint8_t *put_item(uint8_t *at, uint8_t type, const void *value, size_t length)
{
    at = put(at, (uint8_t[]){type, 0}, 2);
    return put(put16(at, (uint32_t)length), value, length);
}

static size_t encode_request(uint8_t *out, const char *called, int window)
{
    uint8_t context[200] = {1, 0, 0, 0};
    uint8_t information[100];
    uint8_t *end = put_item(context + 4, 0x30, SOP_CLASS, strlen(SOP_CLASS));
    end = put_item(end, 0x40, TRANSFER_SYNTAX, strlen(TRANSFER_SYNTAX));
    uint8_t *last = put_item(information, 0x51, "\0\0\0\0", 4);
    last = put_item(last, 0x52, "1.2.3.104", 9);
    if (window > 1) {
        uint8_t operations[4];
        put16(put16(operations, (uint32_t)window), 1);
        last = put_item(last, 0x53, operations, 4);
    }
    uint8_t *at = put32(put(out, "\1\0", 2), 0);
    at = put(at, "\0\1\0\0", 4);
    at += sprintf((char *)at, "%-16s%-16s", called, "BENCH");
    memset(at, 0, 32);
    at = put_item(at + 32, 0x10, "1.2.840.10008.3.1.1.1", 21);
    at = put_item(at, 0x20, context, (size_t)(end - context));
    at = put_item(at, 0x50, information, (size_t)(last - information));
    put32(out + 2, (uint32_t)(at - out - 6));
    return (size_t)(at - out);
}

static uint8_t *put_element(uint8_t *at, uint32_t element, const void *value, uint32_t length)
{
    at = put16_little(put16_little(at, 0), element);
    at = put16_little(put16_little(at, length), 0);
    return put(at, value, length);
}

/* The C-STORE-RQ's PDU. *uid and *message_id are where the next instance patches it. */
static size_t encode_command(uint8_t *out, uint8_t **uid, uint8_t **message_id)
{
    char class[sizeof SOP_CLASS + 1] = {0};
    memcpy(class, SOP_CLASS, sizeof SOP_CLASS);
    char blank[UID_ROOM] = {0};
    uint8_t *at = out + 12;
    at = put_element(at, 0x0000, "\0\0\0\0", 4);
    uint8_t *group = at;
    at = put_element(at, 0x0002, class, (uint32_t)(sizeof SOP_CLASS & ~1u));
    at = put_element(at, 0x0100, "\1\0", 2);
    at = put_element(at, 0x0110, "\1\0", 2);
    *message_id = at - 2;
    at = put_element(at, 0x0700, "\0\0", 2);
    at = put_element(at, 0x0800, "\0\0", 2);
    at = put_element(at, 0x1000, blank, UID_ROOM);
    *uid = at - UID_ROOM;
    put16_little(group - 4, (uint32_t)(at - group));
    uint32_t length = (uint32_t)(at - out - 12);
    uint8_t *header = put32(put(out, "\4\0", 2), length + 6);
    put(put32(header, length + 2), "\1\3", 2);
    return 12 + length;
}

/* The data set as PDUs of the peer's size. *uid is where the next instance patches it. */
static uint8_t *encode_data_set(size_t size, uint32_t maximum, size_t *length, uint8_t **uid)
{
    uint8_t *data = calloc(1, size);
    uint8_t *at = data;
    at = put16_little(put16_little(at, 0x0008), 0x0016);
    at = put16_little(put(at, "UI", 2), sizeof SOP_CLASS & ~1u);
    at = put(at, SOP_CLASS, sizeof SOP_CLASS & ~1u);
    at = put16_little(put16_little(at, 0x0008), 0x0018);
    at = put16_little(put(at, "UI", 2), UID_ROOM);
    size_t uid_at = (size_t)(at - data);
    at += UID_ROOM;
    at = put16_little(put16_little(at, 0x7fe0), 0x0010);
    at = put(at, "OB\0\0", 4);
    uint32_t pixels = (uint32_t)(size - (size_t)(at + 4 - data));
    at = put16_little(put16_little(at, pixels & 0xffff), pixels >> 16);
    for (size_t index = (size_t)(at - data); index < size; index++)
        data[index] = (uint8_t)(index * 2654435761u >> 13);
    size_t room = ((maximum && maximum < LARGEST_PDU ? maximum : LARGEST_PDU) - 6) & ~(size_t)1;
    uint8_t *pdus = malloc(size + (size / room + 1) * 12);
    uint8_t *out = pdus;
    *uid = NULL;
    for (size_t done = 0; done < size; done += room) {
        size_t piece = size - done < room ? size - done : room;
        out = put32(put(out, "\4\0", 2), (uint32_t)piece + 6);
        out = put(put32(out, (uint32_t)piece + 2), done + piece == size ? "\1\2" : "\1\0", 2);
        if (done == 0)
            *uid = out + uid_at;
        out = put(out, data + done, piece);
    }
    free(data);
    *length = (size_t)(out - pdus);
    return pdus;
}

/* ---- the wire ---- */

static void receive(int socket, uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t got = recv(socket, bytes, length, 0);
        if (got <= 0)
            die("the acceptor ended the connection");
        setsockopt(socket, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
        bytes += got;
        length -= (size_t)got;
    }
}

static void transmit(int socket, struct iovec *vector, int count)
{
    while (count > 0) {
        ssize_t sent = writev(socket, vector, count);
        if (sent < 0)
            die("cannot send");
        while (count > 0 && (size_t)sent >= vector->iov_len) {
            sent -= (ssize_t)vector->iov_len;
            vector++;
            count--;
        }
        if (count > 0) {
            vector->iov_base = (uint8_t *)vector->iov_base + sent;
            vector->iov_len -= (size_t)sent;
        }
    }
}

static uint32_t read32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Reads a PDU's body into out, at most room bytes. Returns its type. */
static int read_pdu(int socket, uint8_t *out, size_t room, size_t *length)
{
    uint8_t header[6];
    receive(socket, header, sizeof header);
    *length = read32(header + 2);
    if (*length > room) {
        fprintf(stderr, "the acceptor sent a PDU of %zu bytes\n", *length);
        exit(1);
    }
    receive(socket, out, *length);
    return header[0];
}

/* What the A-ASSOCIATE-AC grants: walks its items for maximum length and window. */
static void read_accept(const uint8_t *body, size_t length, association *made)
{
    made->maximum_length = 0;
    made->window = 1;
    for (size_t at = 68; at + 4 <= length;) {
        size_t item = (size_t)body[at + 2] << 8 | body[at + 3];
        if (body[at] == 0x21 && body[at + 6] != 0) {
            fprintf(stderr, "the acceptor refused the presentation context\n");
            exit(1);
        }
        if (body[at] == 0x50) {
            at += 4; /* go into the sub-items */
            continue;
        }
        if (body[at] == 0x51)
            made->maximum_length = read32(body + at + 4);
        if (body[at] == 0x53)
            made->window = body[at + 4] << 8 | body[at + 5];
        at += 4 + item;
    }
}

static association associate(const char *host, int port, const char *called, int window)
{
    association made = {.socket = socket(AF_INET, SOCK_STREAM, 0)};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host, &address.sin_addr);
    if (connect(made.socket, (struct sockaddr *)&address, sizeof address) < 0)
        die("cannot connect");
    setsockopt(made.socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    static uint8_t bytes[65536];
    size_t length = encode_request(bytes, called, window);
    transmit(made.socket, &(struct iovec){bytes, length}, 1);
    int type = read_pdu(made.socket, bytes, sizeof bytes, &length);
    if (type != 2) {
        fprintf(stderr, "the acceptor answered the association with PDU type %d\n", type);
        exit(1);
    }
    read_accept(bytes, length, &made);
    return made;
}

static void release(const association *made)
{
    uint8_t answer[100];
    size_t length;
    transmit(made->socket, &(struct iovec){"\5\0\0\0\0\4\0\0\0\0", 10}, 1);
    read_pdu(made->socket, answer, sizeof answer, &length);
    close(made->socket);
}

/* Reads one C-STORE-RSP, of as many PDUs as it takes. Returns its status; *message_id is whom it answers. */
static uint32_t read_response(int socket, uint32_t *message_id)
{
    uint8_t body[COMMAND_ROOM];
    uint8_t command[COMMAND_ROOM];
    size_t used = 0;
    size_t length;
    do {
        if (read_pdu(socket, body, sizeof body, &length) != 4) {
            fprintf(stderr, "the acceptor ended the association\n");
            exit(1);
        }
        memcpy(command + used, body + 6, length - 6);
        used += length - 6;
    } while (!(body[5] & 2));
    uint32_t status = 0xffff;
    for (size_t at = 0; at + 8 <= used;) {
        uint32_t element = command[at + 2] | (uint32_t)command[at + 3] << 8;
        uint32_t value = command[at + 8] | (uint32_t)command[at + 9] << 8;
        if (element == 0x0120)
            *message_id = value;
        if (element == 0x0900)
            status = value;
        at += 8 + (command[at + 4] | (size_t)command[at + 5] << 8);
    }
    return status;
}

static void take_response(const association *made, const uint64_t *sent, report *out)
{
    uint32_t message_id = 0;
    uint32_t status = read_response(made->socket, &message_id);
    uint64_t nanoseconds = now() - sent[message_id % LARGEST_WINDOW];
    out->latencies[out->stored++] = (uint32_t)(nanoseconds / 1000);
    out->failures += status != 0;
}

static void send_instances(const association *made, size_t size, int instances, int index, uint64_t run, report *out)
{
    uint8_t command[COMMAND_ROOM];
    uint8_t *command_uid;
    uint8_t *message_id;
    uint8_t *data_uid;
    size_t data_length;
    uint64_t sent[LARGEST_WINDOW] = {0};
    size_t command_length = encode_command(command, &command_uid, &message_id);
    uint8_t *data = encode_data_set(size, made->maximum_length, &data_length, &data_uid);
    int outstanding = 0;
    out->began = now();
    for (int number = 0; number < instances; number++) {
        char uid[UID_ROOM + 1];
        int written = snprintf(uid, sizeof uid, "1.2.104.%llu.%d.%d", (unsigned long long)run, index + 1, number + 1);
        memset(uid + written, 0, (size_t)(UID_ROOM - written));
        memcpy(command_uid, uid, UID_ROOM);
        memcpy(data_uid, uid, UID_ROOM);
        put16_little(message_id, (uint32_t)number & 0x7fff);
        sent[((uint32_t)number & 0x7fff) % LARGEST_WINDOW] = now();
        struct iovec vector[2] = {{command, command_length}, {data, data_length}};
        transmit(made->socket, vector, 2);
        if (++outstanding >= made->window) {
            take_response(made, sent, out);
            outstanding--;
        }
    }
    while (outstanding-- > 0)
        take_response(made, sent, out);
    out->ended = now();
    free(data);
}

/* ---- the report ---- */

static int compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void print_report(uint8_t *reports, size_t stride, int associations, int instances, size_t size)
{
    size_t total = 0;
    uint32_t failures = 0;
    uint64_t began = UINT64_MAX;
    uint64_t ended = 0;
    uint32_t *all = malloc((size_t)associations * (size_t)instances * sizeof *all);
    for (int index = 0; index < associations; index++) {
        const report *one = (const report *)(reports + stride * (size_t)index);
        memcpy(all + total, one->latencies, one->stored * sizeof *all);
        total += one->stored;
        failures += one->failures;
        began = one->began < began ? one->began : began;
        ended = one->ended > ended ? one->ended : ended;
    }
    qsort(all, total, sizeof *all, compare);
    double seconds = (double)(ended - began) / 1e9;
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    double processor = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec)
        + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"instances\": %zu, \"failures\": %u, \"seconds\": %.6f, \"instances_per_second\": %.1f, "
           "\"megabytes_per_second\": %.2f, \"p50_us\": %u, \"p99_us\": %u, \"sender_cpu_seconds\": %.3f}\n",
           total, failures, seconds, (double)total / seconds, (double)total * (double)size / seconds / 1e6,
           all[total / 2], all[total * 99 / 100], processor);
    free(all);
}

int main(int count, char **arguments)
{
    if (count != 8) {
        fprintf(stderr, "usage: sender HOST PORT CALLED ASSOCIATIONS SIZE INSTANCES WINDOW\n");
        return 2;
    }
    int port = atoi(arguments[2]);
    int associations = atoi(arguments[4]);
    size_t size = (size_t)strtoull(arguments[5], NULL, 10);
    int instances = atoi(arguments[6]);
    int window = atoi(arguments[7]);
    size_t stride = (sizeof(report) + (size_t)instances * sizeof(uint32_t) + 63) & ~(size_t)63;
    uint8_t *reports = mmap(NULL, stride * (size_t)associations, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int ready[2];
    int start[2];
    if (size < 200 || window > LARGEST_WINDOW || reports == MAP_FAILED || pipe(ready) < 0 || pipe(start) < 0)
        die("cannot begin");
    uint64_t run = now();
    for (int index = 0; index < associations; index++) {
        if (fork() == 0) {
            char byte = 0;
            close(start[1]);
            association made = associate(arguments[1], port, arguments[3], window);
            if (write(ready[1], &byte, 1) != 1 || read(start[0], &byte, 1) != 0) /* all begin at once */
                die("cannot begin");
            send_instances(&made, size, instances, index, run, (report *)(reports + stride * (size_t)index));
            release(&made);
            _exit(0);
        }
    }
    close(ready[1]);
    int opened = 0;
    for (char byte; opened < associations && read(ready[0], &byte, 1) == 1;)
        opened++;
    close(start[1]);
    int failed = opened < associations;
    for (int status; wait(&status) > 0;)
        failed |= status != 0;
    if (failed) {
        fprintf(stderr, "an association failed\n");
        return 1;
    }
    print_report(reports, stride, associations, instances, size);
    return 0;
}
