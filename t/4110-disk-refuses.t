# The disk of state-dir takes nothing any more. A node that answered "yes"
# without having it on disk would, after a crash, believe in what was before.
# So it agrees to nothing: while nothing needs to be agreed on the pair serves
# as before, else it holds; STATUS says which node's disk it is.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

# A directory where the record's next version would be written.
sub break_disk {
	my ($pair, $n) = @_;
	my $path = $pair->proxy($n)->{dir} . '/state/record.new';
	mkdir $path or die "$path: $!";
	return $path;
}

for my $who ('leader', 'follower') {
	my $pair = T::Pair->new;
	my $leader = $pair->leader;
	my $bad = $who eq 'leader' ? $leader : $pair->other($leader);
	my $good = $pair->other($bad);
	my $path = break_disk($pair, $bad);
	my $client = $pair->proxy($good)->connect;
	is($client->command('INCR', 'n'), 1,
	    "$who: nothing changes, so it serves");

	# Now something has to be agreed on.
	my $replica = $pair->other($pair->primary);
	$pair->redis($replica)->child->kill;
	$pair->proxy($bad)->wait_info(why => qr/record cannot be written/, 20);
	like($pair->proxy($bad)->admin('STATUS'),
	    qr/record cannot be written.*disk of state-dir/,
	    'its STATUS says that it is the disk');
	my ($n) = $pair->proxy($bad)->log =~ /(\Q$path\E|record) cannot be/
	    ? 1 : 0;
	is($n, 1, 'and its log what of it');
	if ($who eq 'follower') {
		is($client->command('INCR', 'n'), 2, 'the pair still serves');
		$pair->proxy($leader)->wait_info(why =>
		    qr/node $bad cannot write its record/);
		pass('and the leader knows why nothing can be agreed on');
	}
	my $lines = () = $pair->proxy($bad)->log =~ /cannot be written/g;
	cmp_ok($lines, '<', 40, 'it is not said without end');

	rmdir $path or die "$path: $!";
	$pair->redis($replica)->start;
	$pair->steady(40);
	cmp_ok($client->command('INCR', 'n'), '>=', 2,
	    'with the disk mended all goes on by itself');
	stop_all();
}

done_testing;
