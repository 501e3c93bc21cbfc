#!/usr/bin/perl
#
# When adverts are lost both nodes are MASTER and have the VIP, for as long as
# it lasts. By their VRRP states both would be primary, and half of the writes
# is lost when they find each other again.
#
# Here VRRP is dropped both ways, and then one way from either node, while the
# nodes see each other otherwise. There is one primary throughout. In the end
# the node that took the VIP last keeps it, for clients are there already; a
# MASTER that hears a lower one (MASTER_RX_LOWER_PRI) asks before it serves.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::LabTest;

# Until the older of two MASTERs has heard the newer one's higher priority,
# both tell clients to come to them.
lab_case('adverts-lost', cuts => { 'adverts lost both ways' => 9,
    'adverts heard again' => 9, 'adverts of a lost' => 36,
    'adverts of b lost' => 36 });
