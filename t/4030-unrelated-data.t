# Two Redis with data of their own are made a pair, by mistake or because a
# split went on for long. Whoever is made the replica loses everything, and
# scripts did that to one of them by chance. Here neither is touched until
# an operator has said which to keep; what is given up is saved first.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;
use T::Redis;

my $pair = T::Pair->new(later => 1, fence => 0);
$pair->redis('a')->command('SET', "a$_", 'a') for 1 .. 20;
$pair->redis('b')->command('SET', "b$_", 'b') for 1 .. 30;
$pair->start;

for my $n (qw(a b)) {
	$pair->proxy($n)->wait_info(why => qr/own|lead/);
	is($pair->proxy($n)->info->{gate} =~ /^(closed|hold-all)$/, 1,
	    "$n: the gate holds");
}
my $leader = $pair->leader;
like($pair->proxy($leader)->admin('STATUS'),
    qr/20 keys on a, 30 on b.*PROMOTE NODE ACCEPT-LOSS/,
    'the leader says what is wrong, and which command decides');
like($pair->proxy($pair->other($leader))->admin('STATUS'),
    qr/PROMOTE NODE ACCEPT-LOSS/, 'and so does the other');
is($pair->redis('a')->command('DBSIZE'), 20, 'a is kept');
is($pair->redis('b')->command('DBSIZE'), 30, 'b is kept');

is($pair->proxy('a')->admin('PROMOTE', 'b', 'ACCEPT-LOSS'), 'OK',
    'an operator chooses b');
$pair->steady;
is($pair->primary, 'b', 'which is the primary');
is($pair->redis('a')->command('DBSIZE'), 30, 'and was copied');

done_testing;
