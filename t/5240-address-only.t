#!/usr/bin/perl
#
# Something else than keepalived may move the address: nobody says a state.
#
# Here there is no keepalived, and the VIP is moved by hand. The address is the
# truth: the primary follows it.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::LabTest;

lab_case('address-only', cuts => { 'VIP moved' => 9 });
