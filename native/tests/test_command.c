/* The two command sets that C reads and writes: C-STORE-RQ, C-STORE-RSP. tests/native/test_commands.py holds them
 * against Python's over any bytes. */

#include <stddef.h>
#include <stdint.h>

#include "command.h"

#include "check.h"

#include "messages.h"

enum { ROOM = 1024 };

static guarded memory;

/* Read with both ends at a guard page. Returns what p104_read_store_request did. */
static int read_request(const uint8_t *bytes, size_t length, p104_store_request *out)
{
    p104_store_request first = {0};
    int result = p104_read_store_request(guarded_at_start(memory, bytes, length), length, &first);
    CHECK(p104_read_store_request(guarded_at_end(memory, bytes, length), length, out) == result);
    if (result) {
        CHECK(first.message_id == out->message_id && first.sop_class_length == out->sop_class_length);
        CHECK(first.sop_instance_length == out->sop_instance_length);
    }
    return result;
}

static int is_taken(command_fields fields)
{
    uint8_t bytes[ROOM];
    p104_store_request request;
    return read_request(bytes, command_set(bytes, fields), &request);
}

static int same(const uint8_t *bytes, size_t length, const char *expected)
{
    return length == strlen(expected) && memcmp(bytes, expected, length) == 0;
}

static void test_the_usual(void)
{
    uint8_t bytes[ROOM];
    p104_store_request request;
    size_t length = command_set(bytes, store_request(0xfedc, INSTANCE));
    CHECK(read_request(bytes, length, &request));
    CHECK(same(request.sop_class, request.sop_class_length, CLASS));
    CHECK(same(request.sop_instance, request.sop_instance_length, INSTANCE));
    CHECK(request.message_id == 0xfedc);
    for (size_t end = 0; end < length; end++) { /* cut anywhere, it lacks something or breaks an element */
        int whole = read_request(bytes, end, &request);
        CHECK(!whole);
    }
}

static void test_what_is_taken(void)
{
    command_fields fields = store_request(1, INSTANCE);
    fields.data_set_type = 0;
    CHECK(is_taken(fields)); /* any value but 0101H announces a data set (PS3.7 E.1) */
    fields.data_set_type = 0x0101;
    CHECK(!is_taken(fields));
    fields = store_request(1, INSTANCE);
    fields.field = 0x8001;
    CHECK(!is_taken(fields));
    fields = store_request(1, INSTANCE);
    fields.sop_class = NULL;
    CHECK(!is_taken(fields));
    fields.sop_class = "  ";
    CHECK(!is_taken(fields));
    fields.sop_class = "anything but padding"; /* the context's class decides */
    CHECK(is_taken(fields));
    CHECK(!is_taken(store_request(1, NULL)));
}

static void test_instance_uids(void)
{
    static const char *const valid[] = {
        "0", "1", "0.0", "1.2.3 ", "1.20.300", "2.25.329800735698586629295641978511506172918",
        "1.2.840.113619.2.55.3.604688119.971.1272348371.12345678901234567", /* 64 */
    };
    static const char *const invalid[] = {
        "", " ", ".", "1.", ".1", "1..2", "01", "1.01", "00", "1.00", "1.2a", "a", "1,2", "1 2", " 1.2", "1.2\n", "-1",
        "1.2.840.113619.2.55.3.604688119.971.1272348371.123456789012345678", /* 65 */
    };
    CHECK(strlen(valid[6]) == 64 && strlen(invalid[17]) == 65);
    for (size_t index = 0; index < sizeof valid / sizeof *valid; index++)
        CHECK(is_taken(store_request(1, valid[index])));
    for (size_t index = 0; index < sizeof invalid / sizeof *invalid; index++)
        CHECK(!is_taken(store_request(1, invalid[index])));
}

/* Whatever comes twice counts as it came last; unknown elements are passed over; order and group length do not
 * matter. */
