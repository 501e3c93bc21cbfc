# A Holdover that has died can tell keepalived nothing. The unit's
# ExecStopPost does, in one step: a track_file that is truncated before it
# is written reads as 0, which is fit.
use strict;
use warnings;
use Test::More;
use T;

my $ctl = binary('holdoverctl');
my $file = write_file(tmpdir() . '/vrrp.track', "3\n");
my $before = (stat $file)[1];

is(system($ctl, 'unfit', $file), 0, 'unfit');
is(slurp($file), "-254\n", 'keepalived is told FAULT');
isnt((stat $file)[1], $before, 'by a new file in its place');
is(qx($ctl unfit /nonexistent/vrrp.track 2>&1),
    "holdoverctl: /nonexistent/vrrp.track cannot be written: " .
    "No such file or directory\n", 'it says why not');
is($? >> 8, 1, 'and how it ended');
system("$ctl unfit 2>/dev/null");
is($? >> 8, 3, 'which file is not guessed');

done_testing;
