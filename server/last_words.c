/* last_words.c - a sentence at SIGABRT. */
#include "server/last_words.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static const char words[] =
    "berthd: aborted: it is out of memory, or found a state that must not be (the lines above say "
    "which, if any do); what was not committed is not done, and can be asked for again\n";

/* Nothing in here takes memory or a lock. */
static void speak(int signal_number)
{
    (void)signal_number;
    const ssize_t n = write(STDERR_FILENO, words, sizeof(words) - 1);
    (void)n;
}

void last_words_install(void)
{
    struct sigaction a = {.sa_handler = speak, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&a.sa_mask);
    (void)sigaction(SIGABRT, &a, NULL);
}
