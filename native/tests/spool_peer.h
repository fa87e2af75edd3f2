/* spool_peer.h - a spool in a folder of its own, associations that send to it, and looks at the files. */

#ifndef P104_SPOOL_PEER_H
#define P104_SPOOL_PEER_H

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "dataset.h"

#include "peer.h"

#include "command.h"

#include "meta.h"

#include "spool.h"

#include "intake.h"

#include "checksum.h"

#include "messages.h"

static const char SYNTAX[] = "1.2.840.10008.1.2.1";
static const uint8_t CALLED[7] = "PORT104";
enum { TAG_COUNT = 3 };
static const uint32_t TAGS[TAG_COUNT] = {0x00080016, 0x00080018, 0x00081030};

/* LARGE is more than one turn of an I/O thread (8 MiB). PATIENCE: milliseconds until a test gives up. */
enum { LARGE = 9 * 1024 * 1024, ORIGIN = 10, PATIENCE = 20000 };

static char root[] = "/tmp/port104-spool-XXXXXX";
static uint8_t stream[LARGE + 4096] __attribute__((unused));

static inline int64_t milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* For what a thread does without telling: look again and again, up to the deadline. */
#define UNTIL(condition)                                                                     \
    do {                                                                                     \
        int64_t deadline = milliseconds() + PATIENCE;                                        \
        while (!(condition)) {                                                               \
            CHECK(milliseconds() < deadline && #condition);                                  \
            poll(NULL, 0, 1);                                                                \
        }                                                                                    \
    } while (0)

/* The kernel tells a thread of a socket while another is still on its way out of epoll_ctl on it: the socket may
 * well be closed then, and the sanitizer takes that for a race. */
#ifdef __SANITIZE_THREAD__
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race_top:close\n";
}
#endif

/* ---- spool and associations ---- */

static inline p104_spool *open_spool(int durability, int threads)
{
    int error = -1;
    p104_spool *spool = p104_spool_open(root, durability, 0, threads, TAGS, TAG_COUNT, &error);
    CHECK(spool && error == 0);
    return spool;
}

typedef struct {
    p104_spool *spool;
    int peer;
    int ours;
    p104_link *link;
    p104_intake *intake;
    uint64_t id;
    uint32_t peer_maximum_length;
} association;

/* What differs from association to association; zeros stand for a window of 1 and the sender 's'. */
typedef struct {
    uint32_t window;
    uint32_t peer_maximum_length;
    uint64_t maximum_size;
    int flags;
    uint8_t sender;
    int fed; /* the link has no socket to receive from */
} terms;

/* (0002,0016): one element, with a letter for the sender. */
static inline const uint8_t *origin(uint8_t sender)
{
    static uint8_t element[ORIGIN] = {2, 0, 0x16, 0, 'A', 'E', 2, 0, 0, ' '};
    element[8] = sender;
    return element;
}

/* An established association whose context 1 takes CLASS. */
static inline association associate(p104_spool *spool, uint64_t id, terms agreed)
{
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
    association made = {.spool = spool, .peer = ends[0], .ours = ends[1], .id = id,
                        .peer_maximum_length = agreed.peer_maximum_length};
    made.link = p104_link_new(agreed.fed ? -1 : made.ours, made.ours);
    CHECK(made.link);
    p104_link_establish(made.link, 0);
    made.intake = p104_intake_new(spool, made.link, id, agreed.window ? agreed.window : 1,
                                  agreed.peer_maximum_length, agreed.maximum_size, CALLED, sizeof CALLED,
                                  origin(agreed.sender ? agreed.sender : 's'), ORIGIN);
    CHECK(made.intake && p104_intake_allow(made.intake, 1, CLASS, SYNTAX, agreed.flags) == 0);
    return made;
}

static inline association associate_and_lend(p104_spool *spool, uint64_t id, terms agreed)
{
    association made = associate(spool, id, agreed);
    p104_intake_lend(made.intake, 0);
    return made;
}

/* The link was returned for the last time. */
static inline void dissociate(association one)
{
    p104_intake_free(one.intake);
    p104_link_free(one.link);
    close(one.peer);
    close(one.ours);
}

static inline int event_within(const p104_spool *spool, int patience)
{
    struct pollfd event = {.fd = p104_spool_event_fd(spool), .events = POLLIN};
    return poll(&event, 1, patience) == 1;
}

static inline p104_completion next_completion(p104_spool *spool)
{
    static p104_completion one;
    while (p104_spool_completions(spool, &one, sizeof one, 1).count == 0)
        CHECK(event_within(spool, PATIENCE));
    return one;
}

/* The next completion tells that this link is returned. */
static inline void check_returned(association one, int reason)
{
    p104_completion completion = next_completion(one.spool);
    CHECK(completion.kind == P104_RETURNED && completion.id == one.id && completion.reason == reason);
}

/* As a session ends: break the lent link off, and wait for it. */
static inline void finish(association one)
{
    p104_link_interrupt(one.link);
    shutdown(one.ours, SHUT_RD);
    check_returned(one, P104_RETURN_OTHER);
    dissociate(one);
}

