# Everything that t/1010 shows, by a port that speaks TLS: records are no
# requests, and half a connection is closed in another way.
use strict;
use warnings;
use FindBin;

$ENV{T_TLS} = 1;
do "$FindBin::Bin/1010-same-bytes.t" or die $@ || $!;
