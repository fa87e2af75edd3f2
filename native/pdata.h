/* pdata.h - resumable scanner of PDU and PDV headers (PS3.8 9.3.1, 9.3.5, PS3.8 annex E).
 *
 * Pure: no allocation, no system call, no global state. The caller owns the scanner and the
 * input; the scanner keeps no pointer into the input between calls. Any split of the same
 * bytes into inputs gives the same runs once neighbouring runs of one PDV are joined.
 *
 * This text is read by the C compiler and by cffi alike, so it holds no preprocessor line;
 * the including .c file brings <stddef.h> and <stdint.h> first. */

/* What p104_scan found. Negative results are faults of the peer; after one the scanner is
 * spent and only the connection's end may follow. */
enum p104_scan_result {
    P104_NEED_INPUT = 0,    /* every byte was consumed and no run is left */
    P104_PDU_HEADER = 1,    /* six bytes of a PDU header that is not scanned P-DATA-TF */
    P104_PDU_BODY = 2,      /* bytes of that PDU's variable field; `ends` at its last byte */
    P104_COMMAND = 3,       /* bytes of a command fragment */
    P104_DATA_SET = 4,      /* bytes of a data set fragment */

    P104_FAULT_PDU_LENGTH = -1, /* P-DATA-TF longer than the maximum length that we stated */
    P104_FAULT_PDV_LENGTH = -2, /* P-DATA-TF without room for a PDV, or a PDV item of length
                                   below 2 or beyond the end of its PDU */
    P104_FAULT_FRAGMENT = -3    /* a fragment that the message in progress does not ask for:
                                   a data set before its command, a command inside a data
                                   set, or another presentation context in mid-message */
};

/* Which fragment the message in progress asks for. */
enum p104_expectation {
    P104_EXPECT_MESSAGE = 0,  /* the first command fragment of any message */
    P104_EXPECT_COMMAND = 1,  /* the rest of a command set on context_id */
    P104_EXPECT_DATA_SET = 2  /* a data set, or the rest of one, on context_id */
};

/* The state of one direction of one association. Zeroed bytes are a valid start: no P-DATA is
 * scanned before p104_scanner_establish. Fields are read by the caller and written only here. */
typedef struct {
    uint32_t maximum_length;  /* largest P-DATA-TF length to take, in bytes; 0 = unlimited */
    uint32_t pdu_left;        /* bytes of the PDU's variable field that are still to come */
    uint32_t pdv_left;        /* bytes of the PDV's fragment that are still to come */
    uint8_t established;      /* 1: P-DATA-TF is scanned; 0: reported as P104_PDU_HEADER */
    uint8_t in_other_pdu;     /* inside a PDU that is reported as P104_PDU_BODY */
    uint8_t in_pdv;           /* inside a PDV's fragment (which may have no byte left) */
    uint8_t expectation;      /* enum p104_expectation */
    uint8_t context_id;       /* presentation context ID of the message in progress */
    uint8_t control;          /* message control header of the current PDV */
    uint8_t header_used;      /* bytes of a split header held in `header` */
    uint8_t header[6];        /* a PDU or PDV header of which not every byte has come yet */
} p104_scanner;

/* One stretch of consecutive input bytes. */
typedef struct {
    size_t consumed;      /* input bytes used up by this call, headers included */
    size_t offset;        /* where the run starts in the input */
    size_t length;        /* bytes in the run; may be 0 for an empty last fragment */
    uint32_t pdu_length;  /* P104_PDU_HEADER: the length that the PDU states */
    uint8_t pdu_type;     /* P104_PDU_HEADER: the PDU type */
    uint8_t context_id;   /* P104_COMMAND, P104_DATA_SET: presentation context ID */
    uint8_t ends;         /* 1: the PDU (body), the command set or the data set ends here */
} p104_run;

/* Let P-DATA-TF through from the next PDU on, each at most maximum_length bytes (0: unlimited). */
void p104_scanner_establish(p104_scanner *scanner, uint32_t maximum_length);

/* A command set that announces a data set (PS3.7 9.3: (0000,0800) is not 0101H) was read:
 * the next fragment must be a data set fragment on the same presentation context. */
void p104_scanner_expect_data_set(p104_scanner *scanner);

/* Bytes of the data set fragment in progress that may pass without being scanned: 0 outside of one. */
uint32_t p104_scanner_passable(const p104_scanner *scanner);

/* So many of them, at least one, passed by another way: the run that p104_scan would have given for them. */
void p104_scanner_pass(p104_scanner *scanner, uint32_t length, p104_run *run);

/* Scan input from its first byte up to the end of the next run. Returns an enum
 * p104_scan_result. Call again with input + run->consumed until P104_NEED_INPUT.
 * Runs of length 0 are reported only where `ends` is 1. */
int p104_scan(p104_scanner *scanner, const uint8_t *input, size_t length, p104_run *run);
