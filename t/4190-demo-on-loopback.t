# Where namespaces are not allowed the demo runs the pair on loopback, and
# nothing of the machine itself may be touched: a supervisor that took this
# for a node of its own once mounted over /run and /proc.
use strict;
use warnings;
use FindBin;
use Test::More;
use T;

my $mounts = slurp('/proc/self/mounts');
my $out = `$FindBin::Bin/../contrib/demo/demo --fast --loopback 2>&1`;

is $?, 0, 'the demo ends well' or diag $out;
like $out, qr/^\d+ writes acknowledged, \d+ missing/m,
    'and counts what was written';
like $out, qr/^redis killed .*errors: (none|\d+ INDOUBT) /m,
    'a killed Redis costs no error but INDOUBT';
is slurp('/proc/self/mounts'), $mounts, 'and mounts nothing here';
done_testing;
