# Redis with a password for everybody, the same on both nodes: for clients,
# for replication, and for the control links.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my $file = write_file(tmpdir() . '/password', "for-everybody\n", 0600);
my $pair = T::Pair->new(password => 'for-everybody',
    conf => "redis-password-file $file\n");
my $client = $pair->proxy('a')->connect;
like($client->command('GET', 'n'), qr/^-NOAUTH /, 'Redis asks clients');
is($client->command('AUTH', 'for-everybody'), 'OK', 'AUTH');
is($client->command('INCR', 'n'), 1, 'a client writes');
$pair->switchover;
is($client->command('INCR', 'n'), 2, 'and goes on after a switchover');

for my $n (qw(a b)) {
	my $p = $pair->proxy($n);
	my @seen = ($p->log, @{$p->admin('CONFIG', 'GET', '*')},
	    $p->admin('SHOW', 'CONFIG'), slurp("/proc/@{[$p->child->pid]}"
	    . '/cmdline'));
	ok(!(grep { /for-everybody/ } @seen), 'the password shows nowhere');
}

done_testing;