static inline p104_intake_counts counts_of(association one)
{
    p104_intake_counts counts;
    p104_intake_count(one.intake, &counts);
    return counts;
}

static inline uint32_t under_way(association one)
{
    return counts_of(one).under_way;
}

/* What a returned link stands before. One that emptied its socket says first that it would block. */
static inline int next_on(association one, p104_run *run, const uint8_t **data)
{
    int result;
    UNTIL((result = p104_link_next(one.link, run, data)) != P104_WOULD_BLOCK);
    return result;
}

/* ---- what the peer does ---- */

/* One small instance, from a lent link to its completion. */
static inline p104_completion store_small(association one, uint16_t message_id, uint8_t fill)
{
    uint8_t bytes[4096];
    transmit(one.peer, bytes, message(bytes, message_id, INSTANCE, fill, 1000));
    return next_completion(one.spool);
}

static inline void check_no_answer(association one)
{
    uint8_t byte;
    CHECK(recv(one.peer, &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
}

static inline void check_answer_for(association one, uint16_t message_id, const char *instance, uint16_t status)
{
    uint8_t expected[P104_RESPONSE_ROOM];
    uint8_t answer[P104_RESPONSE_ROOM];
    p104_store_request request = {(const uint8_t *)CLASS, (const uint8_t *)instance, strlen(CLASS),
                                  strlen(instance), message_id};
    size_t length = p104_encode_store_response(expected, 1, one.peer_maximum_length, &request, status);
    CHECK(recv(one.peer, answer, length, MSG_WAITALL) == (ssize_t)length);
    CHECK(memcmp(answer, expected, length) == 0);
}

static inline void check_answer(association one, uint16_t message_id, uint16_t status)
{
    check_answer_for(one, message_id, INSTANCE, status);
}

/* ---- files ---- */

static inline const char *below(const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static inline int files_in(const char *folder_name)
{
    DIR *folder = opendir(below(folder_name));
    CHECK(folder);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static inline const char *name_of(const char *instance)
{
    static char name[P104_NAME_LENGTH + 1];
    p104_file_name(name, CALLED, sizeof CALLED, (p104_uid){(const uint8_t *)instance, strlen(instance)});
    return name;
}

/* The folder in which INSTANCE gets its name. */
static inline const char *shelf(void)
{
    static char path[20];
    snprintf(path, sizeof path, "instances/%.2s", name_of(INSTANCE));
    return path;
}

static inline int named_files(void)
{
    return files_in(shelf());
}

/* "" or ".1" and so on: where INSTANCE, or a copy of it, stands. */
static inline const char *file_path(const char *suffix)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s/%s%s.dcm", root, shelf(), name_of(INSTANCE), suffix);
    return path;
}

/* A command in the storage folder. */
static inline void run(const char *command)
{
    char line[300];
    snprintf(line, sizeof line, "cd %s && %s", root, command);
    CHECK(system(line) == 0);
}

/* The shelves stay: to make 256 anew for each case costs ext4 more than all else that is tested here. */
static inline void remove_files(void)
{
    run("rm -rf parts && find instances -mindepth 2 -delete");
}

/* At the end; nothing else may be left. */
static inline void remove_folders(void)
{
    run("rm -rf instances parts");
    CHECK(rmdir(root) == 0);
}

static inline p104_uid uid_of(const char *text)
{
    return (p104_uid){(const uint8_t *)text, strlen(text)};
}

/* The file of INSTANCE: its header, then length bytes `fill`, and nothing behind. */
static inline void check_file(const char *suffix, uint8_t sender, uint8_t fill, size_t length)
{
    static uint8_t content[P104_META_ROOM + LARGE + 100];
    uint8_t expected[P104_META_ROOM];
    size_t identity_end;
    size_t header = p104_encode_meta(expected, uid_of(CLASS), uid_of(INSTANCE), uid_of(SYNTAX), origin(sender),
                                     ORIGIN, &identity_end);
    FILE *file = fopen(file_path(suffix), "rb");
    CHECK(file);
    size_t got = fread(content, 1, sizeof content, file);
    fclose(file);
    CHECK(got == header + length);
    CHECK(memcmp(content, expected, header) == 0);
    for (size_t at = header; at < got; at++)
        CHECK(content[at] == fill);
}

/* Take a final name back, as a power cut may: the file stands under its ready name, of which this returns the path. */
static inline const char *take_back(const char *suffix, unsigned number, const char *rule)
{
    static char path[500];
    static uint8_t content[P104_META_ROOM + 64 * 1024];
    p104_sum sum;
    FILE *file = fopen(file_path(suffix), "rb");
    CHECK(file);
    size_t size = fread(content, 1, sizeof content, file);
    fclose(file);
    p104_sum_start(&sum);
    p104_sum_add(&sum, content, size);
    snprintf(path, sizeof path, "%s/parts/%016x.%s.%016zx.%016llx.%s.ready", root, number, name_of(INSTANCE), size,
             (unsigned long long)p104_sum_of(&sum), rule);
    CHECK(rename(file_path(suffix), path) == 0);
    return path;
}

#endif
