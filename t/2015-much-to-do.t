# Redis takes 16 KiB from a connection before it answers. What is much goes
# by more than one, and everybody still gets the own answers in order.
use strict;
use warnings;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

my $redis = T::Redis->new;
my $proxy = T::Proxy->new(redis => $redis, conf => "workers 1\n")->open;
my @c = map { $proxy->connect } 1 .. 20;

$_->command('GET', 'x') for @c;
is($proxy->info->{links_shared}, 1, 'with little to do, they share one');
$redis->child->signal('STOP');
for my $i (0 .. $#c) {
	$c[$i]->raw(join '', map { T::Resp::encode('SET', "k:$i", "$i.$_"),
	    T::Resp::encode('GET', "k:$i"), T::Resp::encode('PING', 'p' x 500)
	    } 1 .. 20);
}
$proxy->wait_info(links_shared => qr/^[2-4]$/);
pass('with much, a few');
$redis->child->signal('CONT');
my $wrong = 0;
for my $i (0 .. $#c) {
	for (1 .. 20) {
		$wrong++ if $c[$i]->reply ne 'OK';
		$wrong++ if $c[$i]->reply ne "$i.$_";
		$wrong++ if $c[$i]->reply ne 'p' x 500;
	}
}
is($wrong, 0, 'all answers are right');

done_testing;
