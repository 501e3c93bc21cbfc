# keepalived runs its notify scripts side by side: the one that says FAULT may
# be heard after the later one that says BACKUP, and the node is then held
# unfit for good. What was started earlier but comes later is passed over.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my $pair = T::Pair->new;
my $proxy = $pair->proxy('a');
my $ctl = binary('holdoverctl');

# Each is started before the one before it has said its word.
pipe my $read, my $write or die "pipe: $!";
my $early = fork() // die "fork: $!";
if ($early == 0) {
	close $write;
	sysread $read, my $wait, 1;
	exec $ctl, '-s', $proxy->{socket}, qw(notify INSTANCE VI_1 FAULT 250);
}
close $read;
is(system("$ctl -s $proxy->{socket} notify INSTANCE VI_1 BACKUP 250"), 0,
    'BACKUP is said');
$proxy->wait_info(vrrp => 'BACKUP');
close $write;
waitpid $early, 0;
is($?, 0, 'FAULT is said after it, by a process that was started before');
is($proxy->info->{vrrp}, 'BACKUP', 'and is passed over');
is(system("$ctl -s $proxy->{socket} notify INSTANCE VI_1 FAULT 250"), 0,
    'FAULT is said');
$proxy->wait_info(vrrp => 'FAULT');
is($proxy->admin(qw(NOTIFY INSTANCE VI_1 BACKUP 250)), 'OK',
    'without an order it counts as it comes');
$proxy->wait_info(vrrp => 'BACKUP');
like($proxy->admin(qw(NOTIFY INSTANCE VI_1 BACKUP 250 x)), qr/^-ERR .*order/,
    'an order is a number');
done_testing;
