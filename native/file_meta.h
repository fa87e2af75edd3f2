/* file_meta.h - the File Meta Information of files that others wrote (PS3.10 7.1): what sending their data sets as they are
 * asks for. What we write ourselves is in meta.h.
 *
 * Pure: no allocation, no system call, no global state. */

enum p104_file_meta_fault {
    P104_META_NO_DICOM = 1, /* it does not begin with a preamble and DICM */
    P104_META_CUT_OFF = 2   /* an element of group 0002 does not end in these bytes */
};

/* A UID without padding: its length, and its characters. Of length 0 where it is absent, or no UID (PS3.5 9.1). */
typedef struct {
    int64_t data_set_at; /* bytes before the data set: where the first element of another group stands */
    uint8_t sop_class[65];
    uint8_t sop_instance[65];
    uint8_t transfer_syntax[65];
} p104_file_meta;

/* Read it from a file's first bytes. The elements are walked to the first one of another group: lengths that
 * (0002,0000) states are wrong in some files. Returns 0, or one of enum p104_file_meta_fault. */
int p104_read_file_meta(const uint8_t *head, size_t length, p104_file_meta *meta);
