#!/usr/bin/perl
#
# keepalived and Holdover talk by two files below /run, where people tidy up. A
# truncated track_file reads as 0, which is fit; a FIFO that keepalived makes
# anew is another one than the one being read, and nothing is heard any more.
#
# Here the track_file is deleted, truncated and overwritten with FAULT, and the
# FIFO is removed, with keepalived at work and then reloaded. Both are repaired,
# and the VIP still moves when it should.
#
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use T::LabTest;

lab_case('files-damaged', stretch => 3, cuts => {
    'track_file overwritten' => 9, 'FIFO removed' => 9, reloaded => 9 });
