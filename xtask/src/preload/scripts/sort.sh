# Sorting in threads, with files between, and a row of pipes.
export LC_ALL=C
awk 'BEGIN { for (n = 0; n < 400000; n++) print n * 7919 % 1000003, "line", n }' >lines
sort --parallel=2 --buffer-size=4M -n lines >numbers
sort --parallel=2 -k3,3nr -k1,1 lines >backwards
sort -u -k1.1,1.3 lines | tee few | tr ' ' '\n' | sort | uniq -c | sort -rn | head -n 1000
wc lines numbers backwards few
