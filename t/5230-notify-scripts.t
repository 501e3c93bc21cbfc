#!/usr/bin/perl
#
# Where no FIFO can be used, keepalived runs a script at each change of state.
# Those run side by side and may overtake one another.
#
# Here the script is "holdoverctl notify" and there is no FIFO; the VIP is handed
# over, and keepalived restarted.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::LabTest;

lab_case('notify-scripts',
    cuts => { handover => 9, 'keepalived restarted' => 9 });
