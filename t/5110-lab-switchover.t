#!/usr/bin/perl
#
# A planned change of the primary, as scripts do it, answers READONLY to
# every client for as long as it takes, and what was acknowledged between
# the two SLAVEOF is gone.
#
# Here the primary changes twenty times under nine writers that repeat
# nothing: an error, a cut connection or a missing write would show.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::LabTest;

lab_case('switchover');
