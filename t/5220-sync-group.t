#!/usr/bin/perl
#
# In a sync group keepalived writes a GROUP line beside each INSTANCE line, and
# ignores an instance's weights unless it is told not to: then a handover moves
# nothing.
#
# Here the instance is in a group, as contrib/keepalived says; the VIP is handed
# over, and keepalived restarted.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::LabTest;

lab_case('sync-group',
    cuts => { handover => 9, 'keepalived restarted' => 9 });
