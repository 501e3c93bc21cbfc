#!/usr/bin/perl
#
# A keepalived that is killed leaves its address behind, or its node without one
# while the other notices nothing. Two nodes answer for the VIP, and by their
# VRRP states each would be the primary.
#
# Here its parent is killed, which ends the child too; its child, which is
# started again; and both at once. Then two nodes have the VIP: there is one
# primary all the while, it goes where keepalived lives, and STATUS says so.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::LabTest;

lab_case('keepalived-killed', stretch => { 'child killed' => 3 },
    cuts => { 'parent killed' => 9, 'child killed' => 9, 'both killed' => 9,
    'started again' => 9 });
