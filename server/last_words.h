/* last_words.h - what berthd says when it ends by abort().
 *
 * Memory that cannot be had, and a state that must not be, end the process at once: nothing it has
 * not committed is done, its lease runs out, another replica goes on, and its supervisor starts it
 * anew. After last_words_install() the last line on standard error says so, after whatever an
 * assertion or a library said. */
#ifndef BERTH_SERVER_LAST_WORDS_H
#define BERTH_SERVER_LAST_WORDS_H

/* Before any thread. The signal then ends the process as ever. */
void last_words_install(void);

#endif
