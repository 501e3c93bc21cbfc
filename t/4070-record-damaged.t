# The record on a node's disk is damaged. Guessing at it could bring back an
# old primary: so the node does not start, and says what to do. Once the file
# is moved away the record is learned anew, and until then the node votes for
# nothing.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my $pair = T::Pair->new;
my $replica = $pair->other($pair->primary);
my $proxy = $pair->proxy($replica);
my $record = "$proxy->{dir}/state/record";
is($pair->proxy('a')->command('SET', 'k', 'v'), 'OK', 'a write');
$pair->steady;

for my $damage (
    ['cut short', sub { substr $_[0], 0, length($_[0]) / 2 }, 'checksum'],
    ['a bit flipped', sub { $_[0] =~ s/^seq \d/seq 9/mr }, 'checksum'],
    ['empty', sub { '' }, 'line 1']) {
	my ($name, $how, $word) = @$damage;
	$proxy->child->kill;
	my $good = slurp($record);
	write_file($record, $how->($good));
	my $child = spawn("damaged-$replica", binary('holdover'),
	    "$proxy->{dir}/holdover.conf");
	wait_for('it to end', sub { $child->ended });
	$child->{killed} = 1;
	is($child->{status} >> 8, 1, "$name: it does not start");
	like(slurp($child->{log}), qr/\Q$record\E is damaged: .*$word.*move this file away/,
	    'and says what to do');
	unlink $child->{log};
	write_file($record, $good);
	$proxy->start;
	$pair->steady;
}

# As told, the file is moved away.
my $epoch = $proxy->info->{epoch};
$proxy->child->kill;
rename $record, "$record.damaged" or die "rename: $!";
$proxy->start;
$pair->steady;
is($proxy->info->{epoch}, $epoch, 'the record is learned from the other');
isnt($pair->primary, $replica, 'and the roles stay');

# Alone it would know nothing.
$pair->kill_nodes($pair->primary);
$proxy->wait_info(serving => $replica);
$proxy->child->kill;
unlink $record;
$proxy->start;
$proxy->wait_info(why => qr/first start: .*PROMOTE $replica ACCEPT-LOSS/);
is($proxy->info->{gate}, 'closed', 'without a record it serves nothing alone');

done_testing;
