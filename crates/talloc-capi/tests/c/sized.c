// Deletes an object of 24 bytes with the C++ operator that is passed a size. The argument is the size.
//
// With `OWN`, the program defines other operators, but not that one. Their blocks are not those of `malloc`.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIZE = 24, HEADER = 16 };

#ifdef OWN
// `operator new`
void *_Znwm(size_t size) {
    char *block = malloc(size + HEADER);
    return block == NULL ? NULL : block + HEADER;
}

// `operator delete`
void _ZdlPv(void *object) {
    puts("own");
    free((char *)object - HEADER);
}

static void *new(void) { return _Znwm(SIZE); }
#else
// Allocates like the standard library.
static void *new(void) { return malloc(SIZE); }
#endif

int main(int count, char **arguments) {
    void (*delete_sized)(void *, size_t);
    *(void **)&delete_sized = dlsym(RTLD_DEFAULT, "_ZdlPvm");
    if (count != 2 || delete_sized == NULL) return 1;
    delete_sized(new(), strtoul(arguments[1], NULL, 10));
    puts("deleted");
    return 0;
}
