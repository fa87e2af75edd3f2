/* dataset.h - picks a few top-level elements out of a data set while its bytes pass (PS3.5 7.1).
 *
 * Pure like pdata.h: no allocation, no system call, no global state, no pointer kept into the
 * input, and any split of the input gives the same picks. Reads implicit and explicit VR little
 * endian; what it cannot read it reports, and the caller reads the file at leisure. */

enum p104_pick_limit {
    P104_PICK_TAGS = 12,  /* elements that one picker can look for */
    P104_PICK_VALUE = 256 /* bytes kept of one value: 64 characters of LO in UTF-8 */
};

enum p104_pick_state {
    P104_PICK_MORE = 0,      /* not past the last wanted element yet */
    P104_PICK_DONE = 1,      /* past the last wanted element: what was not found is absent */
    P104_PICK_UNREADABLE = 2 /* not a data set that this reader understands, from here on */
};

typedef struct {
    uint32_t tag;      /* group << 16 | element; wanted tags stand in ascending order */
    uint16_t length;   /* value bytes kept, padding included */
    uint8_t found;     /* 1: the element is there and its value came to its end */
    uint8_t truncated; /* 1: the value was longer than P104_PICK_VALUE; its start is kept */
    uint8_t value[256];
} p104_picked;

/* Fields other than state, count and picked are private to dataset.c. */
typedef struct {
    uint8_t state;        /* enum p104_pick_state */
    uint8_t count;        /* wanted elements */
    uint8_t explicit_vr;  /* 1: explicit VR little endian, 0: implicit VR little endian */
    uint8_t next;         /* index of the first wanted element that is not passed yet */
    uint8_t keeping;      /* 1: the current value goes to picked[next] */
    uint8_t header_used;  /* bytes of a split element header held in `header` */
    uint8_t header[12];
    uint32_t last_tag;    /* the top-level element before, to see that tags ascend */
    uint32_t depth;       /* open sequences and items of undefined length */
    uint32_t implicit_from; /* depth from which implicit VR holds (UN of undefined length), 0: none */
    uint64_t skip;        /* value bytes still to pass over or to keep */
    p104_picked picked[12];
} p104_picker;

/* Start over for a data set. tags: count (at most P104_PICK_TAGS) wanted elements in strictly
 * ascending order, none in group 0000-0007. Returns 0, or -1 when tags break these rules. */
int p104_picker_start(p104_picker *picker, int explicit_vr, const uint32_t *tags, size_t count);

/* Look at the next bytes of the data set. Returns the picker's state. */
int p104_pick(p104_picker *picker, const uint8_t *input, size_t length);

/* The data set ended: a picker that stopped between two elements is done, one that stopped inside an
 * element is unreadable. Returns the picker's state. */
int p104_picker_end(p104_picker *picker);

/* Whether a VR, of two bytes, has a length of 16 bits; every other one, those that are yet to come too, has 32
 * (PS3.5 7.1.2). */
int p104_has_short_length(const uint8_t *vr);
