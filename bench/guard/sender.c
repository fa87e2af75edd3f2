/* sender.c - the load of the guard: one association over which instances are sent one after the other.
 *
 *   sender PORT
 *
 * Says by a line that the association is open. For each line on standard input, a number, it sends so many instances
 * of 8 KiB, each when the one before is answered, and says by a line that all are. The end of standard input releases
 * the association. It runs outside of valgrind: nothing of it is counted. */

#include "association.h"
#include "encoding.h"

#include <stdio.h>
#include <stdlib.h>

enum { SIZE = 8 * 1024 };

static void say_ready(void)
{
    putchar('\n');
    fflush(stdout);
}

static void send_one(association *over, patched command, patched data, unsigned number)
{
    char uid[UID_ROOM + 1];
    uint32_t answered = 0;
    snprintf(uid, sizeof uid, "1.2.104.%u", 1000000 + number); /* all of one length */
    patch_uid(command.uid, uid);
    patch_uid(data.uid, uid);
    write16_little(command.message_id, number & 0x7fff);
    transmit(over, (struct iovec[]){{command.bytes, command.length}, {data.bytes, data.length}}, 2);
    uint32_t status = read_response(over, &answered);
    if (status != 0 || answered != (number & 0x7fff)) {
        fprintf(stderr, "instance %u: status %04x to message %u\n", number, status, answered);
        exit(1);
    }
}

int main(int count, char **arguments)
{
    uint8_t room[COMMAND_ROOM];
    target whom = {"127.0.0.1", count == 2 ? atoi(arguments[1]) : 0, "PORT104", 1};
    association over = associate(&whom);
    patched command = encode_command(room);
    patched data = encode_data_set(SIZE, over.maximum_length);
    unsigned number = 0;
    say_ready();
    for (char line[16]; fgets(line, sizeof line, stdin);) {
        for (unsigned left = (unsigned)atoi(line); left > 0; left--)
            send_one(&over, command, data, ++number);
        say_ready();
    }
    release(&over);
    free(data.bytes);
    return 0;
}
