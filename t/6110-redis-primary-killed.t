#!/usr/bin/perl
#
# A Redis that dies takes its clients' connections with it; a script that
# looks every few seconds restarts it, and whatever it loads is the primary.
#
# Here the primary's Redis is killed with signal 9 under load, where the VIP
# is, and its supervisor starts it again two seconds later. Clients keep
# their connections; at most one write on each is in doubt; the other Redis
# serves meanwhile, and the one that was dead comes back as a replica.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::LabTest;

lab_case('redis-killed', in_doubt => 1);
