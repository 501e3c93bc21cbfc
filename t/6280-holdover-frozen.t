#!/usr/bin/perl
#
# A Holdover that hangs keeps its connections and answers nobody; its kernel
# accepts new ones. One that wakes may believe that it still leads.
#
# Here it is stopped for 5 s where VIP and primary are, and where neither is
# (with T_LONG=1 on the other two as well). keepalived's check moves the VIP,
# the other Holdover takes the lead, and the woken one follows.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::LabTest;

lab_case('holdover-frozen', in_doubt => 1, stretch => 5,
    cuts => { map { $_ => 9 } 'frozen: VIP and primary',
    'frozen: only the VIP' });
