/* scanner.c - P-DATA through the native scanner, and nothing else: no socket, no file.
 *
 *   scanner MEGABYTES
 *
 * One data set without an end, in PDUs of one PDV each, is handed over in inputs of 256 KiB, as a link's buffer does
 * it: headers lie anywhere in them and across their ends. */

#include "counting.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pdata.h"

enum { MEGABYTE = 1000000, INPUT = 256 * 1024, HEADERS = 12 };

static void put32(uint8_t *at, size_t value)
{
    for (int index = 0; index < 4; index++)
        at[index] = (uint8_t)(value >> (24 - 8 * index));
}

/* A PDU of `length` bytes, headers included, whose fragment does not end its message. */
static void put_pdu(uint8_t *at, uint8_t control, size_t length)
{
    at[0] = 4;
    put32(at + 2, length - 6);
    put32(at + 6, length - 10);
    at[10] = 1;
    at[11] = control;
}

/* Scan all of it. Returns the bytes of data set that came. */
static size_t scan(p104_scanner *scanner, const uint8_t *stream, size_t length)
{
    size_t found = 0;
    for (size_t start = 0; start < length; start += INPUT) {
        size_t left = length - start < INPUT ? length - start : INPUT;
        const uint8_t *input = stream + start;
        p104_run run;
        int result;
        while ((result = p104_scan(scanner, input, left, &run)) == P104_DATA_SET) {
            found += run.length;
            input += run.consumed;
            left -= run.consumed;
        }
        if (result != P104_NEED_INPUT)
            return 0;
    }
    return found;
}

/* A scanner that waits for a data set on context 1. */
static p104_scanner in_message(void)
{
    p104_scanner scanner = {0};
    uint8_t command[HEADERS];
    p104_run run;
    p104_scanner_establish(&scanner, 0);
    put_pdu(command, 3, sizeof command);
    p104_scan(&scanner, command, sizeof command, &run);
    p104_scanner_expect_data_set(&scanner);
    return scanner;
}

static void measure(const char *name, size_t pdu, size_t megabytes)
{
    size_t pdus = megabytes * MEGABYTE / pdu;
    uint8_t *stream = calloc(pdus, pdu);
    if (!stream)
        exit(1);
    for (size_t index = 0; index < pdus; index++)
        put_pdu(stream + index * pdu, 0, pdu);
    p104_scanner scanner = in_message();
    begin_counting();
    size_t found = scan(&scanner, stream, pdus * pdu);
    end_counting(name);
    free(stream);
    if (found != pdus * (pdu - HEADERS)) {
        fprintf(stderr, "the scanner found %zu bytes in %zu PDUs of %zu\n", found, pdus, pdu);
        exit(1);
    }
}

int main(int count, char **arguments)
{
    size_t megabytes = count == 2 ? strtoul(arguments[1], NULL, 10) : 0;
    if (megabytes == 0) {
        fprintf(stderr, "usage: scanner MEGABYTES\n");
        return 2;
    }
    measure("1 MB of P-DATA, PDUs of 16 KiB", 16 * 1024, megabytes);
    measure("1 MB of P-DATA, PDUs of 128 KiB", 128 * 1024, megabytes);
    return 0;
}
