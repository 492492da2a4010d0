# Hashes, regular expressions and sorting, in threads' worth of small strings.
export PERL_HASH_SEED=0 PERL_PERTURB_KEYS=0
perl -e '
    my (%count, @lines);
    for my $n (1 .. 200_000) {
        my $word = join "-", map { chr(97 + ($n * $_ * 7919) % 26) x ($n % 5 + 1) } 1 .. 4;
        $count{$word}++;
        push @lines, sprintf("%07d %s", $n * 6151 % 1_000_003, $word) if $n % 3 == 0;
    }
    print "$_ $count{$_}\n" for sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
    @lines = sort @lines;
    s/(\w+)-(\w+)/\U$2\E+$1/g for @lines;
    print "$_\n" for @lines;
    my $long = "";
    $long .= $_ for @lines;
    print length($long), " ", unpack("%32C*", $long), "\n";
'
