#!/usr/bin/perl
#
# A paused machine is dead to the others, and wakes as MASTER with a primary:
# it takes the VIP back and serves what it had, and what the other node wrote
# meanwhile is gone.
#
# Here all processes of the node with VIP and primary are stopped for 5 s under
# load (and 30 s with T_LONG=1). The other takes over; the woken one yields at
# once, answers nothing, and its Redis becomes a replica.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::LabTest;

lab_case('node-frozen', in_doubt => 1, stretch => 4,
    cuts => { 'frozen 5 s' => 9, 'frozen 30 s' => 9 });
