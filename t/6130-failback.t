#!/usr/bin/perl
#
# When a dead node returns, keepalived gives it the VIP first and its data
# after: seconds of READONLY or LOADING, and if the script's sleep was too
# short for the sync, the node serves what it had when it died.
#
# Here the returned node has to fetch 100 MB while clients write to the
# other. They must not notice: no error, nothing cut. Then an operator hands
# the VIP and the primary back; the address moves, so that each connection
# is cut, but nothing is lost.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::LabTest;

lab_case('failback', in_doubt => 1, stretch => 5,
    cuts => { 'node killed' => 9, handover => 9 });
