#!/usr/bin/perl
#
# Somebody removes the address by hand, or a network manager does.
#
# Here the VIP is taken from its holder. keepalived gives it up for the other
# node, and the primary follows.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::LabTest;

lab_case('vip-taken', stretch => 3, cuts => { 'VIP taken by hand' => 9 });
