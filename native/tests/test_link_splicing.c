/* The link: what goes from its socket into a pipe without being looked at. */

#include "peer.h"

enum { LENGTH = 100 * 1000 };

typedef struct {
    pair at;
    int read_end;
    int write_end;
} splicer;

static splicer splicer_new(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    return (splicer){pair_new(), ends[0], ends[1]};
}

static void splicer_free(splicer made)
{
    pair_free(made.at);
    close(made.read_end);
    close(made.write_end);
}

/* The next bytes of the pipe are so many of these. */
static void check_piped(splicer made, uint8_t fill, size_t length)
{
    static uint8_t bytes[LENGTH];
    for (size_t got = 0; got < length;) {
        ssize_t some = read(made.read_end, bytes, length - got);
        CHECK(some > 0);
        for (ssize_t at = 0; at < some; at++)
            CHECK(bytes[at] == fill);
        got += (size_t)some;
    }
}

/* Send a data set in one fragment; the link scans its start. Returns how much it left. */
static size_t begin(splicer made, uint8_t control, uint8_t fill)
{
    static uint8_t bytes[LENGTH + 12];
    p104_run run;
    const uint8_t *data;
    transmit(made.at.peer, bytes, pdu(bytes, control, fill, LENGTH));
    CHECK(p104_link_receive(made.at.link, 1012) == 1012);
    CHECK(p104_link_spliceable(made.at.link) == 0); /* some are at hand */
    CHECK(p104_link_next_of(made.at.link, P104_DATA_SET, &run, &data) == P104_DATA_SET && run.length == 1000);
    return LENGTH - 1000;
}

static void test_the_rest_of_a_fragment(uint8_t control)
{
    p104_run run;
    const uint8_t *data;
    uint8_t bytes[64];
    splicer made = splicer_new();
    CHECK(p104_link_spliceable(made.at.link) == 0);
    command(made.at);
    CHECK(p104_link_spliceable(made.at.link) == 0); /* no fragment has begun */
    size_t left = begin(made, control, 'l');
    transmit(made.at.peer, bytes, pdu(bytes, 3, 'n', 8));
    uint64_t before = p104_link_received(made.at.link);
    size_t whole = left;
    while (left > 0) {
        CHECK(p104_link_spliceable(made.at.link) == left);
        long got = p104_link_splice(made.at.link, made.write_end, 5000, &run);
        CHECK(got > 0 && got <= 5000 && (size_t)got <= left);
        left -= (size_t)got;
        CHECK(run.length == (size_t)got && run.context_id == 1 && run.ends == (left == 0 && control == 2));
        check_piped(made, 'l', (size_t)got);
    }
    CHECK(p104_link_received(made.at.link) == before + whole);
    CHECK(p104_link_spliceable(made.at.link) == 0);
    CHECK(p104_link_in_message(made.at.link) == (control != 2));
    int result;
    while ((result = p104_link_next(made.at.link, &run, &data)) == P104_WOULD_BLOCK)
        ;
    CHECK(result == (control == 2 ? P104_COMMAND : P104_FAULT_FRAGMENT)); /* nothing more was taken */
    splicer_free(made);
}

static void test_silence_and_the_end(void)
{
    p104_run run;
    const uint8_t *data;
    static uint8_t bytes[LENGTH + 12];
    splicer made = splicer_new();
    command(made.at);
    pdu(bytes, 2, 'e', LENGTH);
    transmit(made.at.peer, bytes, 2000);
    CHECK(p104_link_receive(made.at.link, 1012) == 1012);
    CHECK(p104_link_next_of(made.at.link, P104_DATA_SET, &run, &data) == P104_DATA_SET);
    CHECK(p104_link_splice(made.at.link, made.write_end, 1, &run) == 1);
    CHECK(p104_link_splice(made.at.link, made.write_end, 60000, &run) == 987);
    CHECK(p104_link_splice(made.at.link, made.write_end, 60000, &run) == 0); /* none is there now */
    shutdown(made.at.peer, SHUT_WR);
    CHECK(p104_link_splice(made.at.link, made.write_end, 60000, &run) == -1);
    CHECK(p104_link_splice(made.at.link, made.write_end, 60000, &run) == -1);
    int result = p104_link_next(made.at.link, &run, &data);
    CHECK(result == P104_END_OF_STREAM || p104_link_next(made.at.link, &run, &data) == P104_END_OF_STREAM);
    splicer_free(made);
}

static void test_interrupting(void)
{
    p104_run run;
    splicer made = splicer_new();
    command(made.at);
    begin(made, 2, 'i');
    p104_link_interrupt(made.at.link);
    CHECK(p104_link_splice(made.at.link, made.write_end, 60000, &run) == -1);
    splicer_free(made);
}

/* Neither a command's bytes, nor those of a link that is fed or that throws all away. */
static void test_what_may_not_be_spliced(void)
{
    uint8_t bytes[64];
    p104_run run;
    const uint8_t *data;
    splicer made = splicer_new();
    transmit(made.at.peer, bytes, pdu(bytes, 3, 'c', 20));
    CHECK(p104_link_receive(made.at.link, 16) == 16);
    CHECK(p104_link_next_of(made.at.link, P104_COMMAND, &run, &data) == P104_COMMAND && run.length == 4);
    CHECK(p104_link_spliceable(made.at.link) == 0);
    splicer_free(made);

    made = splicer_new();
    command(made.at);
    begin(made, 2, 'd');
    p104_link_discard(made.at.link);
    CHECK(p104_link_spliceable(made.at.link) == 0);
    splicer_free(made);
}

int main(void)
{
    test_the_rest_of_a_fragment(2);
    test_the_rest_of_a_fragment(0);
    test_silence_and_the_end();
    test_interrupting();
    test_what_may_not_be_spliced();
    printf("test_link_splicing: 5 cases\n");
    return 0;
}
