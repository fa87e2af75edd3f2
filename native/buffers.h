/* buffers.h - the pool of receive buffers, for every thread. For C only: cffi does not read this. */

#ifndef P104_BUFFERS_H
#define P104_BUFFERS_H

#include <stdint.h>

/* Larger receives gained nothing (docs/decisions.md); smaller ones cost a system call more often. */
enum { P104_BUFFER_SIZE = 256 * 1024 };

/* Returns NULL when memory is short. */
uint8_t *p104_buffer_take(void);
void p104_buffer_give_back(uint8_t *buffer);

#endif
