# A program of many functions, compiled, linked and run.
awk 'BEGIN {
    print "#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>"
    for (n = 0; n < 400; n++) {
        printf "static double f%d(const double *x, int n) {\n", n
        printf "    double sum = %d;\n    char text[64];\n", n
        print  "    for (int i = 0; i < n; i++) {"
        printf "        switch ((i + %d) %% 5) {\n", n
        printf "        case 0: sum += sqrt(fabs(x[i] * %d.5)); break;\n", n
        printf "        case 1: sum -= x[i] / (i + %d.25); break;\n", n + 1
        print  "        case 2: snprintf(text, sizeof text, \"%d\", i); sum += strlen(text); break;"
        print  "        default: sum *= 1.0 + 1e-9 * i;"
        print  "        }\n    }\n    return sum;\n}"
    }
    print "int main(void) {\n    double x[100], sum = 0;"
    print "    for (int i = 0; i < 100; i++) x[i] = i * 0.5;"
    for (n = 0; n < 400; n++) printf "    sum += f%d(x, 100);\n", n
    print "    printf(\"%.6f\\n\", sum);\n    return 0;\n}"
}' >program.c
gcc -O2 -g -Wall -c program.c -o program.o
gcc -O3 -S program.c -o program.s
gcc program.o -o program -lm
./program
