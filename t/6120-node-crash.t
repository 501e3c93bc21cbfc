#!/usr/bin/perl
#
# A node that loses power says goodbye to nobody: no FIN, no RST, no last
# advertisement. Clients wait for answers that never come.
#
# Here the node with the VIP and the primary goes as a machine does: its
# link first, then all its processes at once, then its network. The clients'
# connections end there, once each; they reconnect and go on at the other.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::LabTest;

lab_case('node-crash', in_doubt => 1, stretch => 5,
    cuts => { 'node killed' => 9 });
