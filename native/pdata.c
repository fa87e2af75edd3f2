/* pdata.c - see pdata.h. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "pdata.h"

enum {
    P_DATA_TF = 4,   /* PS3.8 9.3.1 */
    HEADER_SIZE = 6, /* of a PDU; of a PDV item with its presentation context ID and control header */
    PDV_OVERHEAD = 2, /* context ID and control header, counted by the PDV item's length */
    PDV_LENGTH_SIZE = 4,
    IS_COMMAND = 1, /* PS3.8 E.2: the other six bits are reserved and not tested */
    IS_LAST = 2
};

static uint32_t big_endian_32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

void p104_scanner_establish(p104_scanner *scanner, uint32_t maximum_length)
{
    scanner->established = 1;
    scanner->maximum_length = maximum_length;
}

void p104_scanner_expect_data_set(p104_scanner *scanner)
{
    scanner->expectation = P104_EXPECT_DATA_SET;
}

/* The next header's six bytes, straight from the input where they lie whole in it; NULL when they are
 * not all there yet. *used counts the input bytes taken. */
static const uint8_t *next_header(p104_scanner *scanner, const uint8_t *input, size_t left, size_t *used)
{
    if (scanner->header_used == 0 && left >= HEADER_SIZE) {
        *used = HEADER_SIZE;
        return input;
    }
    size_t missing = HEADER_SIZE - (size_t)scanner->header_used;
    *used = left < missing ? left : missing;
    memcpy(scanner->header + scanner->header_used, input, *used);
    scanner->header_used = (uint8_t)(scanner->header_used + *used);
    if (scanner->header_used < HEADER_SIZE)
        return NULL;
    scanner->header_used = 0;
    return scanner->header;
}

static int begin_pdu(p104_scanner *scanner, const uint8_t *header, p104_run *run)
{
    uint32_t length = big_endian_32(header + 2);
    scanner->pdu_left = length;
    if (scanner->established && header[0] == P_DATA_TF) {
        if (scanner->maximum_length != 0 && length > scanner->maximum_length)
            return P104_FAULT_PDU_LENGTH;
        return length < HEADER_SIZE ? P104_FAULT_PDV_LENGTH : P104_NEED_INPUT;
    }
    scanner->in_other_pdu = 1;
    run->pdu_type = header[0];
    run->pdu_length = length;
    return P104_PDU_HEADER;
}

/* Whether the message in progress asks for this fragment (PS3.7 6.3.1, PS3.8 E.1). */
static int fits_message(const p104_scanner *scanner, uint8_t context_id, int is_command)
{
    switch (scanner->expectation) {
    case P104_EXPECT_MESSAGE:
        return is_command;
    case P104_EXPECT_COMMAND:
        return is_command && context_id == scanner->context_id;
    default:
        return !is_command && context_id == scanner->context_id;
    }
}

static int begin_pdv(p104_scanner *scanner, const uint8_t *header)
{
    uint32_t length = big_endian_32(header);
    if (length < PDV_OVERHEAD || length > scanner->pdu_left - PDV_LENGTH_SIZE)
        return P104_FAULT_PDV_LENGTH;
    scanner->pdu_left -= PDV_LENGTH_SIZE + length;
    if (scanner->pdu_left > 0 && scanner->pdu_left < HEADER_SIZE)
        return P104_FAULT_PDV_LENGTH; /* bytes behind this item that can be no item */
    if (!fits_message(scanner, header[4], header[5] & IS_COMMAND))
        return P104_FAULT_FRAGMENT;
    if (scanner->expectation == P104_EXPECT_MESSAGE)
        scanner->expectation = P104_EXPECT_COMMAND;
    scanner->context_id = header[4];
    scanner->control = header[5];
    scanner->pdv_left = length - PDV_OVERHEAD;
    scanner->in_pdv = 1;
    return P104_NEED_INPUT;
}

/* The next bytes of a PDU that is not scanned. */
static int body_run(p104_scanner *scanner, size_t left, p104_run *run)
{
    run->length = left < scanner->pdu_left ? left : scanner->pdu_left;
    scanner->pdu_left -= (uint32_t)run->length;
    run->ends = scanner->pdu_left == 0;
    if (run->ends)
        scanner->in_other_pdu = 0;
    return P104_PDU_BODY;
}

/* The next bytes of a PDV's fragment. */
static int fragment_run(p104_scanner *scanner, size_t left, p104_run *run)
{
    run->length = left < scanner->pdv_left ? left : scanner->pdv_left;
    scanner->pdv_left -= (uint32_t)run->length;
    run->context_id = scanner->context_id;
    run->ends = 0;
    if (scanner->pdv_left == 0) {
        scanner->in_pdv = 0;
        run->ends = (scanner->control & IS_LAST) != 0;
    }
    if (run->ends)
        scanner->expectation = P104_EXPECT_MESSAGE;
    return scanner->control & IS_COMMAND ? P104_COMMAND : P104_DATA_SET;
}

uint32_t p104_scanner_passable(const p104_scanner *scanner)
{
    return scanner->in_pdv && !(scanner->control & IS_COMMAND) ? scanner->pdv_left : 0;
}

void p104_scanner_pass(p104_scanner *scanner, uint32_t length, p104_run *run)
{
    fragment_run(scanner, length, run);
}

/* A run at position: reported when it has bytes or ends something; 0 when there is nothing to report. */
static int next_run(p104_scanner *scanner, size_t left, p104_run *run)
{
    uint32_t awaited = scanner->in_pdv ? scanner->pdv_left : scanner->pdu_left;
    if (left == 0 && awaited > 0)
        return P104_NEED_INPUT;
    int kind = scanner->in_pdv ? fragment_run(scanner, left, run) : body_run(scanner, left, run);
    return run->length > 0 || run->ends ? kind : P104_NEED_INPUT;
}

int p104_scan(p104_scanner *scanner, const uint8_t *input, size_t length, p104_run *run)
{
    size_t position = 0;
    for (;;) {
        int result;
        if (scanner->in_pdv || scanner->in_other_pdu) {
            run->offset = position;
            result = next_run(scanner, length - position, run);
            if (result != P104_NEED_INPUT) {
                run->consumed = position + run->length;
                return result;
            }
            if (scanner->in_pdv || scanner->in_other_pdu)
                break;
        } else {
            size_t used = 0;
            const uint8_t *header = next_header(scanner, input + position, length - position, &used);
            position += used;
            if (!header)
                break;
            result = scanner->pdu_left > 0 ? begin_pdv(scanner, header)
                                           : begin_pdu(scanner, header, run);
            if (result != P104_NEED_INPUT) {
                run->consumed = run->offset = position;
                run->length = 0;
                return result;
            }
        }
    }
    run->consumed = run->offset = position;
    run->length = 0;
    return P104_NEED_INPUT;
}
