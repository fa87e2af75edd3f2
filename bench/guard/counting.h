/* counting.h - the stretch of a program whose instructions callgrind counts.
 *
 * The program is started with --instr-atstart=no: what runs outside of a stretch is not counted, and costs a tenth of
 * the time. Every thread of the process counts, the kernel and other processes do not. Without valgrind these do
 * nothing. */

#ifndef COUNTING_H
#define COUNTING_H

/* Count from here on. */
void begin_counting(void);

/* Count no more, and write down the total under `name`. */
void end_counting(const char *name);

#endif
