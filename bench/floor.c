/* floor.c - the least that a receiver can do: recv and write, and a fixed answer. No checks, no names, no sync.
 *
 *   floor PORT FOLDER [fork]
 *
 * Serves connections one after the other in one process, or each in a process of its own. It accepts every
 * presentation context as proposed, writes each data set to a file of FOLDER and answers success. What a
 * receiver takes beyond this is the price of being one; nothing here is fit for use. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BUFFER = 256 * 1024, MAXIMUM_LENGTH = 1 << 20, RESPONSE = 200 };

typedef struct {
    int socket;
    size_t start;
    size_t end;
    uint8_t bytes[BUFFER];
} input;

static const char *folder;

/* Have at least `need` bytes at hand. Returns NULL at the end of the stream. */
static uint8_t *at_hand(input *in, size_t need)
{
    if (in->end - in->start >= need)
        return in->bytes + in->start;
    memmove(in->bytes, in->bytes + in->start, in->end - in->start);
    in->end -= in->start;
    in->start = 0;
    while (in->end < need) {
        ssize_t got = recv(in->socket, in->bytes + in->end, BUFFER - in->end, 0);
        if (got <= 0)
            return NULL;
        in->end += (size_t)got;
    }
    return in->bytes;
}

static uint32_t read32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void write32(uint8_t *at, uint32_t value)
{
    for (int index = 0; index < 4; index++)
        at[index] = (uint8_t)(value >> (24 - 8 * index));
}

static void answer(int socket, const uint8_t *bytes, size_t length)
{
    if (send(socket, bytes, length, MSG_NOSIGNAL) != (ssize_t)length)
        exit(1);
}

/* Turn the request into its accept: the first context, its transfer syntax, our maximum length. */
static void accept_association(int socket, const uint8_t *body, size_t length)
{
    uint8_t out[400] = {2};
    memcpy(out + 6, body, 68);
    size_t used = 74;
    for (size_t at = 68; at + 4 <= length; at += 4 + ((size_t)body[at + 2] << 8 | body[at + 3])) {
        if (body[at] == 0x10) {
            memcpy(out + used, body + at, 25);
            used += 25;
        } else if (body[at] == 0x20) {
            size_t abstract = 4 + ((size_t)body[at + 10] << 8 | body[at + 11]);
            const uint8_t *syntax = body + at + 8 + abstract;
            size_t syntax_length = 4 + (size_t)syntax[3];
            memcpy(out + used, (uint8_t[]){0x21, 0, 0, (uint8_t)(4 + syntax_length), body[at + 4], 0, 0, 0}, 8);
            memcpy(out + used + 8, syntax, syntax_length);
            used += 8 + syntax_length;
        }
    }
    memcpy(out + used, "\x50\0\0\x08\x51\0\0\4", 8);
    write32(out + used + 8, MAXIMUM_LENGTH);
    used += 12;
    write32(out + 2, (uint32_t)used - 6);
    answer(socket, out, used);
}

/* A C-STORE-RSP with the request's message ID and status 0000. */
static void respond(int socket, uint8_t context, const uint8_t message_id[2])
{
    static const uint8_t command[] = "\0\0\0\0\4\0\0\0\x28\0\0\0" "\0\0\0\1\2\0\0\0\1\x80"
                                     "\0\0\x20\1\2\0\0\0\0\0" "\0\0\0\x08\2\0\0\0\1\1" "\0\0\0\x09\2\0\0\0\0\0";
    uint8_t out[RESPONSE] = {4};
    size_t length = sizeof command - 1;
    write32(out + 2, (uint32_t)length + 6);
    write32(out + 6, (uint32_t)length + 2);
    out[10] = context;
    out[11] = 3;
    memcpy(out + 12, command, length);
    memcpy(out + 12 + 30, message_id, 2);
    answer(socket, out, 12 + length);
}

static void serve(int socket)
{
    static input in;
    static unsigned files;
    char name[300];
    uint8_t message_id[2] = {0};
    int file = -1;
    in.socket = socket;
    in.start = in.end = 0;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    for (uint8_t *header; (header = at_hand(&in, 6)) != NULL;) {
        uint8_t type = header[0];
        size_t left = read32(header + 2);
        in.start += 6;
        if (type != 4) {
            uint8_t *body = at_hand(&in, left);
            if (!body)
                break;
            if (type == 1)
                accept_association(socket, body, left);
            if (type == 5)
                answer(socket, (const uint8_t *)"\6\0\0\0\0\4\0\0\0\0", 10);
            in.start += left;
            continue;
        }
        while (left > 0) {
            uint8_t *item = at_hand(&in, 6);
            size_t fragment = read32(item) - 2;
            uint8_t context = item[4];
            uint8_t control = item[5];
            in.start += 6;
            left -= 6 + fragment;
            if (control & 1) { /* the sender's command: (0000,0110) stands where it always does */
                const uint8_t *command = at_hand(&in, fragment);
                const uint8_t *found = memmem(command, fragment, "\0\0\x10\1\2\0\0\0", 8);
                memcpy(message_id, found + 8, 2);
                in.start += fragment;
                continue;
            }
            if (file < 0) {
                snprintf(name, sizeof name, "%s/%d-%u", folder, getpid(), ++files);
                file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
            }
            while (fragment > 0) {
                at_hand(&in, 1);
                size_t piece = in.end - in.start < fragment ? in.end - in.start : fragment;
                if (write(file, in.bytes + in.start, piece) != (ssize_t)piece)
                    exit(1);
                in.start += piece;
                fragment -= piece;
            }
            if (control & 2) {
                close(file);
                file = -1;
                respond(socket, context, message_id);
            }
        }
    }
    close(socket);
}

int main(int count, char **arguments)
{
    if (count < 3) {
        fprintf(stderr, "usage: floor PORT FOLDER [fork]\n");
        return 2;
    }
    int forks = count > 3;
    folder = arguments[2];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 1024) < 0) {
        perror("cannot listen");
        return 1;
    }
    for (;;) {
        int socket = accept(listener, NULL, NULL);
        while (waitpid(-1, NULL, WNOHANG) > 0) /* so that their processor time counts */
            ;
        if (socket < 0)
            continue;
        if (!forks) {
            serve(socket);
        } else if (fork() == 0) {
            close(listener);
            serve(socket);
            _exit(0);
        } else {
            close(socket);
        }
    }
}
