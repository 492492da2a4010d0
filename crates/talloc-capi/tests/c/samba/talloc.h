/* The guard, and some of the names, of Samba's talloc. */
#ifndef _TALLOC_H_
#define _TALLOC_H_
#define TALLOC_H
void talloc_report(const void *pointer, void *file);
int talloc_free(void *pointer);
void *talloc_realloc(const void *context, void *pointer, unsigned size);
#endif
