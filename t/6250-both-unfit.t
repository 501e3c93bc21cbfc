#!/usr/bin/perl
#
# When a check fails on both nodes, keepalived is in FAULT on both: nobody has
# the VIP, and clients are refused though the pair may be back in a second.
#
# Here both Redis are killed at once and started again. The VIP stays where it
# is; commands wait there.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::LabTest;

# A second one, on a connection made to a Redis that is just dying.
lab_case('both-unfit', in_doubt => 2, stretch => 5);
