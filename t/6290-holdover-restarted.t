#!/usr/bin/perl
#
# An upgrade restarts the proxy, and every client with it.
#
# Here Holdover is restarted on each node in turn, with and without the VIP and
# the primary there. It hands both over before it ends: clients are cut once,
# where the VIP was, and nothing is lost.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::LabTest;

lab_case('holdover-restarted', cuts => { map { $_ => 9 }
    'restarted: VIP and primary', 'restarted: only the VIP' });
