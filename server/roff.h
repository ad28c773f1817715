/* roff.h - pieces of a manual page (man(7)), for berthd and berthctl. */
#ifndef BERTH_SERVER_ROFF_H
#define BERTH_SERVER_ROFF_H

#include <stdio.h>

/* The head of the page and its NAME section: "berthd - <what>". name in capitals. */
void roff_begin(FILE *out, const char *name, const char *section, const char *what);
void roff_heading(FILE *out, const char *macro, const char *title); /* macro: "SH" or "SS" */
/* A text as it is, each sentence on a line of its own. */
void roff_text(FILE *out, const char *text);
void roff_paragraph(FILE *out);
/* A hanging paragraph: the tag in bold, its value in italics; its text follows. */
void roff_entry(FILE *out, const char *tag, const char *value);
void roff_lines(FILE *out, const char *lines); /* not filled; each ends in a newline */

#endif
