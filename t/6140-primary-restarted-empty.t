#!/usr/bin/perl
#
# A supervisor restarts a killed Redis within a tenth of a second, and its
# disk is empty. It is up again before a check looks: it is still the
# primary, and its replica copies the emptiness one second later. All data
# is gone on both nodes.
#
# Here this happens to the primary under load. The boot fence keeps it from
# being a primary, and Holdover from taking it for one: the other copy is
# promoted, and the empty one is filled from it.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::LabTest;

lab_case('restarted-empty', in_doubt => 1);
