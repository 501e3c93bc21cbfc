# A node freezes with its Redis, a primary. The other node takes over alone.
# When the frozen one wakes, its Redis runs what had reached it, though it is
# a primary no more, and as a replica it would lose that without a trace: so
# it is made read-only first, what it has of its own is saved as a file, and
# only then it becomes a replica. The same goes for a disk that is full: then
# it waits, and says so.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;
use T::Redis;

my $pair = T::Pair->new;
my $old = $pair->primary;
my $new = $pair->other($old);
my ($redis, $proxy) = ($pair->redis($old), $pair->proxy($new));
is($pair->proxy('a')->command('SET', 'both', 'v'), 'OK', 'a write');
wait_for('both to have it', sub {
	$pair->redis($new)->command('DBSIZE') == 1 });

sub split_brain {
	my ($key) = @_;
	my $late = $redis->connect;
	$_->child->signal('STOP') for $pair->proxy($old), $redis;
	$proxy->admin('NOTIFY', 'INSTANCE', 'VI_1', 'MASTER', 200);
	$proxy->wait_info(serving => $new);
	$proxy->wait_info(gate => 'open');
	is($proxy->command('SET', "$key-new", 'v'), 'OK', 'the other serves');
	# They are there before anything that Holdover says.
	$late->send('SET', "$key-$_", 'own') for 1 .. 10;
	$redis->child->signal('CONT');
	is($late->reply, 'OK', 'the old primary takes late writes') for 1 .. 10;
}

split_brain('late');
$pair->proxy($old)->child->signal('CONT');
$pair->steady;
is($pair->writable, 1, 'one primary');
is($redis->command('DBSIZE'), 2, 'the old one is a replica without them');
like($proxy->log, qr/node $old has data of its own.*saved 11 keys as/,
    'that is said');
my ($file, @more) = $pair->salvaged($old);
ok($file && !@more, 'they were saved, once');
is(T::Redis->new(name => 'saved', rdb => $file)->command('GET', 'late-10'),
    'own', 'all of them');
my $info = $proxy->info;
is($info->{salvaged}, 1, 'that is counted');
cmp_ok($info->{lost_bytes}, '>', 10 * length 'SET late-1 own',
    'and so are the bytes');

# Once more, with no room for the file.
$pair->move_primary($old);
my $full = tmpdir() . '/full';
mkdir $full, 0700 or die "$full: $!";
write_file("$full/file", '');
for my $n (qw(a b)) {
	is($pair->proxy($n)->admin('CONFIG', 'SET', 'salvage-dir',
	    "$full/file"), 'OK', "salvage-dir of $n is no directory");
}
split_brain('again');
$proxy->wait_info(salvages_failed => qr/[1-9]/);
like($proxy->admin('STATUS'), qr/node $old has data of its own that could not be /,
    'it is said that it could not be saved');
is($redis->command('GET', 'again-1'), 'own', 'and nothing was discarded');
is($redis->info->{role}, 'slave', 'but it takes no write any more');
is($proxy->info->{gate}, 'open', 'while the pair serves');
$pair->proxy($old)->child->signal('CONT');
$proxy->admin('CONFIG', 'SET', 'salvage-dir', $full);
$pair->proxy($old)->admin('CONFIG', 'SET', 'salvage-dir', $full);
$pair->steady;
is(scalar(() = glob "$full/salvage-$old-*.rdb"), 1,
    'with room it is saved and attached');

done_testing;
