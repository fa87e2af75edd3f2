/* spool_peer.h - a spool in a folder of its own, links that store through it, and looks at the files. */

#ifndef P104_SPOOL_PEER_H
#define P104_SPOOL_PEER_H

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "dataset.h"

#include "peer.h"

#include "spool.h"

static const char NAME[] = "0f000000000000000000000000000000";
static const uint8_t RESPONSE[] = "RESPONSE";
static const uint32_t TAGS[] = {0x00080018};

/* LARGE is more than one turn of an I/O thread (8 MiB). */
enum { HEADER = 160, IDENTITY_END = 150, LARGE = 9 * 1024 * 1024 };

static char root[] = "/tmp/port104-spool-XXXXXX";
static uint8_t data_set[LARGE + 12];

static inline p104_spool *open_spool(int durability)
{
    int error = -1;
    p104_spool *spool = p104_spool_open(root, durability, 3, TAGS, 1, &error);
    CHECK(spool && error == 0);
    return spool;
}

/* Preamble, prefix, group length and 16 bytes of group 0002, of which `sender` is not identity. */
static inline void header(uint8_t *bytes, uint8_t sender)
{
    memset(bytes, 0, HEADER);
    bytes[140] = HEADER - 144;
    memset(bytes + IDENTITY_END, sender, HEADER - IDENTITY_END);
}

static inline int begin(p104_spool *spool, pair made, uint64_t id, int flags, uint8_t sender)
{
    uint8_t bytes[HEADER];
    header(bytes, sender);
    return p104_store_begin(spool, made.link, id, flags, NAME, bytes, HEADER, IDENTITY_END, RESPONSE,
                            sizeof RESPONSE);
}

static inline p104_completion next_completion(p104_spool *spool)
{
    static p104_completion one;
    struct pollfd event = {.fd = p104_spool_event_fd(spool), .events = POLLIN};
    while (p104_spool_completions(spool, &one, 1) == 0)
        CHECK(poll(&event, 1, 10000) == 1);
    return one;
}

/* The next completion that is no pause; pauses are resumed. */
static inline p104_completion settled(p104_spool *spool)
{
    p104_completion one;
    while ((one = next_completion(spool)).kind == P104_PAUSED) {
        CHECK(one.link_returned);
        CHECK(p104_store_resume(spool, one.id) == P104_CARRIED);
    }
    return one;
}

/* Transmit all while a store carries the link: when the socket is full and the store paused, resume it. */
static inline void transmit_carried(p104_spool *spool, pair made, const uint8_t *bytes, size_t length)
{
    static p104_completion one;
    struct pollfd either[] = {{.fd = made.peer, .events = POLLOUT},
                              {.fd = p104_spool_event_fd(spool), .events = POLLIN}};
    while (length > 0) {
        CHECK(poll(either, 2, 10000) > 0);
        ssize_t sent = send(made.peer, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        CHECK(sent > 0 || errno == EAGAIN);
        bytes += sent > 0 ? sent : 0;
        length -= sent > 0 ? (size_t)sent : 0;
        if (length > 0 && p104_spool_completions(spool, &one, 1) > 0) {
            CHECK(one.kind == P104_PAUSED && one.link_returned);
            CHECK(p104_store_resume(spool, one.id) == P104_CARRIED);
        }
    }
}

static inline int files_in(const char *below)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", root, below);
    DIR *folder = opendir(path);
    CHECK(folder);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static inline void remove_files(void)
{
    char command_line[200];
    snprintf(command_line, sizeof command_line, "rm -rf %s/instances %s/parts", root, root);
    CHECK(system(command_line) == 0);
}

/* The file under NAME and suffix: this header, then length bytes `fill`, and nothing behind. */
static inline void check_file(const char *suffix, uint8_t sender, uint8_t fill, size_t length)
{
    char path[200];
    static uint8_t content[HEADER + LARGE + 100];
    snprintf(path, sizeof path, "%s/instances/0f/%s%s", root, NAME, suffix);
    FILE *file = fopen(path, "rb");
    CHECK(file);
    size_t got = fread(content, 1, sizeof content, file);
    fclose(file);
    CHECK(got == HEADER + length);
    uint8_t expected[HEADER];
    header(expected, sender);
    CHECK(memcmp(content, expected, HEADER) == 0);
    for (size_t at = HEADER; at < got; at++)
        CHECK(content[at] == fill);
}

static inline void check_no_answer(pair made)
{
    uint8_t one;
    CHECK(recv(made.peer, &one, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
}

static inline void check_answer(pair made)
{
    uint8_t answer[sizeof RESPONSE];
    CHECK(recv(made.peer, answer, sizeof answer, MSG_WAITALL) == (ssize_t)sizeof answer);
    CHECK(memcmp(answer, RESPONSE, sizeof answer) == 0);
}

/* One small instance of bytes `fill`. */
static inline p104_completion store_small(p104_spool *spool, pair made, int flags, uint8_t fill, uint8_t sender)
{
    uint8_t bytes[2000];
    command(made);
    size_t length = pdu(bytes, 2, fill, 1000);
    CHECK(p104_link_feed(made.link, bytes, length) == (long)length);
    CHECK(begin(spool, made, 1, flags, sender) == P104_TAKEN);
    return next_completion(spool);
}

#endif
