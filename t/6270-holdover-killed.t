#!/usr/bin/perl
#
# The VIP is on a node whose proxy is gone: clients are refused for as long as
# nobody notices.
#
# Here Holdover is killed on each node in turn, with and without the VIP and the
# primary there, and started again after a tenth of a second, as systemd does.
# That is quicker than moving the VIP. Then it is left dead: keepalived's check
# moves the VIP to the other node.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::LabTest;

lab_case('holdover-killed', in_doubt => 1,
    stretch => { 'killed and left dead' => 5 },
    # again where it was the dying one's kernel that accepted
    cuts => { map { $_ => 18 } 'killed: VIP and primary',
    'killed: only the VIP', 'killed and left dead' });