static void test_elements(void)
{
    uint8_t bytes[ROOM];
    p104_store_request request;
    size_t at = put_number(bytes, 0x0110, 5);
    at += put_uid(bytes + at, 0x1000, "no UID");
    at += put_element(bytes + at, 0x0000, "\xff\xff", 2);
    at += put_number(bytes + at, 0x0800, 0x0101);
    at += put_number(bytes + at, 0x0800, 1);
    at += put_number(bytes + at, 0x0100, 1);
    at += put_element(bytes + at, 0x0900, "", 0);
    at += put_element(bytes + at, 0x5555, "odd", 3);
    at += put_element(bytes + at, 0x1000, "1.2.3\0\0 \0", 9);
    at += put_element(bytes + at, 0x0002, "\xe9\0", 2);
    CHECK(!read_request(bytes, at, &request)); /* an empty status has no two bytes */
    at += put_number(bytes + at, 0x0900, 0);
    CHECK(read_request(bytes, at, &request));
    CHECK(request.message_id == 5 && same(request.sop_instance, request.sop_instance_length, "1.2.3"));
    CHECK(same(request.sop_class, request.sop_class_length, "\xe9"));
    size_t end = at + put_element(bytes + at, 0x1000, "", 0);
    CHECK(!read_request(bytes, end, &request));
    end = at + put_element(bytes + at, 0x1031, "abc", 3); /* a number of three bytes */
    CHECK(!read_request(bytes, end, &request));
    end = at + put_element(bytes + at, 0x0001, "x", 1);
    CHECK(read_request(bytes, end, &request));
    bytes[at] = 8; /* another group */
    CHECK(!read_request(bytes, end, &request));
    bytes[at] = 0;
    memset(bytes + at + 4, 0xff, 4); /* undefined length */
    CHECK(!read_request(bytes, end, &request));
}

/* Without a message ID it is 0, as the response will say. */
static void test_no_message_id(void)
{
    uint8_t bytes[ROOM];
    p104_store_request request;
    size_t at = put_uid(bytes, 0x0002, CLASS);
    at += put_number(bytes + at, 0x0100, 1);
    at += put_number(bytes + at, 0x0800, 1);
    at += put_uid(bytes + at, 0x1000, INSTANCE);
    CHECK(read_request(bytes, at, &request) && request.message_id == 0);
}

static const char LONG_UID[] = "1.2.840.113619.2.55.3.604688119.971.1272348371.12345678901234567";

static p104_store_request request_for(const char *sop_class, const char *sop_instance)
{
    return (p104_store_request){(const uint8_t *)sop_class, (const uint8_t *)sop_instance, strlen(sop_class),
                                strlen(sop_instance), 0x1234};
}

static void test_a_response(void)
{
    static const uint8_t expected[] =
        "\4\0\0\0\0\x56\0\0\0\x52\5\3"
        "\0\0\0\0\4\0\0\0\x44\0\0\0"
        "\0\0\2\0\4\0\0\0" "1.2\0"
        "\0\0\0\1\2\0\0\0\1\x80"
        "\0\0\x20\1\2\0\0\0\x34\x12"
        "\0\0\0\x08\2\0\0\0\1\1"
        "\0\0\0\x09\2\0\0\0\0\xa7"
        "\0\0\0\x10\x08\0\0\0" "1.2.3.40";
    uint8_t out[P104_RESPONSE_ROOM];
    p104_store_request request = request_for("1.2", "1.2.3.40");
    size_t length = p104_encode_store_response(out, 5, 0, &request, 0xa700);
    CHECK(length == sizeof expected - 1 && memcmp(out, expected, length) == 0);
    for (uint32_t maximum = 0x56; maximum < 0x60; maximum++)
        CHECK(p104_encode_store_response(out, 5, maximum, &request, 0xa700) == length);
    CHECK(p104_encode_store_response(out, 5, 0xffffffff, &request, 0xa700) == length);
}

