# Sessions of all kinds go on over switchovers that come at any moment, as if
# there were one Redis: but WATCH counts as touched, WAIT finds a replica, and
# who blocks for less time than a hold takes gets nothing.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;
use T::Redis;
use T::Sessions;

my $redis = T::Redis->new(conf => $T::Sessions::users);
my $pair = T::Pair->new(conf => "workers 2\nswitch-min-gap 0",
    redis_conf => $T::Sessions::users);
my $admin = $pair->proxy('a')->admin_connect;
my ($ordered, $done, $all) = (0, 0, 0);

sub order
{
	return if $ordered || rand() > 0.05;
	$admin->send('SWITCHOVER');
	$ordered = 1;
}

sub answered
{
	return if !$ordered || !$admin->readable(0);
	$all++;
	$done++ if $admin->reply eq 'OK';
	$ordered = 0;
}

same_sessions(sub { $redis->connect }, sub { $pair->proxy('a')->connect },
    leave_out => ['WATCH', 'WAIT'], block => 1,
    before => \&order, after => \&answered);
cmp_ok($done, '>', 0, "$done switchovers of $all");
done_testing;
