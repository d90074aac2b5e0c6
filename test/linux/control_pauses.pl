# Pauses a running guest many times: control_pauses.pl CONTROL-SOCKET TIMES. Once a pause
# is answered no vcpu runs, and the time that they have used stands still.
use strict;
use warnings;
use JSON::PP;
use Socket;

my ($path, $times) = @ARGV;
socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!\n";
connect($s, sockaddr_un($path)) or die "$path: $!\n";
$s->autoflush(1);

sub ask {
  my ($request) = @_;
  print $s encode_json({version => 1, request => $request}), "\n";
  my $line = <$s>;
  defined $line or die "$request: the domain has ended\n";
  my $answer = decode_json($line);
  die "$request: $answer->{text}\n" if $answer->{error};
  return $answer->{ok};
}

for my $i (1 .. $times) {
  ask("pause");
  my $then = ask("info");
  select(undef, undef, undef, 0.002) if $i % 10 == 0;
  my $now = ask("info");
  die "pause $i: a vcpu runs\n" if $then->{state}{running} || $now->{state}{running};
  die "pause $i: $then->{cpu_ns} ns were used, then $now->{cpu_ns}\n" if $then->{cpu_ns} != $now->{cpu_ns};
  ask("unpause");
  select(undef, undef, undef, 0.001 * ($i % 7)) if $i % 3 == 0;
}
