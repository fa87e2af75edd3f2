/* store.c - C-STOREs of 8 KiB through the native side alone: link, scanner, spool, intake, completions. What Python
 * does is done here in a few lines: accept, lend the link, take completions.
 *
 *   store FOLDER SENDER BURST BURSTS
 *
 * Starts the program SENDER, has it send BURST instances so many times, and takes the completions of a burst when all
 * of it is answered, so that their number at a time owes nothing to the clock. Prints nothing. */

#include "counting.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pdata.h"

#include "dataset.h"

#include "link.h"

#include "command.h"

#include "meta.h"

#include "spool.h"

#include "intake.h"

/* As the product opens its spool (engine/port104/storage/store.py), but for a single thread: of two, one looks for the
 * next message before it sleeps, as often as the clock allows. */
enum { THREADS = 1, TAKEN_AT_ONCE = 64 };
static const uint32_t TAGS[] = {0x00080016, 0x00080018, 0x00080050, 0x00080060, 0x00100020, 0x0020000d, 0x0020000e};

static const char CALLED[] = "PORT104";
static const char ORIGIN[] = "\2\0\x12\0UI\54\0002.25.192694139673809374820413666049185489634"
                             "\2\0\x13\0SH\14\0PORT104_0_1 "
                             "\2\0\x16\0AE\6\0BENCH \2\0\x17\0AE\6\0BENCH \2\0\x18\0AE\10\0PORT104 ";
static const char SOP_CLASS[] = "1.2.840.10008.5.1.4.1.1.7";
static const char TRANSFER_SYNTAX[] = "1.2.840.10008.1.2.1";

static void check(int well, const char *what)
{
    if (!well) {
        perror(what);
        exit(1);
    }
}

/* ---- the peer ---- */

typedef struct {
    pid_t process;
    FILE *orders;
    FILE *reports;
} sender;

static sender start_sender(const char *program, int port)
{
    int orders[2];
    int reports[2];
    char text[16];
    snprintf(text, sizeof text, "%d", port);
    check(pipe2(orders, O_CLOEXEC) == 0 && pipe2(reports, O_CLOEXEC) == 0, "pipe");
    sender made = {fork(), fdopen(orders[1], "w"), fdopen(reports[0], "r")};
    if (made.process == 0) {
        dup2(orders[0], STDIN_FILENO);
        dup2(reports[1], STDOUT_FILENO);
        execl(program, program, text, (char *)NULL);
        _exit(127);
    }
    close(orders[0]);
    close(reports[1]);
    check(made.process > 0 && made.orders && made.reports, "cannot start the sender");
    return made;
}

static void hear(const sender *from)
{
    check(fgetc(from->reports) == '\n', "the sender failed");
}

/* ---- the acceptor ---- */

static int listen_somewhere(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1) == 0, "listen");
    check(getsockname(listener, (struct sockaddr *)&address, &size) == 0, "getsockname");
    *port = ntohs(address.sin_port);
    return listener;
}

/* Accept the association, granting whatever is asked: A-ASSOCIATE-AC without an item. Returns a socket as the engine
 * makes it. */
static int accept_association(int listener)
{
    uint8_t request[1024];
    uint8_t answer[74] = {2, 0, 0, 0, 0, 68};
    int made = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    check(made >= 0 && recv(made, request, 6, MSG_WAITALL) == 6 && request[4] < 4, "accept");
    size_t length = (size_t)request[4] << 8 | request[5];
    check(recv(made, request, length, MSG_WAITALL) == (ssize_t)length, "request");
    check(send(made, answer, sizeof answer, 0) == sizeof answer, "answer");
    setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    check(fcntl(made, F_SETFL, O_NONBLOCK) == 0, "fcntl");
    return made;
}

static p104_intake *make_intake(p104_spool *spool, p104_link *link)
{
    p104_link_establish(link, 1 << 20);
    p104_intake *intake = p104_intake_new(spool, link, 1, 1, 0, 0, (const uint8_t *)CALLED, sizeof CALLED - 1,
                                          (const uint8_t *)ORIGIN, sizeof ORIGIN - 1);
    check(intake && p104_intake_allow(intake, 1, SOP_CLASS, TRANSFER_SYNTAX, P104_EXPLICIT_VR) == 0, "intake");
    return intake;
}

/* Take so many completions, all of them of this kind. */
static void take(p104_spool *spool, size_t wanted, int kind)
{
    static p104_completion room[TAKEN_AT_ONCE];
    struct pollfd event = {.fd = p104_spool_event_fd(spool), .events = POLLIN};
    while (wanted > 0) {
        check(poll(&event, 1, -1) == 1, "poll");
        for (p104_taken taken; (taken = p104_spool_completions(spool, room, sizeof room, TAKEN_AT_ONCE)).count > 0;) {
            check(kind == P104_STORED ? taken.awaited == 0 : taken.awaited == taken.count, "not stored");
            wanted -= taken.count;
        }
    }
}

static void store_burst(p104_spool *spool, const sender *from, size_t instances)
{
    fprintf(from->orders, "%zu\n", instances);
    fflush(from->orders);
    hear(from);
    take(spool, instances, P104_STORED);
}

/* ---- one measurement ---- */

static void measure(const char *name, const char *root, int durability, const char *program, size_t burst,
                    size_t bursts)
{
    int port;
    int error;
    check(mkdir(root, 0700) == 0, root);
    p104_spool *spool = p104_spool_open(root, durability, 0, THREADS, TAGS, sizeof TAGS / sizeof *TAGS, &error);
    check(spool != NULL, "spool");
    int listener = listen_somewhere(&port);
    sender from = start_sender(program, port);
    int ours = accept_association(listener);
    hear(&from);
    p104_link *link = p104_link_new(ours, ours);
    check(link != NULL, "link");
    p104_intake *intake = make_intake(spool, link);
    p104_intake_lend(intake, 0);
    store_burst(spool, &from, burst); /* what is done once, is done */
    begin_counting();
    for (size_t index = 0; index < bursts; index++)
        store_burst(spool, &from, burst);
    end_counting(name);
    p104_link_interrupt(link);
    shutdown(ours, SHUT_RD);
    take(spool, 1, P104_RETURNED);
    p104_intake_free(intake);
    p104_link_free(link);
    p104_spool_close(spool);
    kill(from.process, SIGKILL); /* it would wait for the answer to its release */
    waitpid(from.process, NULL, 0);
    fclose(from.orders);
    fclose(from.reports);
    close(ours);
    close(listener);
}

int main(int count, char **arguments)
{
    char root[200];
    if (count != 5) {
        fprintf(stderr, "usage: store FOLDER SENDER BURST BURSTS\n");
        return 2;
    }
    size_t burst = strtoul(arguments[3], NULL, 10);
    size_t bursts = strtoul(arguments[4], NULL, 10);
    snprintf(root, sizeof root, "%s/os", arguments[1]);
    measure("C-STORE of 8 KiB, native, os", root, P104_DURABILITY_OS, arguments[2], burst, bursts);
    snprintf(root, sizeof root, "%s/sync", arguments[1]);
    measure("C-STORE of 8 KiB, native, sync", root, P104_DURABILITY_SYNC, arguments[2], burst, bursts);
    return 0;
}
