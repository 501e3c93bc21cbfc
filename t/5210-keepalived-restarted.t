#!/usr/bin/perl
#
# An upgrade restarts keepalived. Its end takes the address away and its start
# is BACKUP, whatever was before: the scripts made each Redis a replica of the
# other's, for seconds. A reload may forget the FIFO and the check.
#
# Here keepalived is restarted where the VIP is, then where it is not, and both
# are reloaded. The VIP moves once, and the primary follows it.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::LabTest;

lab_case('keepalived-restarted', cuts => { 'keepalived restarted' => 9 });