/* Whole PDUs within the maximum, each fragment even, only the last one marked; joined they are the command set. */
static void test_fragments(void)
{
    guarded room = guarded_new(P104_RESPONSE_ROOM);
    uint8_t *out = room.pages + room.size - P104_RESPONSE_ROOM;
    uint8_t whole[P104_RESPONSE_ROOM];
    p104_store_request request = request_for(LONG_UID, LONG_UID);
    size_t expected = p104_encode_store_response(whole, 1, 0, &request, 0) - 12;
    CHECK(expected == 196);
    for (uint32_t maximum = P104_SMALLEST_PDU; maximum < 250; maximum++) {
        size_t length = p104_encode_store_response(out, 1, maximum, &request, 0);
        size_t joined = 0;
        CHECK(length <= P104_RESPONSE_ROOM);
        for (size_t at = 0; at < length;) {
            size_t pdu_length = (size_t)out[at + 4] << 8 | out[at + 5];
            size_t fragment = pdu_length - 6;
            CHECK(out[at] == 4 && pdu_length <= maximum && fragment > 0 && fragment % 2 == 0);
            CHECK(((size_t)out[at + 8] << 8 | out[at + 9]) == fragment + 2 && out[at + 10] == 1);
            CHECK(memcmp(out + at + 12, whole + 12 + joined, fragment) == 0);
            joined += fragment;
            CHECK(out[at + 11] == (joined == expected ? 3 : 1));
            at += 6 + pdu_length;
        }
        CHECK(joined == expected);
    }
}

/* ---- responses to what we sent ---- */

static int reads_response(const uint8_t *bytes, size_t length, uint16_t *status)
{
    const uint8_t *instance = (const uint8_t *)INSTANCE;
    uint16_t first = 0;
    int result = p104_read_store_response(guarded_at_start(memory, bytes, length), length, 7, instance, strlen(INSTANCE),
                                          &first);
    CHECK(p104_read_store_response(guarded_at_end(memory, bytes, length), length, 7, instance, strlen(INSTANCE), status)
          == result);
    CHECK(!result || first == *status);
    return result;
}

static size_t put_response(uint8_t *out, unsigned field, unsigned message_id, unsigned data_set_type, const char *instance)
{
    size_t at = put_number(out, 0x0100, field);
    at += put_number(out + at, 0x0120, message_id);
    at += put_number(out + at, 0x0800, data_set_type);
    at += put_number(out + at, 0x0900, 0xa700);
    return at + put_uid(out + at, 0x1000, instance);
}

static void test_a_plain_response(void)
{
    uint8_t bytes[ROOM];
    uint16_t status;
    CHECK(reads_response(bytes, put_response(bytes, 0x8001, 7, 0x0101, INSTANCE), &status) && status == 0xa700);
    CHECK(reads_response(bytes, put_response(bytes, 0x8001, 7, 0x0101, NULL), &status) && status == 0xa700);
    CHECK(reads_response(bytes, put_response(bytes, 0x8001, 7, 0x0101, ""), &status));
}

static void test_responses_that_are_not_plain(void)
{
    uint8_t bytes[ROOM];
    uint16_t status;
    CHECK(!reads_response(bytes, put_response(bytes, 0x8030, 7, 0x0101, INSTANCE), &status));
    CHECK(!reads_response(bytes, put_response(bytes, 0x8001, 8, 0x0101, INSTANCE), &status));
    CHECK(!reads_response(bytes, put_response(bytes, 0x8001, 7, 0x0001, INSTANCE), &status));
    CHECK(!reads_response(bytes, put_response(bytes, 0x8001, 7, 0x0101, "1.2.4"), &status));
    CHECK(!reads_response(bytes, put_response(bytes, 0x8001, 7, 0x0101, "1.2.34"), &status));
    CHECK(!reads_response(bytes, 30, &status)); /* without a status */
    CHECK(!reads_response(bytes, 0, &status));
    size_t length = put_response(bytes, 0x8001, 7, 0x0101, INSTANCE);
    for (size_t cut = 1; cut < length; cut++) /* a number or an element is cut off, or all that is asked for is there */
        CHECK(!reads_response(bytes, cut, &status) || cut == 40);
    bytes[4] = 1;
    CHECK(!reads_response(bytes, length, &status));
}

int main(void)
{
    memory = guarded_new(ROOM);
    test_the_usual();
    test_what_is_taken();
    test_instance_uids();
    test_elements();
    test_no_message_id();
    test_a_response();
    test_fragments();
    test_a_plain_response();
    test_responses_that_are_not_plain();
    printf("test_command: 9 cases\n");
    return 0;
}
