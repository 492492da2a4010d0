my $most = $ENV{WORDS} // 40_000;
my (%count, @lines);
for my $n (1 .. $most) {
    my $word = join "-", map { chr(97 + ($n * $_ * 7919) % 26) x ($n % 5 + 1) } 1 .. 4;
    $count{$word}++;
    push @lines, sprintf("%07d %s", $n * 6151 % 1_000_003, $word) if $n % 3 == 0;
}
print "$_ $count{$_}\n" for sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
@lines = sort @lines;
s/(\w+)-(\w+)/\U$2\E+$1/g for @lines;
print "$_\n" for @lines;
