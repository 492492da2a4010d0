# Hashes, regular expressions and sorting, with many small strings.
export PERL_HASH_SEED=0 PERL_PERTURB_KEYS=0
WORDS=200000 perl words.pl
