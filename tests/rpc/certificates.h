/* certificates.h - the files of tests/lib/certificates in a temporary folder. */
#ifndef BERTH_TESTS_RPC_CERTIFICATES_H
#define BERTH_TESTS_RPC_CERTIFICATES_H

/* Around all tests of a program: makes the files, which takes a while. Unchecked fixture. */
void certificates_make(void);
void certificates_remove(void);
/* Around each test: a folder with copies, which the test may change. Checked fixture. */
void certificates_begin(void);
void certificates_end(void);
/* "--flag=/folder/name", or the path alone when flag is NULL; good until the test ends. */
char *certificate_path(const char *flag, const char *name);
/* The content; the caller frees. */
char *certificate_text(const char *name);
/* Writes a file of the folder anew, aside and renamed, as who deploys certificates does. */
void certificate_write(const char *name, const char *text);
/* The line of the callers file for this token. The caller frees. */
char *token_line(const char *name, const char *rights, const char *token);

#endif
